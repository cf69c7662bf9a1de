"""What names a state record: its kind in events, and its primary key."""

from __future__ import annotations

from operator import attrgetter

from gateway.coordination.records import (
    Appointment,
    Authorization,
    Coverage,
    Encounter,
    EncounterLocation,
    Inquiry,
    Patient,
    PatientIdentifier,
    Record,
    Task,
    Timer,
)

AGGREGATES: dict[type[Record], tuple[str, str]] = {
    Patient: ("patient", "patient_id"),
    Encounter: ("encounter", "encounter_id"),
    Appointment: ("appointment", "appointment_id"),
    Coverage: ("coverage", "coverage_id"),
    Authorization: ("authorization", "authorization_id"),
    Task: ("task", "task_id"),
    Inquiry: ("inquiry", "inquiry_id"),
}

_ID_OF = {record: attrgetter(field) for record, (_, field) in AGGREGATES.items()} | {Timer: attrgetter("timer_id")}


def key_of(record: Record) -> tuple[str, ...]:
    """Primary key of a state record, as text."""
    id_of = _ID_OF.get(type(record))
    if id_of is not None:
        return (id_of(record),)
    if isinstance(record, PatientIdentifier):
        return (record.authority, record.value)
    assert isinstance(record, EncounterLocation)
    return (record.encounter_id, str(record.sequence))
