"""A booked service whose authorization is missing (6.2, 21)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta

from gateway.coordination.calendar import (
    at,
    business_days_before,
    local_date,
    shift_business_days,
    within_business_days,
)
from gateway.coordination.draft import Draft
from gateway.coordination.records import Appointment, Authorization, Coverage, Task, Timer
from gateway.coordination.rules.declaration import (
    Check,
    Closing,
    Finding,
    Focus,
    Rule,
    counted_back,
    done,
    evidence,
    gone,
    recorded_by,
    site_of,
)
from gateway.coordination.rules.payer import GRANTED, WAITING, for_payer, is_denied, primary_coverage
from gateway.coordination.rules.services import is_for, required_services, requirement
from gateway.coordination.rules.signs import VISITS
from gateway.coordination.rules.stays import numbers_of, scope_of
from gateway.coordination.tasks import Step, amend

_AWAITING = "awaiting-payer"
_SOON = timedelta(days=7)


def about_bookings(draft: Draft) -> list[Appointment]:
    """Bookings that changed; all that are ahead when the insurance or an answer about it did."""
    if draft.touched(Coverage):
        return [visit for visit in _booked_ahead(draft) if visit.status == "booked"]
    return [visit for visit in draft.touched(Appointment) if visit.status == "booked"]


def _booked_ahead(draft: Draft) -> Iterable[Appointment]:
    """Those of services that a payer requires an authorization for: all where the plan or a payer list says so."""
    held = [row for row in draft.subject.coverages.values() if row.active]
    named = set().union(*(required_services(row) for row in held)) if held else set()
    listed = bool(draft.settings.auth_payers or draft.settings.overrides)
    if not named and not listed:
        return ()
    ahead = draft.subject.appointments.from_on(draft.occurred_at)
    return ahead if listed or None in named else (visit for visit in ahead if visit.service in named)


def checks_of_booking(draft: Draft, visit: Appointment) -> Sequence[Check]:
    if visit.status != "booked" or visit.start_at is None:
        return []
    site, numbers = site_of(draft, visit.facility_id), numbers_of(draft, visit)
    day = shift_business_days(local_date(visit.start_at, site), -numbers.auth_lead_bd, site.calendar)
    moment = at(day, time(8, 0), site)
    return [Check(kind="lead", at=moment)] if moment > recorded_by(draft) else []


def wants_request(draft: Draft, visit: Appointment) -> Finding | str:
    return _request(draft, visit, recorded_by(draft))


def ripe_request(draft: Draft, visit: Appointment, timer: Timer) -> Finding | str:
    return _request(draft, visit, timer.fire_at)


def _request(draft: Draft, visit: Appointment, moment: datetime) -> Finding | str:
    coverage = primary_coverage(draft)
    if visit.status != "booked" or visit.start_at is None or visit.start_at <= moment:
        return "no appointment is booked ahead"
    if coverage is None:
        return "the patient has no insurance on file"
    if not _is_required(draft, visit, coverage):
        return "the payer is not known to require an authorization for this service"
    found = _answers(draft, visit, coverage)
    if any(row.status in GRANTED for row in found):
        return "an authorization is on file, or the payer requires none"
    if any(is_denied(row) for row in found):
        return "the payer denied it: see the denial's task"
    site = site_of(draft, visit.facility_id)
    near = visit.start_at - moment <= _SOON
    wished = min(within_business_days(moment, 3, site), business_days_before(visit.start_at, 5, site))
    due, priority = counted_back(wished, moment, "urgent" if near else REQUEST.priority)
    return Finding(
        key=REQUEST.key_of(scope_of(visit), coverage.coverage_id),
        due_at=due,
        priority=priority,
        business_status=_AWAITING if any(row.status in WAITING for row in found) else None,
        reason="The payer requires an authorization for a booked service and none is on file.",
        evidence=[
            evidence(draft, "AIS-3", visit.service),
            evidence(draft, "SCH-11.4", visit.start_at.isoformat()),
            evidence(draft, "EB11", requirement(coverage, visit) or "payer list"),
        ],
        focus=Focus(
            facility_id=visit.facility_id, appointment_id=visit.appointment_id, coverage_id=coverage.coverage_id
        ),
    )


def _is_required(draft: Draft, visit: Appointment, coverage: Coverage) -> bool:
    said = requirement(coverage, visit)
    if said is not None:
        return said == "Y"
    listed = set(numbers_of(draft, visit, coverage).auth_payers)
    return bool({coverage.payer_id, coverage.payer_name, coverage.plan_id} & listed)


def _answers(draft: Draft, visit: Appointment, coverage: Coverage) -> list[Authorization]:
    return [
        row
        for row in draft.subject.authorizations.values()
        if for_payer(draft, row, coverage) and not row.needs_recheck and is_for(draft, row, visit)
    ]


def settle_request(draft: Draft, task: Task) -> Closing | None:
    visit = draft.subject.appointments.get(task.appointment_id or "")
    coverage = draft.subject.coverages.get(task.coverage_id or "")
    if visit is None:
        return None
    if coverage is None or not coverage.active:
        return gone("the coverage was replaced")
    if visit.status in ("cancelled", "noshow", "entered-in-error"):
        return gone("the appointment is off")
    if not _is_required(draft, visit, coverage):
        return gone("the payer requires no authorization")
    found = _answers(draft, visit, coverage)
    if any(row.status in GRANTED for row in found):
        return done("an authorization is on file")
    if any(is_denied(row) for row in found):
        return done("the payer denied it: see the denial's task")
    waiting = any(row.status in WAITING for row in found)
    if waiting != (task.business_status == _AWAITING):
        words = "pended by the payer" if waiting else "no longer pended"
        amend(draft, task, words, business_status=_AWAITING if waiting else None)
    return None


def request_steps(draft: Draft, task: Task) -> Iterable[Step]:
    """Overdue at the due time; two business days before the service to the lead."""
    yield Step(task.due_at, "due")
    visit = draft.subject.appointments.get(task.appointment_id or "")
    if visit is not None and visit.start_at is not None:
        site = site_of(draft, task.facility_id)
        day = shift_business_days(local_date(visit.start_at, site), -2, site.calendar)
        yield Step(at(day, time(8, 0), site), "escalate")


REQUEST = Rule(
    id="auth-required-not-on-file",
    trigger="An appointment is booked ahead, the payer requires an authorization for its service (271 EB11 = Y, or the "
    "payer list), and none is certified or not required, at the booking or 10 business days before the service",
    task="Request prior authorization",
    type="obtain-auth",
    priority="routine",
    due="3 business days, at the latest 5 before the service; urgent when the service is at most 7 days away",
    queue="authorization",
    resolves="Certified or not required; a denial closes it (auth-denied takes over); while pended: awaiting-payer",
    retracts="S15, S17; coverage replaced; the payer requires none after all; death",
    escalates="Overdue at the due time; 2 business days before the service one priority up and to the lead",
    key="appt|coverage",
    basis="CORE, CMS-0057-F",
    settings=("auth_payers", "auth_lead_bd"),
    watches=(Appointment, Coverage, Authorization),
    hears=(VISITS,),
    about=about_bookings,
    wants=wants_request,
    checks=checks_of_booking,
    ripe=ripe_request,
    settle=settle_request,
    steps=request_steps,
)
