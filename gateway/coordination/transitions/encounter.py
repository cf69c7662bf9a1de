"""Stays: ADT events against the state machine (domain reference 2.1, 2.2, 2.5)."""

from __future__ import annotations

import msgspec

from gateway.coordination.draft import Draft
from gateway.coordination.records import Encounter
from gateway.coordination.transitions.announcement import announce
from gateway.coordination.transitions.difference import BOOKKEEPING, differing
from gateway.coordination.transitions.implied import expect_discharge
from gateway.coordination.transitions.location import (
    enter_place,
    leave_place,
    place_fields,
    place_of,
    place_sent,
    place_text,
    return_place,
)
from gateway.coordination.transitions.movement import plan_movement
from gateway.coordination.transitions.patient import mark_late, note_death, withdraw_death
from gateway.coordination.transitions.states import ENDED, IN_PROGRESS, column_of
from gateway.coordination.transitions.step import Movement
from gateway.coordination.transitions.tombstones import with_tombstone
from gateway.coordination.transitions.visits import find_encounter, key_of, may_open
from mappings.events import EncounterFacts

KEEPS_PLACE = frozenset(("A09", "A11", "A23", "A27", "A32", "A33", "A38"))
"""Messages whose PV1-3 is not where the patient is from now on: on his way, or taken back."""


def apply_encounter(draft: Draft) -> Encounter | None:
    """Apply the event's stay; returns the encounter as it is now, None when the message is about none that is known."""
    event, facts = draft.event, draft.event.encounter
    if facts is None:
        return None
    column = column_of(event)
    found = find_encounter(draft.subject, event, column)
    if found is None and not may_open(draft.subject, event, column):
        draft.transition("encounter-unknown", draft.subject.patient, None, event.trigger)
        return None
    before = found or _blank(draft, facts)
    move = plan_movement(draft, before, facts, column)
    if not move.newest:
        mark_late(draft)
    if move.anomaly:
        draft.flags.append("state-anomaly")
    if not move.retracted:
        _plan_place(draft, move)
    after = _store(draft, move)
    _keep_places(draft, move, after)
    if move.retracted:
        draft.transition("retracted-before", after, event.trigger, after.status)
    elif move.flagged or not move.fields.keys() <= BOOKKEEPING:
        announce(draft, move, after)
    if move.anomaly:
        draft.transition("state-anomaly", after, before.status or None, event.trigger)
    if move.action != "keep":
        _settle_death(draft, after)
    expect_discharge(draft, after, facts, by_update=column == "A08" and move.newest and not move.implied)
    return after


def _blank(draft: Draft, facts: EncounterFacts) -> Encounter:
    """An encounter of which nothing is known but its name; revision 0 says that it is not stored."""
    key = key_of(facts)
    return Encounter(
        encounter_id=draft.ids.new("enc"),
        facility_id=draft.event.facility,
        revision=0,
        patient_id=draft.subject.patient.patient_id,
        visit_authority=key.authority if key else None,
        status="",
        recorded_at=draft.event.recorded_at,
        created_at=draft.now,
        updated_at=draft.now,
    )


def _store(draft: Draft, move: Movement) -> Encounter:
    if not move.created:
        return draft.update(move.before, None, **move.fields)
    fresh = msgspec.structs.replace(move.before, **move.fields, revision=1)
    draft.put(fresh)
    return fresh


def _plan_place(draft: Draft, move: Movement) -> None:
    """Add the location that the message gives to the movement's fields."""
    before, sent = move.before, move.facts.location
    if move.column == "A15" and move.newest and move.facts.pending_location is not None:
        move.fields |= differing(
            before, {"pending_location": place_text(place_sent(move.facts.pending_location)) or None}
        )
    if move.column in ("A02", "A26") and move.newest and before.pending_location is not None:
        move.fields["pending_location"] = None
    if (
        not move.newest
        or move.column in KEEPS_PLACE
        or (move.column == "A03" and not move.created and not move.implied)
    ):
        return
    if move.column == "A10" and move.facts.temporary_location is not None:
        return  # he arrived where he stays for a while; his bed is kept
    place = place_sent(sent) if sent is not None else None
    if move.column == "A12" and not move.created:
        seen = draft.event.recorded_at <= before.recorded_at
        previous = None if seen or place == place_of(before) else return_place(draft, before)
        if previous is None and not seen:
            move.fields["tombstones_json"] = with_tombstone(draft, before, "A12")
        place = place or previous
    if place is not None:
        move.fields |= differing(before, place_fields(place))


def _keep_places(draft: Draft, move: Movement, after: Encounter) -> None:
    """Write the location history that belongs to what was stored."""
    moved = not move.fields.keys().isdisjoint(("point_of_care", "room", "bed"))
    if moved and (move.created or after.status not in ENDED):
        at = after.started_at if move.created and after.started_at else draft.event.occurred_at
        enter_place(draft, after, place_of(after), at)
    if after.status in ENDED and ("discharged_at" in move.fields or move.created):
        leave_place(draft, after, after.discharged_at)
    elif move.before.status in ENDED and after.status in IN_PROGRESS and not moved:
        leave_place(draft, after, None)


def _settle_death(draft: Draft, after: Encounter) -> None:
    """A disposition that says expired is a death; one that no longer does, or a cancelled discharge, takes it back."""
    if after.status in ENDED and after.disposition_category == "expired":
        note_death(draft, after.discharged_at, after.encounter_id)
    else:
        withdraw_death(draft, after.encounter_id)
