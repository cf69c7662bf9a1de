"""What a batch reads on PostgreSQL: its work, and the state that it needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.store import postgres_statements as sql
from gateway.store.limits import CLAIM_BYTES, WHOLE, number_range
from gateway.store.ports import Loaded, LoadRequest, ScheduleQuery, WorkItem
from gateway.store.postgres_connection import Raw
from gateway.store.statements import Statement, schedule_arguments


async def claim(raw: Raw, lanes: frozenset[int], limit: int, low: int, seen_for: timedelta) -> list[WorkItem]:
    """The oldest pending work of these lanes, in order of work id, up to the first item that needs another lane."""
    items: list[WorkItem] = []
    for row in await raw.fetch(sql.CLAIM, list(lanes), limit, low, CLAIM_BYTES, WHOLE):
        *head, replayed, size = row
        if items and not lanes.issuperset(head[4]):
            break
        head[4] = tuple(head[4])
        head[11] = head[11] or b""
        repeated = False
        if head[6] == "x12" and head[3] == "read":
            repeated = await raw.fetchval(sql.REPEATS, head[1], head[7] - seen_for) is not None
        values = [*head, replayed, repeated, size if size > WHOLE else 0]
        items.append(WorkItem(**dict(zip(WorkItem.__struct_fields__, values, strict=True))))
    return items


async def load(
    raw: Raw, request: LoadRequest, since: datetime, seen_since: datetime
) -> tuple[dict[str, set[str]], Loaded]:
    """(field of the request -> patient ids that it names, state of all these patients, each followed to whom he was
    merged into)."""
    found: dict[str, set[str]] = {}
    for field in sql.LOAD.resolve:
        found[field] = await named_by(raw, field, getattr(request, field))
    known = set(request.patient_ids).union(*found.values())
    loaded = Loaded(rows={name: [] for name in sql.LOAD.rows})
    if request.schedule:
        loaded.rows |= await _concerned(raw, request.schedule)
    loaded.rows["used"] = [
        (one.journal_id, one.place)
        for one in request.numbers
        if await raw.fetchval(sql.USED, *number_range(one.key), one.journal_id, seen_since) is not None
    ]
    if not known:
        return found, loaded
    closure = sql.LOAD.closure
    patients = [row[0] for row in await raw.fetch(closure.text, *_arguments(closure, sorted(known), since))]
    for table, statement in sql.LOAD.rows.items():
        rows = await raw.fetch(statement.text, *_arguments(statement, patients, since))
        loaded.rows[table] = [tuple(row) for row in rows]
    if request.controls:
        sent = sql.LOAD.sent
        rows = await raw.fetch(sent.text, *_arguments(sent, request.controls, since))
        loaded.rows["sent"] = [tuple(row) for row in rows]
    for row in loaded.rows["patients"]:
        loaded.lanes[row[0]] = tuple(json.loads(row[sql.PATIENT_LANES]))
    return found, loaded


async def _concerned(raw: Raw, queries: Sequence[ScheduleQuery]) -> dict[str, list[Any]]:
    rows: dict[str, list[Any]] = {"schedule": [], "behind": []}
    for query in queries:
        given = schedule_arguments(query)
        if await raw.fetchval(sql.LOAD.behind.text, *sql.LOAD.behind.arguments(**given)) is not None:
            rows["behind"].append(query.work_id)
            continue
        found = await raw.fetch(sql.LOAD.schedule.text, *sql.LOAD.schedule.arguments(**given))
        rows["schedule"] += ((query.work_id, *row) for row in found)
    return rows


async def named_by(raw: Raw, field: str, keys: Sequence[Any]) -> set[str]:
    """Ids of the patients whom keys of this field of a LoadRequest name."""
    if not keys:
        return set()
    statement = sql.LOAD.resolve[field]
    return {row[0] for row in await raw.fetch(statement.text, *_arguments(statement, keys, None))}


def _arguments(statement: Statement, keys: Sequence[Any], since: datetime | None) -> tuple[Any, ...]:
    if "authorities" in statement.names:
        return statement.arguments(authorities=[key[0] for key in keys], values=[key[1] for key in keys])
    return statement.arguments(keys=list(keys), since=since)
