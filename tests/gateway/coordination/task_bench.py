"""A patient with tasks, and drafts over him: for the verbs of tasks and the acts of people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from gateway.coordination import tasks
from gateway.coordination.changes import Cause, Command, CoordinationSettings, Ids, TimerFired
from gateway.coordination.commands import apply_command
from gateway.coordination.draft import Draft
from gateway.coordination.records import Patient, Task, Timer
from gateway.coordination.scope import PatientScope, Scope
from gateway.coordination.tasks import Evidence

NOW = datetime(2026, 7, 2, 18, 10, tzinfo=UTC)
DUE = NOW + timedelta(days=2)


def new_scope() -> Scope:
    patient = Patient(
        patient_id="pat_1", facility_id="main", revision=1, authority="GH", mrn="1", lanes_json="[9, 12]",
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    return Scope(subject=PatientScope(patient=patient))


def draft_over(scope: Scope, message: str = "m-1", **cause: object) -> Draft:
    fired = TimerFired(
        timer=Timer(
            timer_id="tmr_x", facility_id="main", patient_id="pat_1", lane=9, channel="adt", rule_id="r", kind="check",
            fire_at=NOW, set_at=NOW,
        )
    )  # fmt: skip
    made = Cause(message_id=message, channel="adt", received_at=NOW, lanes=(3,), **cause)
    return Draft(scope, fired, made, NOW, CoordinationSettings(), Ids(b"salt", made))


def opening(**changes: object) -> Task:
    """A task as a rule makes it, before it is opened."""
    made = Task(
        task_id="", facility_id="main", revision=1, task_key="r|enc_1|dis1", rule_id="r", rule_version=1, type="outreach",
        title="Call", priority="urgent", due_at=DUE, queue="transitions", status="requested", patient_id="pat_1",
        encounter_id="enc_1", reason="Discharged home.", opened_at=NOW, updated_at=NOW,
        evidence_json=msgspec.json.encode([Evidence("m-1", "PV1-36", "01")]).decode(),
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def opened(scope: Scope, message: str = "m-1", **changes: object) -> Task:
    task = tasks.open_task(draft_over(scope, message), opening(**changes))
    assert task is not None
    return task


def act(scope: Scope, task: Task, name: str, actor: str = "nurse-1", **fields: object) -> Draft:
    draft = draft_over(scope, "c-1")
    apply_command(draft, Command(name=name, task_id=task.task_id, actor=actor, **fields))
    return draft


def now_is(scope: Scope, task: Task) -> Task:
    return scope.subject.tasks[task.task_id]
