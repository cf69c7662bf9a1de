"""The embedded store: one SQLite file, one writer thread, read-only readers (decision 19)."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from gateway.event_sinks import BUS, EventSink, is_event_sink
from gateway.store import sqlite_statements as sql
from gateway.store.core_store import CoreStore, revision
from gateway.store.delivery import Numbering, unnumbered
from gateway.store.event_log import read_events
from gateway.store.ledger import SETTLED, SINK, Counts
from gateway.store.limits import LIFE
from gateway.store.ports import EventRow, JournalEntry, OutboxItem, SchemaMismatch, Stored, StoreUnavailable
from gateway.store.rows import from_stored_time, to_stored_time
from gateway.store.schema import REVISION
from gateway.store.sqlite_connection import SqliteConnection
from gateway.store.sqlite_ingest import add_counts, ingest, take_ids
from gateway.store.sqlite_readers import SqliteReaders
from gateway.store.sqlite_session import SqliteSession, claim
from gateway.store.sqlite_writer import INGEST, OTHER, PIPELINE, SqliteWriter
from gateway.store.staging import LONGEST
from gateway.store.timing import due_timers

T = TypeVar("T")

RELEASE_EVERY = 8
"""Parts of a large body after which the writer forgets their pages."""


class SqliteStore(CoreStore):
    """`sinks`: where every event is to be delivered besides the event log itself; () for the log alone.
    `numbering`: puts control numbers into what is sent to partners."""

    def __init__(
        self,
        path: Path | str,
        *,
        clock: Callable[[], datetime],
        sinks: tuple[EventSink, ...] = (BUS,),
        seen_for: timedelta = LIFE,
        numbering: Numbering = unnumbered,
    ) -> None:
        self.path = Path(path)
        self.clock = clock
        self.sinks = sinks
        self.numbering = numbering
        self.writer = SqliteWriter(self.path)
        self.seen_for = seen_for
        self._hot = SqliteReaders(self.path, 2)  # pipeline and relay never wait behind a person's query
        self._cold = SqliteReaders(self.path, 3)
        self._lanes = asyncio.Lock()
        self._lock_file: int | None = None
        self.last_write_ms = 0.0
        self._opened_at = clock()

    async def open(self) -> None:
        await asyncio.to_thread(self.writer.open)
        self._hot.open()
        self._cold.open()
        found = await self.execute_write(revision)
        if found != REVISION:
            await self.close()
            raise SchemaMismatch(f"the store is at {found or 'no version'}, this program needs {REVISION}")

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._hot.close()
        self._cold.close()
        self.writer.close()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    async def maintain(self) -> list[str]:
        """Nothing to make ahead, and one writer, whose transactions are ours."""
        alone = self._lock_file is not None  # what an earlier process staged is of nobody then
        await self.drop_left(self._opened_at if alone else self.clock() - LONGEST)
        return []

    # -- the way of a message --------------------------------------------------------------------------------------

    async def ingest(self, entries: Sequence[JournalEntry]) -> list[Stored]:
        now = self.clock()
        return await self.writer.run(INGEST, lambda connection: ingest(connection, entries, now, self.seen_for))

    async def add_part(self, staged: int, number: int, part: bytes) -> None:
        await super().add_part(staged, number, part)
        if number % RELEASE_EVERY == RELEASE_EVERY - 1:  # after its commit: pages that are to be written are kept
            await self.writer.run(OTHER, lambda connection: connection.raw.execute(sql.RELEASE).fetchall())

    async def body_part(self, journal_id: int, number: int) -> bytes | None:
        def query(connection: SqliteConnection) -> bytes | None:
            found = connection.raw.execute(sql.PART, (journal_id, number)).fetchall()
            connection.raw.execute(sql.RELEASE)
            return found[0][0] if found else None

        return await self._cold.run(query)

    async def claim(
        self, limit: int, *, only_lanes: frozenset[int] | None = None, up_to: int | None = None
    ) -> SqliteSession | None:
        """`only_lanes` and `up_to` mean nothing here: every claim holds all lanes, and drains in order of work id."""
        session = await self.hold(frozenset())
        try:
            session.items = await self.reading(lambda connection: claim(connection.raw, limit, self.seen_for))
        except BaseException:
            self._lanes.release()
            raise
        if not session.items:
            self._lanes.release()
            return None
        return session

    async def hold(self, lanes: frozenset[int]) -> SqliteSession:
        self._exclude_other_processes()
        await self._lanes.acquire()
        return SqliteSession(self, self._lanes, [])

    def _exclude_other_processes(self) -> None:
        """Lanes are locked within the process; so only one process may hold any.  The lock ends with the process."""
        if self._lock_file is not None:
            return
        handle = os.open(f"{self.path}-lanes", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise StoreUnavailable("another gateway process works on this store") from None
        self._lock_file = handle

    async def failed_attempt(self, work_ids: Sequence[int]) -> None:
        ids = [(work_id,) for work_id in work_ids]
        statement = "UPDATE work SET attempts = attempts + 1 WHERE work_id = ?"
        await self.writer.run(PIPELINE, lambda connection: connection.raw.executemany(statement, ids).rowcount)

    async def due_timers(self, now: datetime, limit: int, horizons: Mapping[str, datetime]) -> int:
        due = await self.read(lambda connection: connection.execute(due_timers(now, limit, horizons)).all())
        if not due:
            return 0

        def queue(connection: SqliteConnection) -> int:
            first = take_ids(connection, len(due))
            queued = 0
            for work_id, timer in enumerate(due, first):
                arguments = (work_id, to_stored_time(now), timer.timer_id, to_stored_time(timer.fire_at))
                if connection.raw.execute(sql.QUEUE_TIMER, arguments).rowcount:
                    connection.raw.execute(sql.INSERT_TIMER_QUEUED, (timer.timer_id, work_id))
                    queued += 1
            return queued

        return await self.writer.run(PIPELINE, queue)

    # -- out to the world ------------------------------------------------------------------------------------------

    async def outbox_claim(self, sink: str, limit: int) -> list[OutboxItem]:
        messages = sink in self.message_sinks
        others = sql.PENDING_EVENTS if is_event_sink(self.sinks, sink) else sql.PENDING_REPLIES
        pending = sql.PENDING_MESSAGES if messages else others

        def query(connection: SqliteConnection) -> list[OutboxItem]:
            rows = connection.raw.execute(pending, (sink, limit)).fetchall()
            items = [OutboxItem(**dict(zip(OutboxItem.__struct_fields__, row, strict=False))) for row in rows]
            for item in items:
                item.due_at = from_stored_time(item.due_at) if item.refusals else None  # type: ignore[arg-type]  # text
            for item in items if messages else ():
                item.body = item.body or b"".join(
                    part for (part,) in connection.raw.execute(sql.PARTS, (item.sequence,))
                )
            return items

        return await self.reading(query)

    async def outbox_settle(self, sink: str, outcomes: Sequence[tuple[int, str]]) -> None:
        at = to_stored_time(self.clock())

        def settle(connection: SqliteConnection) -> None:
            counts = Counts()
            for word in SETTLED:
                rows = [(sink, sequence) for sequence, outcome in outcomes if outcome == word]
                if rows and word != "confirmed":
                    connection.raw.executemany(sql.UNDELIVERED, [(word, at, *row) for row in rows])
                if rows:
                    gone = "DELETE FROM outbox WHERE sink = ? AND sequence = ?"
                    counts[SINK + sink, word] = connection.raw.executemany(gone, rows).rowcount
            add_counts(connection, counts, at)

        await self.writer.run(PIPELINE, settle)

    async def read_events(
        self,
        after: str | None,
        limit: int,
        *,
        types: frozenset[str] | None = None,
        facilities: frozenset[str] | None = None,
    ) -> tuple[list[tuple[str, EventRow]], str]:
        """Events in commit order after position `after` (None: from the first), each with its own position, and the
        position to go on from (decision 21).  With one writer the order of numbers is the order of commits."""
        return await self.read(lambda connection: read_events(connection, after, limit, types, facilities))

    # -- ground ----------------------------------------------------------------------------------------------------

    async def read(self, query: Callable[[Connection], T]) -> T:
        return await self._cold.run(lambda connection: query(connection.core))

    async def reading(self, query: Callable[[SqliteConnection], T]) -> T:
        """As `read`, for the pipeline and the relay: statement text on readers of their own."""
        return await self._hot.run(query)

    async def execute_write(self, write: Callable[[Connection], T]) -> T:
        return await self.writer.run(OTHER, lambda connection: write(connection.core))
