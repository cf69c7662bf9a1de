"""What the rules ask about coverages and authorizations (domain reference 5.3, 5.4; settled reading 13)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import msgspec

from gateway.coordination.calendar import local_date, parse_day
from gateway.coordination.changes import CoordinationSettings
from gateway.coordination.draft import Draft
from gateway.coordination.records import Appointment, Authorization, Coverage, Encounter, Record
from gateway.coordination.rules.declaration import Focus, site_of
from mappings.events import ServiceDecision

GRANTED = frozenset({"certified", "partially-certified", "modified", "not-required", "overturned"})
WAITING = frozenset({"requested", "accepted", "pended", "info-requested"})
WITHDRAWN = frozenset({"cancelled", "superseded"})
_ADMISSION_REACH = timedelta(days=3)
_NO_END = timedelta(days=365)


def primary_coverage(draft: Draft) -> Coverage | None:
    """The patient's first insurance on file, by coordination-of-benefits order."""
    on_file = [coverage for coverage in draft.subject.coverages.values() if coverage.active]
    return min(on_file, key=lambda row: (row.priority or 99, row.coverage_id)) if on_file else None


def needs_inpatient_authorization(coverage: Coverage, settings: CoordinationSettings) -> bool:
    """True when the payer asks for it or nobody knows (EB11 other than N, no list that says otherwise)."""
    if coverage.authorization_required == "N":
        return False
    return not {coverage.payer_id, coverage.payer_name, coverage.plan_id} & set(settings.no_auth_payers)


def for_payer(draft: Draft, authorization: Authorization, coverage: Coverage | None) -> bool:
    """Not another payer's; registration and the payer's answers may name him by different identifiers."""
    if coverage is None or not (coverage.payer_id and authorization.payer_id):
        return True
    return draft.settings.asking.payer(coverage.payer_id) == draft.settings.asking.payer(authorization.payer_id)


def covers_admission(draft: Draft, authorization: Authorization, stay: Encounter, coverage: Coverage | None) -> bool:
    """The match of 5.4: same payer, and named for the stay, or an admission review within 3 days of the admission, or
    an authorization of no other kind whose period holds the admission day."""
    if not for_payer(draft, authorization, coverage):
        return False
    if authorization.encounter_id is not None:
        return authorization.encounter_id == stay.encounter_id
    if authorization.request_category not in (None, "AR"):
        return False
    admitted_at = stay.inpatient_at or stay.started_at or stay.recorded_at
    day = local_date(admitted_at, site_of(draft, stay.facility_id))
    event_day = parse_day(authorization.event_begins_on)
    if event_day is not None and abs(event_day - day) <= _ADMISSION_REACH:
        return True
    return _period_holds(authorization, day)


def _period_holds(authorization: Authorization, day: date) -> bool:
    begins = parse_day(authorization.effective_on) or parse_day(authorization.event_begins_on)
    ends = parse_day(authorization.expires_on) or parse_day(authorization.event_ends_on)
    if begins is None and ends is None:
        return False
    if ends is None:
        ends = (begins or day) + _NO_END
    return (begins or day) <= day <= ends


def known_by(authorization: Authorization, moment: datetime) -> bool:
    """Whether the payer's word, or the registration's, had come by then."""
    return (authorization.decided_at or authorization.clock_started_at or authorization.recorded_at) <= moment


def lines_of(authorization: Authorization) -> list[ServiceDecision]:
    if authorization.decisions_json == "[]":
        return []
    return msgspec.json.decode(authorization.decisions_json, type=list[ServiceDecision])


def is_denied(authorization: Authorization) -> bool:
    """Not certified as a whole, or a line of it while the rest was certified (5.3: denial inside A2)."""
    if authorization.status == "denied":
        return True
    return authorization.status == "partially-certified" and any(
        line.action == "A3" for line in lines_of(authorization)
    )


def facility_of(draft: Draft, *, encounter_id: str | None = None, appointment_id: str | None = None) -> str | None:
    """Facility of the appointment or encounter concerned, else of the latest encounter; None when there is neither."""
    visit = draft.subject.appointments.get(appointment_id or "")
    if visit is not None:
        return visit.facility_id
    stay = draft.subject.encounters.get(encounter_id or "")
    if stay is None and draft.subject.encounters:
        stay = max(draft.subject.encounters.values(), key=lambda row: row.started_at or row.created_at)
    return stay.facility_id if stay is not None else None


def focus_of(draft: Draft, record: Record) -> Focus:
    """The focus of a task about this record alone, its facility by settled reading 13."""
    match record:
        case Encounter():
            return Focus(facility_id=record.facility_id, encounter_id=record.encounter_id)
        case Appointment():
            return Focus(facility_id=record.facility_id, appointment_id=record.appointment_id)
        case Authorization():
            place = facility_of(draft, encounter_id=record.encounter_id, appointment_id=record.appointment_id)
            return Focus(
                facility_id=place or record.facility_id,
                encounter_id=record.encounter_id,
                appointment_id=record.appointment_id,
                authorization_id=record.authorization_id,
            )
        case Coverage():
            return Focus(facility_id=facility_of(draft) or record.facility_id, coverage_id=record.coverage_id)
        case _:
            return Focus(facility_id=facility_of(draft) or draft.subject.patient.facility_id)
