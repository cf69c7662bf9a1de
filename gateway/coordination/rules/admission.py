"""Rules of an inpatient admission: authorization not on file, and readmission (6.2, 19 and 37)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from gateway.coordination.calendar import days_between, end_of_day, is_open, next_open_day, within_business_days
from gateway.coordination.changes import TimerFired
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Authorization, Coverage, Encounter, Task
from gateway.coordination.rules.declaration import (
    Finding,
    Rule,
    evidence,
    open_for,
    set_check,
    set_due,
    site_of,
    timers_of,
)
from gateway.coordination.rules.payer import (
    GRANTED,
    WAITING,
    covers_admission,
    is_denied,
    known_by,
    needs_inpatient_authorization,
    primary_coverage,
)
from gateway.coordination.rules.stays import (
    focus_on,
    happened,
    makes_care_tasks,
    numbers_of,
    recorded_by,
    scope_of,
    stays_of_rule,
    told,
)
from gateway.coordination.tasks import Step, amend, newest, resolve, retract

_TRANSFER_SOURCE = "4"
_TRANSFER_REACH = timedelta(hours=24)
_AWAITING = "awaiting-payer"


def look_no_auth(draft: Draft) -> None:
    stays = {stay.encounter_id: stay for stay in stays_of_rule(draft, NO_AUTH, "admitted", "conversion-reverted")}
    arrived = any(coverage.revision == 1 for coverage in draft.touched(Coverage))
    if arrived or "coverage-changed" in draft.happened:
        stays |= {stay.encounter_id: stay for stay in draft.subject.encounters.values() if stay.status == "inpatient"}
    for stay in stays.values():
        for task in draft.subject.tasks.open_of(NO_AUTH.id):
            if task.encounter_id == stay.encounter_id:
                _settle_no_auth(draft, stay, task)
        _keep_check(draft, stay, arrived)


def _keep_check(draft: Draft, stay: Encounter, coverage_arrived: bool) -> None:
    """A check 12 hours after the admission; when the insurance is first named after that, at once."""
    if _obstacle(stay) or stay.inpatient_at is None:
        for timer in timers_of(draft, NO_AUTH, encounter_id=stay.encounter_id):
            if timer.fire_at > recorded_by(draft):
                draft.clear_timer(timer)
        return
    check_at = stay.inpatient_at + hours(numbers_of(draft, stay).auth_admit_check_h)
    pending = timers_of(draft, NO_AUTH, encounter_id=stay.encounter_id)
    if happened(draft, "admitted", stay.encounter_id) or (pending and check_at != pending[0].fire_at):
        set_check(draft, NO_AUTH, focus_on(stay), "check", str(stay.instance), check_at)
    elif not pending and coverage_arrived:
        coverage = primary_coverage(draft)
        if coverage and newest(draft, _key(stay, coverage)) is None:
            set_check(
                draft, NO_AUTH, focus_on(stay), "check", str(stay.instance), max(check_at, draft.event.recorded_at)
            )


def fire_no_auth(draft: Draft, fired: TimerFired) -> None:
    stay = draft.subject.encounters.get(fired.timer.encounter_id or "")
    coverage = primary_coverage(draft)
    if stay is None or coverage is None or stay.self_pay or not makes_care_tasks(stay):
        return
    if fired.timer.cycle != str(stay.instance):  # of an admission that was taken back before this one
        return
    if not needs_inpatient_authorization(coverage, draft.numbers(coverage.facility_id)):
        return
    moment = fired.timer.fire_at
    if any(known_by(row, moment) for row in _answers(draft, stay, coverage)):
        return
    asked = "requires" if coverage.authorization_required == "Y" else "may require"
    task = open_for(
        draft,
        NO_AUTH,
        focus_on(stay, coverage_id=coverage.coverage_id),
        Finding(
            key=_key(stay, coverage),
            due_at=_notice_due(draft, stay, moment),
            reason=f"Inpatient for {numbers_of(draft, stay).auth_admit_check_h} hours without an authorization on "
            f"file; the payer {asked} one.",
            evidence=[
                evidence(draft, "PV1-44", stay.inpatient_at.isoformat() if stay.inpatient_at else None),
                evidence(draft, "IN1-3", coverage.payer_id),
                evidence(draft, "EB11", coverage.authorization_required or "unknown"),
            ],
        ),
    )
    if task is not None:
        _settle_no_auth(draft, stay, task)


def _settle_no_auth(draft: Draft, stay: Encounter, task: Task) -> None:
    coverage = draft.subject.coverages.get(task.coverage_id or "")
    obstacle = _obstacle(stay) or _coverage_obstacle(draft, coverage)
    if obstacle:
        retract(draft, task, told(draft, obstacle))
        return
    assert coverage is not None
    answers = _answers(draft, stay, coverage)
    if any(row.status in GRANTED for row in answers):
        resolve(draft, task, told(draft, "an authorization is on file"))
    elif any(is_denied(row) for row in answers):
        resolve(draft, task, told(draft, "the payer denied it: see the denial's task"))
    else:
        waiting = any(row.status in WAITING for row in answers)
        status = _AWAITING if waiting else None if task.business_status == _AWAITING else task.business_status
        task = amend(draft, task, "pended by the payer" if waiting else "no longer pended", business_status=status)
        if stay.inpatient_at is not None:
            set_due(draft, NO_AUTH, task, _notice_due(draft, stay, stay.inpatient_at))


def _obstacle(stay: Encounter) -> str | None:
    if stay.status in ("cancelled", "deleted"):
        return "the admission was cancelled"
    if stay.self_pay:
        return "the patient pays himself"
    ended_inpatient = stay.status in ("discharged", "expired") and stay.class_ == "inpatient"
    if stay.status not in ("inpatient", "on-leave") and not ended_inpatient:
        return "the stay is no longer inpatient"
    return None if makes_care_tasks(stay) else "no authorization is asked for this class of visit"


def _coverage_obstacle(draft: Draft, coverage: Coverage | None) -> str | None:
    if coverage is None or not coverage.active:
        return "the coverage was replaced"
    if not needs_inpatient_authorization(coverage, draft.numbers(coverage.facility_id)):
        return "the payer requires no authorization"
    return None


def _answers(draft: Draft, stay: Encounter, coverage: Coverage) -> list[Authorization]:
    """Authorizations of the stay that were granted, pended or denied."""
    return [
        row
        for row in draft.subject.authorizations.values()
        if (row.status in GRANTED or row.status in WAITING or is_denied(row))
        and covers_admission(draft, row, stay, coverage)
    ]


def _notice_due(draft: Draft, stay: Encounter, moment: datetime) -> datetime:
    settings, site = draft.settings, site_of(draft, stay.facility_id)
    admitted = stay.inpatient_at or moment - hours(settings.auth_admit_check_h)
    due = admitted + hours(settings.auth_notice_h)
    if is_open(due, settings.office_opens, settings.office_closes, site):
        return due
    return end_of_day(next_open_day(due, settings.office_opens, site), site)


def _key(stay: Encounter, coverage: Coverage) -> str:
    return NO_AUTH.key_of(scope_of(stay), coverage.coverage_id)


def no_auth_steps(draft: Draft, task: Task) -> Iterable[Step]:
    yield Step(task.due_at, "due")
    yield Step(task.due_at + hours(24), "lead")


# -- readmission -------------------------------------------------------------------------------------------------------


def look_readmission(draft: Draft) -> None:
    came_late = "discharged" in draft.happened
    for stay in draft.subject.encounters.values():
        if stay.status != "inpatient" or stay.inpatient_at is None or stay.newborn:
            continue
        if happened(draft, "admitted", stay.encounter_id):
            _open_readmission(draft, stay, stay.readmission)
        elif came_late:
            _open_readmission(draft, stay, False)


def _open_readmission(draft: Draft, stay: Encounter, flagged: bool) -> None:
    assert stay.inpatient_at is not None
    before = _previous_discharge(draft, stay)
    if before is None and not flagged:
        return
    proof = [evidence(draft, "PV1-44", stay.inpatient_at.isoformat())]
    if before is not None and before.discharged_at is not None:
        days = _gap(draft, before, stay)
        reason = f"Admitted again {days} days after an inpatient discharge."
        proof.append(evidence(draft, "PV1-45", before.discharged_at.isoformat()))
    else:
        reason = "The admission is marked as a readmission."
    if flagged:
        proof.append(evidence(draft, "PV1-13", "R"))
    if stay.admission_type == "C":
        reason += " It is an elective admission and may have been planned."
        proof.append(evidence(draft, "PV1-4", "C"))
    due = within_business_days(stay.inpatient_at, 1, site_of(draft, stay.facility_id))
    open_for(
        draft,
        READMISSION,
        focus_on(stay),
        Finding(key=READMISSION.key_of(scope_of(stay)), due_at=due, reason=reason, evidence=proof),
    )


def _previous_discharge(draft: Draft, stay: Encounter) -> Encounter | None:
    """The latest inpatient discharge before this admission that counts, within `readmit_cd` days."""
    began = stay.inpatient_at
    assert began is not None
    found = [
        other
        for other in draft.subject.encounters.values()
        if other.encounter_id != stay.encounter_id
        and other.status == "discharged"
        and other.class_ == "inpatient"
        and other.discharged_at is not None
        and other.discharged_at <= began
        and not other.planned_readmission
        and not (stay.admit_source == _TRANSFER_SOURCE and began - other.discharged_at <= _TRANSFER_REACH)
    ]
    latest = max(found, key=lambda row: row.discharged_at or began, default=None)
    if latest is None or _gap(draft, latest, stay) > numbers_of(draft, stay).readmit_cd:
        return None
    return latest


def _gap(draft: Draft, before: Encounter, stay: Encounter) -> int:
    assert before.discharged_at is not None and stay.inpatient_at is not None
    return days_between(
        before.discharged_at,
        stay.inpatient_at,
        site_of(draft, before.facility_id),
        site_of(draft, stay.facility_id),
    )


NO_AUTH = Rule(
    id="inpatient-admit-no-auth",
    trigger="12 hours after becoming inpatient (A01, A06) no matching authorization is certified or pended (278, "
    "IN1-14, IN1-28, IN3-2), and the payer requires one or nobody knows",
    task="Obtain inpatient authorization / notify payer",
    type="obtain-auth",
    priority="asap",
    due="Admission + 24 hours; when the payer is closed then, the end of the day on which it opens next",
    queue="authorization",
    resolves="HCR01 A1, A2, A6 or NA, or a certification number from registration; A3 closes it (auth-denied takes "
    "over); while pended: awaiting-payer",
    retracts="A11; A07; self-pay; EB11 = N; the coverage was replaced; death",
    escalates="Overdue at the due time; 24 hours later the lead of the queue",
    key="enc|coverage",
    basis="CORE, contracts",
    settings=("auth_admit_check_h", "auth_notice_h", "office_opens", "office_closes", "no_auth_payers"),
    watches=(Encounter, Coverage, Authorization),
    hears=("admitted", "conversion-reverted", "coverage-changed", Coverage),
    look=look_no_auth,
    fire=fire_no_auth,
    steps=no_auth_steps,
)

READMISSION = Rule(
    id="readmission-30d",
    trigger="Inpatient admission at most 30 days after the latest inpatient discharge that counts (not planned, not a "
    "transfer within 24 hours), or PV1-13 = R; not for newborns",
    task="Readmission review and root cause; notify care team",
    type="review",
    priority="asap",
    due="1 business day after the admission",
    queue="case-management",
    resolves="Review logged",
    retracts="A11",
    key="enc",
    basis="HRRP, PCR",
    settings=("readmit_cd",),
    watches=(Encounter,),
    hears=("admitted", "discharged"),
    look=look_readmission,
)
