"""SIU: appointments (domain reference 3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from mappings.codes import APPOINTMENT_STATUSES, appointment_event, appointment_status_of
from mappings.events import AppointmentFacts, CanonicalEvent
from mappings.patient import read_patient
from mappings.reading import ItemReading
from mappings.source import Source
from parsers.hl7v2.message import Segment

UNITS = {"S": 1, "SEC": 1, "SECONDS": 1, "H": 3600, "HR": 3600, "HOUR": 3600, "HOURS": 3600, "D": 86400, "DAY": 86400}
"""Seconds of a duration unit; anything else is minutes (domain reference 3.1)."""

LONGEST = timedelta(days=366)
"""Longest duration believed."""

STARTS = (("AIS", 4), ("AIP", 6), ("AIL", 6), ("AIG", 8))
"""Resource starts in their order of precedence, after TQ1-7 and SCH-11."""

DURATIONS = (("AIS", 7, 8), ("AIP", 9, 10), ("AIL", 9, 10), ("AIG", 11, 12))


def read_siu(source: Source, trigger: str) -> ItemReading:
    """One message of the first slice -> its event; parked without patient or appointment, a blocked slot filtered."""
    pid = source.first("PID")
    patient = read_patient(source, pid, source.first("PD1")) if pid else None
    if patient is None or patient.key is None:
        return source.nobody()
    sch = source.first("SCH")
    if sch is None:
        source.missing("SCH")
        return source.end("parked", "no-appointment-id")
    appointment = read_appointment(source, sch)
    if appointment.filler_id is None and appointment.placer_id is None:
        source.note("101", sch, 2, "neither placer nor filler appointment id", "error")
        return source.end("parked", "no-appointment-id")
    if appointment.status == "blocked":
        return source.end("filtered", "blocked-slot")
    event = CanonicalEvent(
        type=appointment_event(trigger, appointment.status),
        trigger=trigger,
        recorded_at=source.recorded_at,
        occurred_at=source.recorded_at,
        facility=source.facility,
        patient=patient,
        appointment=appointment,
        historical=source.historical,
        problems=tuple(source.problems),
    )
    return source.events(event)


def read_appointment(source: Source, sch: Segment) -> AppointmentFacts:
    """Facts of SCH with TQ1 and the resources whose action code is not D."""
    ais, aip, ail = (next(_resources(source, name), None) for name in ("AIS", "AIP", "AIL"))
    start, _ = read_start(source, sch)
    pv1 = source.first("PV1")
    return AppointmentFacts(
        filler_id=_entity(source, sch, 2),
        placer_id=_entity(source, sch, 1),
        occurrence=source.value(sch, 3),
        parent_id=_parent(source, sch),
        event_reason=source.value(sch, 6),
        reason=source.value(sch, 7),
        type=source.value(sch, 8),
        start=start,
        end=_end(source, sch, start),
        filler_status=source.value(sch, 25),
        status=_status(source, sch),
        service=source.value(ais, 3) if ais else None,
        provider=source.person(aip, 3) if aip else None,
        location=source.location(ail, 3) if ail else None,
        location_type=source.value(ail, 4) if ail else None,
        visit_number=source.value(pv1, 19) if pv1 else None,
    )


def read_start(source: Source, sch: Segment) -> tuple[datetime | None, str | None]:
    """(UTC, as sent) of TQ1-7, SCH-11.4, SCH-11.1 when it is a date, else the earliest AIS-4, AIP-6, AIL-6 or AIG-8."""
    tq1 = source.first("TQ1")
    places = [(tq1, 7, 1)] if tq1 else []
    places.append((sch, 11, 4))
    if sch.text(11)[:8].isdigit():
        places.append((sch, 11, 1))
    unread = None
    for segment, field, component in places:
        if at := source.instant(segment, field, component):
            return at, segment.text(field, component)
        unread = unread or source.part(segment, field, component)
    for name, field in STARTS:
        rows = [(at, row.text(field)) for row in _resources(source, name) if (at := source.instant(row, field))]
        if rows:
            return min(rows)
    return None, unread


def _end(source: Source, sch: Segment, start: datetime | None) -> datetime | None:
    """TQ1-8, SCH-11.5, else start and duration (TQ1-6, SCH-11.3, SCH-9/10, the first resource's)."""
    tq1 = source.first("TQ1")
    found = (source.instant(tq1, 8) if tq1 else None) or source.instant(sch, 11, 5)
    if found is not None or start is None:
        return found
    length = _length(source.value(tq1, 6), source.part(tq1, 6, 2)) if tq1 else None
    length = length or _length(source.part(sch, 11, 3), None)
    length = length or _length(source.value(sch, 9), source.value(sch, 10) or source.part(sch, 9, 2))
    for name, field, unit in DURATIONS:
        if length is None and (row := next(_resources(source, name), None)):
            length = _length(source.value(row, field), source.value(row, unit))
    try:
        return start + length if length else None
    except OverflowError:
        return None


def _length(amount: str | None, unit: str | None) -> timedelta | None:
    if amount is None or not (amount.isascii() and amount.isdigit()) or len(amount) > 8:
        return None
    length = timedelta(seconds=int(amount) * UNITS.get((unit or "").upper(), 60))
    return length if timedelta() < length <= LONGEST else None


def _status(source: Source, sch: Segment) -> str | None:
    """SCH-25 by code or text; without it a no-show named in SCH-6, or a completed visit in SCH-8 (table 0277)."""
    sent = source.value(sch, 25) or source.part(sch, 25, 2)
    if sent:
        found = appointment_status_of(sent) or appointment_status_of(source.part(sch, 25, 2) or "")
        if found is None:
            source.note("103", sch, 25, "appointment status not in the table; the event decides")
        return found
    if appointment_status_of(source.value(sch, 6) or "") == "noshow":
        return "noshow"
    return "fulfilled" if (source.value(sch, 8) or "").upper() == "COMPLETE" else None


def _entity(source: Source, sch: Segment, field: int) -> str | None:
    """EI.1 of the first repetition that has one."""
    return next((found for parts in source.repetitions(sch, field) if (found := source.pick(parts, 1))), None)


def _parent(source: Source, sch: Segment) -> str | None:
    """SCH-24, else SCH-23; a status word there is a slipped SCH-25, not an id."""
    parent = source.value(sch, 24) or source.value(sch, 23)
    return None if parent and parent.upper() in APPOINTMENT_STATUSES else parent


def _resources(source: Source, name: str) -> Iterator[Segment]:
    return (row for row in source.all(name) if source.value(row, 2) != "D")
