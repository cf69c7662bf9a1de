"""Extended rules of scheduling: referrals, unconfirmed, unknown outcome, booked twice (6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.coordination.calendar import business_days_before, within_business_days
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Appointment, Authorization, Task, Timer
from gateway.coordination.rules.booking import same_service
from gateway.coordination.rules.declaration import (
    Check,
    Closing,
    Finding,
    Rule,
    done,
    evidence,
    gone,
    recorded_by,
    site_of,
)
from gateway.coordination.rules.payer import GRANTED, focus_of
from gateway.coordination.rules.services import services_of
from gateway.coordination.rules.stays import ATTENDED, numbers_of, scope_of

_REFERRAL = "SC"
_UNCONFIRMED = ("pending", "proposed")
_LIVE = ("booked", *ATTENDED)


def touched_visits(draft: Draft) -> list[Appointment]:
    return draft.touched(Appointment)


# -- referral without a booking ----------------------------------------------------------------------------------------


def checks_of_referral(draft: Draft, referral: Authorization) -> Sequence[Check]:
    if referral.request_category != _REFERRAL or referral.status not in GRANTED or referral.decided_at is None:
        return []
    focus = focus_of(draft, referral)
    numbers = draft.numbers(focus.facility_id, referral.payer_id)
    moment = within_business_days(referral.decided_at, numbers.referral_bd, site_of(draft, focus.facility_id))
    return [Check(kind="referral", at=moment)] if moment > recorded_by(draft) else []


def ripe_referral(draft: Draft, referral: Authorization, timer: Timer) -> Finding | str:
    if referral.status not in GRANTED:
        return "the referral no longer stands"
    if _booked_for(draft, referral, by=timer.fire_at):
        return "the specialist is booked"
    focus = focus_of(draft, referral)
    return Finding(
        key=REFERRAL.key_of(referral.authorization_id),
        due_at=within_business_days(timer.fire_at, 5, site_of(draft, focus.facility_id)),
        reason="The payer certified a referral and no visit is booked.",
        evidence=[evidence(draft, "UM01", _REFERRAL), evidence(draft, "UM03", referral.service_type)],
        focus=focus,
    )


def _booked_for(draft: Draft, referral: Authorization, by: datetime | None = None) -> bool:
    services = services_of(referral)
    return any(
        (visit.appointment_id == referral.appointment_id or visit.service in services)
        and (by is None or (visit.booked_at or visit.recorded_at) <= by)
        for visit in draft.subject.appointments.of_status(*_LIVE)
    )


def settle_referral(draft: Draft, task: Task) -> Closing | None:
    referral = draft.subject.authorizations.get(task.authorization_id or "")
    if referral is None:
        return None
    if referral.status not in GRANTED:
        return gone("the referral no longer stands")
    return done("the specialist is booked") if _booked_for(draft, referral) else None


# -- not confirmed -----------------------------------------------------------------------------------------------------


def checks_of_confirmation(draft: Draft, visit: Appointment) -> Sequence[Check]:
    """Three business days after it was asked for, or three before it starts, whatever comes first."""
    if visit.status not in _UNCONFIRMED:
        return []
    site, asked = site_of(draft, visit.facility_id), visit.booked_at or visit.recorded_at
    moment = within_business_days(asked, 3, site)
    if visit.start_at is not None:
        moment = min(moment, max(business_days_before(visit.start_at, 3, site), asked))
    return [Check(kind="confirm", at=moment)]


def ripe_confirmation(draft: Draft, visit: Appointment, timer: Timer) -> Finding | str:
    if visit.status not in _UNCONFIRMED:
        return "the appointment is confirmed or off"
    return Finding(
        key=UNCONFIRMED.key_of(scope_of(visit)),
        due_at=within_business_days(timer.fire_at, 1, site_of(draft, visit.facility_id)),
        reason="The appointment is still unconfirmed.",
        evidence=[evidence(draft, "SCH-25", visit.status)],
        focus=focus_of(draft, visit),
    )


def settle_confirmation(draft: Draft, task: Task) -> Closing | None:
    visit = draft.subject.appointments.get(task.appointment_id or "")
    if visit is None or visit.status in _UNCONFIRMED:
        return None
    return done("the appointment is confirmed") if visit.status in _LIVE else gone("the appointment is off")


# -- outcome unknown ---------------------------------------------------------------------------------------------------


OUTCOME_AFTER = hours(24)


def is_unresolved(status: str, end: datetime | None, now: datetime) -> bool:
    """True of an appointment that is still booked a day after its end (3.2): nobody said whether the patient came."""
    return status == "booked" and end is not None and end + OUTCOME_AFTER <= now


def checks_of_outcome(draft: Draft, visit: Appointment) -> Sequence[Check]:
    end = visit.end_at or visit.start_at
    return [Check(kind="outcome", at=end + OUTCOME_AFTER)] if visit.status == "booked" and end is not None else []


def ripe_outcome(draft: Draft, visit: Appointment, timer: Timer) -> Finding | str:
    end = visit.end_at or visit.start_at
    if end is None or not is_unresolved(visit.status, end, timer.fire_at):
        return "the outcome is known, or the appointment is ahead"
    return Finding(
        key=OUTCOME.key_of(scope_of(visit)),
        due_at=within_business_days(timer.fire_at, 2, site_of(draft, visit.facility_id)),
        reason="A day after the appointment nobody said whether the patient came.",
        evidence=[evidence(draft, "SCH-25", "Booked"), evidence(draft, "SCH-11.5", end.isoformat())],
        focus=focus_of(draft, visit),
    )


def settle_outcome(draft: Draft, task: Task) -> Closing | None:
    visit = draft.subject.appointments.get(task.appointment_id or "")
    if visit is None:
        return None
    if visit.status in ("noshow", *ATTENDED):
        return done("the outcome is known")
    end = visit.end_at or visit.start_at
    moved = visit.status == "booked" and end is not None and end > recorded_by(draft)
    return gone("the appointment was moved") if moved else None


# -- booked twice ------------------------------------------------------------------------------------------------------


def twins_of(draft: Draft, visit: Appointment) -> list[Appointment]:
    """Other bookings of the same service within the window, at another provider or place, not of one series."""
    if visit.start_at is None or visit.status != "booked":
        return []
    reach = timedelta(days=numbers_of(draft, visit).duplicate_cd)
    return [
        other
        for other in draft.subject.appointments.between(visit.start_at - reach, visit.start_at + reach)
        if other.appointment_id != visit.appointment_id
        and other.status == "booked"
        and same_service(other, visit)
        and (other.provider_id, other.point_of_care) != (visit.provider_id, visit.point_of_care)
        and not _one_series(other, visit)
    ]


def _one_series(one: Appointment, other: Appointment) -> bool:
    """Children of one parent (SCH-23/24), or occurrences (SCH-3) under one id."""
    if one.parent_id and one.parent_id == other.parent_id:
        return True
    name = one.filler_id or one.placer_id
    return bool(one.occurrence and other.occurrence and name in (other.filler_id, other.placer_id))


def wants_review(draft: Draft, visit: Appointment) -> Finding | str:
    twins = twins_of(draft, visit)
    if not twins:
        return "the service is not booked elsewhere"
    ids = sorted({visit.appointment_id, *(twin.appointment_id for twin in twins)})
    return Finding(
        key=DUPLICATE.key_of(draft.subject.patient.patient_id, visit.service or visit.type or "", "+".join(ids)),
        due_at=within_business_days(draft.occurred_at, 2, site_of(draft, visit.facility_id)),
        reason="The same service is booked more than once with different providers or places.",
        evidence=[evidence(draft, "AIS-3", visit.service or visit.type)],
        focus=focus_of(draft, visit),
    )


def settle_review(draft: Draft, task: Task) -> Closing | None:
    visit = draft.subject.appointments.get(task.appointment_id or "")
    return done("it is booked once") if visit is not None and not twins_of(draft, visit) else None


REFERRAL = Rule(
    id="referral-without-appointment",
    trigger="A certified referral (278 UM01 = SC) has no booking of its service after 5 business days",
    task="Schedule specialist",
    type="schedule",
    priority="routine",
    due="5 business days",
    queue="scheduling",
    resolves="S12 of the service",
    retracts="The referral no longer stands; death",
    key="auth",
    basis="Product default",
    settings=("referral_bd",),
    extended=True,
    watches=(Authorization, Appointment),
    checks=checks_of_referral,
    ripe=ripe_referral,
    settle=settle_referral,
)

UNCONFIRMED = Rule(
    id="appointment-unconfirmed-pending",
    trigger="An appointment is pending or proposed for 3 business days, or starts in 3",
    task="Confirm appointment",
    type="schedule",
    priority="routine",
    due="1 business day",
    queue="scheduling",
    resolves="Booked",
    retracts="Cancelled; death",
    key="appt",
    basis="Product default",
    extended=True,
    watches=(Appointment,),
    checks=checks_of_confirmation,
    ripe=ripe_confirmation,
    settle=settle_confirmation,
)

OUTCOME = Rule(
    id="appointment-outcome-unknown",
    trigger="An appointment is still booked 24 hours after its end",
    task="Record outcome of appointment",
    type="schedule",
    priority="routine",
    due="2 business days",
    queue="scheduling",
    resolves="A status, or the visit that is its arrival (A04)",
    retracts="Cancelled, moved; death",
    key="appt",
    basis="Product default",
    extended=True,
    watches=(Appointment,),
    checks=checks_of_outcome,
    ripe=ripe_outcome,
    settle=settle_outcome,
)

DUPLICATE = Rule(
    id="duplicate-service-booked",
    trigger="Two or more bookings of the same service (AIS-3, else type) within 14 days with different providers or "
    "places, not of one series (SCH-23/24, SCH-3)",
    task="Review duplicate booking",
    type="schedule",
    priority="routine",
    due="2 business days",
    queue="scheduling",
    resolves="One is left",
    retracts="Death",
    key="patient|service|ids",
    basis="Product default",
    settings=("duplicate_cd",),
    extended=True,
    watches=(Appointment,),
    about=touched_visits,
    wants=wants_review,
    settle=settle_review,
)
