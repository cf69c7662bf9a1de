"""Going live: what a shadow run found open becomes real, once, and only about what is known."""

from __future__ import annotations

import msgspec
import pytest

from gateway.coordination.adoption import adopt
from gateway.coordination.changes import Adopt
from gateway.coordination.draft import Draft
from gateway.coordination.records import Task
from gateway.coordination.scope import Scope
from gateway.coordination.tasks import Step, set_step
from tests.gateway.coordination.task_bench import DUE, draft_over, new_scope, opened


@pytest.fixture
def found() -> Adopt:
    """A task with its escalation, as a shadow run over another patient object made them."""
    scope = new_scope()
    task = opened(scope, encounter_id=None)
    set_step(draft_over(scope), task, Step(DUE, "due"))
    return Adopt(
        patient_id="pat_1", actor="ann", channel="adt", tasks=(task,), timers=tuple(scope.subject.timers.values())
    )


def take(scope: Scope, found: Adopt) -> Draft:
    draft = draft_over(scope, "c-1")
    adopt(draft, found)
    return draft


def test_adopted_task_keeps_its_due_time_and_escalates(found: Adopt) -> None:
    scope = new_scope()
    made = take(scope, found).changes()
    (task,) = scope.subject.tasks.values()
    assert (task.task_key, task.due_at, task.open, task.revision) == (found.tasks[0].task_key, DUE, True, 1)
    (timer,) = scope.subject.timers.values()
    assert (timer.fire_at, timer.lane, timer.task_id) == (DUE, 9, task.task_id)
    assert [event.type for event in made.emitted] == ["task.created"]
    assert "went live, by ann" in (made.task_changes[0].reason or "")


def test_adopted_twice_changes_nothing(found: Adopt) -> None:
    scope = new_scope()
    take(scope, found)
    assert take(scope, found).changes().upserts == []


@pytest.mark.parametrize("change", [{"encounter_id": "enc_unknown"}, {"closed_at": DUE, "status": "completed"}])
def test_what_is_closed_or_about_something_unknown_stays_away(found: Adopt, change: dict[str, object]) -> None:
    task: Task = msgspec.structs.replace(found.tasks[0], **change)
    made = take(new_scope(), msgspec.structs.replace(found, tasks=(task,))).changes()
    assert made.upserts == [] and made.emitted == []
