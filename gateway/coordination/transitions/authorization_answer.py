"""278 answers against the authorization state machine (domain reference 5.3, 5.4): the latest decision holds."""

from __future__ import annotations

from datetime import datetime

from gateway.coordination.changes import JSON
from gateway.coordination.draft import Draft
from gateway.coordination.records import Authorization, Inquiry
from gateway.coordination.transitions.authorization import (
    GRANTED,
    authorization_data,
    blank,
    find_authorization,
    link,
    store,
)
from gateway.coordination.transitions.difference import differing, encoded, listed, stated_fields
from gateway.coordination.transitions.inquiry import answered_inquiry, settle_inquiry
from gateway.coordination.transitions.patient import mark_late
from mappings.events import AuthorizationFacts, MemberFacts
from mappings.x12_rejections import payer_is_down

ANSWERED = (
    "number", "tracking_number", "request_category", "certification_type", "service_type", "event_begins_on",
    "event_ends_on", "effective_on", "expires_on", "issued_on", "admission_on", "previous_number", "quantity", "unit",
    "remaining",
)  # fmt: skip
UNDECIDED = frozenset(("pended", "info-requested"))
DENIED = frozenset(("denied", "appealed"))


def apply_response(draft: Draft, member: MemberFacts, facts: AuthorizationFacts) -> Authorization | None:
    """Apply a 278 response.  None when it decides nothing: the payer is down, or only confirms a notification."""
    asked = answered_inquiry(draft, member, "authorization")
    outage = facts.status == "rejected" and payer_is_down(facts.rejections)
    settle_inquiry(draft, asked, _word(facts), outage=outage)
    known = _authorization_of(draft, asked, member, facts)
    if outage:
        if known is not None:
            draft.transition("payer-down", known, None, " ".join(one.reason for one in facts.rejections))
        return known
    if facts.status == "acknowledged":
        return _note_receipt(draft, known, facts)
    decided_at = facts.decided_at or draft.event.recorded_at
    if known is None:
        _supersede(draft, facts)
        known = blank(draft, member)
    elif known.decided_at is not None and decided_at < known.decided_at:
        mark_late(draft)
        return known
    if known.revision and asked is not None and asked.kind == "inquiry" and facts.status == "rejected":
        draft.transition("inquiry-rejected", known, None, " ".join(one.reason for one in facts.rejections))
        return known  # the payer refused the question; what it decided before stands
    return _decide(draft, known, member, facts, decided_at)


def _word(facts: AuthorizationFacts) -> str:
    codes = " ".join(one.reason for one in facts.rejections)
    return f"rejected {codes}" if facts.status == "rejected" else facts.status


def _authorization_of(
    draft: Draft, asked: Inquiry | None, member: MemberFacts, facts: AuthorizationFacts
) -> Authorization | None:
    """The authorization of the inquiry that is answered, unless the answer names another one."""
    found = find_authorization(draft, member, facts)
    if found is None and asked is not None:
        found = draft.subject.authorizations.get(asked.authorization_id or "")
    return found


def _decide(
    draft: Draft, known: Authorization, member: MemberFacts, facts: AuthorizationFacts, decided_at: datetime
) -> Authorization:
    fields = stated_fields(known, facts, ANSWERED) | {
        "source": "278",
        "status": facts.status,
        "urgent": facts.urgent or (known.urgent and facts.request_category is None),
        "decided_at": decided_at,
        "provisional": facts.provisional,
        "decisions_json": encoded(facts.decisions),
        "rejections_json": encoded(facts.rejections),
        "documents_json": encoded(facts.documents),
        "contacts_json": encoded(facts.contacts),
        "messages_json": encoded(facts.messages),
        "payer_id": member.payer_id or known.payer_id,
        "reference": known.reference or member.reference,
        "trace": known.trace or next(iter(member.traces), None),
        "overturned": known.overturned or (known.status in DENIED and facts.status in GRANTED),
    }
    if facts.provider is not None:
        fields |= {"provider_id": facts.provider.id, "provider_name": facts.provider.name}
    if facts.status in UNDECIDED and known.clock_started_at is None:
        fields["clock_started_at"] = known.requested_at or decided_at
        fields["clock_assumed"] = known.requested_at is None
    telling = ("status", "decisions_json", "rejections_json", "documents_json")
    decided_anew = bool(differing(known, {name: fields[name] for name in telling}))
    decided_anew = decided_anew or fields.get("number", known.number) != known.number
    if decided_anew:
        fields["decision"] = known.decision + 1
    fields = differing(known, fields)
    if not fields:
        return known
    fresh = link(draft, store(draft, known, fields))
    if decided_anew or fields.keys() - {"decided_at", "reference"}:
        _announce(draft, known, fresh, facts, listed(known, fields) if known.revision else [])
    return fresh


def _note_receipt(draft: Draft, known: Authorization | None, facts: AuthorizationFacts) -> Authorization | None:
    """The answer to a notification (X216): a receipt number at most."""
    if known is None:
        return None
    fresh = draft.update(known, tracking_number=facts.tracking_number or known.tracking_number)
    draft.emit("authorization.acknowledged", fresh, authorization_data(fresh))
    return fresh


def _supersede(draft: Draft, facts: AuthorizationFacts) -> None:
    """REF BB: the decision replaces an older number by a new one."""
    if facts.previous_number is None:
        return
    for one in list(draft.subject.authorizations.values()):
        if one.number == facts.previous_number and one.number != facts.number and one.status != "superseded":
            fresh = draft.update(one, status="superseded")
            draft.transition("authorization-status", fresh, one.status, "superseded")


def _announce(
    draft: Draft,
    known: Authorization,
    fresh: Authorization,
    facts: AuthorizationFacts,
    changes: list[dict[str, JSON]],
) -> None:
    data = authorization_data(fresh)
    if known.status in DENIED and fresh.status in GRANTED:
        data["overturned"] = True
    if known.status == "appealed" and fresh.status == "denied":
        data["upheld"] = True
    event = draft.emit(f"authorization.{fresh.status}", fresh, data, changes=changes)
    if facts.provisional:
        event.flags.append("provisional")
    draft.transition("authorization-status", fresh, known.status or None, fresh.status)
