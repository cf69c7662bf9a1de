"""A task's verbs: keys and instances, escalation, a person's acts."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from gateway.coordination import tasks
from gateway.coordination.scope import Scope
from gateway.coordination.tasks import Step
from tests.gateway.coordination.task_bench import DUE, NOW, draft_over, new_scope, opened, opening


@pytest.fixture
def scope() -> Scope:
    return new_scope()


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
    opened(scope, task_key="r|enc_1")
    opened(scope, "m-2", task_key="r|enc_1|dis1")
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


def test_withdrawn_task_tells_who_held_it(scope: Scope) -> None:
    task = msgspec.structs.replace(opened(scope), owner="nurse-1", status="in-progress")
    scope.subject.tasks[task.task_id] = task
    draft = draft_over(scope, "m-2")
    tasks.retract(draft, task, "ADT^A11: the stay was cancelled", error=True)
    assert [(c.change, c.reason) for c in draft.changes().task_changes] == [
        ("retracted", "ADT^A11: the stay was cancelled"),
        ("noted", "For nurse-1, who held it: ADT^A11: the stay was cancelled"),
    ]
    (event,) = draft.emitted
    assert (event.type, event.data["owner"], event.data["status"]) == ("task.cancelled", "nurse-1", "entered-in-error")


def test_withdrawn_task_that_nobody_held_needs_no_note(scope: Scope) -> None:
    draft = draft_over(scope, "m-2")
    tasks.retract(draft, opened(scope), "gone")
    assert [c.change for c in draft.changes().task_changes] == ["retracted"]
