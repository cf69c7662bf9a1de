"""Appointments: services and people that come and go (S18 to S22), S16, slots (S23, S24), messages in any order."""

from __future__ import annotations

from itertools import permutations

import msgspec
import pytest

from gateway.coordination.transitions.resources import resources_of
from mappings.events import CanonicalEvent, Person, ResourceFacts, SlotFacts
from tests.gateway.coordination.transition_builders import Story, after, kinds, moves, siu, types

OLGA = ResourceFacts(kind="AIP", id="77", text="ONE, OLGA")
TOM = ResourceFacts(kind="AIP", id="78", text="TWO, TOM")
ECHO = ResourceFacts(kind="AIS", id="ECHO")
ROOM = ResourceFacts(kind="AIL", id="ROOM2")


def booked(hours: float = 0, *resources: ResourceFacts, **facts: object) -> CanonicalEvent:
    given = {
        "resources": resources or (ECHO, OLGA, TOM),
        "provider": Person(id="77", family="ONE", given="OLGA"),
        **facts,
    }
    return siu("S12", hours, **given)


def single(trigger: str, hours: float, *resources: ResourceFacts) -> CanonicalEvent:
    gone = trigger in ("S20", "S21", "S22")
    listed = tuple(msgspec.structs.replace(one, removed=gone) for one in resources)
    return siu(trigger, hours, resources=listed, resources_complete=False)


@pytest.mark.parametrize(
    ("trigger", "type_"),
    [
        ("S20", "appointment.resource-cancelled"),
        ("S21", "appointment.resource-cancelled"),
        ("S22", "appointment.updated"),
    ],
)
def test_resource_taken_away_is_told_with_what_is_left(trigger: str, type_: str) -> None:
    story = Story()
    draft = story.tell(booked(), single(trigger, 1, TOM))
    assert types(draft) == [type_]
    assert list(resources_of(story.appointment)) == ["AIP:77", "AIS:ECHO"]
    assert moves(draft, "appointment-resources") == [("AIP:78", "AIP:77 AIS:ECHO")]
    assert story.appointment.provider_id == "77"


def test_own_clinician_taken_away_gives_way_to_the_next_one_then_to_nobody() -> None:
    story = Story()
    story.tell(booked(), single("S20", 1, OLGA))
    assert (story.appointment.provider_id, story.appointment.provider_name) == ("78", "TWO, TOM")
    story.hear(single("S21", 2, TOM))
    assert (story.appointment.provider_id, story.appointment.provider_name) == (None, None)


def test_service_and_place_follow_single_changes_too() -> None:
    story = Story()
    story.tell(booked(0, ECHO, OLGA, service="ECHO"), single("S18", 1, ROOM), single("S20", 2, ECHO))
    assert (story.appointment.point_of_care, story.appointment.service) == ("ROOM2", None)


def test_resource_added_is_an_update_and_does_not_replace_the_first() -> None:
    story = Story()
    draft = story.tell(booked(0, ECHO, OLGA), single("S18", 1, TOM))
    assert types(draft) == ["appointment.updated"]
    assert story.appointment.provider_id == "77"
    assert types(story.hear(single("S18", 2, TOM))) == []


def test_resources_are_the_same_in_any_order_of_the_messages() -> None:
    told = [booked(0), single("S20", 1, OLGA), single("S18", 2, ROOM), single("S21", 3, ECHO), single("S18", 4, OLGA)]
    ends = set()
    for order in permutations(told):
        story = Story()
        story.tell(*order)
        ends.add(tuple(resources_of(story.appointment)))
    assert ends == {("AIL:ROOM2", "AIP:77", "AIP:78")}


@pytest.mark.parametrize(
    ("before", "status", "type_"),
    [
        (None, "cancelled", "appointment.discontinued"),
        ("arrived", "cancelled", "appointment.discontinued"),
        ("checked-in", "fulfilled", "appointment.fulfilled"),
    ],
)
def test_discontinued_appointment_is_cancelled_or_done_when_it_had_begun(
    before: str | None, status: str, type_: str
) -> None:
    story = Story()
    story.hear(booked())
    if before:
        story.hear(siu("S14", 1, status=before))
    draft = story.hear(siu("S16", 2))
    assert (story.appointment.status, types(draft)) == (status, [type_])
    assert "state-anomaly" not in kinds(draft)


def test_cancel_that_comes_after_a_newer_update_still_cancels() -> None:
    story = Story()
    draft = story.tell(booked(), siu("S14", 3, type="OFFICE"), siu("S15", 2))
    assert story.appointment.status == "cancelled"
    assert "late" in draft.flags


def test_late_word_of_the_status_does_not_undo_a_newer_one() -> None:
    story = Story()
    story.tell(booked(), siu("S14", 3, status="arrived"), siu("S14", 2, status="booked"))
    assert story.appointment.status == "arrived"


def test_reschedule_that_comes_after_a_newer_update_without_times_still_moves() -> None:
    story = Story()
    changed = siu("S14", 3, type="OFFICE")
    changed = msgspec.structs.replace(changed, appointment=msgspec.structs.replace(changed.appointment, start=None))
    story.tell(booked(), changed, siu("S13", 2, after(120)))
    assert story.appointment.start_at == after(120)
    story.hear(siu("S13", 1, after(100)))
    assert story.appointment.start_at == after(120)


@pytest.mark.parametrize(
    "told",
    [
        (booked(0), siu("S13", 1, after(120)), siu("S15", 2, after(120))),
        (booked(0), siu("S26", 1), siu("S14", 2, status="arrived")),
        (
            booked(0),
            siu("S13", 1, after(120)),
            siu("S13", 2, after(130)),
            siu("S14", 3, after(130), status="fulfilled"),
        ),
    ],
    ids=["moved-cancelled", "no-show-corrected", "moved-twice-done"],
)
def test_appointment_ends_the_same_in_any_order_of_its_messages(told: tuple[CanonicalEvent, ...]) -> None:
    ends = set()
    for order in permutations(told):
        story = Story()
        story.tell(*order)
        ends.add((story.appointment.status, story.appointment.start_at))
    assert len(ends) == 1


def test_booking_that_names_one_just_cancelled_as_its_parent_replaces_it() -> None:
    story = Story()
    story.tell(booked(), siu("S15", 1))
    draft = story.hear(siu("S12", 1.5, filler_id="F2", parent_id="F1"))
    (old, new) = story.home.appointments
    assert moves(draft, "appointment-replaced") == [(old, new)]
    later = story.hear(siu("S12", 4, filler_id="F3", parent_id="F1"))
    assert moves(later, "appointment-replaced") == []


@pytest.mark.parametrize(("trigger", "type_"), [("S23", "schedule.blocked"), ("S24", "schedule.opened")])
def test_slot_is_told_of_no_patient_under_the_id_of_its_resource(trigger: str, type_: str) -> None:
    slot = SlotFacts(resource=OLGA, start=after(24), end=after(25), reason="BUSY")
    event = CanonicalEvent(
        type=type_, trigger=f"SIU^{trigger}", recorded_at=after(0), occurred_at=after(0), facility="main", slot=slot
    )
    draft = Story().hear(event)
    (told,) = draft.emitted
    assert (told.type, told.patient_id, told.aggregate) == (type_, "", "schedule")
    assert (told.data["resource_id"], told.data["event_reason"]) == ("77", "BUSY")
    assert told.aggregate_id == Story().hear(event).emitted[0].aggregate_id
