"""A discharge that only an A08 tells of (domain reference 2.5): a discharge time on an open stay is the discharge when
no A03 came in the minutes that the settings give it."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from gateway.coordination.draft import Draft
from gateway.coordination.records import Encounter, Timer
from gateway.coordination.tasks import lane_of
from gateway.coordination.transitions.states import IN_PROGRESS
from mappings.events import CanonicalEvent, EncounterFacts, Identifier

IMPLIED_DISCHARGE = "implied-discharge"
"""`rule_id` of the timer; its `cycle` holds what the A08 said."""

_TOLD = (
    "discharged_at", "discharged_precision", "disposition", "disposition_category", "planned_readmission",
    "destination",
)  # fmt: skip


class Said(msgspec.Struct, omit_defaults=True):
    recorded_at: datetime
    facts: EncounterFacts
    historical: bool = False


def expect_discharge(draft: Draft, stay: Encounter, facts: EncounterFacts, *, by_update: bool) -> None:
    """Keep the one timer of the stay: set by an A08 with a discharge time, cleared when the stay is not open or the
    time is withdrawn."""
    waiting = next((one for one in _timers(draft) if one.encounter_id == stay.encounter_id), None)
    if stay.status not in IN_PROGRESS or facts.clear_discharge:
        if waiting is not None:
            draft.clear_timer(waiting)
        return
    if not by_update or facts.discharged_at is None:
        return
    told = EncounterFacts(**{name: getattr(facts, name) for name in _TOLD})
    said = Said(draft.event.recorded_at, told, draft.event.historical)
    text = msgspec.json.encode(said).decode()
    if waiting is not None:
        draft.set_timer(msgspec.structs.replace(waiting, cycle=text))
        return
    draft.set_timer(
        Timer(
            timer_id=draft.ids.new("tmr"),
            facility_id=stay.facility_id,
            patient_id=stay.patient_id,
            lane=lane_of(draft),
            channel=draft.cause.channel,
            rule_id=IMPLIED_DISCHARGE,
            kind="check",
            encounter_id=stay.encounter_id,
            cycle=text,
            fire_at=draft.now + timedelta(minutes=draft.settings.implied_discharge_min),
            set_at=draft.now,
            message_id=draft.cause.message_id,
        )
    )


def discharge_implied(draft: Draft, timer: Timer) -> CanonicalEvent | None:
    """The A03 that nobody sent; None when the stay is not open any more."""
    stay = draft.subject.encounters.get(timer.encounter_id or "")
    if stay is None or stay.status not in IN_PROGRESS:
        return None
    said = msgspec.json.decode(timer.cycle, type=Said)
    name = stay.visit_number or stay.account_number
    key = Identifier(value=name, authority=stay.visit_authority) if name else None
    told = msgspec.structs.replace(said.facts, key=key, visit_number=stay.visit_number)
    at = said.facts.discharged_at or said.recorded_at
    return CanonicalEvent(
        type="encounter.discharged",
        trigger="ADT^A08",
        recorded_at=said.recorded_at,
        occurred_at=at,
        facility=stay.facility_id,
        encounter=told,
        historical=said.historical,
    )


def _timers(draft: Draft) -> list[Timer]:
    return [one for one in draft.subject.timers.values() if one.rule_id == IMPLIED_DISCHARGE]
