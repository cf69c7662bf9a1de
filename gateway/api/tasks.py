"""The worklist: filter it, count it, save a filter, see why a task is there."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from fastapi import Query, Request

from gateway.api.asking import Asks
from gateway.api.auth import facilities_of, gateway_of, needs, new_router, record
from gateway.api.models import TEXT, Actor, Cursor, Ident, Limit, Page, Task, TaskDetail, shown
from gateway.api.problems import Problem, ProblemDocument, not_found
from gateway.api.restricted import minimal_tasks
from gateway.api.task_models import FilterToSave, QueueCounts, SavedFilter, TaskQuery
from gateway.store import casework, queries

router = new_router("tasks")
ABSENT: dict[int | str, dict[str, Any]] = {404: {"model": ProblemDocument, "description": "No such task or filter"}}
_NAME = r"^[a-z0-9][a-z0-9-]{0,60}$"

Filter = Annotated[str | None, Query(pattern=_NAME, description="Name of a saved filter; needs `actor`.")]
Whose = Annotated[str | None, Query(max_length=120, pattern=TEXT, description="Who saved it.")]


class TaskListQuery(TaskQuery):
    """A filter, and where a page of it begins."""

    filter: Filter = None
    actor: Whose = None
    cursor: Cursor = None
    limit: Limit = 100


@router.get("/tasks", response_model=Page[Task], responses=ABSENT)  # type: ignore[valid-type]
@needs("tasks:read")
async def list_tasks(request: Request, query: Annotated[TaskListQuery, Query()]) -> dict[str, Any]:
    """Tasks, the earliest due first.  What is asked beside a saved filter wins over it.  Audited."""
    asked: TaskQuery = query
    if query.filter is not None:
        saved = await _saved(request, query.actor, query.filter)
        asked = TaskQuery(**saved | query.model_dump(include=set(TaskQuery.model_fields), exclude_none=True))
    chosen = _chosen(request, asked)
    found = await queries.list_tasks(
        gateway_of(request).store, facilities_of(request), chosen, query.cursor, query.limit
    )
    rows = await minimal_tasks(request, found[0], about_somebody=chosen.patient_id is not None)
    await record(request, "task.list", "tasks", detail=f"found {len(rows)}")
    return {"items": [shown(row) for row in rows], "next": found[1]}


@router.get("/tasks/_counts", response_model=list[QueueCounts])
@needs("tasks:read")
async def count_tasks(
    request: Request,
    soon: Annotated[float, Query(ge=0, le=24 * 31, description="Hours within which a task is due soon.")] = 4,
) -> list[dict[str, Any]]:
    """Open tasks by queue: how many nobody has, are overdue, due soon, escalated, and of each priority."""
    gateway = gateway_of(request)
    return await casework.counts(gateway.store, facilities_of(request), gateway.clock(), timedelta(hours=soon))


@router.get("/tasks/{task_id}", response_model=TaskDetail, responses=ABSENT)
@needs("tasks:read")
async def show_task(asking: Asks, task_id: Ident) -> dict[str, Any]:
    """One task: rule, version, evidence, checklist and history.  The ETag is its revision.  Audited."""
    task = await asking.find(task_id)
    await record(asking.request, "task.read", task_id, facility_id=task["facility_id"])
    return await asking.show(task_id)


# -- saved filters -----------------------------------------------------------------------------------------------------


@router.get("/filters", response_model=Page[SavedFilter])
@needs("tasks:read")
async def list_filters(request: Request, actor: Annotated[str, Query(max_length=120, pattern=TEXT)]) -> dict[str, Any]:
    """The filters that a person saved."""
    rows = await casework.saved_filters(gateway_of(request).store, actor)
    return {"items": [shown(row) for row in rows], "next": None}


@router.put("/filters/{name}", response_model=Page[SavedFilter])
@needs("tasks:write")
async def save_filter(request: Request, name: Ident, given: FilterToSave) -> dict[str, Any]:
    """Save a filter of the worklist, or replace the one of this name."""
    await record(request, "filter.save", name[:80], actor=given.actor)
    text = given.filter.model_dump_json(exclude_none=True)
    await casework.save_filter(gateway_of(request).store, given.actor, name, text)
    return await list_filters(request, given.actor)


@router.delete("/filters/{name}", response_model=Page[SavedFilter], responses=ABSENT)
@needs("tasks:write")
async def forget_filter(
    request: Request, name: Ident, actor: Annotated[str, Query(max_length=120, pattern=TEXT)]
) -> dict[str, Any]:
    """Forget a saved filter."""
    await record(request, "filter.forget", name, actor=actor)
    if not await casework.forget_filter(gateway_of(request).store, actor, name):
        raise not_found()
    return await list_filters(request, actor)


async def _saved(request: Request, actor: Actor | None, name: str) -> dict[str, Any]:
    if actor is None:
        raise Problem(422, "invalid-request", "Say with `actor` whose filter it is.")
    rows = await casework.saved_filters(gateway_of(request).store, actor)
    found = next((row["filter_json"] for row in rows if row["name"] == name), None)
    if found is None:
        raise not_found()
    saved: dict[str, Any] = msgspec.json.decode(found)
    return saved


def _chosen(request: Request, asked: TaskQuery) -> casework.TaskFilter:
    given = asked.model_dump(include=set(TaskQuery.model_fields), exclude_none=True)
    hours = given.pop("due_within", None)
    if hours is not None:
        soon = gateway_of(request).clock() + timedelta(hours=hours)
        given["due_before"] = min(soon, given.get("due_before", soon))
    names = {"patient": "patient_id", "rule": "rule_id"}
    return casework.TaskFilter(**{names.get(name, name): value for name, value in given.items()})
