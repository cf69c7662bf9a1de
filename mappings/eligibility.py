"""271 eligibility answers (005010X279A1): what a payer says of a cover at one moment (domain reference 4.2-4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from mappings.events import Benefit, CanonicalEvent, EligibilityFacts, Rejection
from mappings.x12_codes import (
    ACTIVE,
    GROUP_NUMBER,
    INACTIVE,
    NON_COVERED,
    PENDING,
    PERIOD_BEGINS,
    PERIOD_ENDS,
    PLAN_SERVICE_TYPE,
)
from mappings.x12_facts import (
    Period,
    Transaction,
    head_segments,
    iso,
    level_rejections,
    member_facts,
    read_period,
    reference,
    rejections,
    unplaced_rejections,
)
from parsers.x12.hierarchy import DEPENDENT, SUBSCRIBER, HierarchicalLevel
from parsers.x12.segments import Segment

INPATIENT = "48"
"""EB03 of a hospital stay: whether it needs an authorization is what admissions ask."""

_EVENTS = {
    "active": "coverage.active",
    "inactive": "coverage.inactive",
    "not-covered": "coverage.inactive",
    "unknown": "coverage.unknown",
    "rejected": "eligibility.rejected",
}


def patient_levels(transaction: Transaction) -> list[HierarchicalLevel]:
    """Whom the set speaks of: each dependent; each subscriber without dependents, or with benefits of his own."""
    return [
        level
        for level in transaction.hierarchy.levels
        if level.code == DEPENDENT
        or (
            level.code == SUBSCRIBER
            and (
                not any(child.code == DEPENDENT for child in level.children)
                or any(segment.id == "EB" for segment in level.segments)
            )
        )
    ]


def map_271_coverage(transaction: Transaction, level: HierarchicalLevel | None) -> CanonicalEvent:
    """One patient's answer.  Without a level: the rejection of a set that ends before any patient."""
    facts = _eligibility(transaction, level)
    return CanonicalEvent(
        type=_EVENTS[facts.status],
        trigger="271",
        recorded_at=transaction.recorded_at,
        occurred_at=transaction.recorded_at,
        facility=transaction.facility,
        member=member_facts(transaction, level),
        eligibility=facts,
        problems=transaction.problems,
    )


def _eligibility(transaction: Transaction, level: HierarchicalLevel | None) -> EligibilityFacts:
    if level is None:
        refused = unplaced_rejections(transaction)
        return EligibilityFacts(status="rejected", as_of=transaction.recorded_at, rejections=refused)
    above = transaction.above(level)
    head = head_segments(level)
    plan_period = period_of(head)
    loops = benefit_loops(level)
    benefits = tuple(read_benefit(loop, plan_period) for loop in loops)
    refused = above.rejections + patient_rejections(level, transaction.set_id)
    plan = [benefit for benefit in benefits if PLAN_SERVICE_TYPE in benefit.service_types or not benefit.service_types]
    ends = [benefit.ends_on for benefit in plan if benefit.ends_on]
    return EligibilityFacts(
        status=coverage_status(plan, refused, transaction.recorded_on, answered=bool(benefits)),
        as_of=transaction.recorded_at,
        benefits=benefits,
        rejections=refused,
        group_number=reference(level.segments, GROUP_NUMBER) or above.group_number,
        plan=_plan_name(plan or benefits),
        begins_on=next((benefit.begins_on for benefit in plan if benefit.begins_on), None) or iso(plan_period.begins),
        ends_on=min(ends) if ends else iso(plan_period.ends),
        authorization_required=_authorization_required(_for_service(benefits, INPATIENT))
        or _authorization_required(plan),
        pending=any(benefit.code in PENDING for benefit in plan),
    )


def benefit_loops(level: HierarchicalLevel) -> list[list[Segment]]:
    """The 2110 loops: each EB with what follows it, up to the next EB."""
    loops: list[list[Segment]] = []
    for segment in level.segments:
        if segment.id == "EB":
            loops.append([segment])
        elif loops:
            loops[-1].append(segment)
    return loops


def patient_rejections(level: HierarchicalLevel, set_id: str) -> tuple[Rejection, ...]:
    """AAA of the patient's own loops, those of his benefits (2110) included."""
    benefits = level.segments[len(head_segments(level)) :]
    return level_rejections(level, set_id) + rejections(benefits, "2110" + level.loop[4:])


def read_benefit(loop: Sequence[Segment], plan_period: Period) -> Benefit:
    """One EB; its own dates override those of the patient's level (4.3, step 3)."""
    eb = loop[0]
    own = period_of(loop)
    period = own if own.begins or own.ends else plan_period
    return Benefit(
        code=eb.text(1),
        service_types=tuple(eb.repetitions(3)),
        insurance_type=eb.text(4) or None,
        plan=eb.text(5) or None,
        period=eb.text(6) or None,
        amount=eb.text(7) or None,
        percent=eb.text(8) or None,
        quantity=eb.text(10) or None,
        authorization_required=eb.text(11) or None,
        in_network=eb.text(12) or None,
        begins_on=iso(period.begins),
        ends_on=iso(period.ends),
    )


def period_of(segments: Sequence[Segment]) -> Period:
    """The coverage or benefit period that the DTP segments state; a single date under 291, 292 or 307 is a begin."""
    begins: date | None = None
    ends: date | None = None
    for segment in segments:
        if segment.id != "DTP":
            continue
        code, period = segment.text(1), read_period(segment)
        if code in PERIOD_BEGINS:
            begins = begins or period.begins
            if segment.text(2) == "RD8":
                ends = ends or period.ends
        elif code in PERIOD_ENDS:
            ends = ends or period.ends
    return Period(begins, ends)


def coverage_status(plan: Sequence[Benefit], refused: Sequence[Rejection], day: date, *, answered: bool) -> str:
    """4.3 for the plan as a whole: active, inactive, not-covered, unknown or rejected.

    Only active rows are filtered by date: an inactive row beside a period that has ended says why it is inactive.
    """
    if refused and not answered:
        return "rejected"
    today = day.isoformat()
    if any(benefit.code in ACTIVE and _covers(benefit, today) for benefit in plan):
        return "active"
    if any(benefit.code in INACTIVE for benefit in plan):
        return "inactive"
    if any(benefit.code == NON_COVERED and benefit.service_types for benefit in plan):
        return "not-covered"
    return "unknown"


def _covers(benefit: Benefit, day: str) -> bool:
    return (not benefit.begins_on or benefit.begins_on <= day) and (not benefit.ends_on or day <= benefit.ends_on)


def _for_service(benefits: Sequence[Benefit], service_type: str) -> list[Benefit]:
    """Exact rows: they override those of the plan as a whole (domain reference 4.3)."""
    return [benefit for benefit in benefits if service_type in benefit.service_types]


def _authorization_required(plan: Sequence[Benefit]) -> str | None:
    answers = {benefit.authorization_required for benefit in plan}
    return "Y" if "Y" in answers else "N" if "N" in answers else None


def _plan_name(benefits: Sequence[Benefit]) -> str | None:
    active = (benefit.plan for benefit in benefits if benefit.code in ACTIVE and benefit.plan)
    return next(active, None) or next((benefit.plan for benefit in benefits if benefit.plan), None)
