"""What people keep about tasks beside the tasks themselves: counts, saved filters, requests that were done once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, case, delete, func, select

from gateway.store import schema as s
from gateway.store.core_store import CoreStore
from gateway.store.paging import Facilities, Row, seen_by
from gateway.store.statements import conflict_insert

PRIORITY_ORDER = ("stat", "asap", "urgent", "routine")


class TaskFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a worklist shows.  None: does not matter."""

    queue: str | None = None
    status: str | None = None  # a status, or `open`
    due_before: datetime | None = None
    patient_id: str | None = None
    facility: str | None = None
    rule_id: str | None = None
    owner: str | None = None
    unowned: bool | None = None
    team: str | None = None
    type: str | None = None
    priority: str | None = None
    overdue: bool | None = None
    escalated: bool | None = None  # the lead of the queue was told


def filtered(query: Select[Any], chosen: TaskFilter) -> Select[Any]:
    """`query`, over tasks, with what `chosen` asks for."""
    task = s.tasks.c
    equal = {
        task.queue: chosen.queue,
        task.patient_id: chosen.patient_id,
        task.facility_id: chosen.facility,
        task.rule_id: chosen.rule_id,
        task.owner: chosen.owner,
        task.team: chosen.team,
        task.type: chosen.type,
        task.priority: chosen.priority,
        task.overdue: chosen.overdue,
    }
    query = query.where(*(column == value for column, value in equal.items() if value is not None))
    if chosen.status == "open":
        query = query.where(task.closed_at.is_(None))
    elif chosen.status is not None:
        query = query.where(task.status == chosen.status)
    if chosen.unowned is not None:
        query = query.where(task.owner.is_(None) if chosen.unowned else task.owner.is_not(None))
    if chosen.escalated is not None:
        query = query.where(task.escalations > 0 if chosen.escalated else task.escalations == 0)
    if chosen.due_before is not None:
        query = query.where(task.due_at < chosen.due_before)
    return query


async def counts(store: CoreStore, facilities: Facilities, now: datetime, soon: timedelta) -> list[Row]:
    """Open tasks per queue: `open`, `unowned`, `on_hold`, `overdue`, `due_soon`, `escalated`, and by priority."""
    task = s.tasks.c

    def many(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((condition, 1), else_=0))

    columns = {
        "unowned": many(task.owner.is_(None)),
        "on_hold": many(task.status == "on-hold"),
        "overdue": many(task.due_at < now),
        "due_soon": many((task.due_at >= now) & (task.due_at < now + soon)),
        "escalated": many(task.escalations > 0),
        **{priority: many(task.priority == priority) for priority in PRIORITY_ORDER},
    }
    named = [column.label(name) for name, column in columns.items()]
    query = select(task.queue, func.count().label("open"), func.min(task.due_at).label("next_due_at"), *named)
    query = seen_by(query.where(task.closed_at.is_(None)), facilities, task.facility_id)
    return await store.fetch(query.group_by(task.queue).order_by(task.queue))


async def next_unowned(store: CoreStore, facilities: Facilities, queue: str, limit: int) -> list[Row]:
    """Tasks of a queue that nobody has, the most urgent and then the earliest due first."""
    task = s.tasks.c
    order = case({word: place for place, word in enumerate(PRIORITY_ORDER)}, value=task.priority, else_=9)
    query = select(task.task_id, task.patient_id, task.facility_id, task.revision)
    query = query.where(task.queue == queue, task.closed_at.is_(None), task.owner.is_(None), task.status != "on-hold")
    return await store.fetch(seen_by(query, facilities, task.facility_id).order_by(order, task.due_at).limit(limit))


# -- requests ----------------------------------------------------------------------------------------------------------


async def task_request(store: CoreStore, request_id: str) -> Row | None:
    """The request that was done under this key, if it was."""
    rows = await store.fetch(select(s.task_requests).where(s.task_requests.c.request_id == request_id))
    return rows[0] if rows else None


# -- saved filters -----------------------------------------------------------------------------------------------------


async def saved_filters(store: CoreStore, actor: str) -> list[Row]:
    """`name` and `filter_json` of everything this person saved."""
    saved = s.task_filters.c
    query = select(saved.name, saved.filter_json, saved.saved_at).where(saved.actor == actor)
    return await store.fetch(query.order_by(saved.name))


async def save_filter(store: CoreStore, actor: str, name: str, filter_json: str) -> None:
    """Keep a filter under a name; one of the same name is replaced."""
    row = {"actor": actor, "name": name, "filter_json": filter_json, "saved_at": store.clock()}

    def write(connection: Connection) -> None:
        new = conflict_insert(s.task_filters, connection.dialect.name).values(row)
        replaced = {"filter_json": new.excluded.filter_json, "saved_at": new.excluded.saved_at}
        connection.execute(
            new.on_conflict_do_update(index_elements=[s.task_filters.c.actor, s.task_filters.c.name], set_=replaced)
        )

    await store.execute_write(write)


async def forget_filter(store: CoreStore, actor: str, name: str) -> bool:
    """False: there was none of this name."""
    named = (s.task_filters.c.actor == actor) & (s.task_filters.c.name == name)
    return await store.execute_write(
        lambda connection: connection.execute(delete(s.task_filters).where(named)).rowcount > 0
    )
