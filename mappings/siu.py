"""SIU: appointments (domain reference 3)."""

from __future__ import annotations

from mappings.codes import APPOINTMENT_STATUSES, appointment_event, appointment_status_of
from mappings.events import AppointmentFacts, CanonicalEvent
from mappings.patient import read_patient
from mappings.reading import ItemReading
from mappings.resources import SLOTS, read_resources, read_slots
from mappings.source import Source
from mappings.timing import read_end, read_start, rows_of
from parsers.hl7v2.message import Segment


def read_siu(source: Source, trigger: str) -> ItemReading:
    """One message -> its event (S23 and S24: one per resource); parked without patient or appointment, a blocked slot
    filtered."""
    if trigger in SLOTS:
        return read_slots(source, trigger)
    pid = source.first("PID")
    patient = read_patient(source, pid, source.first("PD1")) if pid else None
    if patient is None or patient.key is None:
        return source.nobody()
    sch = source.first("SCH")
    if sch is None:
        source.missing("SCH")
        return source.end("parked", "no-appointment-id")
    appointment = read_appointment(source, sch, trigger)
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


def read_appointment(source: Source, sch: Segment, trigger: str = "") -> AppointmentFacts:
    """Facts of SCH with TQ1 and the resources; the first of each kind whose action code is not D is its own."""
    resources, complete = read_resources(source, trigger)
    names = ("AIS", "AIP", "AIL")  # of single changes the whole set must be known to tell which is the first
    ais, aip, ail = (next(rows_of(source, name), None) if complete else None for name in names)
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
        end=read_end(source, sch, start),
        filler_status=source.value(sch, 25),
        status=_status(source, sch),
        service=source.value(ais, 3) if ais else None,
        provider=source.person(aip, 3) if aip else None,
        location=source.location(ail, 3) if ail else None,
        location_type=source.value(ail, 4) if ail else None,
        visit_number=source.value(pv1, 19) if pv1 else None,
        resources=resources,
        resources_complete=complete,
    )


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
