"""Appointments (domain reference 3; scenario 15)."""

from __future__ import annotations

import msgspec
import pytest

from mappings.events import DELETE, CanonicalEvent, Location, Person
from tests.gateway.coordination.transition_builders import (
    Story,
    adt,
    after,
    kinds,
    moves,
    siu,
    stay,
    types,
)


def told(*events: CanonicalEvent) -> Story:
    story = Story()
    story.tell(*events)
    return story


def typed(type_: str, hours: float, status: str | None = None, trigger: str = "SIU^S14") -> CanonicalEvent:
    """A message whose mapping found the more specific type."""
    return msgspec.structs.replace(siu("S14", hours, status=status), type=type_, trigger=trigger)


def test_booking_is_stored_and_announced() -> None:
    story = Story()
    draft = story.hear(
        siu(
            "S12",
            placer_id="P1",
            service="HFU",
            provider=Person(id="123", family="PRIMARY"),
            location=Location(point_of_care="ROOM2"),
            location_type="C",
        )
    )
    known = story.appointment
    assert (known.status, known.booked_at, known.provider_name, known.point_of_care) == (
        "booked",
        after(0),
        "PRIMARY",
        "ROOM2",
    )
    assert moves(draft, "appointment-status") == [(None, "booked")]
    assert draft.emitted[-1].data["start"] == "2026-11-09T14:00:00Z"


@pytest.mark.parametrize(("said", "status"), [("pending", "pending"), ("waitlist", "waitlist"), (None, "booked")])
def test_booking_takes_a_more_specific_status(said: str | None, status: str) -> None:
    assert told(siu("S12", status=said)).appointment.status == status


def test_booking_told_twice_is_one() -> None:
    story = told(siu("S12"))
    again = story.hear(siu("S12")).changes()
    assert (again.upserts, again.emitted, again.transitions) == ([], [], [])


def test_blocked_slot_is_no_appointment() -> None:
    assert told(siu("S12", status="blocked")).home.appointments == {}


@pytest.mark.parametrize("trigger", ["S12", "S13", "S14"])
def test_new_start_of_a_known_booking_is_a_reschedule(trigger: str) -> None:
    story = told(siu("S12"))
    draft = story.hear(siu(trigger, 1, after(120)))
    assert types(draft) == ["appointment.rescheduled"]
    assert moves(draft, "appointment-rescheduled") == [("2026-11-09T14:00:00Z", "2026-11-10T14:00:00Z")]
    assert (story.appointment.status, story.appointment.reschedules, story.appointment.booked_at) == (
        "booked",
        1,
        after(0),
    )


@pytest.mark.parametrize(
    ("trigger", "status", "type_"),
    [
        ("S13", "booked", "appointment.booked"),
        ("S14", "booked", "appointment.booked"),
        ("S15", "cancelled", "appointment.cancelled"),
        ("S17", "entered-in-error", "appointment.deleted"),
        ("S26", "noshow", "appointment.no-showed"),
    ],
)
def test_message_about_an_unknown_appointment_makes_it(trigger: str, status: str, type_: str) -> None:
    story = Story()
    draft = story.hear(siu(trigger))
    assert (story.appointment.status, types(draft)[-1]) == (status, type_)


@pytest.mark.parametrize(
    ("first", "second", "status", "anomaly"),
    [
        (siu("S12"), siu("S15", 1), "cancelled", False),
        (siu("S12"), siu("S17", 1), "entered-in-error", False),
        (siu("S12"), siu("S26", 1), "noshow", False),
        (siu("S26"), typed("appointment.arrived", 1, "arrived"), "arrived", False),
        (siu("S26"), siu("S13", 1, after(200)), "booked", False),
        (siu("S26"), siu("S12", 1), "noshow", False),
        (siu("S15"), siu("S12", 1), "booked", False),
        (siu("S15"), siu("S13", 1, after(200)), "booked", False),
        (siu("S15"), siu("S14", 1), "cancelled", False),
        (siu("S15"), siu("S14", 1, status="booked"), "cancelled", True),
        (siu("S15"), siu("S26", 1), "cancelled", True),
        (typed("appointment.arrived", 0, "arrived"), siu("S14", 1, status="booked"), "arrived", False),
        (typed("appointment.arrived", 0, "arrived"), siu("S26", 1), "arrived", True),
        (typed("appointment.fulfilled", 0, "fulfilled"), siu("S15", 1), "fulfilled", True),
        (typed("appointment.fulfilled", 0, "fulfilled"), siu("S17", 1), "entered-in-error", False),
    ],
)
def test_state_machine_follows_the_table(
    first: CanonicalEvent, second: CanonicalEvent, status: str, anomaly: bool
) -> None:
    story = told(first)
    draft = story.hear(second)
    assert story.appointment.status == status
    assert ("state-anomaly" in kinds(draft)) is anomaly
    again = story.hear(second).changes()
    assert (again.upserts, again.emitted, again.transitions) == ([], [], [])


