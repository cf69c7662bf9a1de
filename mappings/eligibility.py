"""271 eligibility answers (005010X279A1): what a payer says of a cover at one moment (domain reference 4.2-4.4)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mappings.benefits import benefit_loops, date_of, end_of, other_payers, payer_contacts, period_of, read_benefit
from mappings.events import Benefit, CanonicalEvent, EligibilityFacts, Rejection
from mappings.payer_facts import RelatedEntity
from mappings.service_answers import authorization_required, is_plan, remaining, service_answers, status_of
from mappings.x12_codes import (
    ACTIVE,
    CARD_LOST,
    CONTACTS,
    DEATH_DATE,
    FACILITY_EPISODE,
    GROUP_NUMBER,
    NETWORK_RESTRICTION,
    OTHER_PAYER,
    PCP_DATE,
    PENDING,
    PLAN_NUMBER,
    PRIMARY_CARE,
    PRIMARY_CARE_PROVIDER,
)
from mappings.x12_facts import (
    MAX_LISTED,
    Transaction,
    iso,
    level_rejections,
    member_facts,
    reference,
    rejections,
    source_of,
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
    head = level.head
    plan_period = period_of(head)
    loops = benefit_loops(level)
    benefits = tuple(read_benefit(loop, plan_period) for loop in loops)
    refused = above.rejections + patient_rejections(level, transaction.set_id)
    plan = [benefit for benefit in benefits if is_plan(benefit)]
    ends = [benefit.ends_on for benefit in plan if benefit.ends_on]
    inpatient = [benefit for benefit in benefits if INPATIENT in benefit.service_types and not benefit.procedure]
    today = transaction.recorded_on.isoformat()
    facts = EligibilityFacts(
        status="rejected" if refused and not benefits else status_of(plan, today, exact=False),
        as_of=transaction.recorded_at,
        benefits=benefits,
        rejections=refused,
        group_number=reference(level.segments, GROUP_NUMBER) or above.group_number,
        plan=_plan_name(plan or benefits),
        begins_on=next((benefit.begins_on for benefit in plan if benefit.begins_on), None) or iso(plan_period.begins),
        ends_on=min(ends) if ends else end_of(head) if plan else iso(plan_period.ends),
        authorization_required=authorization_required(inpatient) or authorization_required(plan),
        pending=any(benefit.code in PENDING for benefit in plan),
        insurance_type=_of_active(plan or benefits, "insurance_type"),
        services=service_answers(benefits, today),
        remaining=remaining(benefits),
    )
    return _with_member(_with_people(facts, loops), transaction, head)


def _with_people(facts: EligibilityFacts, loops: Sequence[Sequence[Segment]]) -> EligibilityFacts:
    """Primary care, other payers, contacts and whoever else the rows name."""
    pairs = list(zip(facts.benefits, loops, strict=True))
    primary = [
        (one, loop)
        for benefit, loop in pairs
        for one in benefit.entities
        if one.kind == PRIMARY_CARE_PROVIDER or (benefit.code == PRIMARY_CARE and one.kind == "1P")
    ]
    others = [payer for row, loop in pairs if row.code == OTHER_PAYER for payer in other_payers(loop, row)]
    return msgspec.structs.replace(
        facts,
        pcp=primary[0][0] if primary else None,
        pcp_since=date_of(primary[0][1], PCP_DATE) if primary else None,
        other_payers=tuple(dict.fromkeys(others))[:MAX_LISTED],
        contacts=_named(facts.benefits, CONTACTS),
        restricted_to=_named(facts.benefits, frozenset({NETWORK_RESTRICTION})),
        facility_episodes=_named(facts.benefits, frozenset({FACILITY_EPISODE})),
        card_lost=any(benefit.code == CARD_LOST for benefit in facts.benefits),
        messages=tuple(dict.fromkeys(text for row in facts.benefits for text in row.messages))[:MAX_LISTED],
    )


def _named(benefits: Sequence[Benefit], codes: frozenset[str]) -> tuple[RelatedEntity, ...]:
    found = (one for benefit in benefits if benefit.code in codes for one in benefit.entities)
    return tuple(dict.fromkeys(found))[:MAX_LISTED]


def _with_member(facts: EligibilityFacts, transaction: Transaction, head: Sequence[Segment]) -> EligibilityFacts:
    """What the patient's own level says besides who he is."""
    relation = next((segment for segment in head if segment.id == "INS"), None)
    source = source_of(transaction.hierarchy)
    calls = payer_contacts(source.segments) if source else ()
    return msgspec.structs.replace(
        facts,
        plan_number=reference(head, PLAN_NUMBER),
        deceased_on=date_of(head, DEATH_DATE),
        corrected=bool(relation and relation.text(3) == "001" and relation.text(4) == "25"),
        contacts=(*calls, *facts.contacts)[:MAX_LISTED],
    )


def patient_rejections(level: HierarchicalLevel, set_id: str) -> tuple[Rejection, ...]:
    """AAA of the patient's own loops; one beside a benefit (2110) rejects the service types of that benefit only."""
    found = level_rejections(level, set_id)
    for loop in benefit_loops(level):
        services = tuple(loop[0].repetitions(3))
        found += tuple(
            msgspec.structs.replace(one, service_types=services) for one in rejections(loop, "2110" + level.loop[4:])
        )
    return found[:MAX_LISTED]


def _plan_name(benefits: Sequence[Benefit]) -> str | None:
    return _of_active(benefits, "plan") or next((benefit.plan for benefit in benefits if benefit.plan), None)


def _of_active(benefits: Sequence[Benefit], name: str) -> str | None:
    found = (getattr(benefit, name) for benefit in benefits if benefit.code in ACTIVE)
    return next((value for value in found if value), None)
