"""A scope: everything known about the patients that one event concerns, loaded with a fixed number of queries."""

from __future__ import annotations

import msgspec

from gateway.coordination.records import (
    Appointment,
    Authorization,
    Coverage,
    Encounter,
    EncounterLocation,
    Inquiry,
    Patient,
    PatientIdentifier,
    Task,
    Timer,
)
from gateway.coordination.tables import AppointmentTable, EncounterTable, TaskTable, TimerTable

STATE = (
    Patient,
    PatientIdentifier,
    Encounter,
    EncounterLocation,
    Appointment,
    Coverage,
    Authorization,
    Task,
    Timer,
    Inquiry,
)
"""Record types that are loaded, changed and written back; the others of `records` are append-only."""


class PatientScope(msgspec.Struct, kw_only=True):
    """One patient's state, each kind keyed by its id.

    `tasks` holds the open tasks and the closed ones that a rule may need: of open stays, of what is no stay, and all of
    the last 90 days.  `encounters` holds every encounter of the patient.  The tables that rules search keep indexes.
    """

    patient: Patient
    identifiers: dict[tuple[str, str], PatientIdentifier] = msgspec.field(default_factory=dict)
    encounters: EncounterTable = msgspec.field(default_factory=EncounterTable)
    locations: dict[tuple[str, int], EncounterLocation] = msgspec.field(default_factory=dict)
    appointments: AppointmentTable = msgspec.field(default_factory=AppointmentTable)
    coverages: dict[str, Coverage] = msgspec.field(default_factory=dict)
    authorizations: dict[str, Authorization] = msgspec.field(default_factory=dict)
    tasks: TaskTable = msgspec.field(default_factory=TaskTable)
    timers: TimerTable = msgspec.field(default_factory=TimerTable)
    inquiries: dict[str, Inquiry] = msgspec.field(default_factory=dict)

    def task_by_key(self, task_key: str) -> Task | None:
        return self.tasks.by_key(task_key)


def lanes_of_patient(patient: Patient) -> tuple[int, ...]:
    """Lanes stored with the patient: of every identifier ever merged into him (limits of lanes, rule 2)."""
    text = patient.lanes_json
    return tuple(map(int, text[1:-1].split(","))) if len(text) > 2 else ()


class Scope(msgspec.Struct, kw_only=True):
    """The patients an event concerns.  `subject` is the patient the event is about (for a merge: the survivor);
    None when the event names a patient not known yet.  `others` holds the prior patients of an identity event."""

    subject: PatientScope | None = None
    others: dict[str, PatientScope] = msgspec.field(default_factory=dict)
    conflict: tuple[str, ...] = ()  # further patient ids that the message's identifiers resolve to (decision 9)
