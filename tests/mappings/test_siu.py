from __future__ import annotations

import pytest

from mappings.events import Location, Person
from tests.mappings.hl7_messages import codes, event_of, message, read, segment, utc

TIMING = "^^30^20261113100000-0500^20261113103000-0500"


def sch(fields: dict[int, str] | None = None) -> str:
    return segment("SCH", {1: "P1^SCHED", 2: "F1^SCHED", **(fields or {})})


@pytest.mark.parametrize(
    ("trigger", "status", "expected"),
    [
        ("SIU^S12", "Booked", "appointment.booked"),
        ("SIU^S13", "Booked", "appointment.rescheduled"),
        ("SIU^S14", "", "appointment.updated"),
        ("SIU^S14", "Arrived", "appointment.arrived"),
        ("SIU^S14", "NO SHOW", "appointment.no-showed"),
        ("SIU^S15", "Cancelled", "appointment.cancelled"),
        ("SIU^S17", "Deleted", "appointment.deleted"),
        ("SIU^S26", "Noshow", "appointment.no-showed"),
    ],
)
def test_siu_trigger_and_status_give_the_event(trigger: str, status: str, expected: str) -> None:
    event = event_of(message(trigger, sch({11: TIMING, 25: status})))
    assert (event.type, event.trigger) == (expected, trigger)
    assert event.recorded_at == event.occurred_at == utc(2026, 11, 9, 19, 30)
    assert event.encounter is None


def test_appointment_facts_are_read_from_all_segments() -> None:
    fields = {
        3: "2", 6: "BOOK^New", 7: "FOLLOWUP^Follow-up", 8: "OFFICE", 11: TIMING, 23: "P0", 24: "F0",
        25: "Booked^Booked^HL70278",
    }  # fmt: skip
    rows = (
        "PV1||O|||||||||||||||||V9",
        "RGS|1|A",
        "AIS|1|A|HFU^Hospital follow-up|20261113100000-0500",
        "AIL|1|A|ROOM2^^^WEST|C",
        "AIP|1|A|77^PRIMARY^PAULA|MD",
    )
    event = event_of(message("SIU^S12", sch(fields), *rows))
    found = event.appointment
    assert found is not None
    assert (found.filler_id, found.placer_id, found.occurrence, found.parent_id) == ("F1", "P1", "2", "F0")
    assert (found.event_reason, found.reason, found.type) == ("BOOK", "FOLLOWUP", "OFFICE")
    assert (found.start, found.end) == (utc(2026, 11, 13, 15), utc(2026, 11, 13, 15, 30))
    assert (found.filler_status, found.status) == ("Booked", "booked")
    assert (found.service, found.visit_number) == ("HFU", "V9")
    assert found.provider == Person(id="77", family="PRIMARY", given="PAULA")
    assert (found.location, found.location_type) == (Location(point_of_care="ROOM2", facility="WEST"), "C")
    assert event.facility == "west"


@pytest.mark.parametrize(
    ("fields", "rows", "expected"),
    [
        ({11: TIMING}, ("TQ1|1||||||20261113120000-0500",), utc(2026, 11, 13, 17)),
        ({11: TIMING}, ("AIS|1|A|X|20261113090000-0500",), utc(2026, 11, 13, 15)),
        ({11: "20261113100000-0500"}, (), utc(2026, 11, 13, 15)),
        ({11: "Booked"}, ("AIS|1|A|X|20261113100000", "AIS|2|A|Y|20261113093000"), utc(2026, 11, 13, 14, 30)),
        ({}, ("AIS|1|D|X|20261113080000", "AIP|1|A|7|||20261113100000"), utc(2026, 11, 13, 15)),
        ({}, ("AIL|1|A|R|||20261113100000",), utc(2026, 11, 13, 15)),
        ({}, ("AIG|1|A|R|||||20261113100000",), utc(2026, 11, 13, 15)),
        ({}, (), None),
    ],
)
def test_start_follows_its_precedence(fields: dict[int, str], rows: tuple[str, ...], expected: object) -> None:
    found = event_of(message("SIU^S12", sch(fields), *rows)).appointment
    assert found is not None and found.start == expected


@pytest.mark.parametrize(
    ("fields", "rows", "minutes"),
    [
        ({11: "^^45^20261113100000-0500"}, (), 45),
        ({9: "2", 10: "HR", 11: "^^^20261113100000-0500"}, (), 120),
        ({9: "30^MIN", 11: "^^^20261113100000-0500"}, (), 30),
        ({}, ("TQ1|1|||||20^min|20261113100000-0500",), 20),
        ({}, ("AIS|1|A|X|20261113100000-0500|||90|MIN",), 90),
        ({9: "99999999", 11: "^^^20261113100000-0500"}, (), None),
        ({9: "soon", 11: "^^^20261113100000-0500"}, (), None),
    ],
)
def test_end_is_start_and_duration_when_not_sent(
    fields: dict[int, str], rows: tuple[str, ...], minutes: int | None
) -> None:
    found = event_of(message("SIU^S12", sch(fields), *rows)).appointment
    assert found is not None and found.start is not None
    assert (found.end and (found.end - found.start).total_seconds() / 60) == minutes


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({25: "Scheduled^^CSI"}, "booked"),
        ({25: "9^No Show^L"}, "noshow"),
        ({6: "NO SHOW"}, "noshow"),
        ({6: "NO SHOW", 25: "Booked"}, "booked"),
        ({8: "Complete"}, "fulfilled"),
        ({24: "SCHEDULED"}, None),
        ({}, None),
    ],
)
def test_status_is_found_where_senders_put_it(fields: dict[int, str], expected: str | None) -> None:
    found = event_of(message("SIU^S14", sch(fields))).appointment
    assert found is not None and found.status == expected
    assert found.parent_id is None


def test_unknown_status_leaves_the_event_to_decide_and_is_noted() -> None:
    event = event_of(message("SIU^S14", sch({25: "Left-without-being-seen"})))
    assert event.type == "appointment.updated"
    assert event.appointment is not None and event.appointment.status is None
    assert event.appointment.filler_status == "Left-without-being-seen"
    assert "103 SCH^1^25" in codes(event)


def test_filler_id_may_stand_in_a_later_repetition() -> None:
    found = event_of(message("SIU^S12", "SCH|P1|~F9^SCHED")).appointment
    assert found is not None and found.filler_id == "F9"


def test_sch_after_pid_is_found() -> None:
    assert event_of(message("SIU^S12", "NTE|1", "PV1||O", sch())).type == "appointment.booked"


@pytest.mark.parametrize(
    ("body", "outcome", "reason"),
    [
        (message("SIU^S12", sch(), pid=""), "parked", "no-patient-id"),
        (message("SIU^S12", sch(), pid="PID|1"), "parked", "no-patient-id"),
        (message("SIU^S12", "PV1||O"), "parked", "no-appointment-id"),
        (message("SIU^S12", "SCH|||||||FOLLOWUP"), "parked", "no-appointment-id"),
        (message("SIU^S12", sch({25: "Blocked"})), "filtered", "blocked-slot"),
    ],
)
def test_siu_that_books_nothing_for_nobody_ends_otherwise(body: bytes, outcome: str, reason: str) -> None:
    item = read(body)
    assert (item.outcome, item.reason, item.events) == (outcome, reason, ())
