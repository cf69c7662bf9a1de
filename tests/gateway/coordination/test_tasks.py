"""A task's verbs: keys and instances, escalation, a person's acts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from gateway.coordination import tasks
from gateway.coordination.changes import Cause, Command, CoordinationSettings, Ids, TimerFired
from gateway.coordination.draft import Draft
from gateway.coordination.records import Patient, Task, Timer
from gateway.coordination.scope import PatientScope, Scope
from gateway.coordination.tasks import Evidence, Opening, Step

NOW = datetime(2026, 7, 2, 18, 10, tzinfo=UTC)
DUE = NOW + timedelta(days=2)


@pytest.fixture
def scope() -> Scope:
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


def opening(**changes: object) -> Opening:
    made = Opening(
        key="r|enc_1|dis1", rule_id="r", rule_version=1, type="outreach", title="Call", priority="urgent", queue="transitions",
        due_at=DUE, facility_id="main", reason="Discharged home.", evidence=[Evidence("m-1", "PV1-36", "01")],
        encounter_id="enc_1",
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def opened(scope: Scope, message: str = "m-1", **changes: object) -> Task:
    task = tasks.open_task(draft_over(scope, message), opening(**changes))
    assert task is not None
    return task


def test_open_task_records_history_and_publishes_the_task(scope: Scope) -> None:
    draft = draft_over(scope)
    task = tasks.open_task(draft, opening())
    made = draft.changes()
    assert task is not None and task.status == "requested" and task.open
    assert [(c.change, c.actor, c.to_status) for c in made.task_changes] == [("opened", "rule:r", "requested")]
    (event,) = made.emitted
    assert event.type == "task.created"
    assert event.data["evidence"] == [{"message_id": "m-1", "location": "PV1-36", "value": "01"}]
    assert event.data["due_at"] == "2026-07-04T18:10:00Z"


def test_open_task_with_an_open_or_completed_instance_opens_nothing(scope: Scope) -> None:
    task = opened(scope)
    assert tasks.open_task(draft_over(scope, "m-2"), opening()) is None
    tasks.resolve(draft_over(scope, "m-3"), task, "seen")
    assert tasks.open_task(draft_over(scope, "m-4"), opening()) is None


def test_open_task_after_a_retraction_takes_the_next_instance(scope: Scope) -> None:
    first = opened(scope)
    tasks.retract(draft_over(scope, "m-2"), first, "ADT^A13: the discharge was cancelled")
    second = opened(scope, "m-3")
    tasks.retract(draft_over(scope, "m-4"), second, "again", error=True)
    third = opened(scope, "m-5")
    assert [second.task_key, third.task_key] == ["r|enc_1|dis1|2", "r|enc_1|dis1|3"]
    assert [t.status for t in scope.subject.tasks.values()] == ["cancelled", "entered-in-error", "requested"]


def test_instances_do_not_mix_keys_that_begin_alike(scope: Scope) -> None:
    opened(scope, key="r|enc_1")
    opened(scope, "m-2", key="r|enc_1|dis1")
    assert len(tasks.instances(draft_over(scope), "r|enc_1")) == 1


@pytest.mark.parametrize(("past", "priority"), [(timedelta(hours=25), "urgent"), (timedelta(hours=23), "stat")])
def test_late_message_with_a_due_time_long_past_opens_at_urgent(scope: Scope, past: timedelta, priority: str) -> None:
    draft = draft_over(scope)
    draft.late = True
    task = tasks.open_task(draft, opening(due_at=NOW - past, priority="stat"))
    assert task is not None and task.priority == priority


def test_late_message_whose_window_closed_a_month_ago_is_only_logged(scope: Scope) -> None:
    draft = draft_over(scope)
    draft.late = True
    assert tasks.open_task(draft, opening(due_at=NOW - timedelta(days=31))) is None
    assert [t.kind for t in draft.changes().transitions] == ["task-window-closed"]


def test_due_step_marks_overdue_and_raises_the_priority(scope: Scope) -> None:
    task = tasks.escalate(draft_over(scope, "m-2"), opened(scope), Step(DUE, "due"))
    assert (task.overdue, task.priority, task.escalations) == (True, "asap", 0)


@pytest.mark.parametrize(
    ("kind", "queue", "priority", "escalations"),
    [("lead", None, "urgent", 1), ("escalate", "case-management", "asap", 1), ("stat", None, "stat", 1)],
)
def test_other_steps_tell_the_lead(scope: Scope, kind: str, queue: str | None, priority: str, escalations: int) -> None:
    draft = draft_over(scope, "m-2")
    task = tasks.escalate(draft, opened(scope), Step(DUE, kind, queue))
    assert (task.priority, task.escalations, task.queue) == (priority, escalations, queue or "transitions")
    assert [e.type for e in draft.emitted] == ["task.escalated"]


def test_stat_task_goes_to_the_lead_at_its_due_time(scope: Scope) -> None:
    task = tasks.escalate(draft_over(scope, "m-2"), opened(scope, priority="stat"), Step(DUE, "due"))
    assert (task.overdue, task.escalations) == (True, 1)


def test_a_task_keeps_one_escalation_timer_and_loses_it_when_closed(scope: Scope) -> None:
    task = opened(scope)
    draft = draft_over(scope, "m-2")
    tasks.set_step(draft, task, Step(DUE, "due"))
    tasks.set_step(draft, task, Step(DUE + timedelta(days=1), "lead", "transitions"))
    (timer,) = scope.subject.timers.values()
    assert (timer.kind, timer.cycle, timer.lane, timer.channel) == ("lead", "transitions", 9, "adt")
    closing = draft_over(scope, "m-3")
    tasks.resolve(closing, task, "done")
    assert closing.changes().deleted_timers == [timer.timer_id]


def test_lane_is_the_stimulus_lane_for_a_patient_without_one(scope: Scope) -> None:
    scope.subject.patient = msgspec.structs.replace(scope.subject.patient, lanes_json="[]")
    assert tasks.lane_of(draft_over(scope)) == 3


def test_reinstate_gives_the_task_back_as_it_was(scope: Scope) -> None:
    task = msgspec.structs.replace(opened(scope), owner="nurse-1", status="accepted")
    scope.subject.tasks[task.task_id] = task
    closed = tasks.retract(draft_over(scope, "m-2"), task, "the patient died")
    back = tasks.reinstate(draft_over(scope, "m-3"), closed, "not dead")
    assert (back.status, back.owner, back.open, back.task_key) == ("accepted", "nurse-1", True, task.task_key)


# -- commands ----------------------------------------------------------------------------------------------------------


def act(scope: Scope, task: Task, name: str, actor: str = "nurse-1", **fields: object) -> Draft:
    draft = draft_over(scope, "c-1")
    tasks.apply_command(draft, Command(name=name, task_id=task.task_id, actor=actor, **fields))
    return draft


def now_is(scope: Scope, task: Task) -> Task:
    return scope.subject.tasks[task.task_id]


@pytest.mark.parametrize(
    ("name", "fields", "status", "business", "event"),
    [
        ("claim", {}, "accepted", None, "task.updated"),
        ("release", {}, "requested", "returned", "task.updated"),
        ("complete", {}, "completed", "done", "task.completed"),
        ("complete", {"outcome": "unable-to-reach"}, "completed", "unable-to-reach", "task.completed"),
        ("complete", {"outcome": "deadline-missed"}, "failed", "deadline-missed", "task.completed"),
        ("cancel", {"reason": "opened twice"}, "cancelled", "cancelled", "task.cancelled"),
        ("reassign", {"owner": "nurse-2"}, "accepted", None, "task.updated"),
        ("reassign", {"queue": "appeals"}, "requested", None, "task.updated"),
    ],
)
def test_command_changes_the_task_and_names_its_actor(
    scope: Scope, name: str, fields: dict[str, str], status: str, business: str | None, event: str
) -> None:
    task = opened(scope)
    draft = act(scope, task, name, revision=1, **fields)
    assert draft.outcome == "processed"
    fresh = now_is(scope, task)
    assert (fresh.status, fresh.business_status) == (status, business)
    assert [c.actor for c in draft.changes().task_changes] == ["nurse-1"]
    assert [e.type for e in draft.emitted] == [event]
    assert fresh.closed_by == ("nurse-1" if name in ("complete", "cancel") else None)


@pytest.mark.parametrize(
    ("name", "fields", "refusal"),
    [
        ("claim", {"revision": 7}, "conflict"),
        ("fly", {}, "invalid"),
        ("cancel", {}, "invalid"),
        ("reassign", {}, "invalid"),
        ("complete", {"outcome": "retracted"}, "invalid"),
    ],
)
def test_command_that_does_not_fit_is_refused(scope: Scope, name: str, fields: dict[str, object], refusal: str) -> None:
    task = opened(scope)
    draft = act(scope, task, name, **fields)
    assert draft.outcome == "filtered"
    assert draft.reason is not None and draft.reason.startswith(f"{refusal}: ")
    assert draft.changes().upserts == []


def test_claim_of_anothers_task_is_a_conflict(scope: Scope) -> None:
    task = opened(scope)
    act(scope, task, "claim")
    draft = act(scope, task, "claim", actor="nurse-2")
    assert draft.reason == "conflict: the task is claimed by another person"


def test_closed_or_unknown_task_takes_no_command(scope: Scope) -> None:
    task = opened(scope)
    act(scope, task, "complete")
    assert (act(scope, task, "claim").reason or "").startswith("conflict")
    missing = msgspec.structs.replace(task, task_id="tsk_none")
    assert act(scope, missing, "claim").reason == "not-found: task"
    assert act(Scope(), task, "claim").reason == "not-found: task"


def test_claim_twice_by_the_same_person_changes_nothing(scope: Scope) -> None:
    task = opened(scope)
    act(scope, task, "claim")
    assert act(scope, task, "claim").changes().upserts == []


def test_a_task_cancelled_by_a_person_never_comes_back(scope: Scope) -> None:
    task = opened(scope)
    act(scope, task, "cancel", reason="opened twice")
    assert tasks.open_task(draft_over(scope, "m-9"), opening()) is None
