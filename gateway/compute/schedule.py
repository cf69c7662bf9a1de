"""Time of a schedule: whom it concerns, and how each of them hears of it (decisions 13 and 14).

A message about a schedule names no patient.  It goes on as work in its feed's lane; there the patients are asked for
whose visits it may concern, and each gets work in his own lanes, where he is found again.
"""

from __future__ import annotations

import msgspec

from gateway.compute.collect import Collector
from gateway.compute.protocol import EVENT_ENCODER
from gateway.compute.state import State
from gateway.coordination.changes import CoordinationSettings
from gateway.coordination.rules.waitlist import SLOT_OPENED
from gateway.coordination.transitions.blocks import LONGEST, shifted, span_of, wanted_of
from gateway.coordination.transitions.resources import name_of
from gateway.store.ports import PATIENTS_AT_ONCE, LoadRequest, ScheduleQuery, WorkItem
from mappings.events import CanonicalEvent, SlotFacts


def slot_keys(
    work: WorkItem, event: CanonicalEvent, slot: SlotFacts, settings: CoordinationSettings, load: LoadRequest
) -> None:
    """What has to be loaded: who hears it, or who may be concerned.

    Those are booked visits that overlap, when the schedule itself spoke, and visits on the waiting list, when time came
    free and the rule that offers it may be on."""
    if slot.patient_id:
        load.patient_ids.append(slot.patient_id)
        return
    if slot.start is None:
        return
    waited = [name for names in wanted_of((slot.resource, *slot.further)).values() for name in names]
    waits = event.type == "schedule.opened" and SLOT_OPENED.may_be_on(settings)
    start, end = span_of(slot.start, slot.end)
    query = ScheduleQuery(
        work_id=work.work_id,
        journal_id=work.journal_id,
        channel=work.channel,
        facility_id=event.facility,
        earliest=shifted(start, -LONGEST),
        start=start,
        end=end,
        booked=[] if slot.given_up_by else [name_of(slot.resource)],
        waiting=waited if waits else [],
        after=slot.after,
    )
    if query.booked or query.waiting:
        load.schedule.append(query)


def send_out(
    work: WorkItem, item: int, event: CanonicalEvent, slot: SlotFacts, state: State, collector: Collector
) -> tuple[str, str | None]:
    """To each patient whom the slot may concern, a page of them at a time.  It waits until what came before it on its
    channel is read: a visit booked by that is one that it concerns."""
    if work.work_id in state.behind:
        collector.requeue(work, item, work.lanes, EVENT_ENCODER.encode(event))
        return "requeued", None
    concerned = state.concerned.get(work.work_id, [])
    for patient_id, lanes in concerned:
        if patient_id != slot.given_up_by:
            told = _with_slot(event, slot, patient_id=patient_id, after="")
            collector.send(work, f"{item}|{patient_id}", msgspec.json.decode(lanes) or work.lanes, told)
    if len(concerned) < PATIENTS_AT_ONCE:
        return "processed", None
    collector.requeue(work, item, work.lanes, _with_slot(event, slot, after=concerned[-1][0]))
    return "requeued", None


def _with_slot(event: CanonicalEvent, slot: SlotFacts, **fields: str) -> bytes:
    return EVENT_ENCODER.encode(msgspec.structs.replace(event, slot=msgspec.structs.replace(slot, **fields)))
