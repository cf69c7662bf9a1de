"""Every event of the SIU catalogue (domain reference 3.2): S12 to S24 and S26."""

from __future__ import annotations

import pytest

from mappings.codes import EVENTS
from mappings.events import ResourceFacts
from tests.mappings.hl7_messages import codes, event_of, message, read, segment, utc

SCH = segment("SCH", {1: "P1", 2: "F1", 5: "MAIN^Main", 6: "BUSY", 11: "^^30^20261113100000-0500^20261113103000-0500"})
ROWS = (
    "RGS|1|A", "AIS|1||ECHO^Echocardiogram|20261113100000-0500", "AIG|1||PUMP^Pump|DEV",
    "AIL|1||ROOM2^^1^GENHOSP|C", "AIP|1||77^ONE^OLGA|MD",
)  # fmt: skip


@pytest.mark.parametrize(
    "trigger", sorted(name for name in EVENTS if name.startswith("SIU^") and name[4:] not in ("S23", "S24"))
)
def test_booking_event_gives_its_type_with_the_resources(trigger: str) -> None:
    event = event_of(message(trigger, SCH, *ROWS))
    assert event.type == EVENTS[trigger]
    assert event.appointment is not None and event.appointment.filler_id == "F1"
    assert event.appointment.resources == (
        ResourceFacts(kind="AIS", id="ECHO", text="Echocardiogram", start=utc(2026, 11, 13, 15)),
        ResourceFacts(kind="AIG", id="PUMP", text="Pump", type="DEV"),
        ResourceFacts(kind="AIL", id="ROOM2-1", type="C"),
        ResourceFacts(kind="AIP", id="77", text="ONE, OLGA", type="MD"),
    )
    assert event.appointment.resources_complete is (
        trigger not in ("SIU^S18", "SIU^S19", "SIU^S20", "SIU^S21", "SIU^S22")
    )


@pytest.mark.parametrize(
    ("trigger", "rows", "removed"),
    [
        ("SIU^S20", ("AIP|1||77^ONE",), True),
        ("SIU^S22", ("AIP|1||77^ONE",), True),
        ("SIU^S20", ("AIP|1|U|77^ONE",), False),
        ("SIU^S18", ("AIP|1||77^ONE",), False),
        ("SIU^S18", ("RGS|1|D", "AIP|1||77^ONE"), True),
        ("SIU^S19", ("RGS|1|D", "AIP|1|A|77^ONE"), False),
    ],
)
def test_action_is_of_the_row_else_of_its_group_else_of_the_event(
    trigger: str, rows: tuple[str, ...], removed: bool
) -> None:
    appointment = event_of(message(trigger, SCH, *rows)).appointment
    assert appointment is not None and appointment.resources is not None
    assert [one.removed for one in appointment.resources] == [removed]
    assert appointment.provider is None


def test_unchanged_and_nameless_rows_are_left_out() -> None:
    item = read(message("SIU^S19", SCH, "AIP|1|X|77^ONE", "AIP|2|U", "AIS|1|U|ECHO"))
    appointment = item.events[0].appointment
    assert appointment is not None and appointment.resources == (ResourceFacts(kind="AIS", id="ECHO"),)
    assert "101 AIP^2^3" in codes(item)


def test_row_with_action_d_is_no_part_of_a_whole_list() -> None:
    appointment = event_of(message("SIU^S14", SCH, "AIP|1|D|77^ONE", "AIP|2|A|78^TWO")).appointment
    assert appointment is not None and appointment.resources is not None and appointment.provider is not None
    assert ([one.id for one in appointment.resources], appointment.provider.id) == (["78"], "78")


@pytest.mark.parametrize("trigger", ["SIU^S23", "SIU^S24"])
@pytest.mark.parametrize("pid", ["", "PID|1||900123^^^HOSP^MR"])
def test_slot_gives_one_event_per_resource_and_no_patient(trigger: str, pid: str) -> None:
    item = read(message(trigger, SCH, "AIS|1||ECHO", "AIP|1||77^ONE", "AIL|1||ROOM2", pid=pid))
    assert [event.slot.resource.id for event in item.events if event.slot] == ["77", "ROOM2"]
    (first, _) = item.events
    assert (first.type, first.patient) == (EVENTS[trigger], None)
    assert first.slot is not None
    assert (first.slot.start, first.slot.end, first.slot.reason) == (
        utc(2026, 11, 13, 15),
        utc(2026, 11, 13, 15, 30),
        "BUSY",
    )


def test_slot_without_resources_is_of_its_schedule_and_without_that_parked() -> None:
    event = event_of(message("SIU^S23", SCH, pid=""))
    assert event.slot is not None and event.slot.resource == ResourceFacts(kind="SCH", id="MAIN", text="Main")
    item = read(message("SIU^S23", segment("SCH", {2: "F1"}), pid=""))
    assert (item.outcome, item.reason) == ("parked", "no-schedule")
