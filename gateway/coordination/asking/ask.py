"""Asking a payer: the question from what is known, its document, and the inquiry that follows it (reference 5.4).

One way for all who ask: a person, a program, the rules, the ladder after an outage.
"""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import msgspec

from gateway.coordination.asking.settings import provider_at
from gateway.coordination.changes import Ask, Outgoing
from gateway.coordination.draft import Draft
from gateway.coordination.records import Coverage, Inquiry
from gateway.coordination.transitions.authorization import authorization_data
from gateway.coordination.transitions.inquiry import ELIGIBILITY, set_ask_timer
from gateway.coordination.transitions.request import note_request
from mappings.partners import Payer, Provider, TradingPartner
from mappings.payer_facts import MemberFacts, RequestedService, RequestFacts
from mappings.questions import AskedPerson, Question, originator, set_of, write_question

_SELF = frozenset((None, "", "SEL", "SELF", "18"))
_RELATIONSHIPS = {"SPO": "01", "CHD": "19", "DEP": "G8", "01": "01", "19": "19"}  # table 0063, INS02
UNROUTED = "no partner with a channel takes questions for this payer: add it to a [[partner]]"


class CannotAsk(Exception):
    """Why no document can be made, for the person who asked.  Holds no value of the patient."""


def ask(draft: Draft, wanted: Ask) -> Inquiry:
    """Ask now.  Raises CannotAsk, and has changed nothing then."""
    coverage = coverage_of(draft, wanted)
    route = draft.settings.asking.route(coverage.payer_id, coverage.payer_name)
    if route is None:
        raise CannotAsk(UNROUTED)
    partner, payer = route
    provider = provider_at(partner, _facility(draft, wanted, coverage))
    if provider is None:
        raise CannotAsk(f"partner {partner.name} has no [[partner.provider]] for this facility")
    inquiry_id = draft.ids.new("inq")
    question = _question(draft, wanted, coverage, inquiry_id, (partner, payer, provider))
    inquiry = Inquiry(
        inquiry_id=inquiry_id,
        facility_id=_facility(draft, wanted, coverage),
        revision=1,
        patient_id=draft.subject.patient.patient_id,
        kind=wanted.kind,
        source="baton",
        reason=wanted.reason or wanted.actor,
        payer_id=coverage.payer_id or payer.id,
        payer_name=coverage.payer_name or payer.name,
        member_id=question.member_id,
        coverage_id=coverage.coverage_id,
        authorization_id=wanted.authorization_id,
        encounter_id=wanted.encounter_id,
        appointment_id=wanted.appointment_id,
        trace=question.trace,
        reference=question.reference,
        service_on=question.service_on,
        service_types=" ".join(question.service_types),
        channel=partner.channel,
        request_json=msgspec.json.encode(question).decode(),
        status="sent",
        asked_at=draft.now,
        created_at=draft.now,
        updated_at=draft.now,
    )
    note_request(draft, inquiry, MemberFacts(payer_id=inquiry.payer_id), _facts(draft, wanted, question))
    return send(draft, inquiry, question, partner)


def send(draft: Draft, inquiry: Inquiry, question: Question, partner: TradingPartner) -> Inquiry:
    """Put the document out, and the clock for its acknowledgement on."""
    local = draft.now.astimezone(ZoneInfo(draft.zone(inquiry.facility_id)))
    draft.documents.append(
        Outgoing(
            channel=partner.channel,
            partner=partner.id,
            kind=set_of(question.kind),
            body=write_question(question, partner, local),
            facility_id=inquiry.facility_id,
            inquiry_id=inquiry.inquiry_id,
        )
    )
    due = draft.now + timedelta(minutes=draft.settings.asking.acknowledgement_minutes)
    fresh = draft.update(
        inquiry,
        None,
        status="sent",
        attempts=inquiry.attempts + 1,
        due_at=due,
        acknowledgement=None,
        acknowledged_at=None,
    )
    set_ask_timer(draft, fresh, "late", due)
    return fresh


def send_again(draft: Draft, inquiry: Inquiry) -> Inquiry:
    """The same question once more: same trace and BHT03, a new control number.  Raises CannotAsk."""
    route = draft.settings.asking.route(inquiry.payer_id, inquiry.payer_name)
    if route is None or inquiry.source != "baton":
        raise CannotAsk(UNROUTED if inquiry.source == "baton" else "it passed through: its sender has to repeat it")
    authorization = draft.subject.authorizations.get(inquiry.authorization_id or "")
    if authorization is not None and authorization.status == "transport-failed":
        fresh = draft.update(authorization, status="requested", transport=None)
        draft.emit("authorization.requested", fresh, authorization_data(fresh) | {"inquiry_id": inquiry.inquiry_id})
        draft.transition("authorization-status", fresh, authorization.status, "requested")
    return send(draft, inquiry, msgspec.json.decode(inquiry.request_json, type=Question), route[0])


