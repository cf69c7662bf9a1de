"""Rules about insurance: verify it at admission, act when the payer says it is not in force (6.2, 30 and 31)."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.coordination.calendar import business_days_before, local_date, within_business_days
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Appointment, Coverage, Encounter, Task, Transition
from gateway.coordination.rules.cancellation import still_stands
from gateway.coordination.rules.declaration import Finding, Focus, Rule, evidence, next_step, open_for, site_of
from gateway.coordination.rules.signs import ANSWERED
from gateway.coordination.rules.stays import focus_on, scope_of, told
from gateway.coordination.tasks import newest, raised, reinstate, resolve, retract, set_step, was_retracted

_ARRIVALS = {"admitted": ("inpatient",), "registered": ("emergency", "observation"), "preadmitted": ()}
_OUT_OF_FORCE = ("inactive", "not-covered")
_LEFT = "the coverage is no longer on file"
REVERTED_WITHIN = timedelta(hours=1)
"""A change of insurance that is taken back so soon was none (6.2, 34)."""
_HORIZON = timedelta(days=30)


# -- verify at admission -----------------------------------------------------------------------------------------------


def look_verify(draft: Draft) -> None:
    for task in draft.subject.tasks.open_of(VERIFY.id):
        _settle_verify(draft, task)
    if any(row.kind == "coverage-changed" for row in draft.transitions):
        for task in draft.subject.tasks.retracted_of(VERIFY.id):
            _give_back(draft, task)
    for row in draft.transitions:
        classes = _ARRIVALS.get(row.kind)
        if classes is not None and (not classes or row.to_value in classes):
            stay = draft.subject.encounters[row.aggregate_id]
            if not stay.self_pay:
                for coverage in draft.subject.coverages.values():
                    if coverage.active and not _is_verified(draft, coverage):
                        _open_verify(draft, stay, coverage, row)


def _give_back(draft: Draft, task: Task) -> None:
    """The coverage left and came back within the hour: no change of insurance asks for it, the arrival still does."""
    coverage = draft.subject.coverages.get(task.coverage_id or "")
    left = (task.status_reason or "").endswith(_LEFT) and task.closed_at is not None
    if not left or coverage is None or not coverage.active or _is_verified(draft, coverage):
        return
    if task.closed_at and draft.occurred_at - task.closed_at <= REVERTED_WITHIN and still_stands(draft, task):
        fresh = reinstate(draft, task, told(draft, "the coverage is on file again"))
        set_step(draft, fresh, next_step(draft, VERIFY, fresh, after=task.closed_at))


def _open_verify(draft: Draft, stay: Encounter, coverage: Coverage, arrival: Transition) -> None:
    early = arrival.kind == "preadmitted"
    if not early:
        _supersede(draft, stay, coverage)
    due, priority = _verify_due(draft, stay, early)
    waiting = "expected" if early else "here"
    open_for(
        draft,
        VERIFY,
        focus_on(stay, coverage_id=coverage.coverage_id),
        Finding(
            key=VERIFY.key_of(scope_of(stay), coverage.coverage_id, "A05" if early else "admit"),
            due_at=due,
            priority=priority,
            reason=f"The patient is {waiting} and the payer has not confirmed the insurance within "
            f"{draft.numbers(stay.facility_id).verify_valid_cd} days.",
            evidence=[
                evidence(draft, "PV1-2", arrival.to_value),
                evidence(draft, "IN1-3", coverage.payer_id),
                evidence(draft, "271", coverage.eligibility or "none"),
            ],
        ),
    )


def _supersede(draft: Draft, stay: Encounter, coverage: Coverage) -> None:
    """The patient came: what was to be verified before is now verified as of the admission, once."""
    before = VERIFY.key_of(scope_of(stay), coverage.coverage_id, "A05")
    for task in draft.subject.tasks.open_of(VERIFY.id):
        if task.task_key.startswith(before):
            retract(draft, task, told(draft, "the patient is here: the task of the admission stands for it"))


def _verify_due(draft: Draft, stay: Encounter, early: bool) -> tuple[datetime, str]:
    """Due time and priority; one that would lie in the past becomes 4 hours from the message, one priority up (6.1)."""
    site = site_of(draft, stay.facility_id)
    if not early:
        return within_business_days(draft.occurred_at, 1, site), "urgent"
    if stay.expected_admit_at is None:
        return within_business_days(draft.event.recorded_at, 1, site), "routine"
    due = business_days_before(stay.expected_admit_at, 2, site)
    if due < draft.event.recorded_at:
        return draft.event.recorded_at + hours(4), raised("routine")
    return due, "routine"


def _is_verified(draft: Draft, coverage: Coverage) -> bool:
    """An active 271 or a registration's check (IN1-29) not older than `verify_valid_cd` days at the event."""
    since = draft.event.recorded_at - timedelta(
        days=draft.numbers(coverage.facility_id, coverage.payer_id, coverage.payer_name).verify_valid_cd
    )
    checked = coverage.eligibility_as_of if coverage.eligibility == "active" else None
    return any(moment is not None and moment >= since for moment in (checked, coverage.verified_at))


def _settle_verify(draft: Draft, task: Task) -> None:
    coverage = draft.subject.coverages.get(task.coverage_id or "")
    if coverage is None or not coverage.active:
        retract(draft, task, told(draft, _LEFT))
        return
    for row in draft.transitions:
        if row.aggregate_id != coverage.coverage_id:
            continue
        if row.kind == "coverage-verified":
            resolve(draft, task, told(draft, "registration verified the coverage"))
            return
        if row.kind == "coverage-status" and row.to_value == "active":
            resolve(draft, task, told(draft, "the payer confirmed the coverage"))
            return


