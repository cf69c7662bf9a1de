"""271 answers: the newest one, by its BHT time, is what is known of a coverage (domain reference 4.3, 4.4)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.coordination.changes import JSON
from gateway.coordination.draft import Draft
from gateway.coordination.records import Coverage
from gateway.coordination.transitions.coverage import compatible_payers, coverage_data, normalised
from gateway.coordination.transitions.difference import differing, encoded, listed, present, stamp
from gateway.coordination.transitions.inquiry import answered_inquiry, settle_inquiry
from gateway.coordination.transitions.patient import mark_late
from mappings.events import EligibilityFacts, MemberFacts
from mappings.payer_facts import OtherPayer, RelatedEntity
from mappings.x12_rejections import payer_is_down

COMPARED = ("plan", "plan_number", "group_number", "insurance_type", "begins_on", "ends_on", "authorization_required")
"""What the plan as a whole is compared by, answer with answer; what one of them does not say is no difference."""


def apply_answer(draft: Draft, member: MemberFacts, facts: EligibilityFacts) -> Coverage | None:
    """Store a 271.  None when it names no coverage."""
    asked = answered_inquiry(draft, member, "eligibility")
    word = (
        f"rejected {' '.join(one.reason for one in facts.rejections)}" if facts.status == "rejected" else facts.status
    )
    waits = settle_inquiry(draft, asked, word, outage=_is_outage(facts)) and _is_outage(facts)
    known = draft.subject.coverages.get(asked.coverage_id or "") if asked else None
    known = known or _answered(draft, member)
    if known is None:
        if member.member_id is None:  # rejected before the patient's loop: only the request says who was meant
            _announce_rejection(draft, facts, None, waits=waits)
            return None
        known = _from_answer(draft, member, facts)
    elif known.answer_json == encoded(facts):
        return known
    as_of = facts.as_of or draft.event.recorded_at
    if known.eligibility_as_of is not None and as_of < known.eligibility_as_of:
        mark_late(draft)
        return known
    if facts.status == "rejected":
        return _reject(draft, known, facts, as_of, waits=waits)
    return _accept(draft, known, member, facts, as_of)


def _is_outage(facts: EligibilityFacts) -> bool:
    return facts.status == "rejected" and payer_is_down(facts.rejections)


def _reject(draft: Draft, known: Coverage, facts: EligibilityFacts, as_of: datetime, *, waits: bool) -> Coverage:
    """AAA alone says nothing of the coverage: what an earlier answer said stays."""
    fields: dict[str, object] = {"answer_json": encoded(facts)}
    fields |= {"rejections_json": encoded(facts.rejections), "rejected_at": as_of}
    if known.eligibility is None and not _is_outage(facts):
        fields |= {"eligibility": "rejected", "eligibility_as_of": as_of}
    fresh = draft.update(known, None, **fields)
    _announce_rejection(draft, facts, fresh, waits=waits)
    return fresh


def _accept(draft: Draft, known: Coverage, member: MemberFacts, facts: EligibilityFacts, as_of: datetime) -> Coverage:
    pcp = facts.pcp
    fresh = draft.update(
        known,
        answer_json=encoded(facts),
        eligibility=facts.status,
        eligibility_as_of=as_of,
        inactive_since=_inactive_since(known, facts.status, as_of),
        authorization_required=facts.authorization_required,
        insurance_type=facts.insurance_type or known.insurance_type,
        plan_name=facts.plan or known.plan_name,
        answer_begins_on=facts.begins_on,
        answer_ends_on=facts.ends_on,
        pending=facts.pending,
        pcp_id=pcp.id if pcp else known.pcp_id,
        pcp_name=pcp.name if pcp else known.pcp_name,
        services_json=encoded(facts.services),
        remaining_json=encoded(facts.remaining),
        other_payers_json=encoded(facts.other_payers),
        rejections_json=encoded(facts.rejections),
        rejected_at=as_of if facts.rejections else None,
    )
    _announce_answer(draft, known, fresh, facts)
    _announce_other_payers(draft, known, fresh, facts)
    if pcp is not None:
        _announce_pcp(draft, known, fresh, pcp, facts.pcp_since)
    _announce_member(draft, known, fresh, member, facts)
    return fresh


def _inactive_since(known: Coverage, status: str, as_of: object) -> object:
    """First inactive answer in a row: a re-check must not count as news.  An unknown answer does not end the row."""
    if status in ("inactive", "not-covered"):
        return known.inactive_since or as_of
    return None if status == "active" else known.inactive_since


def _answered(draft: Draft, member: MemberFacts) -> Coverage | None:
    """The coverage that the answer is about: same payer and member; without a member id the payer's only one."""
    same = [
        one
        for one in draft.subject.coverages.values()
        if compatible_payers(draft, one.payer_id, one.payer_name, member.payer_id, member.payer_name)
        and (one.member_id == member.member_id or member.member_id is None)
    ]
    if member.member_id is None:
        return same[0] if len(same) == 1 else None
    return min(same, key=lambda one: (not one.active, one.priority or 99), default=None)


