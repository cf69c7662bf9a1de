"""270 and 278 requests: one row per question, and the authorization that a 278 asks for (domain reference 5.4).

The same for a request that passed through as for one of ours, whose inquiry is there before its document.
"""

from __future__ import annotations

from gateway.coordination.changes import JSON
from gateway.coordination.draft import Draft
from gateway.coordination.records import Authorization, Coverage, Inquiry
from gateway.coordination.transitions.authorization import authorization_data, blank, find_authorization, link, store
from gateway.coordination.transitions.coverage import compatible_payers
from gateway.coordination.transitions.difference import encoded, present
from gateway.coordination.transitions.inquiry import ELIGIBILITY, drop_timers
from mappings.events import AcknowledgementFacts, AuthorizationFacts, MemberFacts, RequestFacts

PASSING = "passing"
ASKED = frozenset(("requested", "accepted", "transport-failed"))
"""Authorizations of which no answer is known."""


def apply_request(draft: Draft, member: MemberFacts, facts: RequestFacts) -> Inquiry:
    """A request that passed through: remembered once, however often it is sent again."""
    known = _known(draft, member, facts)
    if known is not None:
        return known
    event = draft.event
    coverage = coverage_asked(draft, member)
    inquiry = Inquiry(
        inquiry_id=draft.ids.new("inq"),
        facility_id=event.facility or draft.subject.patient.facility_id,
        revision=1,
        patient_id=draft.subject.patient.patient_id,
        kind=facts.kind,
        source=PASSING,
        reason=PASSING,
        payer_id=member.payer_id,
        payer_name=member.payer_name,
        member_id=member.member_id,
        coverage_id=coverage.coverage_id if coverage else None,
        trace=next(iter(member.traces), None),
        reference=member.reference,
        service_on=facts.service_on,
        service_types=" ".join(dict.fromkeys(one.service_type for one in facts.services if one.service_type)),
        status="sent",
        attempts=1,
        asked_at=event.recorded_at,
        created_at=draft.now,
        updated_at=draft.now,
    )
    return note_request(draft, inquiry, member, facts)


def note_request(draft: Draft, inquiry: Inquiry, member: MemberFacts, facts: RequestFacts) -> Inquiry:
    """Store the question, move what it is about, and publish it."""
    if facts.kind == ELIGIBILITY or inquiry.kind == ELIGIBILITY:
        coverage = draft.subject.coverages.get(inquiry.coverage_id or "")
        if coverage is not None:
            draft.update(coverage, asked_at=inquiry.asked_at)
        draft.put(inquiry)
        draft.emit("eligibility.requested", inquiry, inquiry_data(inquiry))
        return inquiry
    authorization = _authorization_asked(draft, inquiry, member, facts)
    if authorization is not None:
        inquiry.authorization_id = authorization.authorization_id
    draft.put(inquiry)
    return inquiry


def _known(draft: Draft, member: MemberFacts, facts: RequestFacts) -> Inquiry | None:
    for one in draft.subject.inquiries.values():
        same = one.trace in member.traces if one.trace else one.reference == member.reference
        if same and one.kind == facts.kind and (one.trace or one.reference):
            return one
    return None


def coverage_asked(draft: Draft, member: MemberFacts) -> Coverage | None:
    same = [
        one
        for one in draft.subject.coverages.values()
        if one.member_id == member.member_id
        and compatible_payers(draft, one.payer_id, one.payer_name, member.payer_id, member.payer_name)
    ]
    return min(same, key=lambda one: (not one.active, one.priority or 99), default=None)


def inquiry_data(inquiry: Inquiry) -> dict[str, JSON]:
    return present(
        {
            "inquiry_id": inquiry.inquiry_id,
            "source": inquiry.source,
            "reason": inquiry.reason,
            "payer_id": inquiry.payer_id,
            "payer_name": inquiry.payer_name,
            "member_id": inquiry.member_id,
            "coverage_id": inquiry.coverage_id,
            "trace": inquiry.trace,
            "reference": inquiry.reference,
            "service_types": list[JSON](inquiry.service_types.split()),
            "service_on": inquiry.service_on,
        }
    )


# -- 278 ---------------------------------------------------------------------------------------------------------------


