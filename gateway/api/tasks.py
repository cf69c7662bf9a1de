"""The worklist: filter it, see why a task is there, claim, release, complete, cancel, reassign."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Header, Query, Request, Response

from gateway.api.auth import facilities_of, gateway_of, needs, new_router, record
from gateway.api.models import (
    TEXT,
    Cursor,
    Ident,
    Limit,
    Moment,
    Page,
    Task,
    TaskAct,
    TaskCancellation,
    TaskCompletion,
    TaskDetail,
    TaskReassignment,
    shown,
)
from gateway.api.problems import Problem, ProblemDocument, not_found
from gateway.coordination.changes import Command
from gateway.store import queries

router = new_router("tasks")
_ABSENT: dict[int | str, dict[str, Any]] = {404: {"model": ProblemDocument, "description": "No such task"}}
_REFUSED: dict[int | str, dict[str, Any]] = _ABSENT | {
    409: {"model": ProblemDocument, "description": "The task has changed or does not allow this"},
    412: {"model": ProblemDocument, "description": "If-Match names another revision"},
    428: {"model": ProblemDocument, "description": "Neither If-Match nor revision was given"},
}
Match = Annotated[str | None, Header(alias="If-Match", max_length=40, description="ETag of the task as it was seen.")]


@router.get("/tasks", response_model=Page[Task])  # type: ignore[valid-type]
@needs("tasks:read")
async def list_tasks(
    request: Request,
    queue: Annotated[str | None, Query(max_length=60, pattern=TEXT, examples=["um"])] = None,
    status: Annotated[str | None, Query(max_length=40, pattern=TEXT, description="A status, or `open`.")] = None,
    due_before: Annotated[Moment | None, Query(description="With an offset or Z.")] = None,
    patient: Annotated[str | None, Query(max_length=60, pattern=TEXT, description="Our id of the patient.")] = None,
    facility: Annotated[str | None, Query(max_length=63, pattern=TEXT)] = None,
    rule: Annotated[str | None, Query(max_length=60, pattern=TEXT, examples=["auth-denied"])] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """Tasks, the earliest due first."""
    chosen = queries.TaskFilter(
        queue=queue, status=status, due_before=due_before, patient_id=patient, facility=facility, rule_id=rule
    )
    rows, after = await queries.list_tasks(gateway_of(request).store, facilities_of(request), chosen, cursor, limit)
    return {"items": [shown(row) for row in rows], "next": after}


@router.get("/tasks/{task_id}", response_model=TaskDetail, responses=_ABSENT)
@needs("tasks:read")
async def show_task(request: Request, response: Response, task_id: Ident) -> dict[str, Any]:
    """One task: rule, version, evidence and history.  The ETag is its revision."""
    return await _shown(request, response, task_id)


@router.post("/tasks/{task_id}/claim", response_model=TaskDetail, responses=_REFUSED)
@needs("tasks:write")
async def claim_task(
    request: Request, response: Response, task_id: Ident, act: TaskAct, if_match: Match = None
) -> dict[str, Any]:
    """Take the task: `actor` becomes its owner."""
    return await _execute(request, response, Command(name="claim", task_id=task_id, **_who(act)), if_match)


@router.post("/tasks/{task_id}/release", response_model=TaskDetail, responses=_REFUSED)
@needs("tasks:write")
async def release_task(
    request: Request, response: Response, task_id: Ident, act: TaskAct, if_match: Match = None
) -> dict[str, Any]:
    """Give the task back to its queue."""
    return await _execute(request, response, Command(name="release", task_id=task_id, **_who(act)), if_match)


@router.post("/tasks/{task_id}/complete", response_model=TaskDetail, responses=_REFUSED)
@needs("tasks:write")
async def complete_task(
    request: Request, response: Response, task_id: Ident, act: TaskCompletion, if_match: Match = None
) -> dict[str, Any]:
    """The work is done, or cannot be: `outcome` says which."""
    command = Command(name="complete", task_id=task_id, outcome=act.outcome, **_who(act))
    return await _execute(request, response, command, if_match)


@router.post("/tasks/{task_id}/cancel", response_model=TaskDetail, responses=_REFUSED)
@needs("tasks:write")
async def cancel_task(
    request: Request, response: Response, task_id: Ident, act: TaskCancellation, if_match: Match = None
) -> dict[str, Any]:
    """The task is not needed."""
    return await _execute(request, response, Command(name="cancel", task_id=task_id, **_who(act)), if_match)


@router.post("/tasks/{task_id}/reassign", response_model=TaskDetail, responses=_REFUSED)
@needs("tasks:write")
async def reassign_task(
    request: Request, response: Response, task_id: Ident, act: TaskReassignment, if_match: Match = None
) -> dict[str, Any]:
    """Give the task to another owner or queue."""
    command = Command(name="reassign", task_id=task_id, owner=act.owner, queue=act.queue, **_who(act))
    return await _execute(request, response, command, if_match)


def _who(act: TaskAct) -> dict[str, Any]:
    return {"actor": act.actor, "revision": act.revision, "reason": act.reason}


async def _execute(request: Request, response: Response, command: Command, if_match: str | None) -> dict[str, Any]:
    task = await _find(request, command.task_id)
    if if_match is not None:
        if if_match.strip().removeprefix("W/").strip('"') != str(task["revision"]):
            raise Problem(412, "revision-differs", f"The task is at revision {task['revision']}.")
        command = msgspec.structs.replace(command, revision=task["revision"])
    if command.revision is None:
        raise Problem(428, "revision-needed", "Send If-Match or `revision`: the revision of the task that was seen.")
    facility_id, actor = task["facility_id"], command.actor
    await record(request, f"task.{command.name}", command.task_id, facility_id=facility_id, actor=actor)
    await gateway_of(request).execute_command(command, task["patient_id"])
    return await _shown(request, response, command.task_id)


async def _shown(request: Request, response: Response, task_id: str) -> dict[str, Any]:
    task = await _find(request, task_id)
    history = await queries.task_history(gateway_of(request).store, facilities_of(request), task_id)
    response.headers["ETag"] = f'"{task["revision"]}"'
    return shown(task, history=[shown(row) for row in history])


async def _find(request: Request, task_id: str) -> dict[str, Any]:
    task = await queries.task(gateway_of(request).store, facilities_of(request), task_id)
    if task is None:
        raise not_found()
    return task