def _from_answer(draft: Draft, member: MemberFacts, facts: EligibilityFacts) -> Coverage:
    """A coverage that registration does not know of (yet): no priority."""
    event = draft.event
    fresh = Coverage(
        coverage_id=draft.ids.new("cov"),
        facility_id=event.facility or draft.subject.patient.facility_id,
        revision=1,
        patient_id=draft.subject.patient.patient_id,
        payer_id=member.payer_id,
        payer_name=member.payer_name,
        group_number=facts.group_number,
        member_id=member.member_id,
        effective_on=facts.begins_on,
        expires_on=facts.ends_on,
        recorded_at=event.recorded_at,
        created_at=draft.now,
        updated_at=draft.now,
    )
    draft.put(fresh)
    return fresh


# -- what is published -------------------------------------------------------------------------------------------------


def _announce_answer(draft: Draft, known: Coverage, fresh: Coverage, facts: EligibilityFacts) -> None:
    type_ = f"coverage.{'inactive' if facts.status == 'not-covered' else facts.status}"
    data = coverage_data(fresh) | answer_data(facts)
    changes = listed(known, differing(known, {"eligibility": facts.status}))
    event = draft.emit(type_, fresh, data, changes=changes)
    if known.eligibility in (None, "rejected"):
        event.flags.append("initial")
    draft.transition("coverage-status", fresh, known.eligibility, facts.status)
    different = _different_plan(known, facts)
    if different:
        draft.emit("coverage.changed", fresh, coverage_data(fresh), changes=different)
        draft.transition("coverage-changed", fresh, fresh.coverage_id, fresh.coverage_id)


def _different_plan(known: Coverage, facts: EligibilityFacts) -> list[dict[str, JSON]]:
    """The new answer against the one before (4.3 "coverage-change detection"), both active."""
    if known.answer_json is None:
        return []
    before = msgspec.json.decode(known.answer_json, type=EligibilityFacts)
    if before.status != "active" or facts.status != "active":
        return []
    changes: list[dict[str, JSON]] = [
        {"path": name, "old": getattr(before, name), "new": getattr(facts, name)}
        for name in COMPARED
        if getattr(facts, name) is not None and getattr(before, name) not in (None, getattr(facts, name))
    ]
    old = {(one.service_type, one.procedure, one.in_network): one.authorization_required for one in before.services}
    for one in facts.services:
        said = old.get((one.service_type, one.procedure, one.in_network))
        if said and one.authorization_required and said != one.authorization_required:
            path = f"services.{one.procedure or one.service_type}.authorization_required"
            changes.append({"path": path, "old": said, "new": one.authorization_required})
    return changes


def _announce_other_payers(draft: Draft, known: Coverage, fresh: Coverage, facts: EligibilityFacts) -> None:
    before = {_payer_key(one) for one in msgspec.json.decode(known.other_payers_json, type=list[OtherPayer])}
    new = [one for one in facts.other_payers if _payer_key(one) not in before]
    if new:
        data = coverage_data(fresh) | {"other_payers": msgspec.to_builtins(new)}
        draft.emit("coverage.other-payer-found", fresh, data)
        draft.transition("other-payer-found", fresh, None, " ".join(one.payer_id or "?" for one in new))


