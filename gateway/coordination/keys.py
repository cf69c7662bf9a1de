"""What names a state record: its kind in events, the table of its scope that holds it, and its primary key."""

from __future__ import annotations

from collections.abc import Callable
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

Stateful = Patient | Encounter | Appointment | Coverage | Authorization | Task | Inquiry
"""Records that have an id, a revision and events of their own."""

Key = str | tuple[str, ...] | tuple[str, int]

AGGREGATES: dict[type[Record], tuple[str, str]] = {
    Patient: ("patient", "patient_id"),
    Encounter: ("encounter", "encounter_id"),
    Appointment: ("appointment", "appointment_id"),
    Coverage: ("coverage", "coverage_id"),
    Authorization: ("authorization", "authorization_id"),
    Task: ("task", "task_id"),
    Inquiry: ("inquiry", "inquiry_id"),
}

KEYS: dict[type[Record], Callable[[Record], Key]] = {
    **{record: attrgetter(field) for record, (_, field) in AGGREGATES.items()},
    Timer: attrgetter("timer_id"),
    PatientIdentifier: attrgetter("authority", "value"),
    EncounterLocation: attrgetter("encounter_id", "sequence"),
}
"""The primary key of each state record: its id, or the columns of a composed key."""

TABLES: dict[type[Record], str] = {
    Encounter: "encounters",
    Appointment: "appointments",
    Coverage: "coverages",
    Authorization: "authorizations",
    Task: "tasks",
    Inquiry: "inquiries",
    Timer: "timers",
    PatientIdentifier: "identifiers",
    EncounterLocation: "locations",
}
"""The table of a patient's scope that holds a record under its key."""


def key_of(record: Record) -> Key:
    """Primary key of a state record."""
    return KEYS[type(record)](record)


def name_of(record: Stateful) -> tuple[str, str]:
    """Its kind in events, and its id."""
    kind = type(record)
    return AGGREGATES[kind][0], str(KEYS[kind](record))
