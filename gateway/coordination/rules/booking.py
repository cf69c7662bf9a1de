"""Appointments that fell through: missed, cancelled, without clinician or room (6.2, 40 to 42)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from gateway.coordination.calendar import within_business_days
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Appointment, Task, Timer
from gateway.coordination.rules.declaration import (
    Check,
    Closing,
    Finding,
    Rule,
    done,
    evidence,
    gone,
    site_of,
)
from gateway.coordination.rules.followup import stay_followed_by, version_of
from gateway.coordination.rules.payer import focus_of
from gateway.coordination.rules.stays import (
    ATTENDED,
    happened,
    is_dead,
    is_follow_up_kind,
    numbers_of,
    scope_of,
    was_live,
)
from gateway.coordination.tasks import Evidence, Step
from gateway.coordination.transitions.blocks import blocks_of

_REBOOKED_WITHIN = timedelta(days=30)
_MANY_MISSED = 3
_MISSED_SINCE = timedelta(days=180)
_SOON = 2
_NEEDED = ("AIP", "AIS")


def touched_visits(draft: Draft) -> list[Appointment]:
    return draft.touched(Appointment)


def words_of(visit: Appointment) -> set[str]:
    return {word.upper() for word in (visit.reason, visit.type, visit.service) if word}


def is_specialist(draft: Draft, visit: Appointment) -> bool:
    return bool(words_of(visit) & set(numbers_of(draft, visit).specialist_types))


def same_service(one: Appointment, other: Appointment) -> bool:
    """Same AIS-3 service, or the same type of visit."""
    if one.service and other.service:
        return one.service == other.service
    return bool(one.type and one.type == other.type)


# -- missed ------------------------------------------------------------------------------------------------------------


def wants_contact(draft: Draft, visit: Appointment) -> Finding | str:
    if visit.status != "noshow" or happened(draft, "appointment-status", visit.appointment_id) is None:
        return "the appointment was not missed"
    if is_dead(draft.subject.patient):
        return "the patient died"
    if stay_followed_by(draft, visit) is not None:
        return "it follows a discharge: see followup-no-show"
    return Finding(
        key=MISSED.key_of(scope_of(visit), version_of(visit)),
        due_at=within_business_days(draft.occurred_at, 2, site_of(draft, visit.facility_id)),
        priority="urgent" if is_specialist(draft, visit) else None,
        reason="The patient did not come: ask why, and book again.",
        evidence=[
            evidence(draft, "SCH-25", "Noshow"),
            evidence(draft, "SCH-11.4", visit.start_at.isoformat() if visit.start_at else None),
        ],
        focus=focus_of(draft, visit),
    )


def settle_contact(draft: Draft, task: Task) -> Closing | None:
    visit = draft.subject.appointments.get(task.appointment_id or "")
    if visit is None:
        return None
    if visit.status in ATTENDED:
        return gone("the patient came after all")
    if visit.status == "booked":
        return done("the appointment was booked again")
    missed = visit.status_at or visit.recorded_at
    if any(same_service(other, visit) and _booked_since(other, missed) for other in _live(draft, visit)):
        return done("a new appointment was booked")
    return None


def missed_steps(draft: Draft, task: Task) -> Iterable[Step]:
    """The default; the third missed appointment in 180 days goes to case management at the due time."""
    yield Step(task.due_at, "due")
    visit = draft.subject.appointments.get(task.appointment_id or "")
    since = (visit.start_at if visit and visit.start_at else task.opened_at) - _MISSED_SINCE
    missed = [row for row in draft.subject.appointments.of_status("noshow") if row.start_at and row.start_at >= since]
    queue = "case-management" if len(missed) >= _MANY_MISSED else None
    if queue:
        yield Step(task.opened_at, "escalate", queue)
    yield Step(within_business_days(task.due_at, 1, site_of(draft, task.facility_id)), "lead")


def _live(draft: Draft, visit: Appointment) -> list[Appointment]:
    rows = draft.subject.appointments.of_status("booked", *ATTENDED)
    return [other for other in rows if other.appointment_id != visit.appointment_id]


def _booked_since(visit: Appointment, moment: datetime) -> bool:
    return (visit.booked_at or visit.recorded_at) > moment


# -- cancelled ---------------------------------------------------------------------------------------------------------


def checks_of_cancel(draft: Draft, visit: Appointment) -> Sequence[Check] | None:
    if visit.status != "cancelled" or visit.cancelled_at is None:
        return []
    if happened(draft, "appointment-status", visit.appointment_id) is None:
        return None
    if not _matters(draft, visit) or is_dead(draft.subject.patient):
        return []
    wait = numbers_of(draft, visit).rebook_wait_h
    return [Check(kind="rebook", at=visit.cancelled_at + hours(wait), cycle=version_of(visit))]


def _matters(draft: Draft, visit: Appointment) -> bool:
    """Cancelled by the provider, or a follow-up or referral visit whoever cancelled it."""
    numbers = numbers_of(draft, visit)
    by_provider = (visit.event_reason or "").upper() in {word.upper() for word in numbers.provider_cancel_reasons}
    return by_provider or is_follow_up_kind(visit, numbers) or is_specialist(draft, visit)


def ripe_rebooking(draft: Draft, visit: Appointment, timer: Timer) -> Finding | str:
    cancelled = visit.cancelled_at
    if visit.status != "cancelled" or cancelled is None:
        return "the appointment stands again"
    if is_dead(draft.subject.patient):
        return "the patient died"
    if _rebooking(draft, visit, by=timer.fire_at) is not None:
        return "it was booked again"
    follow_up = is_follow_up_kind(visit, numbers_of(draft, visit))
    return Finding(
        key=CANCELLED.key_of(scope_of(visit), version_of(visit)),
        due_at=within_business_days(timer.fire_at, 2, site_of(draft, visit.facility_id)),
        priority="urgent" if follow_up else None,
        reason="The appointment was cancelled and not booked again within a day.",
        evidence=[
            evidence(draft, "SCH-6", visit.event_reason),
            evidence(draft, "SCH-11.4", visit.start_at.isoformat() if visit.start_at else None),
        ],
        focus=focus_of(draft, visit),
    )


def _rebooking(draft: Draft, visit: Appointment, by: datetime | None = None) -> Appointment | None:
    """A booking that stands for the cancelled one: named as its child, or of the same service within 30 days of its
    time, also one made before; one whose message is older than the cancel and that stood for another time is none."""
    start = visit.start_at
    held = _live(draft, visit) if by is None else draft.subject.appointments.values()
    for other in held:
        if other.appointment_id == visit.appointment_id or not was_live(other, by):
            continue
        if other.parent_id is not None and other.parent_id in (visit.filler_id, visit.placer_id):
            return other
        near = start is not None and other.start_at is not None and abs(other.start_at - start) <= _REBOOKED_WITHIN
        if near and same_service(other, visit):
            return other
    return None


def settle_rebooking(draft: Draft, task: Task) -> Closing | None:
    visit = draft.subject.appointments.get(task.appointment_id or "")
    if visit is None:
        return None
    if visit.status in ("booked", *ATTENDED) or _rebooking(draft, visit) is not None:
        return done("the appointment was booked again")
    return gone("the appointment was deleted") if visit.status == "entered-in-error" else None


# -- without clinician or room -----------------------------------------------------------------------------------------


_BLOCKED = "vblocked-"
_MAY_BLOCK = ("appointment-blocked", "appointment-rescheduled", "appointment-resources")


def wants_resource(draft: Draft, visit: Appointment) -> Finding | str:
    if visit.status != "booked":
        return "the appointment is not booked"
    lost = _lost(draft, visit)
    return lost if isinstance(lost, Finding) else _blocked(draft, visit) or lost


def _lost(draft: Draft, visit: Appointment) -> Finding | str:
    lost = happened(draft, "appointment-resources", visit.appointment_id)
    if lost is None:
        return "no booked appointment lost a resource"
    left = {name.partition(":")[0] for name in (lost.to_value or "").split()}
    gone_kinds = {name.partition(":")[0] for name in (lost.from_value or "").split()}
    missing = [kind for kind in _NEEDED if kind in gone_kinds and kind not in left]
    if not missing:
        return "a clinician and a service are left"
    return _without(
        draft,
        visit,
        key=f"v{(lost.to_value or 'none').replace(' ', '+')}",
        reason="The appointment has no clinician any more." if "AIP" in missing else "The appointment has no service.",
        facts=[evidence(draft, kind, "removed") for kind in missing],
    )


def _blocked(draft: Draft, visit: Appointment) -> Finding | None:
    """The key names the block, by its message's time, and the booking: another block, or the same one met again after
    a move, is work again."""
    if all(happened(draft, kind, visit.appointment_id) is None for kind in _MAY_BLOCK):
        return None
    blocks = blocks_of(visit)
    if not blocks or visit.start_at is None or visit.start_at <= draft.occurred_at:
        return None
    if any(_is_about_block(task) for task in draft.subject.tasks.naming(visit.appointment_id)):
        return None
    since = max(one.at for one in blocks).astimezone(UTC)
    return _without(
        draft,
        visit,
        key=f"{_BLOCKED}{since:%Y%m%d%H%M%S}-{visit.reschedules}",
        reason="The appointment's clinician or room is blocked at its time.",
        facts=[evidence(draft, kind, "blocked") for kind in sorted({one.name.partition(":")[0] for one in blocks})],
    )


def _is_about_block(task: Task) -> bool:
    return task.rule_id == RESOURCE.id and f"|{_BLOCKED}" in task.task_key


def _without(draft: Draft, visit: Appointment, *, key: str, reason: str, facts: list[Evidence]) -> Finding:
    site = site_of(draft, visit.facility_id)
    moment = draft.occurred_at
    near = visit.start_at is not None and within_business_days(moment, _SOON, site) >= visit.start_at
    return Finding(
        key=RESOURCE.key_of(scope_of(visit), key),
        due_at=within_business_days(moment, 1, site),
        priority="asap" if near else None,
        reason=reason,
        evidence=facts,
        focus=focus_of(draft, visit),
    )


def settle_resource(draft: Draft, task: Task) -> Closing | None:
    visit = draft.subject.appointments.get(task.appointment_id or "")
    if visit is None:
        return None
    if visit.status != "booked":
        return gone("the appointment no longer stands")
    if _is_about_block(task):
        return None if blocks_of(visit) else _unblocked(draft)
    changed = happened(draft, "appointment-resources", visit.appointment_id)
    moved = happened(draft, "appointment-rescheduled", visit.appointment_id)
    left = {name.partition(":")[0] for name in (changed.to_value or "").split()} if changed else set()
    if moved is not None or (changed is not None and left.issuperset(_NEEDED)):
        return done("the appointment has its resources again")
    return None


def _unblocked(draft: Draft) -> Closing:
    if draft.by_message and draft.event.slot is not None:
        return gone("the time is free again")
    return done("the appointment has another time or other resources")


MISSED = Rule(
    id="appointment-no-show",
    trigger="No-show (S26, SCH-25 = Noshow) at a visit that does not follow a discharge",
    task="Contact patient and rebook",
    type="outreach",
    priority="routine",
    due="2 business days; urgent for a procedure or a referral visit",
    queue="scheduling",
    resolves="The same service or type of visit is booked after the no-show",
    retracts="The no-show is corrected: the patient came; S15, S17; death",
    escalates="default; the third no-show in 180 days goes to case management at once",
    key="appt|v{start}",
    basis="Product default",
    settings=("specialist_types",),
    watches=(Appointment,),
    about=touched_visits,
    wants=wants_contact,
    settle=settle_contact,
    steps=missed_steps,
)

CANCELLED = Rule(
    id="appointment-cancelled-no-rebook",
    trigger="S15 or S16 by the provider (SCH-6), or any cancel of a follow-up or referral visit, and 24 hours later "
    "nothing of the same service is booked within 30 days of it",
    task="Rebook cancelled visit",
    type="schedule",
    priority="routine",
    due="2 business days after the check; urgent for a follow-up visit",
    queue="scheduling",
    resolves="S12 or S13 of the same service, or of a visit that names it as its parent",
    retracts="S17; death",
    key="appt|v{start}",
    basis="Derived",
    settings=("rebook_wait_h", "provider_cancel_reasons", "specialist_types"),
    watches=(Appointment,),
    checks=checks_of_cancel,
    ripe=ripe_rebooking,
    settle=settle_rebooking,
)

RESOURCE = Rule(
    id="appointment-resource-lost",
    trigger="S20, S21 or S22 leaves a booked appointment without clinician (AIP) or service (AIS), or S23 blocks time "
    "of a resource that it has (AIP, AIL, AIG)",
    task="Appointment lost its clinician/room",
    type="schedule",
    priority="urgent",
    due="1 business day; asap when the appointment is at most 2 business days away",
    queue="scheduling",
    resolves="S18 or S19 gives it back or replaces what is blocked, S13 moves the appointment",
    retracts="S24 frees the time; the appointment no longer stands; death",
    key="appt|v{resources left}, or v{block and booking}",
    basis="Derived",
    watches=(Appointment,),
    about=touched_visits,
    wants=wants_resource,
    settle=settle_resource,
)
