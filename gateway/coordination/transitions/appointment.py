"""Appointments: SIU events against the state machine of domain reference 3.2, and the join with ADT visits."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from gateway.coordination.changes import JSON
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Appointment, Encounter
from gateway.coordination.scope import PatientScope
from gateway.coordination.transitions.difference import (
    BOOKKEEPING,
    differing,
    listed,
    person_fields,
    present,
    stamp,
    stated,
    stated_fields,
    unknown_only,
)
from gateway.coordination.transitions.patient import mark_late
from gateway.coordination.transitions.resources import resource_fields, resources_of, shown
from mappings.events import AppointmentFacts

SNAPSHOT = (
    "filler_id", "placer_id", "occurrence", "parent_id", "event_reason", "reason", "type",
    "service", "location_type", "visit_number",
)  # fmt: skip

_STATUS_OF_TYPE = {
    "appointment.booked": "booked",
    "appointment.rescheduled": "booked",
    "appointment.arrived": "arrived",
    "appointment.checked-in": "checked-in",
    "appointment.fulfilled": "fulfilled",
    "appointment.cancelled": "cancelled",
    "appointment.discontinued": "cancelled",
    "appointment.deleted": "entered-in-error",
    "appointment.no-showed": "noshow",
}
_TYPE_OF_STATUS = {status: type_ for type_, status in _STATUS_OF_TYPE.items()} | {
    "cancelled": "appointment.cancelled",
    "booked": "appointment.booked",
    "pending": "appointment.booked",
    "waitlist": "appointment.booked",
    "proposed": "appointment.booked",
}
_PLANNED = frozenset(("proposed", "pending", "waitlist", "booked"))
_ATTENDED = frozenset(("arrived", "checked-in", "fulfilled"))
_GONE = frozenset(("cancelled", "entered-in-error"))
_NEXT = {
    "arrived": {"checked-in", "fulfilled", "entered-in-error"},
    "checked-in": {"fulfilled", "entered-in-error"},
    "fulfilled": {"entered-in-error"},
    "noshow": {*_ATTENDED, "entered-in-error"},
    "cancelled": {"entered-in-error"},
    "entered-in-error": set[str](),
}
"""Where a status may go by itself; planned ones go anywhere."""
JOIN_WINDOW = timedelta(hours=4)
PAIR_WINDOW = timedelta(minutes=60)
NO_SHOW_WINDOW = timedelta(days=180)


def apply_appointment(draft: Draft) -> Appointment | None:
    """Apply the event's appointment; returns it as it is now, None when the message has none or only a blocked slot."""
    event, facts = draft.event, draft.event.appointment
    if facts is None or facts.status == "blocked":
        return None
    known = find_appointment(draft.subject, facts)
    if known is None:
        return _open(draft, facts)
    if event.recorded_at < known.recorded_at:
        mark_late(draft)
    return _change(draft, known, facts)


def find_appointment(home: PatientScope, facts: AppointmentFacts) -> Appointment | None:
    """By filler id, else by placer id, each with its occurrence (SCH-3)."""
    filler, placer, occurrence = stated(facts.filler_id), stated(facts.placer_id), stated(facts.occurrence)
    by_placer = None
    for one in home.appointments.values():
        if one.occurrence != occurrence:
            continue
        if filler and one.filler_id == filler:
            return one
        if placer and one.placer_id == placer and not (filler and one.filler_id):
            by_placer = one
    return by_placer


def _facts_fields(known: Appointment, facts: AppointmentFacts) -> dict[str, object]:
    fields = stated_fields(known, facts, SNAPSHOT)
    fields |= differing(known, person_fields("provider", facts.provider))
    if facts.start is not None:
        fields["start_at"] = facts.start
    if facts.end is not None:
        fields["end_at"] = facts.end
    if facts.location is not None:
        fields["point_of_care"] = stated(facts.location.point_of_care)
    return differing(known, fields)


def _status_said(type_: str, facts: AppointmentFacts, known: str | None) -> str:
    """The status that the message gives: of its event, or SCH-25 where that says more."""
    if type_ == "appointment.discontinued":  # what had not begun is not done any more
        return "fulfilled" if known == "checked-in" or facts.status == "fulfilled" else "cancelled"
    by_event = _STATUS_OF_TYPE.get(type_)
    if by_event is None:
        return facts.status or known or "booked"
    if by_event == "booked" and facts.status and (facts.status in _PLANNED or type_ == "appointment.booked"):
        return facts.status
    return by_event


