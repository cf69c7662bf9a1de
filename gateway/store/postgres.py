"""The production store: PostgreSQL through asyncpg, with lanes as advisory locks of the transaction."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, text

from gateway.event_sinks import BUS, EventSink, is_event_sink
from gateway.store import delivery, parking, sequences
from gateway.store import postgres_statements as sql
from gateway.store.core_store import CoreStore, revision
from gateway.store.delivery import Numbering, unnumbered
from gateway.store.event_log import read_events
from gateway.store.ledger import SETTLED, SINK
from gateway.store.limits import LIFE
from gateway.store.ports import EventRow, JournalEntry, OutboxItem, SchemaMismatch, Stored, WriteRefused
from gateway.store.postgres_alarms import alarms
from gateway.store.postgres_connection import PostgresPool, Raw, translated
from gateway.store.postgres_floor import Floor
from gateway.store.postgres_ingest import ingest
from gateway.store.postgres_load import claim
from gateway.store.postgres_locks import SinkLocks, try_lanes, wait_for_lanes
from gateway.store.postgres_partitions import extend_journal
from gateway.store.postgres_retention import bare_partitions
from gateway.store.postgres_session import PostgresSession, Setting
from gateway.store.pruning import Pruned, Retention
from gateway.store.schema import REVISION, events
from gateway.store.staging import LONGEST
from gateway.store.timing import due_timers

T = TypeVar("T")

LOOKS = 4
"""How often a claim looks on for free lanes behind those that others hold."""


class PostgresStore(CoreStore):
    """`sinks`: where every event is to be delivered.  `claim_lanes`: most lanes that one claim takes, so that several
    workers share the work.  `numbering`: puts control numbers into what is sent to partners."""

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], datetime],
        sinks: tuple[EventSink, ...] = (BUS,),
        seen_for: timedelta = LIFE,
        pool_size: int = 8,
        claim_lanes: int = 16,
        numbering: Numbering = unnumbered,
    ) -> None:
        self.clock = clock
        self.sinks = sinks
        self.numbering = numbering
        self._pool = PostgresPool(url, pool_size)
        self._sink_locks = SinkLocks(self._pool)
        self.seen_for = seen_for
        self._claim_lanes = claim_lanes
        self._slot = 1 + os.getpid() % 999
        self._floor = Floor()

    @property
    def last_write_ms(self) -> float:
        return 0.0

    async def open(self) -> None:
        self._pool.open()
        try:
            found = await self.read(revision)
            if found != REVISION:
                raise SchemaMismatch(
                    f"the store is at {found or 'no version'}, this program needs {REVISION}: run baton migrate"
                )
            await self.execute_write(extend_journal)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        await self._sink_locks.close()
        await self._pool.close()

    async def maintain(self) -> list[str]:
        """Make the partitions that are needed next; what is wrong inside the store, in words."""
        await self.execute_write(extend_journal)
        await self.drop_left(self.clock() - LONGEST)
        return await self.read(alarms)

    # -- the way of a message --------------------------------------------------------------------------------------

    async def ingest(self, entries: Sequence[JournalEntry]) -> list[Stored]:
        now = self.clock()
        try:
            plain = not sequences.in_use(entries) and not any(entry.staged for entry in entries)
            stored = await (self._ingest if plain else self._ingest_with_more)(entries, now)
        except WriteRefused as refused:
            if len(entries) == 1:
                return [Stored(journal_id=0, error=str(refused))]
            # One bad row never fails its neighbours (decision 6): halves find it in few commits.
            middle = len(entries) // 2
            return [*await self.ingest(entries[:middle]), *await self.ingest(entries[middle:])]
        copied = [one.duplicate_of for one in stored if one.duplicate_of]
        if copied:  # if we end before this, the copy is not answered yet and comes again
            await self.execute_write(lambda core: _after_copies(core, copied, now))
        return stored

    async def _ingest(self, entries: Sequence[JournalEntry], now: datetime) -> list[Stored]:
        async with self._pool.connection() as connection:
            return await ingest(connection.raw, entries, now, now - self.seen_for, self._slot)

    async def _ingest_with_more(self, entries: Sequence[JournalEntry], now: datetime) -> list[Stored]:
        """With sequence numbers; and parts go over to the journal rows that they are of, their bytes stay in place."""
        since = now - self.seen_for
        async with self._pool.transaction() as connection:
            numbers = None
            if sequences.in_use(entries):
                numbers = await connection.run(lambda core: sequences.Sequences(core, entries, now, since))
            stored = await ingest(connection.raw, numbers.entries if numbers else entries, now, since, self._slot)
            if numbers is not None:
                await connection.run(lambda core: numbers.write(stored))
            for entry, one in zip(entries, stored, strict=True):
                if entry.staged and one.duplicate_of is None:
                    await connection.raw.execute(sql.MOVE_PARTS, entry.staged, one.journal_id)
                    await connection.raw.execute(sql.UNSTAGE, entry.staged)
        return stored

    async def claim(
        self, limit: int, *, only_lanes: frozenset[int] | None = None, up_to: int | None = None
    ) -> PostgresSession | None:
        session = self._session()
        try:
            with translated():
                await self._fill(session, limit, only_lanes)
        except BaseException:
            await session.__aexit__()
            raise
        if session.items:
            return session
        await session.__aexit__()
        return None

    async def hold(self, lanes: frozenset[int]) -> PostgresSession:
        session = self._session()
        try:
            with translated():
                await wait_for_lanes(await session.begin(), lanes)
        except BaseException:
            await session.__aexit__()
            raise
        session.lanes = lanes
        return session

    async def _fill(self, session: PostgresSession, limit: int, only_lanes: frozenset[int] | None) -> None:
        raw = await session.begin()
        if only_lanes is None:
            low, held = await self._free_lanes(raw, 4 * limit)
        else:
            low, held = 0, only_lanes
            await wait_for_lanes(raw, held)
        items = await claim(raw, held, limit, low, self.seen_for) if held else []
        if items and not held.issuperset(items[0].lanes):
            # The oldest item of our lanes names others too: begin again with exactly those (merge protocol, rule 3).
            held = frozenset(items[0].lanes)
            raw = await session.begin()
            await wait_for_lanes(raw, held)
            items = await claim(raw, held, limit, low, self.seen_for)
        session.lanes, session.items = held, items

    async def _free_lanes(self, raw: Raw, look: int) -> tuple[int, frozenset[int]]:
        """(where to begin, lanes with work that are ours now: those of the oldest work first)."""
        now = asyncio.get_running_loop().time()
        low, busy = self._floor.at(now), list[int]()
        for _ in range(LOOKS):
            found = [tuple(row) for row in await raw.fetch(sql.LANES_WITH_WORK, look, low, busy)]
            if found and not busy:
                self._floor.saw(now, found[0][1])
            wanted = [lane for lane, _ in found]
            for first in range(0, len(wanted), self._claim_lanes):
                held = await try_lanes(raw, wanted[first : first + self._claim_lanes])
                if held:
                    return low, held
            busy += wanted
            if not wanted:
                break
        return low, frozenset()

    def _session(self) -> PostgresSession:
        return PostgresSession(self._pool, self._setting())

    def _setting(self) -> Setting:
        return Setting(self.clock(), self.sinks, self._slot, self.numbering, self.seen_for)

    async def failed_attempt(self, work_ids: Sequence[int]) -> None:
        async with self._pool.connection() as connection:
            await connection.raw.execute(
                "UPDATE work SET attempts = attempts + 1 WHERE work_id = ANY($1::bigint[])", list(work_ids)
            )

    async def due_timers(self, now: datetime, limit: int, horizons: Mapping[str, datetime]) -> int:
        due = await self.read(lambda core: core.execute(due_timers(now, limit, horizons)).all())
        if not due:
            return 0
        async with self._pool.connection() as connection:
            moments = [timer.fire_at for timer in due]
            done = await connection.raw.execute(sql.QUEUE_TIMERS, [timer.timer_id for timer in due], moments, now)
        return int(done.rsplit(" ", 1)[1])

    # -- out to the world ------------------------------------------------------------------------------------------

    async def outbox_claim(self, sink: str, limit: int) -> list[OutboxItem]:
        """Nothing while another process relays this sink."""
        messages = sink in self.message_sinks
        others = sql.PENDING_EVENTS if is_event_sink(self.sinks, sink) else sql.PENDING_REPLIES
        pending = sql.PENDING_MESSAGES if messages else others
        with translated():
            async with self._sink_locks.of(sink) as raw:
                if raw is None:
                    return []
                rows = await raw.fetch(pending, sink, limit)
                items = [OutboxItem(**dict(zip(OutboxItem.__struct_fields__, row, strict=False))) for row in rows]
                for item in items if messages else ():
                    item.body = item.body or b"".join(row[0] for row in await raw.fetch(sql.PARTS, item.sequence))
        return items

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

    async def prune(self, now: datetime, retention: Retention, *, dry_run: bool = False) -> Pruned:
        """First what can go by partition, then the rest row by row."""
        whole = await bare_partitions(self, now - retention.bodies, dry_run=dry_run)
        rest = await super().prune(now, retention, dry_run=dry_run)
        return msgspec.structs.replace(rest, bodies=rest.bodies + whole.bodies, partitions=whole.partitions)

    # -- ground ----------------------------------------------------------------------------------------------------

    async def read(self, query: Callable[[Connection], T]) -> T:
        async with self._pool.transaction(snapshot=True) as connection:
            return await connection.run(query)

    async def execute_write(self, write: Callable[[Connection], T]) -> T:
        async with self._pool.transaction() as connection:
            return await connection.run(write)


def _after_copies(connection: Connection, journal_ids: Sequence[int], now: datetime) -> None:
    parking.retry_copies(connection, journal_ids, now)
    delivery.answer_again(connection, journal_ids, now)