# -- not in force ------------------------------------------------------------------------------------------------------


def look_inactive(draft: Draft) -> None:
    for task in draft.subject.tasks.open_of(INACTIVE.id):
        _settle_inactive(draft, task)
    for coverage in draft.subject.coverages.values():
        if coverage.active and coverage.eligibility in _OUT_OF_FORCE and coverage.inactive_since is not None:
            _consider_inactive(draft, coverage)


def _consider_inactive(draft: Draft, coverage: Coverage) -> None:
    key = INACTIVE.key_of(coverage.coverage_id, f"v{coverage.inactive_since:%Y%m%dT%H%M%SZ}")
    before = newest(draft, key)
    if before is not None and not was_retracted(before):
        return
    if _active_since(draft, coverage.inactive_since) or not _asked_again(draft, coverage):
        return
    visit = _next_visit(draft)
    stay = _open_stay(draft)
    if visit is None and stay is None:
        return
    facility_id = visit.facility_id if visit else stay.facility_id if stay else coverage.facility_id
    due, priority = _inactive_due(draft, visit, facility_id)
    purpose = "an appointment is booked" if visit else "a stay is open"
    open_for(
        draft,
        INACTIVE,
        Focus(facility_id=facility_id, coverage_id=coverage.coverage_id),
        Finding(
            key=key,
            due_at=due,
            priority=priority,
            reason=f"The payer says that the coverage is not in force, and {purpose}.",
            evidence=[
                evidence(draft, "2110C EB01", coverage.eligibility),
                evidence(draft, "BHT04", coverage.inactive_since.isoformat() if coverage.inactive_since else None),
                evidence(draft, "SCH-11.4", visit.start_at.isoformat() if visit and visit.start_at else None),
            ],
        ),
    )


def _asked_again(draft: Draft, coverage: Coverage) -> bool:
    """What makes the rule look: an answer about the coverage, a booking, or a stay that begins."""
    return any(
        (row.kind == "coverage-status" and row.aggregate_id == coverage.coverage_id)
        or (row.kind == "appointment-status" and row.to_value == "booked")
        or row.kind == "appointment-rescheduled"
        or row.kind in _ARRIVALS
        for row in draft.transitions
    )


def _inactive_due(draft: Draft, visit: Appointment | None, facility_id: str) -> tuple[datetime, str]:
    site = site_of(draft, facility_id)
    start = draft.event.occurred_at
    due, priority = within_business_days(start, 2, site), "urgent"
    if visit is None or visit.start_at is None:
        return due, priority
    if local_date(visit.start_at, site) <= local_date(due, site):
        priority = "asap"
    before_service = business_days_before(visit.start_at, 1, site)
    if before_service < start:
        return start + hours(4), raised(priority)
    return min(due, before_service), priority


def _settle_inactive(draft: Draft, task: Task) -> None:
    coverage = draft.subject.coverages.get(task.coverage_id or "")
    since = coverage.inactive_since if coverage is not None else None
    if (coverage is not None and coverage.eligibility == "active") or _active_since(draft, since or task.opened_at):
        resolve(draft, task, told(draft, "the payer confirmed active coverage"))
    elif not draft.subject.appointments.of_status("booked") and not _open_stay(draft):
        retract(draft, task, told(draft, "no appointment is booked and no stay is open"))


def _active_since(draft: Draft, since: datetime | None) -> bool:
    """An active answer, newer than the first inactive one, for any coverage of the patient."""
    return since is not None and any(
        row.eligibility == "active" and row.eligibility_as_of is not None and row.eligibility_as_of > since
        for row in draft.subject.coverages.values()
    )


def _next_visit(draft: Draft) -> Appointment | None:
    """The earliest appointment booked within 30 days of the event."""
    now = draft.event.occurred_at
    ahead = [visit for visit in draft.subject.appointments.between(now, now + _HORIZON) if visit.status == "booked"]
    return min(ahead, key=lambda visit: visit.start_at or now, default=None)


def _open_stay(draft: Draft) -> Encounter | None:
    return next(iter(draft.subject.encounters.open()), None)


VERIFY = Rule(
    id="verify-coverage-on-admit",
    trigger="A01, A04 (emergency, observation), A05 or A06 of an insured patient without an active 271 or a "
    "registration's check (IN1-29) of the last 3 days",
    task="Verify eligibility",
    type="verify-coverage",
    priority="urgent",
    due="1 business day after the admission; A05 (routine): 2 business days before PV2-8",
    queue="eligibility",
    resolves="Active 271, or IN1-29 updated",
    retracts="A11; the coverage left the insurance on file; death; the admission, for the task of the A05",
    key="enc|coverage|{A05,admit}",
    basis="CORE",
    settings=("verify_valid_cd",),
    watches=(Encounter, Coverage),
    hears=(*_ARRIVALS, "coverage-changed"),
    look=look_verify,
)

INACTIVE = Rule(
    id="coverage-inactive-upcoming",
    trigger="The newest 271 says inactive or not covered, and an appointment is booked in the next 30 days or a stay "
    "is open; also when the booking or the stay comes after the answer",
    task="Coverage inactive – contact patient for new insurance / self-pay estimate",
    type="verify-coverage",
    priority="urgent",
    due="2 business days, at the latest 1 before the service; asap when the service is 2 business days away or less",
    queue="eligibility",
    resolves="Active 271 for any coverage of the patient",
    retracts="No appointment is booked any more and no stay is open; death",
    key="coverage|v{first inactive answer in a row}",
    basis="CORE",
    watches=(Coverage, Appointment, Encounter),
    hears=(ANSWERED,),
    look=look_inactive,
)
