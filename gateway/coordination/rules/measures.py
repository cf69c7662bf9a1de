"""Follow-up visits that quality measures ask for by diagnosis (6.2, 39): FMC, FUM and FUA, FUH."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import time, timedelta

from gateway.coordination.calendar import at, local_date, parse_day, within_business_days
from gateway.coordination.condition_groups import groups_of, in_family
from gateway.coordination.draft import Draft
from gateway.coordination.records import Appointment, Encounter, Patient, Task
from gateway.coordination.rules.declaration import Closing, Finding, Rule, done, evidence, gone, site_of
from gateway.coordination.rules.departure import left_care
from gateway.coordination.rules.signs import LEFT
from gateway.coordination.rules.stays import (
    ATTENDED,
    codes_of,
    discharge_moment,
    focus_on,
    is_follow_up_kind,
    numbers_of,
    principal_code,
    readmission_after,
    scope_of,
    stay_of,
)
from gateway.coordination.tasks import Step

_WINDOW = timedelta(days=7)
_SECOND = timedelta(days=30)
_ESCALATES_ON = timedelta(days=5)
_RECENT = timedelta(days=30)
_CHRONIC_NEEDED = 2
_MORNING = time(8, 0)


def about_recent_discharges(draft: Draft) -> list[Encounter]:
    """Stays that changed and ended in the last weeks: a diagnosis often comes after the discharge."""
    since = draft.occurred_at - _RECENT
    return [
        stay
        for stay in draft.touched(Encounter)
        if stay.status == "discharged" and stay.discharged_at is not None and stay.discharged_at >= since
    ]


def _age(draft: Draft, stay: Encounter) -> int | None:
    """Years at the discharge; None when the birth date is not known to the day."""
    born = parse_day(draft.subject.patient.birth_date)
    if born is None or stay.discharged_at is None:
        return None
    day = local_date(stay.discharged_at, site_of(draft, stay.facility_id))
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def _emergency_home(stay: Encounter) -> bool:
    return stay.class_ == "emergency" and stay.disposition_category in ("home", "home-health")


def meets_fmc(draft: Draft, stay: Encounter) -> str | None:
    """The groups that make the patient one of the measure, as evidence; None when he is not."""
    age = _age(draft, stay)
    if not _emergency_home(stay) or age is None or age < 18:
        return None
    replaced = numbers_of(draft, stay).condition_groups
    codes = {code for other in draft.subject.encounters.values() for code in codes_of(other)}
    found = sorted({group for code in codes for group in in_family(groups_of(code, replaced), "chronic")})
    return " ".join(found) if len(found) >= _CHRONIC_NEEDED else None


def meets_fum_fua(draft: Draft, stay: Encounter) -> str | None:
    age = _age(draft, stay)
    if not _emergency_home(stay) or age is None:
        return None
    groups = groups_of(principal_code(stay), numbers_of(draft, stay).condition_groups)
    if age >= 6 and in_family(groups, "mental-health"):
        return principal_code(stay)
    return principal_code(stay) if age >= 13 and in_family(groups, "substance-use") else None


def meets_fuh(draft: Draft, stay: Encounter) -> str | None:
    age = _age(draft, stay)
    if stay.class_ != "inpatient" or age is None or age < 6:
        return None
    groups = groups_of(principal_code(stay), numbers_of(draft, stay).condition_groups)
    return principal_code(stay) if in_family(groups, "mental-health") else None


def _visits(draft: Draft, stay: Encounter, rule: Rule, statuses: Iterable[str]) -> list[Appointment]:
    """Follow-up visits inside the measure's windows; the day of an inpatient discharge does not count."""
    site, left = site_of(draft, stay.facility_id), discharge_moment(draft, stay)
    first = local_date(left, site) + timedelta(days=1 if rule is FUH else 0)
    last = local_date(left, site) + (_WINDOW if rule is FMC else _SECOND)
    return [
        visit
        for visit in draft.subject.appointments.between(left, left + _SECOND + timedelta(days=2))
        if visit.status in statuses
        and visit.start_at is not None
        and first <= local_date(visit.start_at, site_of(draft, visit.facility_id)) <= last
        and is_follow_up_kind(visit, numbers_of(draft, visit))
    ]


