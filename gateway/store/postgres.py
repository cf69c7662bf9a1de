"""The production store: PostgreSQL through asyncpg, with lanes as advisory locks of the transaction."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import TypeVar

from sqlalchemy import Connection, text

from gateway.store import parking
from gateway.store import postgres_statements as sql
from gateway.store.core_store import CoreStore, revision
from gateway.store.event_log import read_events
from gateway.store.ledger import SETTLED, SINK
from gateway.store.ports import EventRow, JournalEntry, OutboxItem, SchemaMismatch, Stored, WriteRefused
from gateway.store.postgres_connection import PostgresConnection, PostgresPool
from gateway.store.postgres_ingest import ingest
from gateway.store.postgres_session import PostgresSession, claim, try_lanes, wait_for_lanes
from gateway.store.schema import REVISION, events
from gateway.store.sqlite_ingest import LIFE
from gateway.store.timing import due_timers

T = TypeVar("T")

RESCAN_SECONDS = 2.0
"""How often a claim looks below its low-water mark: a work row may be committed after one with a higher id."""


class PostgresStore(CoreStore):
    """`sinks`: where every event is to be delivered.  `claim_lanes`: most lanes one claim takes, so that several workers
    share the work."""

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], datetime],
        sinks: tuple[str, ...] = ("bus",),
        seen_for: timedelta = LIFE,
        pool_size: int = 8,
        claim_lanes: int = 64,
    ) -> None:
        self.clock = clock
        self.sinks = sinks
        self._pool = PostgresPool(url, pool_size)
        self._seen_for = seen_for
        self._claim_lanes = claim_lanes
        self._slot = os.getpid() % 1000
        self._low = 0
        self._scanned = 0.0
        self._relay_locks: dict[str, _SinkLock] = {}

    async def open(self) -> None:
        found = await self.read(revision)
        if found != REVISION:
            await self.close()
            raise SchemaMismatch(f"the store is at {found or 'no version'}, this program needs {REVISION}")

    async def close(self) -> None:
        for lock in self._relay_locks.values():
            await lock.close()
        self._relay_locks.clear()
        await self._pool.close()

    # -- the way of a message --------------------------------------------------------------------------------------

    async def ingest(self, entries: Sequence[JournalEntry]) -> list[Stored]:
        now = self.clock()
        try:
            async with self._pool.connection() as connection:
                stored = await ingest(connection, entries, now, now - self._seen_for, self._slot)
        except WriteRefused as refused:
            if len(entries) == 1:
                return [Stored(journal_id=0, error=str(refused))]
            # One bad row never fails its neighbours (decision 6).
            return [(await self.ingest([entry]))[0] for entry in entries]
        copied = [one.duplicate_of for one in stored if one.duplicate_of]
        if copied:
            await self.execute_write(lambda core: parking.retry_copies(core, copied, now))
        return stored

    async def claim(
        self, limit: int, *, only_lanes: frozenset[int] | None = None, up_to: int | None = None
    ) -> PostgresSession | None:
        home = self._pool.connection()
        connection = await home.__aenter__()
        try:
            session = await self._claim(connection, home, limit, only_lanes)
        except BaseException as error:
            await home.__aexit__(type(error), error, error.__traceback__)
            raise
        if session is None:
            await connection.raw.execute("ROLLBACK")
            await home.__aexit__(None, None, None)
        return session

    async def _claim(
        self, connection: PostgresConnection, home: object, limit: int, only_lanes: frozenset[int] | None
    ) -> PostgresSession | None:
        raw = connection.raw
        low = 0 if only_lanes is not None else self._low_water()
        await raw.execute("BEGIN")
        if only_lanes is None:
            wanted = [row[0] for row in await raw.fetch(sql.LANES_WITH_WORK, 4 * limit, low)]
            held = await try_lanes(raw, wanted[: self._claim_lanes])
        else:
            await wait_for_lanes(raw, only_lanes)
            held = only_lanes
        items = await claim(raw, held, limit, low) if held else []
        if items and not held.issuperset(items[0].lanes):
            # The lowest id of ours names lanes that we do not hold: begin again with exactly those (rule 3).
            lanes = frozenset(items[0].lanes)
            await raw.execute("ROLLBACK")
            await raw.execute("BEGIN")
            await wait_for_lanes(raw, lanes)
            held, items = lanes, await claim(raw, lanes, limit, 0)
        if not items:
            return None
        if only_lanes is None:
            self._low = items[0].work_id
        return self._session(connection, home, held, items)

    def _low_water(self) -> int:
        """Where claims begin: the oldest work seen last, and from the very first now and then (limits, section 5)."""
        now = asyncio.get_running_loop().time()
        if now - self._scanned > RESCAN_SECONDS:
            self._scanned, self._low = now, 0
        return self._low

    def _session(
        self, connection: PostgresConnection, home: object, lanes: frozenset[int], items: Sequence[object]
    ) -> PostgresSession:
        return PostgresSession(
            connection,
            home,  # type: ignore[arg-type]
            lanes,
            items,  # type: ignore[arg-type]
            now=self.clock(),
            sinks=self.sinks,
            slot=self._slot,
        )

    async def hold(self, lanes: frozenset[int]) -> PostgresSession:
        home = self._pool.connection()
        connection = await home.__aenter__()
        try:
            await connection.raw.execute("BEGIN")
            await wait_for_lanes(connection.raw, lanes)
        except BaseException as error:
            await home.__aexit__(type(error), error, error.__traceback__)
            raise
        return self._session(connection, home, lanes, ())

    async def failed_attempt(self, work_ids: Sequence[int]) -> None:
        async with self._pool.transaction() as connection:
            await connection.raw.execute(
                "UPDATE work SET attempts = attempts + 1 WHERE work_id = ANY($1::bigint[])", list(work_ids)
            )

    async def due_timers(self, now: datetime, limit: int, horizons: Mapping[str, datetime]) -> int:
        due = await self.read(lambda core: core.execute(due_timers(now, limit, horizons)).all())
        queued = 0
        for timer in due:
            async with self._pool.transaction() as connection:
                done = await connection.raw.execute(sql.QUEUE_TIMER, timer.timer_id, timer.fire_at, now)
            queued += int(done.rsplit(" ", 1)[1])
        return queued

    # -- out to the world ------------------------------------------------------------------------------------------

    async def outbox_claim(self, sink: str, limit: int) -> list[OutboxItem]:
        """Nothing while another process relays this sink."""
        lock = self._relay_locks.setdefault(sink, _SinkLock(self._pool, sink))
        if not await lock.held():
            return []
        pending = sql.PENDING_EVENTS if sink in self.sinks else sql.PENDING_REPLIES
        async with self._pool.connection() as connection:
            rows = await connection.raw.fetch(pending, sink, limit)
        return [OutboxItem(**dict(zip(OutboxItem.__struct_fields__, row, strict=True))) for row in rows]

    async def outbox_settle(self, sink: str, outcomes: Sequence[tuple[int, str]]) -> None:
        now = self.clock()
        async with self._pool.transaction() as connection:
            for word in SETTLED:
                sequence = [number for number, outcome in outcomes if outcome == word]
                if not sequence:
                    continue
                if word != "confirmed":
                    await connection.raw.execute(sql.UNDELIVERED, sink, sequence, word, now)
                gone = await connection.raw.fetch(sql.SETTLE, sink, sequence)
                if gone:
                    await connection.raw.execute(sql.ADD_COUNT, SINK + sink, self._slot, word, len(gone), now)

    async def read_events(
        self,
        after: str | None,
        limit: int,
        *,
        types: frozenset[str] | None = None,
        facilities: frozenset[str] | None = None,
    ) -> tuple[list[tuple[str, EventRow]], str]:
        """Events in commit order after position `after`.  Stops below the oldest transaction that is still running, so
        that no event can appear behind a position already given out (decision 21)."""
        visible = events.c.tx < text("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return await self.read(lambda core: read_events(core, after, limit, types, facilities, visible))

    # -- ground ----------------------------------------------------------------------------------------------------

    async def read(self, query: Callable[[Connection], T]) -> T:
        async with self._pool.transaction(read_only=True) as connection:
            return await connection.run(query)

    async def execute_write(self, write: Callable[[Connection], T]) -> T:
        async with self._pool.transaction() as connection:
            return await connection.run(write)


class _SinkLock:
    """The right to relay one sink, kept by a connection of its own: it ends with the process that has it."""

    def __init__(self, pool: PostgresPool, sink: str) -> None:
        self._pool = pool
        self._key = int.from_bytes(blake2b(f"relay|{sink}".encode(), digest_size=8).digest(), "big") >> 1
        self._home = pool.connection()
        self._connection: PostgresConnection | None = None

    async def held(self) -> bool:
        if self._connection is not None and not self._connection.raw.is_closed():
            return True
        if self._connection is None:
            self._home = self._pool.connection()
            connection = await self._home.__aenter__()
        else:
            await self.close()
            return False
        if await connection.raw.fetchval("SELECT pg_try_advisory_lock(-$1::bigint)", self._key):
            self._connection = connection
            return True
        await self._home.__aexit__(None, None, None)
        return False

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if not connection.raw.is_closed():
            await connection.raw.execute("SELECT pg_advisory_unlock(-$1::bigint)", self._key)
        await self._home.__aexit__(None, None, None)
