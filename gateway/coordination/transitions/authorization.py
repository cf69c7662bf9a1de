"""Authorizations: 278 responses, numbers carried by ADT, and what they belong to (domain reference 5.3, 5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

import msgspec

from gateway.coordination.changes import JSON
from gateway.coordination.draft import Draft
from gateway.coordination.records import Appointment, Authorization, Encounter
from gateway.coordination.transitions.coverage import compatible_payers
from gateway.coordination.transitions.difference import (
    differing,
    plain,
    present,
    stamp,
    stated,
)
from gateway.coordination.transitions.states import OPEN
from mappings.events import AuthorizationFacts, CoverageFacts, MemberFacts

NEAR_DAYS = 3
ADMISSION_REVIEW = "AR"
CLOSED = frozenset(("cancelled", "superseded", "rejected"))
GRANTED = frozenset(("certified", "partially-certified", "modified", "not-required"))
ANSWERED = (
    "number", "tracking_number", "request_category", "certification_type", "service_type",
    "event_begins_on", "event_ends_on", "effective_on", "expires_on",
)  # fmt: skip


def apply_registered(draft: Draft, sent: Sequence[CoverageFacts], encounter: Encounter | None) -> None:
    """Authorization numbers of IN1-14, IN1-28 or IN3-2: certified, with less weight than a 278."""
    for facts in sent:
        number = stated(facts.authorization_number)
        if number is None:
            continue
        payer = stated(facts.payer_id)
        known = next((one for one in draft.subject.authorizations.values() if one.number == number), None)
        fields: dict[str, object] = {
            "effective_on": stated(facts.authorization_begins_on),
            "expires_on": stated(facts.authorization_ends_on),
        }
        if known is None:
            known = blank(draft, MemberFacts(payer_id=payer))
            fields |= {"source": "adt", "status": "certified", "number": number, "decision": 1}
            fields["decided_at"] = draft.event.recorded_at
        elif known.source != "adt":
            fields = {}
        fields = {name: value for name, value in fields.items() if value is not None}
        if encounter is not None and encounter.status in OPEN and known.encounter_id is None:
            fields["encounter_id"] = encounter.encounter_id
        fields = differing(known, fields)
        if not fields:
            continue
        fresh = store(draft, known, fields)
        if known.revision == 0:
            draft.emit("authorization.certified", fresh, authorization_data(fresh))
            draft.transition("authorization-status", fresh, None, "certified")


def find_authorization(draft: Draft, member: MemberFacts, facts: AuthorizationFacts) -> Authorization | None:
    """By trace, then number or tracking number, then request reference, then the payer's only one for the same service
    within three days that neither a trace nor a number tells apart."""
    traces = {*member.traces, *(one.trace for one in facts.decisions if one.trace)}
    numbers = {facts.number, facts.tracking_number} - {None}
    held = list(draft.subject.authorizations.values())
    for one in held:
        if one.trace is not None and one.trace in traces:
            return one
    for one in held:
        if not numbers.isdisjoint((one.number, one.tracking_number)) and _same_payer(draft, one, member):
            return one
    alike = [
        one
        for one in held
        if _same_payer(draft, one, member)
        and one.status not in CLOSED
        and not (one.trace and traces)
        and not (one.number and facts.number)
        and one.service_type == facts.service_type
        and facts.event_begins_on is not None
        and _near(one.event_begins_on, facts.event_begins_on)
    ]
    return alike[0] if len(alike) == 1 else None


def link_encounter(draft: Draft, encounter: Encounter) -> None:
    """A stay that began takes the admission reviews that were waiting for it."""
    for one in list(draft.subject.authorizations.values()):
        if one.encounter_id is None and one.request_category == ADMISSION_REVIEW and one.status not in CLOSED:
            link(draft, one)


def link_appointment(draft: Draft, appointment: Appointment) -> None:
    """A booking takes the authorization that was waiting for it."""
    if appointment.status != "booked":
        return
    for one in list(draft.subject.authorizations.values()):
        if one.appointment_id is None and one.request_category != ADMISSION_REVIEW and one.status not in CLOSED:
            link(draft, one)


def _same_payer(draft: Draft, one: Authorization, member: MemberFacts) -> bool:
    return compatible_payers(draft, one.payer_id, None, member.payer_id, None)


def _near(a: str | None, b: str | None) -> bool:
    day_a, day_b = _day(a), _day(b)
    return day_a is not None and day_b is not None and abs((day_a - day_b).days) <= NEAR_DAYS


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None


def blank(draft: Draft, member: MemberFacts) -> Authorization:
    """Revision 0 says that it is not stored."""
    return Authorization(
        authorization_id=draft.ids.new("aut"),
        facility_id=(draft.event.facility if draft.by_message else "") or draft.subject.patient.facility_id,
        revision=0,
        patient_id=draft.subject.patient.patient_id,
        payer_id=member.payer_id,
        source="",
        status="",
        recorded_at=draft.recorded_at,
        created_at=draft.now,
        updated_at=draft.now,
    )


def store(draft: Draft, known: Authorization, fields: dict[str, object]) -> Authorization:
    if known.revision:
        return draft.update(known, None, **fields, recorded_at=draft.recorded_at)
    fresh = msgspec.structs.replace(known, **fields, revision=1)
    draft.put(fresh)
    return fresh


def link(draft: Draft, one: Authorization) -> Authorization:
    """Tie an authorization to the stay or booking that it can only be for; two candidates tie nothing."""
    if one.request_category == ADMISSION_REVIEW:
        if one.encounter_id is None:
            stays = [stay for stay in draft.subject.encounters.values() if _admission_fits(draft, one, stay)]
            if len(stays) == 1:
                return draft.update(one, encounter_id=stays[0].encounter_id, facility_id=stays[0].facility_id)
    elif one.appointment_id is None:
        visits = _bookings_for(draft, one)
        if len(visits) == 1:
            return draft.update(one, appointment_id=visits[0].appointment_id, facility_id=visits[0].facility_id)
    return one


def _admission_fits(draft: Draft, one: Authorization, stay: Encounter) -> bool:
    """The admission is within three days of the event's date (DTP 435)."""
    at = stay.inpatient_at or stay.started_at or stay.expected_admit_at
    if stay.status in ("cancelled", "deleted") or at is None or not one.event_begins_on:
        return False
    return _near(at.astimezone(ZoneInfo(draft.zone(stay.facility_id))).date().isoformat(), one.event_begins_on)