def test_no_show_then_arrival_takes_the_no_show_back() -> None:  # scenario 15
    story = told(siu("S12"))
    missed = story.hear(siu("S26", 100))
    assert missed.emitted[-1].data["no_show_count_180d"] == 1
    draft = story.hear(typed("appointment.arrived", 101, "arrived"))
    assert moves(draft, "appointment-status") == [("noshow", "arrived")]


def test_cancelled_and_booked_again_is_a_new_instance() -> None:
    story = told(siu("S12"), siu("S15", 1))
    assert story.appointment.cancelled_at == after(1)
    draft = story.hear(siu("S12", 2, after(120)))
    known = story.appointment
    assert (known.instance, known.booked_at, known.cancelled_at, known.reschedules) == (2, after(2), None, 0)
    assert draft.emitted[0].flags == ["reinstated"]


def test_older_booking_behind_its_cancel_does_not_revive_it() -> None:
    story = told(siu("S15", 2))
    draft = story.hear(siu("S12", 1, service="HFU"))
    assert draft.late
    assert (story.appointment.status, story.appointment.service, story.appointment.booked_at) == (
        "cancelled",
        "HFU",
        after(1),
    )
    assert story.hear(siu("S12", 1, service="HFU")).changes().emitted == []


def test_update_lists_what_changed() -> None:
    story = told(siu("S12", service="HFU", reason="FOLLOWUP"))
    draft = story.hear(siu("S14", 1, service=DELETE))
    assert (types(draft), draft.emitted[0].changes) == (
        ["appointment.updated"],
        [{"path": "service", "old": "HFU", "new": None}],
    )
    assert story.appointment.reason == "FOLLOWUP"


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"filler_id": "F1"}, {"filler_id": "F1"}, True),
        ({"filler_id": "F1"}, {"filler_id": "F2"}, False),
        ({"filler_id": "F1", "occurrence": "1"}, {"filler_id": "F1", "occurrence": "2"}, False),
        ({"filler_id": None, "placer_id": "P1"}, {"filler_id": None, "placer_id": "P1"}, True),
        ({"filler_id": None, "placer_id": "P1"}, {"filler_id": "F1", "placer_id": "P1"}, True),
        ({"filler_id": "F1", "placer_id": "P1"}, {"filler_id": "F2", "placer_id": "P1"}, False),
    ],
)
def test_appointment_is_named_by_filler_else_placer_and_occurrence(
    first: dict[str, str], second: dict[str, str], same: bool
) -> None:
    assert (len(told(siu("S12", **first), siu("S14", 1, **second)).home.appointments) == 1) is same


@pytest.mark.parametrize(
    ("booking", "visit", "arrived"),
    [
        ({"visit_number": "V1"}, adt("A04", 200), True),
        ({"visit_number": "V2"}, adt("A04", 96), False),
        ({}, adt("A04", 96 + 3.5), True),
        ({}, adt("A04", 96 - 3.5), True),
        ({}, adt("A04", 96 + 5), False),
        ({}, adt("A04", 96, facility="other"), False),
        ({}, adt("A05", 96), False),
    ],
)
def test_visit_that_begins_is_the_arrival_for_its_appointment(
    booking: dict[str, str], visit: CanonicalEvent, arrived: bool
) -> None:
    story = told(siu("S12", **booking))
    draft = story.hear(visit)
    assert (story.appointment.status == "arrived") is arrived
    assert ("appointment.arrived" in types(draft)) is arrived


def test_visit_arrives_for_the_nearest_of_two_appointments() -> None:
    story = told(siu("S12", 0, after(95)), siu("S12", 0, after(97), filler_id="F2"))
    story.hear(adt("A04", 96.8, encounter=stay(class_="outpatient")))
    assert [one.status for one in story.home.appointments.values()] == ["booked", "arrived"]


def test_event_without_appointment_facts_changes_only_the_person() -> None:
    story = Story()
    event = CanonicalEvent(
        type="appointment.booked", trigger="SIU^S12", recorded_at=after(0), occurred_at=after(0), facility="main",
        patient=siu("S12").patient,
    )  # fmt: skip
    assert types(story.hear(event)) == ["patient.created"]