def _authorization_asked(
    draft: Draft, inquiry: Inquiry, member: MemberFacts, facts: RequestFacts
) -> Authorization | None:
    """The authorization that the request is about; a new one for a new request, none for a bare notification."""
    known = draft.subject.authorizations.get(inquiry.authorization_id or "")
    known = known or find_authorization(draft, member, _as_answer(facts))
    if facts.kind == "notification" and known is None:
        return None
    if facts.appeal and known is not None:
        return _appealed(draft, known, inquiry)
    if facts.kind == "inquiry":
        return draft.update(known, inquired_at=inquiry.asked_at) if known is not None else None
    if facts.kind == "cancellation":
        return known
    if known is None or (facts.kind == "extension" and known.status not in ASKED):
        known = blank(draft, member)
    elif known.status not in ASKED:
        return known  # decided before the request was seen
    return _requested(draft, known, inquiry, facts)


def _as_answer(facts: RequestFacts) -> AuthorizationFacts:
    """What of a request tells an authorization: its number, or its service and day."""
    return AuthorizationFacts(
        status="requested",
        number=facts.previous_number if facts.kind != "extension" else None,
        service_type=facts.service_type,
        event_begins_on=facts.service_on,
    )


def _appealed(draft: Draft, known: Authorization, inquiry: Inquiry) -> Authorization:
    if known.status != "denied":
        return known
    fresh = draft.update(known, status="appealed", appealed_at=inquiry.asked_at)
    draft.emit("authorization.appealed", fresh, authorization_data(fresh) | {"inquiry_id": inquiry.inquiry_id})
    draft.transition("authorization-status", fresh, known.status, "appealed")
    return fresh


def _requested(draft: Draft, known: Authorization, inquiry: Inquiry, facts: RequestFacts) -> Authorization:
    fresh = store(
        draft,
        known,
        {
            "source": "278",
            "status": "requested",
            "trace": known.trace or inquiry.trace,
            "reference": inquiry.reference or known.reference,
            "request_category": facts.request_category,
            "certification_type": facts.certification_type,
            "service_type": facts.service_type,
            "urgent": facts.urgent,
            "requested_at": inquiry.asked_at,
            "clock_started_at": known.clock_started_at or inquiry.asked_at,
            "event_begins_on": facts.service_on,
            "event_ends_on": facts.service_ends_on,
            "admission_on": facts.admission_on,
            "previous_number": facts.previous_number,
            "requested_json": encoded(facts.services),
            "encounter_id": inquiry.encounter_id or known.encounter_id,
            "appointment_id": inquiry.appointment_id or known.appointment_id,
        },
    )
    fresh = link(draft, fresh)
    data = authorization_data(fresh) | {"inquiry_id": inquiry.inquiry_id}
    draft.emit("authorization.requested", fresh, data)
    draft.transition("authorization-status", fresh, known.status or None, "requested")
    return fresh


# -- acknowledgements --------------------------------------------------------------------------------------------------


def apply_acknowledgement(draft: Draft, facts: AcknowledgementFacts) -> None:
    """A TA1 or 999 about the document of an inquiry (5.4: accepted, transport-failed).

    A TA1 that accepts is no news beside a 999; what was answered meanwhile stays answered."""
    inquiry = draft.subject.inquiries.get(facts.inquiry_id or "")
    if inquiry is None:
        draft.end("filtered", "acknowledgement")
        return
    words = " ".join(facts.codes) or f"{facts.kind} A"
    settled = inquiry.status in ("answered", "failed")
    refused = facts.verdict == "rejected"
    status = inquiry.status if settled else "failed" if refused else "accepted"
    draft.update(
        inquiry,
        None,
        acknowledged_at=draft.event.recorded_at,
        acknowledgement=words[:200],
        status=status,
        due_at=None if refused else inquiry.due_at,
    )
    if refused and not settled:
        drop_timers(draft, inquiry)
    authorization = draft.subject.authorizations.get(inquiry.authorization_id or "")
    if authorization is None or settled or authorization.status not in ASKED or (facts.kind == "TA1" and not refused):
        return
    fresh = draft.update(
        authorization,
        None,
        status="transport-failed" if refused else "accepted",
        transport=words[:200] if refused else None,
    )
    if fresh is not authorization:
        name = "transport-failed" if refused else "acknowledged"
        draft.emit(f"authorization.{name}", fresh, authorization_data(fresh) | {"inquiry_id": inquiry.inquiry_id})
        draft.transition("authorization-status", fresh, authorization.status, fresh.status)
