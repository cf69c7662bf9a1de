"""Which authorization is for which visit, and what is left of it (domain reference 5.4)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

import msgspec

from gateway.coordination.calendar import local_date, parse_day
from gateway.coordination.draft import Draft
from gateway.coordination.records import Appointment, Authorization, Coverage
from gateway.coordination.rules.declaration import site_of
from gateway.coordination.rules.payer import GRANTED, lines_of
from gateway.coordination.rules.stays import ATTENDED
from mappings.events import ServiceDecision
from mappings.payer_facts import RequestedService, ServiceAnswer

LIVE_GRANTS = GRANTED - {"not-required"}
VISIT_UNITS = frozenset({"VS", "UN", "P6", None})
_NO_END = timedelta(days=365)
_REVIEW_OF_ADMISSION = "AR"


def day_of(draft: Draft, visit: Appointment) -> date | None:
    return local_date(visit.start_at, site_of(draft, visit.facility_id)) if visit.start_at else None


def services_of(authorization: Authorization) -> set[str]:
    """Procedure codes and service types that it was asked for or certified for."""
    found = {authorization.service_type, *(line.service for line in lines_of(authorization))}
    if authorization.requested_json != "[]":
        for asked in msgspec.json.decode(authorization.requested_json, type=list[RequestedService]):
            found |= {asked.procedure, asked.service_type}
    return {code for code in found if code}


def begins_on(authorization: Authorization) -> date | None:
    return parse_day(authorization.effective_on) or parse_day(authorization.event_begins_on)


def ends_on(authorization: Authorization) -> date | None:
    """036 in the words of the rules: the end of the authorized period, 365 days where none is said."""
    end = parse_day(authorization.expires_on) or parse_day(authorization.event_ends_on)
    if end is not None:
        return end
    begins = begins_on(authorization)
    return begins + _NO_END if begins else None


def is_for(draft: Draft, authorization: Authorization, visit: Appointment, *, whenever: bool = False) -> bool:
    """Same service and provider, inside the period; `whenever`: the period's end does not matter."""
    if authorization.request_category == _REVIEW_OF_ADMISSION:
        return False
    if authorization.appointment_id not in (None, visit.appointment_id) and not _is_series(authorization):
        return False
    if authorization.appointment_id != visit.appointment_id and visit.service not in services_of(authorization):
        return False
    if authorization.provider_id and visit.provider_id and authorization.provider_id != visit.provider_id:
        return False
    day, begins, ends = day_of(draft, visit), begins_on(authorization), ends_on(authorization)
    if day is None or (begins is not None and day < begins):
        return False
    return whenever or ends is None or day <= ends


def _is_series(authorization: Authorization) -> bool:
    """More than one visit is authorized, so that being tied to the first says nothing of the others."""
    return (number(authorization.quantity) or Decimal(0)) > 1


def number(text: str | None) -> Decimal | None:
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        return None


def authorized_visits(authorization: Authorization) -> Decimal | None:
    """How many visits are certified; None when it counts days, hours or nothing."""
    if authorization.unit not in VISIT_UNITS:
        return None
    return number(authorization.quantity)


def visits_of(draft: Draft, authorization: Authorization) -> tuple[list[Appointment], list[Appointment]]:
    """(used, booked): matching visits that were kept, and those still ahead, inside the period."""
    table = draft.subject.appointments
    used = [visit for visit in table.of_status(*ATTENDED) if is_for(draft, authorization, visit)]
    booked = [visit for visit in table.of_status("booked") if is_for(draft, authorization, visit)]
    return used, sorted(booked, key=lambda visit: (visit.start_at is None, visit.start_at, visit.appointment_id))


def required_services(coverage: Coverage) -> set[str | None]:
    """Services with EB11 = Y; None among them: the plan as a whole."""
    if '"Y"' not in coverage.services_json:
        return set()
    rows = msgspec.json.decode(coverage.services_json, type=list[ServiceAnswer])
    return {
        None if row.service_type == "30" and row.procedure is None else row.procedure or row.service_type
        for row in rows
        if row.authorization_required == "Y"
    }


def requirement(coverage: Coverage, visit: Appointment) -> str | None:
    """Y, N or None (the payer does not say) for the visit's service: EB11 of its own row, else of the plan."""
    rows = msgspec.json.decode(coverage.services_json, type=list[ServiceAnswer])
    own = [row for row in rows if visit.service and visit.service in (row.service_type, row.procedure)]
    plan = [row for row in rows if row.procedure is None and row.service_type in (None, "30")]
    for held in (own, plan):
        said = {row.authorization_required for row in held} - {None}
        if said:
            return "Y" if "Y" in said else "N"
    return None


def denied_lines(authorization: Authorization) -> list[ServiceDecision]:
    return [line for line in lines_of(authorization) if line.action == "A3"]