def coverage_of(draft: Draft, wanted: Ask) -> Coverage:
    """The coverage named, else that of the authorization's payer, else the patient's first registered one."""
    held = draft.subject.coverages
    if wanted.coverage_id:
        if wanted.coverage_id not in held:
            raise CannotAsk("the patient has no such coverage")
        return held[wanted.coverage_id]
    active = sorted((one for one in held.values() if one.active), key=lambda one: (one.priority or 99, one.coverage_id))
    known = draft.subject.authorizations.get(wanted.authorization_id or "")
    if known is not None and known.payer_id:  # as his answers name him, which need not be what registration writes
        payer = draft.settings.asking.payer
        active = [one for one in active if payer(one.payer_id) == payer(known.payer_id)]
    if not active:
        raise CannotAsk("the patient has no insurance on file")
    return active[0]


def _facility(draft: Draft, wanted: Ask, coverage: Coverage) -> str:
    stay = draft.subject.encounters.get(wanted.encounter_id or "")
    visit = draft.subject.appointments.get(wanted.appointment_id or "")
    return stay.facility_id if stay else visit.facility_id if visit else coverage.facility_id


def _question(
    draft: Draft, wanted: Ask, coverage: Coverage, inquiry_id: str, route: tuple[TradingPartner, Payer, Provider]
) -> Question:
    partner, payer, provider = route
    person = draft.subject.patient
    if not coverage.member_id:
        raise CannotAsk("the coverage has no member id")
    if len(person.birth_date or "") != 10 or not person.family:
        raise CannotAsk("the patient's name or full birth date is not known")
    patient = AskedPerson(
        family=person.family or "", given=person.given or "", birth_date=person.birth_date, sex=person.sex
    )
    self_insured = coverage.relationship in _SELF
    known = draft.subject.authorizations.get(wanted.authorization_id or "")
    if wanted.kind not in (ELIGIBILITY, "authorization") and known is None:
        raise CannotAsk("it names no authorization of the patient")
    number = inquiry_id.removeprefix("inq_")
    own_date = wanted.service_on or (known.event_begins_on if known else None)
    return Question(
        kind=wanted.kind,
        payer_id=payer.id,
        payer_name=payer.name or coverage.payer_name or "",
        payer_qualifier=payer.qualifier,
        provider_npi=provider.npi,
        provider_name=provider.name or provider.facility,
        provider_taxonomy=provider.taxonomy,
        member_id=coverage.member_id,
        subscriber=patient if self_insured else AskedPerson(family=patient.family),
        patient=None if self_insured else patient,
        relationship=_RELATIONSHIPS.get(coverage.relationship or "", "G8"),
        group_number=coverage.group_number,
        trace=f"T{number}",
        originator=originator(partner),
        reference=f"B{number}",
        service_types=_service_types(draft, wanted),
        services=_services(wanted),
        service_on=own_date or (_today(draft, coverage) if wanted.kind == ELIGIBILITY else None),
        service_ends_on=wanted.service_ends_on,
        category=wanted.category or (known.request_category if known else None) or "HS",
        certification=wanted.certification or "I",
        service_type=wanted.service_type or (known.service_type if known else None),
        place=wanted.place,
        urgent=wanted.urgent or bool(known and known.urgent),
        admission_on=wanted.admission_on or (known.admission_on if known else None),
        diagnoses=wanted.diagnoses,
        number=(known.number or known.tracking_number) if known else None,
    )


def _today(draft: Draft, coverage: Coverage) -> str:
    return draft.now.astimezone(ZoneInfo(draft.zone(coverage.facility_id))).date().isoformat()


def _service_types(draft: Draft, wanted: Ask) -> tuple[str, ...]:
    if wanted.kind != ELIGIBILITY:
        return ()
    return wanted.service_types or (() if wanted.procedures else draft.settings.asking.service_types)


def _services(wanted: Ask) -> tuple[RequestedService, ...]:
    unit = wanted.unit or ("UN" if wanted.quantity else None)
    return tuple(RequestedService(procedure=code, quantity=wanted.quantity, unit=unit) for code in wanted.procedures)


def _facts(draft: Draft, wanted: Ask, question: Question) -> RequestFacts:
    """What the document will say, as the reader of a request that passes through would tell it."""
    return RequestFacts(
        kind=wanted.kind,
        asked_at=draft.now,
        services=question.services,
        service_on=question.service_on,
        service_ends_on=question.service_ends_on,
        request_category=question.category,
        certification_type=question.certification,
        service_type=question.service_type,
        urgent=question.urgent,
        admission_on=question.admission_on,
        previous_number=question.number,
        appeal=question.certification in ("1", "2", "N"),
    )


def apply_ask(draft: Draft, wanted: Ask) -> None:
    """A person's or program's question; ends as filtered with `invalid: <why>` when it cannot be put."""
    try:
        if wanted.inquiry_id is None:
            ask(draft, wanted)
            return
        inquiry = draft.subject.inquiries.get(wanted.inquiry_id)
        if inquiry is None:
            raise CannotAsk("the patient has no such inquiry")
        send_again(draft, inquiry)
    except CannotAsk as why:
        draft.end("filtered", f"invalid: {why}")
