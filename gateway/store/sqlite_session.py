"""One claimed batch on SQLite: all lanes are held by the process's own lock."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from gateway.store import sqlite_statements as sql
from gateway.store.limits import CLAIM_BYTES, CLOSED_TASKS, WHOLE, number_range
from gateway.store.ports import Loaded, LoadRequest, ScheduleQuery, WorkItem, WriteSet
from gateway.store.rows import from_stored_time, to_stored_time, with_booleans
from gateway.store.sqlite_commit import CommitWriter, Rows
from gateway.store.sqlite_connection import SqliteConnection
from gateway.store.sqlite_writer import PIPELINE
from gateway.store.statements import Statement, schedule_arguments

if TYPE_CHECKING:
    from gateway.store.sqlite import SqliteStore


class SqliteSession:
    def __init__(self, store: SqliteStore, lock: asyncio.Lock, items: Sequence[WorkItem]) -> None:
        self.items = items
        self.lanes: frozenset[int] = frozenset()  # all
        self.keeps_lanes = True
        self._store = store
        self._lock = lock
        self._commit: asyncio.Future[None] | None = None

    async def load(self, request: LoadRequest) -> Loaded:
        now = self._store.clock()
        since, seen_since = to_stored_time(now - CLOSED_TASKS), to_stored_time(now - self._store.seen_for)
        return await self._store.reading(lambda connection: load(connection.raw, request, since, seen_since))

    async def ahead(self, after: int, limit: int) -> Sequence[WorkItem]:
        return await self._store.reading(lambda connection: claim(connection.raw, limit, self._store.seen_for, after))

    async def commit(self, writes: WriteSet) -> None:
        now, sinks, numbering = self._store.clock(), self._store.sinks, self._store.numbering
        rows = await asyncio.to_thread(Rows.of, writes)

        def write(connection: SqliteConnection) -> None:
            started = time.perf_counter()
            CommitWriter(connection, now, sinks, numbering).write(writes, rows)
            self._store.last_write_ms = (time.perf_counter() - started) * 1000

        self._commit = asyncio.ensure_future(self._store.writer.run(PIPELINE, write))
        await asyncio.shield(self._commit)

    async def __aenter__(self) -> SqliteSession:
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Frees the lanes, not before a commit under way has ended: a cancelled caller must not let the next one read
        the state from before it."""
        try:
            if self._commit is not None:
                await asyncio.wait([self._commit])
        finally:
            self._lock.release()


def _repeats(connection: sqlite3.Connection, journal_id: int, since: datetime) -> bool:
    return connection.execute(sql.REPEATS, (journal_id, to_stored_time(since))).fetchone() is not None


def claim(connection: sqlite3.Connection, limit: int, seen_for: timedelta, after: int = 0) -> list[WorkItem]:
    """The oldest pending work behind `after`, in order of work id."""
    items: list[WorkItem] = []
    room = CLAIM_BYTES
    for row in connection.execute(sql.CLAIM.text, sql.CLAIM.arguments(limit=limit, after=after)):
        *head, replayed, size = row
        room -= min(size, WHOLE)  # a larger one is not read here
        if items and room < 0:
            break
        head[4] = tuple(int(lane) for lane in head[4].split(","))
        head[7] = from_stored_time(head[7])
        head[11] = head[11] or b""
        repeated = head[6] == "x12" and head[3] == "read" and _repeats(connection, head[1], head[7] - seen_for)
        values = [*head, bool(replayed), repeated, size if size > WHOLE else 0]
        items.append(WorkItem(**dict(zip(WorkItem.__struct_fields__, values, strict=True))))
    return items


def _with_keys(statement: Statement, keys: Sequence[Any], since: str = "") -> tuple[str, tuple[Any, ...]]:
    return statement.text, statement.arguments(keys=json.dumps(keys), since=since)


def _concerned(connection: sqlite3.Connection, queries: Sequence[ScheduleQuery]) -> dict[str, list[Any]]:
    rows: dict[str, list[Any]] = {"schedule": [], "behind": []}
    for query in queries:
        given = schedule_arguments(query)
        if connection.execute(sql.LOAD.behind.text, sql.LOAD.behind.arguments(**given)).fetchone():
            rows["behind"].append(query.work_id)
            continue
        given |= {name: to_stored_time(given[name]) for name in ("earliest", "start", "end")}
        given |= {name: json.dumps(given[name]) for name in ("booked", "waiting")}
        found = connection.execute(sql.LOAD.schedule.text, sql.LOAD.schedule.arguments(**given))
        rows["schedule"] += ((query.work_id, *row) for row in found)
    return rows


def load(connection: sqlite3.Connection, request: LoadRequest, since: str, seen_since: str) -> Loaded:
    """State of every patient that a key of `request` names, each followed to whom he was merged into."""
    known = set(request.patient_ids)
    for field, statement in sql.LOAD.resolve.items():
        keys = getattr(request, field)
        if keys:
            known.update(key for (key,) in connection.execute(*_with_keys(statement, keys)))
    loaded = Loaded(rows={name: [] for name in sql.LOAD.rows})
    if request.schedule:
        loaded.rows |= _concerned(connection, request.schedule)
    loaded.rows["used"] = [
        (one.journal_id, one.place)
        for one in request.numbers
        if connection.execute(sql.USED, (*number_range(one.key), one.journal_id, seen_since)).fetchone()
    ]
    if not known:
        return loaded
    patients = [key for (key,) in connection.execute(*_with_keys(sql.LOAD.closure, sorted(known)))]
    for table, statement in sql.LOAD.rows.items():
        found = connection.execute(*_with_keys(statement, patients, since)).fetchall()
        loaded.rows[table] = with_booleans(found, sql.BOOLEANS[table])
    if request.controls:
        loaded.rows["sent"] = connection.execute(*_with_keys(sql.LOAD.sent, request.controls)).fetchall()
    for row in loaded.rows["patients"]:
        loaded.lanes[row[0]] = tuple(json.loads(row[sql.PATIENT_LANES]))
    return loaded
