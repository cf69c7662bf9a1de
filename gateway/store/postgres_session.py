"""One claimed batch on PostgreSQL: an open transaction that holds the advisory locks of its lanes.

The locks end with the transaction: no leases, no clocks, and the lanes of a dead worker are free at once (decision 20).
They are always taken in ascending order, and never in place on top of others (merge protocol, rule 3).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

import asyncpg

from gateway.store import postgres_statements as sql
from gateway.store.ports import Loaded, LoadRequest, WorkItem, WriteSet
from gateway.store.postgres_commit import CommitWriter
from gateway.store.postgres_connection import PostgresConnection
from gateway.store.sqlite_ingest import PART
from gateway.store.sqlite_session import CLAIM_BYTES, CLOSED_TASKS
from gateway.store.statements import Statement

Raw = asyncpg.Connection[asyncpg.Record]


class PostgresSession:
    """Use `async with`; leaving without `commit` rolls back."""

    def __init__(
        self,
        connection: PostgresConnection,
        home: AbstractAsyncContextManager[PostgresConnection],
        lanes: frozenset[int],
        items: Sequence[WorkItem],
        *,
        now: datetime,
        sinks: Sequence[str],
        slot: int,
    ) -> None:
        self.items = items
        self.lanes = lanes
        self._connection = connection
        self._home = home
        self._now = now
        self._sinks = sinks
        self._slot = slot
        self._done = False

    async def load(self, request: LoadRequest) -> Loaded:
        return await load(self._connection.raw, request, self._now - CLOSED_TASKS)

    async def commit(self, writes: WriteSet) -> None:
        await CommitWriter(self._connection, self._now, self._sinks, self._slot).write(writes)
        await self._connection.raw.execute("COMMIT")
        self._done = True

    async def __aenter__(self) -> PostgresSession:
        return self

    async def __aexit__(self, *exc: object) -> None:
        try:
            if not self._done and not self._connection.raw.is_closed():
                await self._connection.raw.execute("ROLLBACK")
        finally:
            await self._home.__aexit__(None, None, None)


async def try_lanes(raw: Raw, lanes: Iterable[int]) -> frozenset[int]:
    """Lock those of `lanes` that nobody holds.  A statement of its own: what follows sees what the last holder wrote."""
    rows = await raw.fetch(sql.LOCK_LANES, sorted(lanes))
    return frozenset(row[0] for row in rows)


async def wait_for_lanes(raw: Raw, lanes: Iterable[int]) -> None:
    for lane in sorted(lanes):
        await raw.execute(sql.WAIT_FOR_LANE, lane)


async def claim(raw: Raw, lanes: frozenset[int], limit: int, low: int) -> list[WorkItem]:
    """The oldest pending work of these lanes, in order of work id, up to the first item that needs another lane."""
    items: list[WorkItem] = []
    room = CLAIM_BYTES
    for row in await raw.fetch(sql.CLAIM, list(lanes), limit, low):
        *head, replayed, size = row
        room -= size
        if items and (room < 0 or not lanes.issuperset(head[4])):
            break
        if head[11] is None and size > PART:
            head[11] = b"".join(part[0] for part in await raw.fetch(sql.PARTS, head[1]))
        head[4] = tuple(head[4])
        head[11] = head[11] or b""
        items.append(WorkItem(**dict(zip(WorkItem.__struct_fields__, [*head, bool(replayed)], strict=True))))
    return items


async def load(raw: Raw, request: LoadRequest, since: datetime) -> Loaded:
    """State of every patient that a key of `request` names, each followed to whom he was merged into."""
    known = set(request.patient_ids)
    for field, statement in sql.LOAD.resolve.items():
        keys = getattr(request, field)
        if keys:
            known.update(row[0] for row in await raw.fetch(statement.text, *_arguments(statement, keys, since)))
    loaded = Loaded(rows={name: [] for name in sql.LOAD.rows})
    if not known:
        return loaded
    closure = sql.LOAD.closure
    patients = [row[0] for row in await raw.fetch(closure.text, *_arguments(closure, sorted(known), since))]
    for table, statement in sql.LOAD.rows.items():
        rows = await raw.fetch(statement.text, *_arguments(statement, patients, since))
        loaded.rows[table] = [tuple(row) for row in rows]
    for row in loaded.rows["patients"]:
        loaded.lanes[row[0]] = tuple(json.loads(row[sql.PATIENT_LANES]))
    return loaded


def _arguments(statement: Statement, keys: Sequence[Any], since: datetime) -> tuple[Any, ...]:
    if "authorities" in statement.names:
        return statement.arguments(authorities=[key[0] for key in keys], values=[key[1] for key in keys])
    return statement.arguments(keys=list(keys), since=since)


