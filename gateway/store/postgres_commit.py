"""The pipeline's write on PostgreSQL: everything in one WriteSet, in the session's transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Table

from gateway.event_sinks import EventSink
from gateway.store import incidents, parking, schema
from gateway.store import postgres_statements as sql
from gateway.store.delivery import Numbering, unnumbered
from gateway.store.ledger import SINK, Counts
from gateway.store.ports import FURTHER, EventRow, ItemEnd, NewWork, Parked, Reply, WriteSet
from gateway.store.postgres_connection import PostgresConnection
from gateway.store.postgres_load import named_by
from gateway.store.postgres_locks import lock_number
from gateway.store.statements import row_inserts

MATCHING = lock_number("matching")


class CommitWriter:
    """Writes one WriteSet, in the order of its SQLite twin."""

    def __init__(
        self,
        connection: PostgresConnection,
        now: datetime,
        sinks: Sequence[EventSink],
        slot: int,
        numbering: Numbering = unnumbered,
    ) -> None:
        self._connection = connection
        self._raw = connection.raw
        self._now = now
        self._sinks = sinks
        self._slot = slot
        self._numbering = numbering
        self._counts = Counts()

    async def write(self, writes: WriteSet, found: Mapping[str, set[str]]) -> None:
        """`found`: what `load` resolved, by field of the LoadRequest."""
        await self._finish(writes.done)
        if writes.progress:
            await self._raw.executemany(sql.GO_ON, [(each.cursor, each.work_id) for each in writes.progress])
        await self._state(writes)
        await self._ends(writes.ends)
        for parked in writes.parked:
            await self._park(parked)
        if writes.new_work:
            await self._new_work(writes.new_work)
        if writes.events:
            await self._publish(writes.events)
        for reply in writes.replies:
            await self._reply(reply)
        for channel, count in writes.received.items():
            self._counts[channel, "received"] += count
        if writes.payers:
            await self._connection.run(lambda core: incidents.note(core, writes.payers, self._now))
        await self._add_counts()
        keys = await self._keys_to_retry(writes, found)
        if keys and await self._raw.fetchval(sql.ANY_WAITING, keys):
            await self._connection.run(lambda core: parking.retry_waiting(core, keys, self._now))

    async def _finish(self, work_ids: Sequence[int]) -> None:
        if work_ids:
            await self._raw.execute("DELETE FROM work WHERE work_id = ANY($1::bigint[])", list(work_ids))
            await self._raw.execute("DELETE FROM timer_queued WHERE work_id = ANY($1::bigint[])", list(work_ids))

    async def _state(self, writes: WriteSet) -> None:
        for table, rows in writes.rows.items():
            await self._insert(sql.STATE[table], rows, "replace")
        if writes.deleted_timers:
            await self._raw.execute("DELETE FROM timers WHERE timer_id = ANY($1::text[])", writes.deleted_timers)
        changed = [*writes.deleted_timers, *(row[0] for row in writes.rows.get("timers", ()))]
        if changed:
            # A timer that was set anew or cleared must not fire by what was queued for its old moment.
            await self._raw.execute(sql.UNQUEUE_TIMERS, changed)
        for table, rows in writes.appended.items():
            await self._insert(sql.APPENDED[table], rows)

    async def _ends(self, ends: Sequence[ItemEnd]) -> None:
        for (channel, word), group in groupby(sorted(ends, key=_by_word), key=_by_word):
            if word == "parked":
                continue
            rows = list(group)
            done = await self._raw.execute(
                sql.END_MANY,
                [end.journal_id for end in rows],
                [end.item for end in rows],
                [end.reason for end in rows],
                word,
                channel,
                self._now,
            )
            self._counts[channel, word] += int(done.rsplit(" ", 1)[1])

    async def _park(self, item: Parked) -> None:
        head = (item.journal_id, item.item)
        ended = await self._raw.execute(sql.END_ONCE, *head, "parked", item.reason, item.channel, self._now)
        if ended == "INSERT 0 0":
            return  # an earlier run ended it
        parked_id = await self._raw.fetchval(
            sql.INSERT_PARKED,
            *head,
            item.channel,
            item.facility_id,
            item.stage,
            item.reason,
            item.detail,
            item.attempts,
            self._now,
            item.kind,
            json.dumps(item.lanes),
            item.payload,
        )
        await self._raw.executemany(sql.INSERT_MATCH_KEY, [(key, parked_id) for key in set(item.match_keys)])
        self._counts[item.channel, "parked"] += 1

    async def _keys_to_retry(self, writes: WriteSet, found: Mapping[str, set[str]]) -> Sequence[str]:
        """Match keys whose parked answers are to be tried again.

        An answer that is parked while another transaction writes the coverage it waits for would be seen by neither.
        So who parks goes alone, and looks once more; who makes keys appear goes beside others of his kind.
        """
        waiting = sorted({key for parked in writes.parked for key in parked.match_keys})
        if not waiting:
            if writes.appeared:
                await self._raw.execute("SELECT pg_advisory_xact_lock_shared($1)", MATCHING)
            return writes.appeared
        await self._raw.execute("SELECT pg_advisory_xact_lock($1)", MATCHING)
        return [*writes.appeared, *await self._appeared_since(waiting, found)]

    async def _appeared_since(self, waiting: Sequence[str], found: Mapping[str, set[str]]) -> list[str]:
        """Those of these match keys that name a patient whom they did not name when the batch was loaded."""
        new: list[str] = []
        for prefix, field in (("member:", "members"), ("trace:", "traces")):
            keys = [key.removeprefix(prefix) for key in waiting if key.startswith(prefix)]
            before = found.get(field, set())
            if await named_by(self._raw, field, keys) <= before:
                continue
            new += [prefix + key for key in keys if not await named_by(self._raw, field, [key]) <= before]
        return new

    async def _new_work(self, items: Sequence[NewWork]) -> None:
        """A second hop that is pending already, from an earlier run of its message, is not added again."""
        items = await self._numbered(items)
        pending = await self._raw.fetch(
            sql.PENDING_HOPS, [item.journal_id for item in items], [item.item for item in items]
        )
        there = {tuple(row) for row in pending}
        new = [item for item in items if item.kind != "event" or (item.journal_id, item.item) not in there]
        ids = [row[0] for row in await self._raw.fetch(sql.TAKE_IDS, len(new))]
        found = await self._raw.fetch(sql.SOURCE_KINDS, sorted({item.journal_id for item in new}))
        kinds: dict[int, str] = {row[0]: row[1] for row in found}
        rows: list[tuple[Any, ...]] = []
        for work_id, item in zip(ids, new, strict=True):
            source_kind = kinds.get(item.journal_id, "")
            head = (item.journal_id, item.item, item.kind, item.channel, source_kind, item.received_at)
            rows.extend(
                (work_id, lane, *head, 0, item.replayed, item.payload or None)
                for lane in sorted(set(item.lanes)) or (0,)
            )
        await self._raw.executemany(sql.INSERT_WORK, rows)

    async def _numbered(self, items: Sequence[NewWork]) -> Sequence[NewWork]:
        """Further items of a message get numbers that it has not given yet, and count as received."""
        further = {item.journal_id for item in items if item.further}
        if not further:
            return items
        taken = {tuple(row) for row in await self._raw.fetch(sql.FURTHER_ITEMS, sorted(further), FURTHER)}
        return parking.number_further(items, taken, self._counts)

    async def _publish(self, events: Sequence[EventRow]) -> None:
        """Number the events in order, keep the transaction's id with them (decision 21), and queue one delivery of each
        for every sink that takes it."""
        numbers = await self._raw.fetch(sql.EVENT_IDS, len(events))
        names = EventRow.__struct_fields__
        rows = [(n[0], n[1], *[getattr(e, name) for name in names]) for n, e in zip(numbers, events, strict=True)]
        await self._insert(schema.events, rows, "ignore")
        sequence = [n[0] for n in numbers]
        for sink in self._sinks:
            pairs = zip(sequence, events, strict=True)
            wanted = sequence if sink.takes_all else [n for n, e in pairs if sink.takes(e.type, e.facility_id)]
            if not wanted:
                continue
            done = await self._raw.execute(sql.QUEUE_EVENTS, sink.name, self._now, wanted)
            self._counts[SINK + sink.name, "committed"] += int(done.rsplit(" ", 1)[1])

    async def _insert(self, table: Table, rows: Sequence[Sequence[Any]], conflict: str = "") -> None:
        """Many rows by few statements.  Not by arrays: for those the driver looks at the class of every value."""
        for statement, values in row_inserts(table, "postgresql", rows, conflict):
            await self._raw.executemany(statement, values)

    async def _reply(self, reply: Reply) -> None:
        if reply.once:
            known = "SELECT 1 FROM replies WHERE journal_id = $1 AND kind = $2"
            if await self._raw.fetchval(known, reply.journal_id, reply.kind) is not None:
                return
            number, body = 0, reply.body
        else:
            number = await self._raw.fetchval(sql.NEXT_CONTROL_NUMBER, reply.partner)
            body = self._numbering(reply.body, number)
        head = (reply.journal_id, reply.channel, reply.partner, reply.kind, reply.facility_id)
        reply_id = await self._raw.fetchval(sql.INSERT_REPLY, *head, number, body, self._now, reply.inquiry_id)
        await self._raw.execute(
            sql.INSERT_OUTBOX, reply.channel, reply_id, reply.partner, 0, reply.facility_id, self._now
        )
        self._counts[SINK + reply.channel, "committed"] += 1

    async def _add_counts(self) -> None:
        rows = [(c, self._slot, word, n, self._now) for (c, word), n in sorted(self._counts.items()) if n]
        await self._raw.executemany(sql.ADD_COUNT, rows)


def _by_word(end: ItemEnd) -> tuple[str, str]:
    return end.channel, end.end