def _open(draft: Draft, facts: AppointmentFacts) -> Appointment:
    """An appointment not known so far, whatever the message says of it: a cancel that came first must not be lost."""
    event = draft.event
    status = _status_said(event.type, facts, None)
    blank = Appointment(
        appointment_id=draft.ids.new("apt"),
        facility_id=event.facility,
        revision=1,
        patient_id=draft.subject.patient.patient_id,
        status=status,
        booked_at=event.occurred_at if status not in _GONE else None,
        cancelled_at=event.occurred_at if status == "cancelled" else None,
        recorded_at=event.recorded_at,
        created_at=draft.now,
        updated_at=draft.now,
        status_at=event.recorded_at if _asserts(event.type, facts) else None,
        timing_at=event.recorded_at if facts.start is not None else None,
    )
    fields = _facts_fields(blank, facts) | resource_fields(blank, facts, event.recorded_at)
    fresh = msgspec.structs.replace(blank, **fields)
    draft.put(fresh)
    draft.emit(_type_of(event.type, status), fresh, appointment_data(fresh) | _further(draft, fresh))
    draft.transition("appointment-status", fresh, None, status)
    _replace_parent(draft, fresh)
    return fresh


def _asserts(type_: str, facts: AppointmentFacts) -> bool:
    """Whether the message says what the status is."""
    return type_ in _STATUS_OF_TYPE or facts.status is not None


def _type_of(said: str, status: str) -> str:
    """The event of a new status; a discontinued appointment is cancelled, and told as what it is."""
    return said if said == "appointment.discontinued" and status == "cancelled" else _TYPE_OF_STATUS[status]


def _replace_parent(draft: Draft, fresh: Appointment) -> None:
    """A booking that names one cancelled within the hour before as its parent is that one, moved (3.2)."""
    parent = fresh.parent_id
    if parent is None or fresh.status not in _PLANNED:
        return
    for one in draft.subject.appointments.values():
        if one is fresh or parent not in (one.filler_id, one.placer_id) or one.cancelled_at is None:
            continue
        if abs(draft.event.recorded_at - one.cancelled_at) <= PAIR_WINDOW:
            draft.transition("appointment-replaced", fresh, one.appointment_id, fresh.appointment_id)


def _change(draft: Draft, known: Appointment, facts: AppointmentFacts) -> Appointment:
    """A further message.  Of an older one than the newest: what is still unknown, and status and times as far as no
    newer message spoke of them."""
    event, at = draft.event, draft.event.recorded_at
    newest = at >= known.recorded_at
    fields = _facts_fields(known, facts)
    if not newest:
        kept = fields if known.timing_at is None or at >= known.timing_at else {}
        times = {name: kept[name] for name in ("start_at", "end_at") if name in kept}
        fields = unknown_only(known, fields) | times
        if known.booked_at is None and event.type == "appointment.booked":
            fields["booked_at"] = event.occurred_at
    moved = known.start_at is not None and fields.get("start_at") not in (None, known.start_at)
    if facts.start is not None and (known.timing_at is None or at >= known.timing_at):
        fields["timing_at"] = at
    anomaly = False
    if _asserts(event.type, facts) and (known.status_at is None or at >= known.status_at):
        status, anomaly = _status_fields(draft, known, facts, moved)
        fields |= status
    status_now, revived = str(fields.get("status", known.status)), "instance" in fields
    rescheduled = moved and status_now in _PLANNED and not revived
    if rescheduled:
        fields["reschedules"] = known.reschedules + 1
    fields |= resource_fields(known, facts, at)
    fields = differing(known, fields)
    changes = listed(known, fields)
    fresh = draft.update(known, None, **fields, recorded_at=max(at, known.recorded_at))
    if anomaly and at > known.recorded_at:
        draft.flags.append("state-anomaly")
        draft.transition("state-anomaly", fresh, known.status, event.type)
    if not fields.keys() <= BOOKKEEPING or resources_of(known) != resources_of(fresh):
        _announce(draft, known, fresh, changes, rescheduled)
    return fresh


def _status_fields(
    draft: Draft, known: Appointment, facts: AppointmentFacts, moved: bool
) -> tuple[dict[str, object], bool]:
    """(fields of the new status, does it not follow from the old one)."""
    event = draft.event
    said = _status_said(event.type, facts, known.status)
    booking = event.type in ("appointment.booked", "appointment.rescheduled")
    status, anomaly = _next_status(known.status, said, revives=booking, rebooked=booking and moved)
    if event.type == "appointment.discontinued" and known.status == "arrived":
        status, anomaly = "cancelled", False
    fields: dict[str, object] = {} if anomaly else {"status_at": event.recorded_at}
    if status != known.status:
        fields["status"] = status
        if status in _PLANNED and known.status not in _PLANNED:
            fields["booked_at"] = event.occurred_at
        fields["cancelled_at"] = event.occurred_at if status == "cancelled" else None
        if known.status in _GONE and status not in _GONE:
            fields["instance"] = known.instance + 1
    return fields, anomaly


