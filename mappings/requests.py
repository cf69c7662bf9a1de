"""270 and 278 requests that pass through: what is asked of a payer; his answer finds its question by it (4.1, 5.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from mappings.authorization import PatientEvent
from mappings.authorization_lines import dates_of, requested_service, review_segment
from mappings.benefits import entity, period_of
from mappings.events import CanonicalEvent, MemberFacts
from mappings.payer_facts import RelatedEntity, RequestedService, RequestFacts
from mappings.x12_codes import (
    ADMISSION,
    APPEALS,
    CANCELS,
    EVENT_DATES,
    EXTENDS,
    INQUIRY_GUIDE,
    NOTIFICATION_GUIDE,
    PLAN_SERVICE_TYPE,
    PREVIOUS_NUMBER,
    SERVICE_DATES,
    URGENT,
)
from mappings.x12_facts import MAX_LISTED, Period, Transaction, iso, member_facts, name_of, own_traces, reference
from parsers.x12.hierarchy import RECEIVER, HierarchicalLevel
from parsers.x12.segments import Segment

_CANCELLATION, _INQUIRY, _NOTIFICATION = "01", "28", "CN"  # BHT02


def map_270_request(transaction: Transaction, level: HierarchicalLevel, *, alone: bool) -> CanonicalEvent:
    """One patient's question about his cover.  A question without EQ asks about the plan.

    `alone`: the set is about him only; else its BHT03 tells nobody apart."""
    asked = [_eligibility_service(segment) for segment in level.segments if segment.id == "EQ"]
    period = period_of(level.segments)
    facts = RequestFacts(
        kind="cancellation" if transaction.purpose == _CANCELLATION else "eligibility",
        asked_at=transaction.recorded_at,
        services=tuple(one for services in asked for one in services)[:MAX_LISTED]
        or (RequestedService(service_type=PLAN_SERVICE_TYPE),),
        service_on=iso(period.begins),
        service_ends_on=iso(period.ends),
        provider=_requester(level),
    )
    member = _member(transaction, level, (), facts, alone=alone)
    return _event("eligibility.requested", "270", transaction, member, facts)


def map_278_request(transaction: Transaction, subject: PatientEvent, *, alone: bool) -> CanonicalEvent:
    """One patient event: request, extension, cancellation, inquiry (X215) or notification (X216)."""
    levels = (subject.event, *subject.services)
    review = next((um for level in levels if (um := review_segment(level))), None)
    services = [requested_service(service) for service in subject.services]
    period = _event_period(levels)
    certification = review.text(2) if review else ""
    facts = RequestFacts(
        kind=_kind(transaction, certification),
        asked_at=transaction.recorded_at,
        services=tuple(one for one in services if one.procedure or one.service_type)[:MAX_LISTED],
        service_on=iso(period.begins),
        service_ends_on=iso(period.ends),
        provider=_requester(subject.patient),
        request_category=review.text(1) or None if review else None,
        certification_type=certification or None,
        service_type=review.text(3) or None if review else None,
        urgent=bool(review and review.text(6) in URGENT),
        admission_on=next((iso(p.begins) for level in levels if (p := dates_of(level, ADMISSION))), None),
        previous_number=next((number for level in levels if (number := _number(level))), None),
        appeal=certification in APPEALS,
    )
    traced = [segment for level in levels for segment in level.segments]
    member = _member(transaction, subject.patient, traced, facts, alone=alone)
    return _event("authorization.requested", "278", transaction, member, facts)


def _event(
    type_: str, trigger: str, transaction: Transaction, member: MemberFacts, facts: RequestFacts
) -> CanonicalEvent:
    return CanonicalEvent(
        type=type_,
        trigger=trigger,
        recorded_at=transaction.recorded_at,
        occurred_at=transaction.recorded_at,
        facility=transaction.facility,
        member=member,
        request=facts,
        problems=transaction.problems,
    )


def _member(
    transaction: Transaction, level: HierarchicalLevel, traced: Iterable[Segment], facts: RequestFacts, *, alone: bool
) -> MemberFacts:
    """The patient, with the requester's own traces: what the answer will echo."""
    own = dict.fromkeys((*own_traces(level.segments), *own_traces(traced)))
    return msgspec.structs.replace(
        member_facts(transaction, level),
        traces=tuple(own)[:MAX_LISTED],
        service_on=facts.service_on,
        reference=transaction.reference if alone else None,
    )


def _requester(level: HierarchicalLevel) -> RelatedEntity | None:
    name = name_of(level.nearest(RECEIVER))
    return entity(name) if name else None


def _eligibility_service(eq: Segment) -> list[RequestedService]:
    procedure = eq.text(2, 2)
    if procedure:
        return [RequestedService(procedure=procedure)]
    return [RequestedService(service_type=code) for code in eq.repetitions(1)]


def _event_period(levels: Sequence[HierarchicalLevel]) -> Period:
    found = (dates_of(level, code) for level in levels for code in (*EVENT_DATES, *SERVICE_DATES))
    return next((period for period in found if period), Period())


def _kind(transaction: Transaction, certification: str) -> str:
    if transaction.guide.startswith(INQUIRY_GUIDE) or transaction.purpose == _INQUIRY:
        return "inquiry"
    if transaction.guide.startswith(NOTIFICATION_GUIDE) or transaction.purpose == _NOTIFICATION:
        return "notification"
    if transaction.purpose == _CANCELLATION or certification in CANCELS:
        return "cancellation"
    return "extension" if certification in EXTENDS else "authorization"


def _number(level: HierarchicalLevel) -> str | None:
    """The authorization that the request is about: REF BB, or HCR02 (X215)."""
    hcr = next((segment.text(2) for segment in level.segments if segment.id == "HCR"), "")
    return reference(level.segments, PREVIOUS_NUMBER) or hcr or None
