"""The task of an answer that belongs to nobody we know: opened when it is parked, closed when it finds its patient.

Such tasks have the patient id "", so they share one scope without a patient.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from gateway.coordination.changes import Cause, Changes, CoordinationSettings, Ids
from gateway.coordination.draft import Draft
from gateway.coordination.records import Patient
from gateway.coordination.rules.declaration import next_step
from gateway.coordination.rules.identity import UNMATCHED, unmatched_task
from gateway.coordination.scope import PatientScope, Scope
from gateway.coordination.tasks import resolve, set_step, task_data
from mappings.events import CanonicalEvent

NOBODY = ""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def nobody() -> PatientScope:
    """The scope of tasks without a patient.  Its patient is never written."""
    return PatientScope(
        patient=Patient(
            patient_id=NOBODY, facility_id="", revision=0, authority="", mrn="", created_at=_NEVER, updated_at=_NEVER
        )
    )


def open_unmatched(
    event: CanonicalEvent, cause: Cause, now: datetime, settings: CoordinationSettings, salt: bytes
) -> tuple[Changes, Scope]:
    """Ask a person to match a denial (decision 10).

    The ids have an origin of their own: when the answer is retried and finds its patient, what it does to him derives
    ids from the same message and item, and must not meet these."""
    scope = Scope(subject=nobody())
    ids = Ids(salt, msgspec.structs.replace(cause, origin=f"{cause.message_id}/unmatched"))
    draft = Draft(scope, event, cause, now, settings, ids)
    task = unmatched_task(event, cause, now, settings, ids)
    draft.put(task)
    draft.task_changed(task, "opened", f"rule:{task.rule_id}", reason=task.reason)
    draft.emit("task.created", task, task_data(task))
    set_step(draft, task, next_step(draft, UNMATCHED, task))
    return draft.changes(), scope


def close_unmatched(
    scope: Scope,
    opened_by: Cause,
    event: CanonicalEvent,
    cause: Cause,
    now: datetime,
    settings: CoordinationSettings,
    salt: bytes,
) -> Changes | None:
    """The answer found its patient: the task that `opened_by` opened is done.  None when it is not open."""
    draft = Draft(scope, event, cause, now, settings, Ids(salt, cause))
    task = draft.subject.task_by_key(unmatched_key(opened_by))
    if task is None or not task.open:
        return None
    resolve(draft, task, "the answer found its patient")
    return draft.changes()


def unmatched_key(cause: Cause) -> str:
    return UNMATCHED.key_of(cause.message_id if cause.item == 0 else f"{cause.message_id}/{cause.item}")