def _next_status(known: str, said: str, *, revives: bool, rebooked: bool) -> tuple[str, bool]:
    """(status, is it an anomaly).  A booking of the same id brings a cancelled one back, a no-show only at a new time;
    a repeated "booked" after the arrival is an old word, not an anomaly."""
    if known in _PLANNED or said == known or said in _NEXT[known]:
        return said, False
    if said in _PLANNED:
        if (known in _GONE and revives) or (known == "noshow" and rebooked):
            return said, False
        return known, known in _GONE
    return known, True


def _announce(
    draft: Draft, known: Appointment, fresh: Appointment, changes: list[dict[str, JSON]], rescheduled: bool
) -> None:
    data = appointment_data(fresh) | _further(draft, fresh)
    before, after = resources_of(known), resources_of(fresh)
    gone = {name: said for name, said in before.items() if name not in after}
    if rescheduled:
        times: dict[str, JSON] = {"old_start": stamp(known.start_at), "new_start": stamp(fresh.start_at)}
        draft.emit("appointment.rescheduled", fresh, data | times, changes=changes)
        draft.transition("appointment-rescheduled", fresh, stamp(known.start_at), stamp(fresh.start_at))
    elif fresh.status != known.status:
        event = draft.emit(_type_of(draft.event.type, fresh.status), fresh, data, changes=changes)
        if known.status in _GONE and fresh.status not in _GONE:
            event.flags.append("reinstated")
    elif gone and draft.event.type == "appointment.resource-cancelled":
        lost: dict[str, JSON] = {"removed_resources": shown(gone), "resources": shown(after)}
        draft.emit("appointment.resource-cancelled", fresh, data | lost, changes=changes)
    else:
        draft.emit("appointment.updated", fresh, data, changes=changes)
    if fresh.status != known.status:
        draft.transition("appointment-status", fresh, known.status, fresh.status)
    if gone or after.keys() - before.keys():
        draft.transition("appointment-resources", fresh, " ".join(sorted(gone)), " ".join(sorted(after)))


def join_visit(draft: Draft, encounter: Encounter) -> None:
    """A visit that began is the arrival for its appointment: same visit number, else same facility within 4 hours."""
    started = encounter.started_at
    planned = [one for one in draft.subject.appointments.values() if one.status in ("booked", "noshow")]
    number = encounter.visit_number
    found = [one for one in planned if number and one.visit_number == number]
    if not found and started is not None:
        found = [
            one
            for one in planned
            if one.status == "booked"
            and one.facility_id == encounter.facility_id
            and one.start_at is not None
            and abs(one.start_at - started) <= JOIN_WINDOW
            and (one.visit_number is None or number is None)
        ]
        found.sort(key=lambda one: abs(one.start_at - started) if one.start_at else hours(24))
    if not found:
        return
    known = found[0]
    fields: dict[str, object] = {"status": "arrived"}
    changes = listed(known, fields)
    fresh = draft.update(known, None, **fields)
    data = appointment_data(fresh) | {"at": stamp(started or draft.occurred_at), "encounter_id": encounter.encounter_id}
    draft.emit("appointment.arrived", fresh, data, changes=changes)
    draft.transition("appointment-status", fresh, known.status, "arrived")


def appointment_data(one: Appointment) -> dict[str, JSON]:
    return present(
        {
            "filler_id": one.filler_id,
            "placer_id": one.placer_id,
            "occurrence": one.occurrence,
            "parent_id": one.parent_id,
            "status": one.status,
            "start": stamp(one.start_at),
            "end": stamp(one.end_at),
            "reason": one.reason,
            "event_reason": one.event_reason,
            "type": one.type,
            "service": one.service,
            "provider_id": one.provider_id,
            "provider_name": one.provider_name,
            "point_of_care": one.point_of_care,
            "location_type": one.location_type,
            "visit_number": one.visit_number,
        }
    )


def _further(draft: Draft, one: Appointment) -> dict[str, JSON]:
    """A no-show tells how many there were in 180 days."""
    if one.status != "noshow":
        return {}
    since = (one.start_at or draft.occurred_at) - NO_SHOW_WINDOW
    missed = [
        other
        for other in draft.subject.appointments.values()
        if other.status == "noshow" and other.start_at is not None and other.start_at >= since
    ]
    return {"no_show_count_180d": len(missed)}
