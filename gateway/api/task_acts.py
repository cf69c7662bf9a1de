"""What a person does to a task.  Every act names who and why, and says which revision was seen."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from gateway.api.asking import Asks, execute
from gateway.api.auth import facilities_of, gateway_of, needs, new_router
from gateway.api.models import Ident, TaskAct, TaskCompletion, TaskDetail, TaskReassignment, shown
from gateway.api.problems import Problem, ProblemDocument
from gateway.api.restricted import hidden
from gateway.api.task_models import (
    BulkClaim,
    BulkResult,
    TaskAttempt,
    TaskCancel,
    TaskChecklist,
    TaskDecline,
    TaskNote,
    TaskSnooze,
    TaskWait,
)
from gateway.api.tasks import ABSENT
from gateway.coordination.changes import Command
from gateway.pipeline import Conflict
from gateway.store import casework, queries

router = new_router("tasks")
REFUSED: dict[int | str, dict[str, Any]] = ABSENT | {
    409: {"model": ProblemDocument, "description": "The task has changed or does not allow this"},
    412: {"model": ProblemDocument, "description": "If-Match names another revision"},
    422: {"model": ProblemDocument, "description": "The request is not right, or its Idempotency-Key was used before"},
    428: {"model": ProblemDocument, "description": "Neither If-Match nor revision was given"},
}


@router.post("/tasks/_claim", response_model=BulkResult)
@needs("tasks:write")
async def claim_tasks(request: Request, given: BulkClaim) -> dict[str, Any]:
    """Take several tasks, or the next ones of a queue; each answers for itself."""
    store, facilities = gateway_of(request).store, facilities_of(request)
    if bool(given.tasks) == bool(given.queue):
        raise Problem(422, "invalid-request", "Give either `tasks` or `queue`.")
    wanted: list[dict[str, Any]] = [seen.model_dump() for seen in given.tasks]
    if given.queue:
        wanted = await casework.next_unowned(store, facilities, given.queue, given.count)
    return {"items": [await _claim_one(request, seen, given.actor) for seen in wanted]}


async def _claim_one(request: Request, seen: dict[str, Any], actor: str) -> dict[str, Any]:
    store, facilities, task_id = gateway_of(request).store, facilities_of(request), seen["task_id"]
    task = await queries.task(store, facilities, task_id)
    if task is None:
        return {"task_id": task_id, "done": False, "problem": "there is no such task"}
    if await hidden(request, "Task", [task_id]):
        return {"task_id": task_id, "done": False, "problem": "this is restricted"}
    revision = seen["revision"] or task["revision"]
    try:
        await execute(request, Command(name="claim", task_id=task_id, actor=actor, revision=revision), task)
    except Conflict as conflict:
        return {"task_id": task_id, "done": False, "problem": conflict.reason.partition(":")[2].strip() or "not found"}
    fresh = await queries.task(store, facilities, task_id)
    return {"task_id": task_id, "done": True, "task": shown(fresh) if fresh else None}


@router.post("/tasks/{task_id}/claim", response_model=TaskDetail, responses=REFUSED)
@needs("tasks:write")
async def claim_task(asking: Asks, task_id: Ident, act: TaskAct) -> dict[str, Any]:
    """Take the task: `actor` becomes its owner."""
    return await asking.do("claim", task_id, act)


@router.post("/tasks/{task_id}/release", response_model=TaskDetail, responses=REFUSED)
@needs("tasks:write")
async def release_task(asking: Asks, task_id: Ident, act: TaskAct) -> dict[str, Any]:
    """Give the task back to its queue."""
    return await asking.do("release", task_id, act)


@router.post("/tasks/{task_id}/decline", response_model=TaskDetail, responses=REFUSED)
@needs("tasks:write")
async def decline_task(asking: Asks, task_id: Ident, act: TaskDecline) -> dict[str, Any]:
    """Do not take it: the task goes back to its queue as returned."""
    return await asking.do("decline", task_id, act)


@router.post("/tasks/{task_id}/start", response_model=TaskDetail, responses=REFUSED)
@needs("tasks:write")
async def start_task(asking: Asks, task_id: Ident, act: TaskAct) -> dict[str, Any]:
    """Work on it, also after a wait or a snooze: `actor` becomes its owner."""
    return await asking.do("start", task_id, act)


@router.post("/tasks/{task_id}/wait", response_model=TaskDetail, responses=REFUSED)
@needs("tasks:write")
async def wait_with_task(asking: Asks, task_id: Ident, act: TaskWait) -> dict[str, Any]:
    """Put it on hold until the payer, the patient or the provider has acted, or until a time."""
    return await asking.do("wait", task_id, act, waiting_on=act.waiting_on, until=act.until)


@router.post("/tasks/{task_id}/snooze", response_model=TaskDetail, responses=REFUSED)
@needs("tasks:write")
async def snooze_task(asking: Asks, task_id: Ident, act: TaskSnooze) -> dict[str, Any]:
    """Put it on hold until a time.  It still falls due and escalates."""
    return await asking.do("snooze", task_id, act, until=act.until)


@router.post("/tasks/{task_id}/note", response_model=TaskDetail, responses=REFUSED)
@needs("tasks:write")
async def note_task(asking: Asks, task_id: Ident, act: TaskNote) -> dict[str, Any]:
    """Add a note to the history, also of a closed task.  Needs no revision."""
    return await asking.do("note", task_id, act)


@router.post("/tasks/{task_id}/attempt", response_model=TaskDetail, responses=REFUSED)
@needs("tasks:write")
async def attempt_task(asking: Asks, task_id: Ident, act: TaskAttempt) -> dict[str, Any]:
    """Document an attempt to reach somebody.  Needs no revision.

    Where a contact is all that the task asks for, reaching somebody completes it; the call after a discharge is also
    complete after two documented attempts (`unable-to-reach`).
    """
    return await asking.do("attempt", task_id, act, channel=act.channel, outcome=act.outcome)


@router.post("/tasks/{task_id}/checklist", response_model=TaskDetail, responses=REFUSED)
@needs("tasks:write")
async def change_checklist(asking: Asks, task_id: Ident, act: TaskChecklist) -> dict[str, Any]:
    """Add items to the checklist, tick them off, or open them again."""
    changed = {"add": tuple(act.add), "done": tuple(act.done), "undone": tuple(act.undone)}
    return await asking.do("checklist", task_id, act, **changed)


@router.post("/tasks/{task_id}/complete", response_model=TaskDetail, responses=REFUSED)
@needs("tasks:write")
async def complete_task(asking: Asks, task_id: Ident, act: TaskCompletion) -> dict[str, Any]:
    """The work is done, or cannot be: `outcome` says which.

    `deadline-missed` and `cannot-be-done` end it as failed; `unable-to-reach` needs two documented attempts.
    """
    return await asking.do("complete", task_id, act, outcome=act.outcome)


@router.post("/tasks/{task_id}/cancel", response_model=TaskDetail, responses=REFUSED)
@needs("tasks:write")
async def cancel_task(asking: Asks, task_id: Ident, act: TaskCancel) -> dict[str, Any]:
    """The task is not needed, or was entered in error."""
    return await asking.do("cancel", task_id, act, outcome="entered-in-error" if act.error else None)


@router.post("/tasks/{task_id}/reassign", response_model=TaskDetail, responses=REFUSED)
@needs("tasks:write")
async def reassign_task(asking: Asks, task_id: Ident, act: TaskReassignment) -> dict[str, Any]:
    """Give the task to another owner or queue."""
    return await asking.do("reassign", task_id, act, owner=act.owner, queue=act.queue)