def _wants(draft: Draft, stay: Encounter, rule: Rule, meets: Callable[[Draft, Encounter], str | None]) -> Finding | str:
    if obstacle := left_care(draft, stay):
        return obstacle
    why = meets(draft, stay)
    if why is None:
        return "the stay, the age or the diagnoses do not make it one of the measure"
    if readmission_after(draft, stay):
        return "the patient was admitted again"
    if _visits(draft, stay, rule, ATTENDED):
        return "the follow-up visit was kept"
    site = site_of(draft, stay.facility_id)
    return Finding(
        key=rule.key_of(scope_of(stay), f"dis{stay.discharge_number}"),
        due_at=within_business_days(discharge_moment(draft, stay), 2, site),
        reason="The diagnoses of this discharge ask for a follow-up visit within 7 days.",
        evidence=[evidence(draft, "DG1-3", why)],
        focus=focus_on(stay),
    )


def _settle(draft: Draft, task: Task, rule: Rule) -> Closing | None:
    stay = stay_of(draft, task)
    if stay is None:
        return None
    if obstacle := left_care(draft, stay):
        return gone(obstacle)
    again = readmission_after(draft, stay)
    if again is not None and again.inpatient_at and again.inpatient_at <= discharge_moment(draft, stay) + _SECOND:
        return gone("the patient was admitted again")
    return done("the follow-up visit was kept") if _visits(draft, stay, rule, ATTENDED) else None


def measure_steps(draft: Draft, task: Task) -> Iterable[Step]:
    """Overdue at the due time; on the fifth day to the lead."""
    yield Step(task.due_at, "due")
    stay = stay_of(draft, task)
    if stay is not None and stay.discharged_at is not None:
        site = site_of(draft, stay.facility_id)
        fifth = local_date(discharge_moment(draft, stay), site) + _ESCALATES_ON
        yield Step(at(fifth, _MORNING, site), "escalate")


def wants_fmc(draft: Draft, stay: Encounter) -> Finding | str:
    return _wants(draft, stay, FMC, meets_fmc)


def wants_fum_fua(draft: Draft, stay: Encounter) -> Finding | str:
    return _wants(draft, stay, FUM_FUA, meets_fum_fua)


def wants_fuh(draft: Draft, stay: Encounter) -> Finding | str:
    return _wants(draft, stay, FUH, meets_fuh)


def settle_fmc(draft: Draft, task: Task) -> Closing | None:
    return _settle(draft, task, FMC)


def settle_fum_fua(draft: Draft, task: Task) -> Closing | None:
    return _settle(draft, task, FUM_FUA)


def settle_fuh(draft: Draft, task: Task) -> Closing | None:
    return _settle(draft, task, FUH)


def _declare(
    rule_id: str,
    trigger: str,
    basis: str,
    wants: Callable[[Draft, Encounter], Finding | str],
    settle: Callable[[Draft, Task], Closing | None],
) -> Rule:
    return Rule(
        id=rule_id,
        trigger=trigger,
        task="Follow-up visit ≤7 days",
        type="schedule",
        priority="urgent",
        due="2 business days to book it; seen within 7 days",
        queue="transitions",
        resolves="A follow-up visit is kept inside the window",
        retracts="A13; admitted again inside the window; death",
        escalates="Overdue at the due time; on day 5 one priority up and to the lead",
        key="enc|dis{n}",
        basis=basis,
        settings=("condition_groups",),
        watches=(Encounter, Appointment, Patient),
        hears=(LEFT,),
        about=about_recent_discharges,
        wants=wants,
        settle=settle,
        steps=measure_steps,
        revives=True,
    )


FMC = _declare(
    "fmc-followup",
    "Emergency discharge home, age 18 or more, with two chronic-condition groups on record; the visit counts within 7 "
    "days, the day of discharge included",
    "HEDIS FMC",
    wants_fmc,
    settle_fmc,
)
FUM_FUA = _declare(
    "fum-fua-followup",
    "Emergency discharge home with a principal diagnosis of mental health or self-harm (age 6 or more), or of "
    "substance use (age 13 or more); the visit counts within 7 days, second window 30, the day of discharge included",
    "HEDIS FUM, FUA",
    wants_fum_fua,
    settle_fum_fua,
)
FUH = _declare(
    "fuh-followup",
    "Inpatient discharge with a principal mental-health diagnosis, age 6 or more; the visit counts within 7 days, "
    "second window 30, not on the day of discharge",
    "HEDIS FUH",
    wants_fuh,
    settle_fuh,
)
