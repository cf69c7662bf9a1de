"""Global retractors: what ends a stay, a discharge or an appointment ends the tasks scoped to it (6.1)."""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.coordination.draft import Draft
from gateway.coordination.records import Task, Timer, Transition
from gateway.coordination.rules.stays import told
from gateway.coordination.tables import OPEN_STAYS
from gateway.coordination.tasks import retract

_TELL_THE_PAST = frozenset(("inpatient-admit-no-auth", "discharge-followup-unbooked"))
_ERRORS = ("ADT^A11", "ADT^A23", "SIU^S17")
INPATIENT_PHASE = frozenset(
    (
        "inpatient-admit-no-auth", "readmission-30d", "no-pcp-on-file", "self-pay-admission",
        "expected-discharge-approaching", "continued-stay-review", "level-of-care-changed", "los-exceeds-estimate",
        "family-contact-missing", "interpreter-needed-inpatient",
    )
)  # fmt: skip
"""Rules about being an inpatient: an A11 that takes a conversion back ends their tasks, and no others of the visit."""


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
    _drop_checks(draft, lambda timer: timer.encounter_id == encounter_id)


def _end_inpatient_phase(draft: Draft, encounter_id: str) -> None:
    for task in _scoped(draft, encounter_id):
        told_so = '"PV1-2","value":"inpatient"' in task.evidence_json or task.task_key.endswith("|inpatient")
        if task.rule_id in INPATIENT_PHASE or told_so:
            _retract(draft, task, "the inpatient admission was cancelled")
    _drop_checks(draft, lambda timer: timer.encounter_id == encounter_id and timer.rule_id in INPATIENT_PHASE)


def _end_discharge(draft: Draft, row: Transition) -> None:
    part = f"dis{row.from_value}"
    for task in _scoped(draft, row.aggregate_id):
        if part in task.task_key.split("|"):
            _retract(draft, task, "the discharge was cancelled")
    _drop_checks(draft, lambda timer: timer.encounter_id == row.aggregate_id and timer.cycle == part)


def _end_appointment(draft: Draft, appointment_id: str) -> None:
    for task in _scoped(draft, appointment_id):
        _retract(draft, task, "the appointment was cancelled")


def _drop_checks(draft: Draft, concerns: Callable[[Timer], bool]) -> None:
    """Checks of what has ended go, also those that are due and have not run: what they could open would be withdrawn
    by this very message.  Rules that open and withdraw it themselves keep theirs, for the record."""
    for timer in list(draft.subject.timers.values()):
        if timer.task_id is None and timer.rule_id not in _TELL_THE_PAST and concerns(timer):
            draft.clear_timer(timer)


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
