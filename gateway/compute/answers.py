"""Whose a payer's answer, request or acknowledgement is, among the patients loaded (decision 10)."""

from __future__ import annotations

import msgspec

from gateway.compute.state import State
from gateway.coordination.asking.settings import AskingSettings
from gateway.coordination.matching import Candidate, Match, match_member
from gateway.store.ports import LoadRequest
from mappings.events import AcknowledgementFacts, CanonicalEvent, MemberFacts
from mappings.x12_rejections import payer_is_down


def member_keys(event: CanonicalEvent, load: LoadRequest) -> None:
    member = event.member
    assert member is not None
    if member.member_id:
        load.members.append(member.member_id)
    load.traces.extend(member.traces)
    if member.reference:
        load.traces.append(member.reference)
    if event.authorization is not None:
        load.traces.extend(text for text in (event.authorization.number, event.authorization.tracking_number) if text)


def candidates(state: State, event: CanonicalEvent, asking: AskingSettings) -> tuple[list[Candidate], dict[str, str]]:
    """(patients who may be meant, whose each known trace, reference, authorization or tracking number is).

    A text that two patients have tells nobody apart and is left out."""
    member = event.member
    assert member is not None
    found: list[Candidate] = []
    traces: dict[str, str] = {}
    shared: set[str] = set()
    for home in state.patients.values():
        patient = home.patient
        if patient.merged_into is not None:
            continue
        known = [
            text
            for authorization in home.authorizations.values()
            for text in (authorization.trace, authorization.number, authorization.tracking_number)
            if text
        ]
        asked = [text for one in home.inquiries.values() for text in (one.trace, one.reference) if text]
        known += asked
        shared |= {text for text in known if traces.setdefault(text, patient.patient_id) != patient.patient_id}
        held = [c for c in home.coverages.values() if member.member_id and c.member_id == member.member_id]
        found.extend(
            Candidate(
                patient_id=patient.patient_id,
                payer_id=asking.payer(coverage.payer_id),
                member_id=coverage.member_id,
                birth_date=patient.birth_date,
                family=patient.family,
                given=patient.given,
                sex=patient.sex,
            )
            for coverage in held or (list(home.coverages.values())[:1] if known else [])
        )
    return found, {text: patient_id for text, patient_id in traces.items() if text not in shared}


def match_answer(event: CanonicalEvent, state: State, asking: AskingSettings) -> Match:
    """Never by guess.  An answer that names nobody, because it was refused before the patient's loop, is the one of the
    question whose BHT03 it echoes: there is nothing in it that could be about somebody else.  A payer is one by
    whichever identifier he and registration name him (`[[partner.payer]] aliases`)."""
    assert event.member is not None
    member = msgspec.structs.replace(event.member, payer_id=asking.payer(event.member.payer_id))
    found, traces = candidates(state, event, asking)
    if _names_nobody(member) and member.reference in traces:
        return Match(patient_id=traces[member.reference], by="reference")
    match = match_member(member, found, traces)
    decided = event.authorization
    if match.reason == "unmatched" and decided is not None:
        numbers = tuple(text for text in (decided.number, decided.tracking_number) if text)
        return match_member(msgspec.structs.replace(member, traces=numbers), found, traces)
    return match


def _names_nobody(member: MemberFacts) -> bool:
    return not (member.member_id or member.birth_date or member.family or member.traces)


def control_key(facts: AcknowledgementFacts) -> tuple[str, str]:
    return facts.partner, str(facts.control_number)


def acknowledged(event: CanonicalEvent, state: State) -> tuple[CanonicalEvent, str] | None:
    """(the event with the inquiry it is about, that patient's id); None: no question of ours has this number."""
    facts = event.acknowledgement
    assert facts is not None
    found = state.sent.get((facts.partner, facts.control_number))
    if found is None:
        return None
    inquiry_id, patient_id = found
    facts = msgspec.structs.replace(facts, inquiry_id=inquiry_id)
    return msgspec.structs.replace(event, acknowledgement=facts), patient_id


def says_down(event: CanonicalEvent) -> bool:
    """Whether the payer says nothing but that it cannot answer now (42, 80)."""
    told = event.eligibility or event.authorization
    return told is not None and told.status == "rejected" and payer_is_down(told.rejections)
