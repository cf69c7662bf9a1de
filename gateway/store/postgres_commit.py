"""The pipeline's write on PostgreSQL: everything in one WriteSet, in the session's transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from gateway.store import parking
from gateway.store import postgres_statements as sql
from gateway.store.ledger import SINK, Counts
from gateway.store.ports import ItemEnd, NewWork, Parked, Reply, WriteSet
from gateway.store.postgres_connection import PostgresConnection
from gateway.store.sqlite_commit import number_reply


class CommitWriter:
    """Writes one WriteSet, in the order of its SQLite twin."""

    def __init__(self, connection: PostgresConnection, now: datetime, sinks: Sequence[str], slot: int) -> None:
        self._connection = connection
        self._raw = connection.raw
        self._now = now
        self._sinks = sinks
        self._slot = slot
        self._counts = Counts()

    async def write(self, writes: WriteSet) -> None:
        await self._finish(writes.done)
        await self._state(writes)
        await self._ends(writes.ends)
        for parked in writes.parked:
            await self._park(parked)
        if writes.new_work:
            await self._new_work(writes.new_work)
        if writes.events:
            await self._publish([[getattr(event, name) for name in event.__struct_fields__] for event in writes.events])
        for reply in writes.replies:
            await self._reply(reply)
        for channel, count in writes.received.items():
            self._counts[channel, "received"] += count
        await self._add_counts()
        if writes.appeared:
            await self._connection.run(lambda core: retry_matching(core, writes.appeared, self._now))

    async def _finish(self, work_ids: Sequence[int]) -> None:
        if work_ids:
            await self._raw.execute("DELETE FROM work WHERE work_id = ANY($1::bigint[])", list(work_ids))
            await self._raw.execute("DELETE FROM timer_queued WHERE work_id = ANY($1::bigint[])", list(work_ids))

    async def _state(self, writes: WriteSet) -> None:
        for table, rows in writes.rows.items():
            await self._raw.executemany(sql.UPSERT[table], rows)
        if writes.deleted_timers:
            await self._raw.execute("DELETE FROM timers WHERE timer_id = ANY($1::text[])", writes.deleted_timers)
        changed = [*writes.deleted_timers, *(row[0] for row in writes.rows.get("timers", ()))]
        if changed:
            # A timer that was set anew or cleared must not fire by what was queued for its old moment.
            await self._raw.execute(
                "WITH gone AS (DELETE FROM timer_queued WHERE timer_id = ANY($1::text[]) RETURNING work_id) "
                "DELETE FROM work USING gone WHERE work.work_id = gone.work_id",
                changed,
            )
        for table, rows in writes.appended.items():
            await self._raw.executemany(sql.APPEND[table], rows)

    async def _ends(self, ends: Sequence[ItemEnd]) -> None:
        for (channel, word), group in groupby(sorted(ends, key=_by_word), key=_by_word):
            if word == "parked":
                continue
            rows = list(group)
            done = await self._raw.execute(
                "INSERT INTO item_end (journal_id, item, word, reason, channel, at) "
                "SELECT j, i, $4, r, $5, $6 FROM unnest($1::bigint[], $2::int[], $3::text[]) AS u(j, i, r) "
                "ON CONFLICT DO NOTHING",
                [end.journal_id for end in rows],
                [end.item for end in rows],
                [end.reason for end in rows],
                word,
                channel,
                self._now,
            )
            self._counts[channel, word] += int(done.rsplit(" ", 1)[1])

    async def _park(self, item: Parked) -> None:
        parked_id = await self._raw.fetchval(
            sql.INSERT_PARKED,
            item.journal_id,
            item.item,
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
        await self._raw.executemany(sql.INSERT_MATCH_KEY, [(key, parked_id) for key in item.match_keys])
        await self._raw.execute(
            sql.END_ONCE, item.journal_id, item.item, "parked", item.reason, item.channel, self._now
        )
        self._counts[item.channel, "parked"] += 1

    async def _new_work(self, items: Sequence[NewWork]) -> None:
        ids = [row[0] for row in await self._raw.fetch(sql.TAKE_IDS, len(items))]
        found = await self._raw.fetch(
            "SELECT journal_id, kind FROM journal WHERE journal_id = ANY($1::bigint[])",
            sorted({item.journal_id for item in items}),
        )
        kinds: dict[int, str] = {row[0]: row[1] for row in found}
        rows: list[tuple[Any, ...]] = []
        for work_id, item in zip(ids, items, strict=True):
            source_kind = kinds.get(item.journal_id, "")
            head = (item.journal_id, item.item, item.kind, item.channel, source_kind, item.received_at)
            rows.extend(
                (work_id, lane, *head, 0, False, item.payload or None) for lane in sorted(set(item.lanes)) or (0,)
            )
        await self._raw.executemany(sql.INSERT_WORK, rows)

    async def _publish(self, rows: Sequence[Sequence[Any]]) -> None:
        """Number the events in order, keep the transaction's id with them (decision 21), and queue one delivery of each
        for every sink."""
        numbers = await self._raw.fetch(sql.EVENT_IDS, len(rows))
        await self._raw.executemany(
            sql.INSERT_EVENT, [(n[0], n[1], *row) for n, row in zip(numbers, rows, strict=True)]
        )
        sequence = [n[0] for n in numbers]
        for sink in self._sinks:
            done = await self._raw.execute(sql.QUEUE_EVENTS, sink, self._now, sequence)
            self._counts[SINK + sink, "committed"] += int(done.rsplit(" ", 1)[1])

    async def _reply(self, reply: Reply) -> None:
        number = await self._raw.fetchval(sql.NEXT_CONTROL_NUMBER, reply.partner)
        body = number_reply(reply.body, number)
        head = (reply.journal_id, reply.channel, reply.partner, reply.kind, reply.facility_id)
        reply_id = await self._raw.fetchval(sql.INSERT_REPLY, *head, number, body, self._now)
        await self._raw.execute(
            sql.INSERT_OUTBOX, reply.channel, reply_id, reply.partner, 0, reply.facility_id, self._now
        )
        self._counts[SINK + reply.channel, "committed"] += 1

    async def _add_counts(self) -> None:
        rows = [(c, self._slot, word, n, self._now) for (c, word), n in sorted(self._counts.items()) if n]
        await self._raw.executemany(sql.ADD_COUNT, rows)


def retry_matching(connection: Connection, keys: Sequence[str], now: datetime) -> None:
    """Parked answers that waited for one of these match keys become work again (decision 10)."""
    for parked_id in parking.parked_for(connection, keys):
        parking.retry(connection, parked_id, now=now, actor=parking.GATEWAY, why="match key appeared")


def _by_word(end: ItemEnd) -> tuple[str, str]:
    return end.channel, end.end
