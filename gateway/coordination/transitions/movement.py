"""What one message does to one stay, worked out before anything is changed (domain reference 2.1, 2.5)."""

from __future__ import annotations

import msgspec

from gateway.coordination.draft import Draft
from gateway.coordination.records import Encounter
from gateway.coordination.transitions.difference import differing, stated, unknown_only
from gateway.coordination.transitions.flags import flags_after
from gateway.coordination.transitions.history import (
    FOLDED,
    History,
    bears,
    encoded_history,
    history_of,
    told_now,
)
from gateway.coordination.transitions.snapshot import (
    NO_DISCHARGE,
    snapshot_fields,
    start_fields,
)
from gateway.coordination.transitions.states import (
    ENDED,
    GONE,
    IN_PROGRESS,
)
from gateway.coordination.transitions.step import INTERIM_BILL, Movement, look_up, status_fields
from gateway.coordination.transitions.tombstones import is_retracted, with_tombstone
from gateway.coordination.transitions.visits import key_of, with_alias
from mappings.events import CanonicalEvent, EncounterFacts

_NEEDS = {
    "A13": ENDED,
    "A22": frozenset(("on-leave", *ENDED)),
    "A52": frozenset(("on-leave", *ENDED)),
    "A53": IN_PROGRESS - {"on-leave"} | ENDED,
}
"""States in which a taking back finds what it takes back, or where that makes no difference any more."""


def plan_movement(draft: Draft, before: Encounter, facts: EncounterFacts, column: str) -> Movement:
    """Look up the message in the state machine and gather every field that it changes."""
    event = draft.event
    created = before.revision == 0
    newest = created or event.recorded_at >= before.recorded_at
    cancelled = is_retracted(draft, before, column)
    history, told = history_of(before), told_now(event, facts, column)
    matters = (history.whole or not cancelled) and bears(told, created=created)
    behind = matters and history.is_behind(event.recorded_at)
    retracted = cancelled and not behind
    overtaken = before.status_at is not None and event.recorded_at < before.status_at
    move = look_up(event, before, facts, column, newest=newest, still=overtaken or retracted or behind)
    fields = _said_fields(event, move)
    if matters:
        history.whole = history.whole or created
        history.add(told)
        fields["history_json"] = encoded_history(history)
    fields.update(_folded_anew(move, history) if behind else status_fields(event, move))
    move.retracted = retracted = cancelled and fields.get("status", before.status) == before.status
    if retracted:  # it and its cancel are no cycle of the stay
        fields |= {"discharge_number": before.discharge_number, "instance": before.instance}
    if move.newest:
        fields["recorded_at"] = event.recorded_at
    ends = _ends(move, facts)
    if ends or not retracted:
        status = str(fields.get("status", before.status))
        admits = move.column in ("A01", "A06") and facts.class_ in (None, "inpatient")
        at = event.recorded_at
        fields["flags_json"], move.flagged = flags_after(before, move.column, status, at, ends=ends, admits=admits)
    if _came_too_early(event, move):
        fields["tombstones_json"] = with_tombstone(draft, before, column)
    if fields.get("class_") == "observation" != before.class_:
        fields["observation_at"] = facts.admitted_at if created and facts.admitted_at else event.occurred_at
    move.fields = differing(before, fields)
    if not created and "status" not in move.fields and event.recorded_at <= before.recorded_at:
        move.anomaly = False  # seen before, or too old to warn of
    return move


def _ends(move: Movement, facts: EncounterFacts) -> bool:
    """Whether what was announced is off from here: the message ends the stay, or its inpatient phase, if only until one
    that is known already."""
    return move.column in ("A11", "A23") or (move.column == "A03" and facts.disposition != INTERIM_BILL)


def _folded_anew(move: Movement, history: History) -> dict[str, object]:
    """A late message in its place: the status that the whole history gives (2.5).  Sets what the movement comes to."""
    before = move.before
    stay = msgspec.structs.replace(before, **_BLANK)
    for told in history.told:
        step = look_up(told.event, stay, told.facts, told.column, newest=True)
        fields = status_fields(told.event, step)
        if not step.created:
            fields = start_fields(stay, told.facts) | fields
        if fields.get("class_") == "observation" != stay.class_:
            first = told.facts.admitted_at if step.created else None
            fields["observation_at"] = first or told.occurred_at
        if told.facts.patient_class is not None:
            fields["patient_class"] = stated(told.facts.patient_class)
        status = str(fields.get("status", stay.status))
        fields["flags_json"], _ = flags_after(stay, step.column, status, told.recorded_at)
        stay = msgspec.structs.replace(stay, **fields, recorded_at=told.recorded_at, revision=1)
    found: dict[str, object] = {name: getattr(stay, name) for name in FOLDED}
    move.action = _come_to(before, stay)
    found["instance"] = max(before.instance, stay.instance)
    # Tasks are named after the number of a discharge: one that is known keeps its number, whatever came before it.
    found["discharge_number"] = before.discharge_number + (move.action == "discharged")
    return found


_BLANK: dict[str, object] = {
    **dict.fromkeys(FOLDED), **NO_DISCHARGE, "status": "", "via_conversion": False, "patient_class": None,
    "flags_json": "{}", "revision": 0, "instance": 1, "discharge_number": 0,
}  # fmt: skip


def _come_to(before: Encounter, after: Encounter) -> str:
    """The action that leads from what was known to what the history gives."""
    if after.status in ENDED:
        corrected = any(getattr(before, name) != getattr(after, name) for name in ("disposition", "discharged_at"))
        if before.status in ENDED:
            return "correct" if corrected else "keep"
        return "discharged"
    if after.status == before.status:
        return "keep"
    if after.status in GONE:
        return after.status
    return "prior" if before.status in ENDED else "class"


def _came_too_early(event: CanonicalEvent, move: Movement) -> bool:
    """A cancel of something that has not come yet."""
    if move.action == "tombstone":
        return True
    before = move.before
    if move.column not in _NEEDS or before.status in GONE or before.status in _NEEDS[move.column]:
        return False
    overtaken = before.status_at is not None and event.recorded_at <= before.status_at
    return move.created or not overtaken


def _said_fields(event: CanonicalEvent, move: Movement) -> dict[str, object]:
    """Snapshot and naming fields; of an older message only what is still unknown."""
    before, facts = move.before, move.facts
    fields = snapshot_fields(before, facts)
    if move.column not in ("A02", "A11", "A12", "A13") and facts.patient_class is not None:
        fields["patient_class"] = stated(facts.patient_class)
    if move.newest and not move.created:
        fields |= start_fields(before, facts)
    elif not move.newest:
        fields = unknown_only(before, fields)
    key, number = key_of(facts), stated(facts.visit_number)
    if number and before.visit_number is None:
        fields["visit_number"] = number
        fields["visit_authority"] = key.authority if key else None
    elif number and number != before.visit_number and f'"{number}"' not in before.aliases_json:
        fields["aliases_json"] = with_alias(before, number)
    if key is not None and number is None and before.account_number is None:
        fields["account_number"] = key.value
    if not move.newest and move.column == "A01" and before.class_ == "inpatient" and before.inpatient_at is None:
        at = facts.admitted_at or event.occurred_at
        fields |= {"inpatient_at": at, "started_at": before.started_at or at}
    return fields
