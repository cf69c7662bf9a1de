"""waitlist-slot-opened: time that comes free is offered to who waits for it (6.3).

Who gives the time up, or whose schedule is opened, is one scope, who waits another: the time goes out as an event, and
each patient who may want it hears it in his own lane (`transitions.blocks.hear_slot`).
"""

from __future__ import annotations

from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Appointment, Task
from gateway.coordination.rules.booking import touched_visits
from gateway.coordination.rules.declaration import Closing, Finding, Rule, done, evidence, gone
from gateway.coordination.rules.payer import focus_of
from gateway.coordination.rules.stays import LIVE_VISITS, happened
from gateway.coordination.transitions.blocks import OFFERED
from gateway.coordination.transitions.resources import resources_of
from mappings.events import CanonicalEvent, ResourceFacts, SlotFacts

_CALLED_OFF = ("cancelled", "entered-in-error")


def give_up_time(draft: Draft) -> None:
    """A booked visit ahead was cancelled or deleted (S15, S17): its time is free."""
    if not draft.by_message or draft.late:
        return
    for visit in draft.touched(Appointment):
        row = happened(draft, "appointment-status", visit.appointment_id)
        if row is None or row.from_value != "booked" or row.to_value not in _CALLED_OFF:
            continue
        if visit.start_at is None or visit.start_at <= draft.occurred_at:
            continue
        if SLOT_OPENED.is_on(draft.numbers(visit.facility_id)):
            _offer(draft, visit)


def _offer(draft: Draft, visit: Appointment) -> None:
    taken = [
        ResourceFacts(kind=said["kind"], id=said["id"])
        for _, said in sorted(resources_of(visit).items())
        if said.get("kind") in OFFERED
    ]
    if not taken:
        draft.stopped(SLOT_OPENED.id, "the visit named neither clinician nor service", visit.appointment_id)
        return
    event = draft.event
    slot = SlotFacts(
        resource=taken[0],
        further=tuple(taken[1:]),
        start=visit.start_at,
        end=visit.end_at,
        given_up_by=draft.subject.patient.patient_id,
    )
    draft.tell(
        CanonicalEvent(
            type="schedule.opened",
            trigger=event.trigger,
            recorded_at=event.recorded_at,
            occurred_at=event.occurred_at,
            facility=visit.facility_id,
            slot=slot,
            historical=event.historical,
        )
    )


def wants_offer(draft: Draft, visit: Appointment) -> Finding | str:
    opened = happened(draft, "slot-opened", visit.appointment_id)
    slot = draft.event.slot if opened is not None else None
    if slot is None or slot.start is None:
        return "no time came free that the patient waits for"
    names = "+".join(sorted(f"{one.kind}:{one.id}" for one in (slot.resource, *slot.further)))
    slot_id = draft.ids.named("slt", f"{draft.event.facility}|{names}|{slot.start.isoformat()}")
    return Finding(
        key=SLOT_OPENED.key_of(slot_id, draft.subject.patient.patient_id),
        due_at=min(draft.occurred_at + hours(4), slot.start),
        reason="Time came free with the clinician or for the service that the patient waits for.",
        evidence=[evidence(draft, "SCH-11.4", slot.start.isoformat()), evidence(draft, slot.resource.kind, "free")],
        focus=focus_of(draft, visit),
    )


def settle_offer(draft: Draft, task: Task) -> Closing | None:
    visit = draft.subject.appointments.get(task.appointment_id or "")
    if visit is None or visit.status == "waitlist":
        return None
    return done("the visit is booked") if visit.status in LIVE_VISITS else gone("the patient waits no longer")


SLOT_OPENED = Rule(
    id="waitlist-slot-opened",
    trigger="S24 opens time ahead, or S15 or S17 calls off a booked visit, and another patient's appointment on the "
    "waiting list names the same clinician (AIP) or service (AIS), and none that differs",
    task="Offer slot",
    type="schedule",
    priority="urgent",
    due="4 hours, at most until the time that came free",
    queue="scheduling",
    resolves="The appointment that waited is booked",
    retracts="It was taken off the list; death",
    key="slot|patient",
    basis="Product default",
    extended=True,
    watches=(Appointment,),
    hears=("slot-opened", "appointment-status"),
    look=give_up_time,
    about=touched_visits,
    wants=wants_offer,
    settle=settle_offer,
)
