"""Global retractors: what ends a stay, a discharge or an appointment ends the tasks scoped to it (6.1)."""

from __future__ import annotations

import re

from gateway.coordination.draft import Draft
from gateway.coordination.records import Task, Transition
from gateway.coordination.rules.stays import told
from gateway.coordination.tables import OPEN_STAYS
from gateway.coordination.tasks import retract

_ERRORS = ("ADT^A11", "ADT^A23", "SIU^S17")
INPATIENT_PHASE = ("inpatient-admit-no-auth", "readmission-30d")


def retract_scoped(draft: Draft) -> None:
    """Apply the global retractors to the transitions of this stimulus."""
    for row in draft.transitions:
        match row.kind:
            case "encounter-status" if row.to_value in ("cancelled", "deleted"):
                _end_stay(draft, row.aggregate_id)
            case "conversion-reverted":
                _end_inpatient_phase(draft, row.aggregate_id)
            case "discharge-cancelled":
                _end_discharge(draft, row)
            case "appointment-status" if row.to_value in ("cancelled", "entered-in-error"):
                _end_appointment(draft, row.aggregate_id)
            case _:
                pass


def _end_stay(draft: Draft, encounter_id: str) -> None:
    for task in _scoped(draft, encounter_id):
        _retract(draft, task, "the stay was cancelled")


def _end_inpatient_phase(draft: Draft, encounter_id: str) -> None:
    for task in _scoped(draft, encounter_id):
        if task.rule_id in INPATIENT_PHASE or '"PV1-2","value":"inpatient"' in task.evidence_json:
            _retract(draft, task, "the inpatient admission was cancelled")


def _end_discharge(draft: Draft, row: Transition) -> None:
    part = f"dis{row.from_value}"
    for task in _scoped(draft, row.aggregate_id):
        if part in task.task_key.split("|"):
            _retract(draft, task, "the discharge was cancelled")


def _end_appointment(draft: Draft, appointment_id: str) -> None:
    for task in _scoped(draft, appointment_id):
        _retract(draft, task, "the appointment was cancelled")


def _scoped(draft: Draft, record_id: str) -> list[Task]:
    """Open tasks whose key names the object, in whatever instance."""
    return draft.subject.tasks.naming(record_id)


def still_stands(draft: Draft, task: Task) -> bool:
    """Whether what the task's key names still stands: no cancelled stay or visit, no other instance, no discharge that
    was taken back.  A task that comes back after an erroneous death must not outlive its reason."""
    parts = task.task_key.split("|")[1:]
    for part in parts:
        record_id, _, instance = part.partition(".")
        stay = draft.subject.encounters.get(record_id)
        if stay is not None:
            gone = stay.status in ("cancelled", "deleted") or instance not in ("", str(stay.instance))
            number = f"dis{stay.discharge_number + (stay.status in OPEN_STAYS)}"
            if gone or any(re.fullmatch(r"dis\d+", other) and other != number for other in parts):
                return False
        visit = draft.subject.appointments.get(record_id)
        if visit is not None and visit.status in ("cancelled", "entered-in-error"):
            return False
    return True


def _retract(draft: Draft, task: Task, reason: str) -> None:
    retract(draft, task, told(draft, reason), error=draft.event.trigger in _ERRORS)
