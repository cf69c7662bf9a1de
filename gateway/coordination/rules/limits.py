"""Extended rules about what a payer covers: limits, the patient's share, mismatches, appeals, coding (6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import msgspec

from gateway.coordination.calendar import (
    business_days_before,
    end_of_day,
    local_date,
    shift_business_days,
    within_business_days,
    within_days,
)
from gateway.coordination.draft import Draft
from gateway.coordination.records import Appointment, Authorization, Coverage, Encounter, Task, Timer
from gateway.coordination.rules.booking import is_specialist
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
from gateway.coordination.rules.payer import focus_of, is_denied
from gateway.coordination.rules.services import LIVE_GRANTS, is_for, number
from gateway.coordination.rules.stays import discharge_moment, focus_on, numbers_of, scope_of, stay_of, stays_with
from mappings.events import Diagnosis
from mappings.payer_facts import Remaining

_FEW = Decimal(2)
_HORIZON = timedelta(days=180)
_OPEN_SHARES = ("C", "G")
_APPEALS = (("10", 10), ("3", 3))


# -- limits ------------------------------------------------------------------------------------------------------------


def about_answers(draft: Draft) -> list[Coverage]:
    return [row for row in draft.touched(Coverage) if row.remaining_json != "[]"]


def remaining_of(coverage: Coverage) -> list[Remaining]:
    return msgspec.json.decode(coverage.remaining_json, type=list[Remaining])


def near_limits(coverage: Coverage) -> list[Remaining]:
    """Limits of which at most two visits, or a tenth, are left."""
    found = []
    for one in remaining_of(coverage):
        left, total = number(one.quantity), number(one.total_quantity)
        if one.code == "F" and left is not None and (left <= _FEW or (total and left <= total / 10)):
            found.append(one)
    return found


def wants_talk(draft: Draft, coverage: Coverage) -> Finding | str:
    near = near_limits(coverage)
    if not near:
        return "no limit of the plan is near"
    one, focus = near[0], focus_of(draft, coverage)
    service = one.service_types[0] if one.service_types else "30"
    year = local_date(draft.occurred_at, site_of(draft, focus.facility_id)).year
    return Finding(
        key=LIMIT.key_of(coverage.coverage_id, service, f"v{one.total_quantity or 'limit'}.{year}"),
        due_at=within_business_days(draft.occurred_at, 3, site_of(draft, focus.facility_id)),
        reason=f"Of the plan's limit for service type {service} {one.quantity} are left.",
        evidence=[evidence(draft, "2110C EB03", service), evidence(draft, "2110C EB10", one.quantity)],
        focus=focus,
    )


def settle_talk(draft: Draft, task: Task) -> Closing | None:
    coverage = draft.subject.coverages.get(task.coverage_id or "")
    if coverage is None:
        return None
    if not coverage.active:
        return gone("the coverage was replaced")
    services = {(one.service_types[0] if one.service_types else "30") for one in near_limits(coverage)}
    return None if services & set(task.task_key.split("|")) else done("the limit is no longer near")


# -- the patient's share -----------------------------------------------------------------------------------------------


def about_procedures(draft: Draft) -> list[Appointment]:
    if draft.touched(Coverage):
        ahead = draft.subject.appointments.between(draft.occurred_at, draft.occurred_at + _HORIZON)
        return [visit for visit in ahead if visit.status == "booked" and is_specialist(draft, visit)]
    return [visit for visit in draft.touched(Appointment) if visit.status == "booked" and is_specialist(draft, visit)]


def wants_estimate(draft: Draft, visit: Appointment) -> Finding | str:
    limit = Decimal(numbers_of(draft, visit).responsibility_limit)
    for coverage in draft.subject.coverages.values():
        if not coverage.active or coverage.eligibility != "active":
            continue
        shares = [number(one.amount) for one in remaining_of(coverage) if one.code in _OPEN_SHARES]
        owed = max((share for share in shares if share is not None), default=Decimal(0))
        if owed > limit and visit.start_at is not None:
            site, moment = site_of(draft, visit.facility_id), recorded_by(draft)
            due, priority = counted_back(business_days_before(visit.start_at, 5, site), moment, SHARE.priority)
            return Finding(
                key=SHARE.key_of(scope_of(visit), coverage.coverage_id),
                due_at=due,
                priority=priority,
                reason=f"Before this procedure {owed} dollars of the patient's share are open.",
                evidence=[evidence(draft, "2110C EB07", str(owed))],
                focus=Focus(
                    facility_id=visit.facility_id,
                    appointment_id=visit.appointment_id,
                    coverage_id=coverage.coverage_id,
                ),
            )
    return "the patient's open share is small or unknown"


def settle_estimate(draft: Draft, task: Task) -> Closing | None:
    visit = draft.subject.appointments.get(task.appointment_id or "")
    coverage = draft.subject.coverages.get(task.coverage_id or "")
    if visit is not None and visit.status != "booked":
        return gone("the appointment is no longer ahead")
    return gone("the coverage was replaced") if coverage is not None and not coverage.active else None


# -- another service than authorized -----------------------------------------------------------------------------------


def about_tied(draft: Draft) -> list[Authorization]:
    rows = [row for row in draft.subject.authorizations.values() if row.appointment_id and row.status in LIVE_GRANTS]
    touched = {visit.appointment_id for visit in draft.touched(Appointment)}
    changed = {row.authorization_id for row in draft.touched(Authorization)}
    return [row for row in rows if row.appointment_id in touched or row.authorization_id in changed]


def _mismatch(draft: Draft, grant: Authorization) -> tuple[Appointment, str, str] | None:
    """(visit, field, value booked) where the booking is not what was authorized."""
    visit = draft.subject.appointments.get(grant.appointment_id or "")
    if visit is None or visit.status != "booked" or grant.status not in LIVE_GRANTS:
        return None
    if grant.provider_id and visit.provider_id and grant.provider_id != visit.provider_id:
        return visit, "AIP-3", visit.provider_id
    untied = msgspec.structs.replace(grant, appointment_id=None)
    if visit.service and not is_for(draft, untied, visit, whenever=True):
        return visit, "AIS-3", visit.service
    return None


def wants_amendment(draft: Draft, grant: Authorization) -> Finding | str:
    found = _mismatch(draft, grant)
    if found is None:
        return "what is booked is what was authorized"
    visit, place, value = found
    site, moment = site_of(draft, visit.facility_id), recorded_by(draft)
    start = visit.start_at or moment
    due, priority = counted_back(business_days_before(start, 3, site), moment, MISMATCH.priority)
    return Finding(
        key=MISMATCH.key_of(grant.authorization_id, scope_of(visit)),
        due_at=due,
        priority=priority,
        reason="The booked service or provider is not the authorized one: have the authorization amended (UM02 = S).",
        evidence=[evidence(draft, place, value)],
        focus=focus_of(draft, grant),
    )


def settle_amendment(draft: Draft, task: Task) -> Closing | None:
    grant = draft.subject.authorizations.get(task.authorization_id or "")
    if grant is None:
        return None
    if grant.status not in LIVE_GRANTS:
        return gone("the authorization no longer stands")
    return done("booking and authorization match") if _mismatch(draft, grant) is None else None


# -- appeals -----------------------------------------------------------------------------------------------------------


def checks_of_appeal(draft: Draft, denial: Authorization) -> Sequence[Check]:
    if not is_denied(denial) or denial.decided_at is None or denial.appealed_at is not None:
        return []
    focus = focus_of(draft, denial)
    site, last = site_of(draft, focus.facility_id), _days_to_file(draft, denial)
    moments = ((kind, within_days(denial.decided_at, last - before, site)) for kind, before in _APPEALS)
    return [Check(kind=kind, at=moment) for kind, moment in moments if moment > recorded_by(draft)]


def _days_to_file(draft: Draft, denial: Authorization) -> int:
    return draft.numbers(focus_of(draft, denial).facility_id, denial.payer_id).appeal_file_cd


def ripe_appeal(draft: Draft, denial: Authorization, timer: Timer) -> Finding | str:
    if not is_denied(denial) or denial.appealed_at is not None or denial.decided_at is None:
        return "the denial was overturned or appealed"
    focus = focus_of(draft, denial)
    site = site_of(draft, focus.facility_id)
    deadline = local_date(within_days(denial.decided_at, _days_to_file(draft, denial), site), site)
    return Finding(
        key=APPEAL.key_of(denial.authorization_id, timer.kind),
        due_at=end_of_day(shift_business_days(deadline, -1, site.calendar), site),
        priority="stat" if timer.kind == "3" else None,
        reason=f"The appeal has to be filed by {deadline.isoformat()}.",
        evidence=[evidence(draft, "appeal filing deadline", deadline.isoformat())],
        focus=focus,
    )


def settle_appeal(draft: Draft, task: Task) -> Closing | None:
    denial = draft.subject.authorizations.get(task.authorization_id or "")
    if denial is None:
        return None
    if denial.appealed_at is not None:
        return done("the appeal was sent")
    return None if is_denied(denial) else gone("the denial no longer stands")


# -- coding ------------------------------------------------------------------------------------------------------------


def checks_of_coding(draft: Draft, stay: Encounter) -> Sequence[Check] | None:
    known = [timer for timer in draft.subject.timers.of_rule(CODING.id) if timer.encounter_id == stay.encounter_id]
    if not known and stay not in stays_with(draft, "discharged"):
        return None
    if stay.status != "discharged" or is_coded(stay):
        return []
    moment = within_business_days(discharge_moment(draft, stay), 3, site_of(draft, stay.facility_id))
    return [Check(kind="coding", at=moment, cycle=f"dis{stay.discharge_number}")]


def is_coded(stay: Encounter) -> bool:
    """A final diagnosis (DG1-6 = F) is on record."""
    return any(row.type == "F" for row in msgspec.json.decode(stay.diagnoses_json, type=list[Diagnosis]))


def ripe_coding(draft: Draft, stay: Encounter, timer: Timer) -> Finding | str:
    if stay.status != "discharged" or is_coded(stay) or timer.cycle != f"dis{stay.discharge_number}":
        return "a final diagnosis is on record, or the patient is back"
    return Finding(
        key=CODING.key_of(scope_of(stay), timer.cycle),
        due_at=within_business_days(timer.fire_at, 3, site_of(draft, stay.facility_id)),
        reason="Three business days after the discharge no final diagnosis is coded.",
        evidence=[evidence(draft, "DG1-6", "no F")],
        focus=focus_on(stay),
    )


def settle_coding(draft: Draft, task: Task) -> Closing | None:
    stay = stay_of(draft, task)
    return done("the final diagnosis arrived") if stay is not None and is_coded(stay) else None


LIMIT = Rule(
    id="benefit-limit-near",
    trigger="A 271 says that of a limit (EB01 = F, EB06 = 29) at most 2 visits or 10 % are left",
    task="Discuss benefit limit with patient",
    type="verify-coverage",
    priority="routine",
    due="3 business days",
    queue="eligibility",
    resolves="A new year or benefit",
    retracts="Coverage replaced; death",
    key="coverage|stc|v{limit, year}",
    basis="Product default",
    extended=True,
    watches=(Coverage,),
    about=about_answers,
    wants=wants_talk,
    settle=settle_talk,
)

SHARE = Rule(
    id="high-patient-responsibility",
    trigger="More of the deductible or the out-of-pocket maximum is open than `responsibility_limit` before a booked "
    "procedure or referral visit",
    task="Estimate & payment plan",
    type="verify-coverage",
    priority="routine",
    due="5 business days before the service",
    queue="eligibility",
    resolves="Logged",
    retracts="Appointment off; coverage replaced; death",
    key="appt|coverage",
    basis="Product default",
    settings=("responsibility_limit", "specialist_types"),
    extended=True,
    watches=(Appointment, Coverage),
    about=about_procedures,
    wants=wants_estimate,
    settle=settle_estimate,
)

MISMATCH = Rule(
    id="auth-service-mismatch",
    trigger="The booked service or provider is not the one that the appointment's authorization names",
    task="Amend authorization (UM02 = S)",
    type="obtain-auth",
    priority="urgent",
    due="3 business days before the service",
    queue="authorization",
    resolves="They match",
    retracts="The authorization no longer stands; appointment off; death",
    key="auth|appt",
    basis="Product default",
    extended=True,
    watches=(Authorization, Appointment),
    about=about_tied,
    wants=wants_amendment,
    settle=settle_amendment,
)

APPEAL = Rule(
    id="appeal-deadline-approaching",
    trigger="A denial stands and its appeal has to be filed in 10, and again in 3 days",
    task="File appeal",
    type="appeal",
    priority="urgent",
    due="1 business day before the deadline; with 3 days left stat",
    queue="appeals",
    resolves="Appeal sent (UM02 1, 2 or N)",
    retracts="The denial no longer stands",
    key="auth|{10,3}",
    basis="42 CFR 422.582; 29 CFR 2560.503-1",
    settings=("appeal_file_cd",),
    extended=True,
    watches=(Authorization,),
    checks=checks_of_appeal,
    ripe=ripe_appeal,
    settle=settle_appeal,
)

CODING = Rule(
    id="final-diagnosis-missing",
    trigger="Three business days after a discharge no final diagnosis (DG1-6 = F) has come",
    task="Query documentation/coding",
    type="review",
    priority="routine",
    due="3 business days",
    queue="records",
    resolves="DG1 with type F arrives",
    retracts="A13, A11",
    key="enc|dis{n}",
    basis="Product default",
    extended=True,
    watches=(Encounter,),
    checks=checks_of_coding,
    ripe=ripe_coding,
    settle=settle_coding,
)
