"""278 responses (005010X217; read alike: X215, X216, 004010X094A1): what a payer decided (domain reference 5.1-5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import msgspec

from mappings.authorization_lines import (
    dates_of,
    decision_lines,
    decision_segment,
    documents,
    review_segment,
    stated_period,
)
from mappings.benefits import entities, payer_contacts, texts
from mappings.events import AuthorizationFacts, CanonicalEvent, Rejection, ServiceDecision
from mappings.payer_facts import RelatedEntity
from mappings.x12_codes import (
    ACTIONS,
    ADMISSION,
    ADMISSION_REVIEW,
    CERTIFIED_STATUSES,
    CERTIFYING,
    DEFAULT_VALIDITY_DAYS,
    EVENT_DATES,
    INQUIRY_GUIDE,
    ISSUED,
    NOT_RESPONSES,
    NOTIFICATION_GUIDE,
    PREVIOUS_NUMBER,
    PROVISIONAL,
    RESPONSE,
    TRACKING_NUMBER,
    URGENT,
)
from mappings.x12_facts import (
    MAX_LISTED,
    Period,
    Transaction,
    iso,
    level_rejections,
    member_facts,
    reference,
    shift,
    source_of,
    traces,
    unplaced_rejections,
)
from parsers.x12.hierarchy import DEPENDENT, EVENT, PROVIDER, SERVICE, SUBSCRIBER, HierarchicalLevel
from parsers.x12.segments import Segment

_PATIENTS = (SUBSCRIBER, DEPENDENT)


class PatientEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One request that was answered: the patient, the level that stands for the event, and its services.

    The event level is 2000E; where a sender leaves it out (4010, or a rejection) the patient's own level stands for it.
    """

    patient: HierarchicalLevel
    event: HierarchicalLevel
    services: tuple[HierarchicalLevel, ...] = ()


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The effective decision of one service, or of the event: its own HCR, else the one it inherits."""

    level: HierarchicalLevel
    action: str
    number: str | None
    echoed: bool  # carries a trace of ours (TRN01 = 2)


def is_response(transaction: Transaction) -> bool:
    """BHT02 = 11; a set that does not say what it is counts as a response when it holds a decision."""
    if transaction.purpose in NOT_RESPONSES:
        return False
    decided = any(decision_segment(level) for level in transaction.hierarchy.levels)
    return transaction.purpose == RESPONSE or decided


def patient_events(transaction: Transaction) -> list[PatientEvent]:
    """Every event of every patient, in document order, the damaged levels among them."""
    found: list[PatientEvent] = []
    for level in transaction.hierarchy.levels:
        patient = level.nearest(*_PATIENTS)
        if level.code in (EVENT, PROVIDER) and (patient or level.damage):
            services = tuple(below for below in level.descendants() if below.code == SERVICE)
            found.append(PatientEvent(patient=patient or level, event=level, services=services))
        elif level.code in _PATIENTS and not any(below.code in _BELOW_PATIENT for below in level.children):
            services = tuple(below for below in level.children if below.code == SERVICE)
            found.append(PatientEvent(patient=level, event=level, services=services))
    return found


_BELOW_PATIENT = frozenset({DEPENDENT, EVENT, PROVIDER})


def map_278_decision(transaction: Transaction, subject: PatientEvent | None) -> CanonicalEvent | str:
    """One event's answer, or the word for why it cannot be told: "no-decision", "unknown-action".

    Without a subject: the rejection of a set that ends before any patient.
    """
    refused = _rejections(transaction, subject)
    decisions = _decisions(subject) if subject else []
    if any(decision.action not in ACTIONS for decision in decisions):
        return "unknown-action"
    if not decisions and not refused and not (subject and transaction.guide.startswith(NOTIFICATION_GUIDE)):
        return "no-decision"
    facts = AuthorizationFacts(
        status=overall_status(decisions) if decisions else "rejected" if refused else "acknowledged",
        decided_at=transaction.recorded_at,
        provisional=bool(transaction.heading and transaction.heading.text(6) == PROVISIONAL),
        rejections=refused,
        answers_inquiry=transaction.guide.startswith(INQUIRY_GUIDE),
    )
    if subject is not None:
        facts = _with_event(facts, transaction, subject, decisions)
    answered = (subject.event, *subject.services) if subject and subject.event is not subject.patient else ()
    traced = [segment for level in answered for segment in level.segments]
    return CanonicalEvent(
        type=f"authorization.{facts.status}",
        trigger="278",
        recorded_at=transaction.recorded_at,
        occurred_at=transaction.recorded_at,
        facility=transaction.facility,
        member=msgspec.structs.replace(
            member_facts(transaction, subject.patient if subject else None, traced), service_on=facts.event_begins_on
        ),
        authorization=facts,
        problems=transaction.problems,
    )


def overall_status(decisions: Sequence[Decision]) -> str:
    """5.1, the first that holds.  A denied line beside a certified one that nobody asked for is a modification."""
    actions = {decision.action for decision in decisions}
    if "A4" in actions:
        return "pended"
    if "CT" in actions:
        return "contact-payer"
    if len(actions) == 1:
        return ACTIONS[actions.pop()]
    if actions <= {"A1", "NA"}:
        return "certified"
    if "A6" in actions and not actions & {"A2", "A3"}:
        return "modified"
    if actions == {"A1", "A3"} and _replaced(decisions):
        return "modified"
    return "partially-certified"


def _replaced(decisions: Sequence[Decision]) -> bool:
    denied = [decision for decision in decisions if decision.action == "A3"]
    certified = [decision for decision in decisions if decision.action == "A1"]
    return all(decision.echoed for decision in denied) and not any(decision.echoed for decision in certified)


def _decisions(subject: PatientEvent) -> list[Decision]:
    """The effective decisions.  The event's own counts beside those of its services only for an admission review:
    there it decides the stay, elsewhere it is what services without their own HCR inherit."""
    inherited = decision_segment(subject.event)
    effective = [
        _decision(service, hcr)
        for service in subject.services
        if (hcr := decision_segment(service) or inherited) is not None
    ]
    review = review_segment(subject.event)
    if inherited is not None and (not effective or (review and review.text(1) == ADMISSION_REVIEW)):
        effective.insert(0, _decision(subject.event, inherited))
    return effective


def _decision(level: HierarchicalLevel, hcr: Segment) -> Decision:
    return Decision(level=level, action=hcr.text(1), number=hcr.text(2) or None, echoed=bool(traces(level.segments)))


def _rejections(transaction: Transaction, subject: PatientEvent | None) -> tuple[Rejection, ...]:
    if subject is None:
        return unplaced_rejections(transaction)
    refused = transaction.above(subject.event).rejections
    for level in (subject.event, *subject.services):
        if len(refused) < MAX_LISTED:
            refused += level_rejections(level, transaction.set_id)
    return refused[:MAX_LISTED]


def _with_event(
    facts: AuthorizationFacts, transaction: Transaction, subject: PatientEvent, decisions: Sequence[Decision]
) -> AuthorizationFacts:
    event = subject.event
    review = review_segment(event) or next(
        (um for service in subject.services if (um := review_segment(service))), None
    )
    event_period = next((period for code in EVENT_DATES if (period := dates_of(event, code))), Period())
    open_ = next((one.number for one in decisions if one.action not in CERTIFYING and one.number), None)
    levels = (event, *subject.services)
    tracking = next((number for level in levels if (number := reference(level.segments, TRACKING_NUMBER))), None)
    lines = decision_lines(event, subject.services)
    asked = tuple(one for level in levels if _is_pended(level, event) for one in documents(level))
    if facts.status == "pended" and asked:
        facts = msgspec.structs.replace(facts, status="info-requested")
    period = _validity(subject, decisions)
    ends = period.ends
    if ends is None and facts.status in CERTIFIED_STATUSES:
        ends = shift(period.begins or event_period.begins or transaction.recorded_on, DEFAULT_VALIDITY_DAYS)
    return msgspec.structs.replace(
        facts,
        number=_number(subject, decisions),
        tracking_number=tracking or open_,
        request_category=review.text(1) or None if review else None,
        certification_type=review.text(2) or None if review else None,
        service_type=review.text(3) or None if review else None,
        urgent=bool(review and review.text(6) in URGENT),
        event_begins_on=iso(event_period.begins),
        event_ends_on=iso(event_period.ends),
        effective_on=iso(period.begins),
        expires_on=iso(ends),
        previous_number=next((n for level in levels if (n := reference(level.segments, PREVIOUS_NUMBER))), None),
        decisions=lines,
        issued_on=next((iso(p.begins) for level in levels if (p := dates_of(level, ISSUED))), None),
        admission_on=next((iso(p.begins) for level in levels if (p := dates_of(level, ADMISSION))), None),
        documents=asked[:MAX_LISTED],
        **_granted(lines),
        contacts=_contacts(transaction, levels),
        messages=tuple(dict.fromkeys(text for level in levels for text in texts(level.segments)))[:MAX_LISTED],
    )


def _is_pended(level: HierarchicalLevel, event: HierarchicalLevel) -> bool:
    hcr = decision_segment(level) or decision_segment(event)
    return hcr is not None and hcr.text(1) == "A4"


class Granted(TypedDict):
    """What was certified: of the event, else of its first certified line; the provider named nearest to it."""

    quantity: str | None
    unit: str | None
    remaining: str | None
    provider: RelatedEntity | None


def _granted(lines: Sequence[ServiceDecision]) -> Granted:
    certified = [line for line in lines if line.action in CERTIFYING]
    counted = next((line for line in certified if line.quantity), None)
    return {
        "quantity": counted.quantity if counted else None,
        "unit": counted.unit if counted else None,
        "remaining": next((line.remaining for line in certified or lines if line.remaining), None),
        "provider": next((line.provider for line in (*certified, *lines) if line.provider), None),
    }


def _contacts(transaction: Transaction, levels: Sequence[HierarchicalLevel]) -> tuple[RelatedEntity, ...]:
    """Whom to call or where to send: PER of the payer, and of whoever the answer names with a number."""
    source = source_of(transaction.hierarchy)
    calls = payer_contacts(source.segments) if source else ()
    named = (one for level in levels for one in entities(level.segments) if one.phone or one.url)
    return tuple(dict.fromkeys((*calls, *named)))[:MAX_LISTED]


def _number(subject: PatientEvent, decisions: Sequence[Decision]) -> str | None:
    """HCR02 of the certification: of the event, else of its first certified service."""
    own = decision_segment(subject.event)
    if own is not None and own.text(1) in CERTIFYING and own.text(2):
        return own.text(2)
    return next((decision.number for decision in decisions if decision.action in CERTIFYING and decision.number), None)


def _validity(subject: PatientEvent, decisions: Sequence[Decision]) -> Period:
    """The authorization period as stated: of the first certified line that states one, else of the event."""
    certified = [decision.level for decision in decisions if decision.action in CERTIFYING]
    stated = [period for level in (*certified, subject.event) if (period := stated_period(level))]
    begins = next((period.begins for period in stated if period.begins), None)
    return Period(begins, next((period.ends for period in stated if period.ends), None))