def _payer_key(one: OtherPayer) -> tuple[str, str | None]:
    return one.payer_id or normalised(one.payer_name or ""), one.order


def _announce_pcp(draft: Draft, known: Coverage, fresh: Coverage, pcp: RelatedEntity, since: str | None) -> None:
    """Only against one that was known, from an earlier answer or else from registration, whose word stays."""
    person = draft.subject.patient
    old_id, old_name = (
        (known.pcp_id, known.pcp_name) if known.pcp_id or known.pcp_name else (person.pcp_id, person.pcp_name)
    )
    same = old_id == pcp.id if old_id and pcp.id else normalised(old_name or "") == normalised(pcp.name or "")
    if not (old_id or old_name) or same:
        return
    data = present({"source": "271", "coverage_id": fresh.coverage_id, "pcp_id": pcp.id, "pcp_name": pcp.name})
    data |= present({"begins_on": since})
    changes: list[dict[str, JSON]] = [
        {"path": "pcp_id", "old": old_id, "new": pcp.id},
        {"path": "pcp_name", "old": old_name, "new": pcp.name},
    ]
    draft.emit("pcp.changed", fresh, data, changes=changes)
    draft.transition("pcp-changed", fresh, old_id or old_name, pcp.id or pcp.name)


def _announce_member(
    draft: Draft, known: Coverage, fresh: Coverage, member: MemberFacts, facts: EligibilityFacts
) -> None:
    """What the payer has otherwise about the person: advice for registration, never our record (4.2)."""
    person = draft.subject.patient
    before = msgspec.json.decode(known.answer_json, type=EligibilityFacts) if known.answer_json else None
    if facts.corrected and not (before and before.corrected):
        changes: list[dict[str, JSON]] = [
            {"path": name, "old": getattr(person, name), "new": value}
            for name in ("family", "given", "birth_date", "sex")
            if (value := getattr(member, name)) and value.casefold() != (getattr(person, name) or "").casefold()
        ]
        if changes:
            draft.emit("coverage.member-data-corrected", fresh, coverage_data(fresh), changes=changes)
            draft.transition("member-data-corrected", fresh, None, " ".join(str(one["path"]) for one in changes))
    if facts.deceased_on and person.deceased_source is None and not (before and before.deceased_on):
        draft.emit("patient.deceased-reported", person, {"deceased_on": facts.deceased_on, "source": "271"})
        draft.transition("deceased-reported", person, None, facts.deceased_on)


def _announce_rejection(draft: Draft, facts: EligibilityFacts, about: Coverage | None, *, waits: bool) -> None:
    """`waits`: the payer is down and is asked again; nobody is to be woken for it."""
    focus = about or draft.subject.patient
    draft.emit("eligibility.rejected", focus, answer_data(facts))
    kind = "payer-down" if waits else "eligibility-rejected"
    draft.transition(kind, focus, None, " ".join(one.reason for one in facts.rejections))


def answer_data(facts: EligibilityFacts) -> dict[str, JSON]:
    return present(
        {
            "status": facts.status,
            "as_of": stamp(facts.as_of),
            "plan": facts.plan,
            "begins_on": facts.begins_on,
            "ends_on": facts.ends_on,
            "pending": facts.pending or None,
            "authorization_required": facts.authorization_required,
            "benefits": msgspec.to_builtins(facts.benefits) or None,
            "rejections": msgspec.to_builtins(facts.rejections) or None,
            "insurance_type": facts.insurance_type,
            "plan_number": facts.plan_number,
            "services": msgspec.to_builtins(facts.services) or None,
            "remaining_benefits": msgspec.to_builtins(facts.remaining) or None,
            "other_payers": msgspec.to_builtins(facts.other_payers) or None,
            "pcp_id": facts.pcp.id if facts.pcp else None,
            "pcp_name": facts.pcp.name if facts.pcp else None,
            "contacts": msgspec.to_builtins(facts.contacts) or None,
            "restricted_to": msgspec.to_builtins(facts.restricted_to) or None,
            "facility_episodes": msgspec.to_builtins(facts.facility_episodes) or None,
            "card_lost": facts.card_lost or None,
            "messages": msgspec.to_builtins(facts.messages) or None,
        }
    )