def _bookings_for(draft: Draft, one: Authorization) -> list[Appointment]:
    """Booked visits of an authorized service, else those inside the authorization's period."""
    booked = [visit for visit in draft.subject.appointments.values() if visit.status == "booked" and visit.start_at]
    if not booked:
        return []
    lines = msgspec.json.decode(one.decisions_json)
    services = {line.get("service") for line in lines} | {one.service_type}
    same = [visit for visit in booked if visit.service and visit.service in services]
    if same:
        return same
    begins, ends = one.effective_on or one.event_begins_on, one.expires_on or one.event_ends_on
    inside = []
    for visit in booked:
        assert visit.start_at is not None
        day = visit.start_at.astimezone(ZoneInfo(draft.zone(visit.facility_id))).date().isoformat()
        if begins and begins <= day <= (ends or begins):
            inside.append(visit)
    return inside


def authorization_data(one: Authorization) -> dict[str, JSON]:
    return present(
        {
            "number": one.number,
            "tracking_number": one.tracking_number,
            "trace": one.trace,
            "reference": one.reference,
            "source": one.source,
            "status": one.status,
            "payer_id": one.payer_id,
            "request_category": one.request_category,
            "certification_type": one.certification_type,
            "service_type": one.service_type,
            "urgent": one.urgent,
            "decided_at": stamp(one.decided_at),
            "decision": one.decision,
            "effective_on": one.effective_on,
            "expires_on": one.expires_on,
            "encounter_id": one.encounter_id,
            "appointment_id": one.appointment_id,
            "decisions": plain("decisions_json", one.decisions_json),
            "rejections": plain("rejections_json", one.rejections_json),
            "issued_on": one.issued_on,
            "admission_on": one.admission_on,
            "previous_number": one.previous_number,
            "quantity": one.quantity,
            "unit": one.unit,
            "remaining": one.remaining,
            "provider_id": one.provider_id,
            "provider_name": one.provider_name,
            "requested": plain("requested_json", one.requested_json) or None,
            "documents": plain("documents_json", one.documents_json) or None,
            "contacts": plain("contacts_json", one.contacts_json) or None,
            "messages": plain("messages_json", one.messages_json) or None,
            "transport": one.transport,
        }
    )
