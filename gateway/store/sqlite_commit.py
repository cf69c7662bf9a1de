"""The pipeline's write on SQLite: everything in one WriteSet, in the open transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import Table

from gateway.event_sinks import EventSink
from gateway.store import incidents, parking, schema
from gateway.store import sqlite_statements as sql
from gateway.store.delivery import Numbering, unnumbered
from gateway.store.ledger import SINK, Counts
from gateway.store.ports import FURTHER, EventRow, ItemEnd, NewWork, Parked, Reply, WriteSet
from gateway.store.rows import StoredTimes, to_sqlite_rows, to_stored_time
from gateway.store.sqlite_connection import SqliteConnection
from gateway.store.sqlite_ingest import add_counts, take_ids
from gateway.store.statements import moment_positions

STATE = {table.name: table for table in schema.STATE_TABLES}
APPENDED = {table.name: table for table in schema.APPENDED_TABLES}
MOMENTS = {table.name: moment_positions(table) for table in (*STATE.values(), *APPENDED.values(), schema.events)}


@dataclass(slots=True, frozen=True)
class Rows:
    """The many rows of a WriteSet as SQLite takes them, made before the writer is held."""

    state: list[tuple[Table, list[list[Any]]]]
    appended: list[tuple[Table, list[list[Any]]]]
    events: list[list[Any]]  # without their numbers

    @staticmethod
    def of(writes: WriteSet) -> Rows:
        texts = StoredTimes()
        events = ((0, 0, *msgspec.structs.astuple(event)) for event in writes.events)
        return Rows(
            [(STATE[name], to_sqlite_rows(rows, MOMENTS[name], texts)) for name, rows in writes.rows.items()],
            [(APPENDED[name], to_sqlite_rows(rows, MOMENTS[name], texts)) for name, rows in writes.appended.items()],
            to_sqlite_rows(events, MOMENTS["events"], texts),
        )


class CommitWriter:
    """Writes one WriteSet.  Order matters where one statement meets what another left: work rows go before new ones
    come, timers are set before their queued firings are dropped."""

    def __init__(
        self, connection: SqliteConnection, now: datetime, sinks: Sequence[EventSink], numbering: Numbering = unnumbered
    ) -> None:
        self._connection = connection
        self._raw = connection.raw
        self._now = now
        self._at = to_stored_time(now)
        self._sinks = sinks
        self._numbering = numbering
        self._counts = Counts()

    def write(self, writes: WriteSet, rows: Rows) -> None:
        self._finish(writes.done)
        if writes.progress:
            self._raw.executemany(sql.GO_ON, [(each.cursor, each.work_id) for each in writes.progress])
        self._state(writes, rows)
        self._ends(writes.ends)
        for parked in writes.parked:
            self._park(parked)
        self._new_work(writes.new_work)
        if writes.events:
            self._publish(writes.events, rows.events)
        for reply in writes.replies:
            self._reply(reply)
        for channel, count in writes.received.items():
            self._counts[channel, "received"] += count
        if writes.payers:
            incidents.note(self._connection.core, writes.payers, self._now)
        add_counts(self._connection, self._counts, self._at)
        if writes.appeared and self._raw.execute("SELECT 1 FROM match_key LIMIT 1").fetchone():
            parking.retry_waiting(self._connection.core, writes.appeared, self._now)

    def _finish(self, work_ids: Sequence[int]) -> None:
        ids = json.dumps(work_ids)
        self._raw.execute("DELETE FROM work WHERE work_id IN (SELECT value FROM json_each(?))", (ids,))
        if self._timers_queued():
            self._raw.execute("DELETE FROM timer_queued WHERE work_id IN (SELECT value FROM json_each(?))", (ids,))

    def _timers_queued(self) -> bool:
        return self._raw.execute("SELECT 1 FROM timer_queued LIMIT 1").fetchone() is not None

    def _state(self, writes: WriteSet, ready: Rows) -> None:
        for table, rows in ready.state:
            self._connection.insert(table, rows, "replace")
        if writes.deleted_timers:
            deleted = json.dumps(writes.deleted_timers)
            self._raw.execute("DELETE FROM timers WHERE timer_id IN (SELECT value FROM json_each(?))", (deleted,))
        changed = [*writes.deleted_timers, *(row[0] for row in writes.rows.get("timers", ()))]
        if changed and self._timers_queued():
            self._unqueue_timers(changed)
        for table, rows in ready.appended:
            self._connection.insert(table, rows)

    def _unqueue_timers(self, timer_ids: Sequence[str]) -> None:
        """A timer that was set anew or cleared must not fire by what was queued for its old moment."""
        ids = [(timer_id,) for timer_id in timer_ids]
        self._raw.executemany(
            "DELETE FROM work WHERE work_id IN (SELECT work_id FROM timer_queued WHERE timer_id = ?)", ids
        )
        self._raw.executemany("DELETE FROM timer_queued WHERE timer_id = ?", ids)

    def _ends(self, ends: Sequence[ItemEnd]) -> None:
        """Each item ends once; what `parked` says is written with the parked row."""
        for (channel, word), group in groupby(sorted(ends, key=_by_word), key=_by_word):
            if word == "parked":
                continue
            rows = [(end.journal_id, end.item, word, end.reason, channel, self._at) for end in group]
            self._counts[channel, word] += self._connection.insert(schema.item_end, rows, "ignore")

    def _park(self, item: Parked) -> None:
        end = (item.journal_id, item.item, "parked", item.reason, item.channel, self._at)
        if self._raw.execute(sql.END_ONCE, end).rowcount == 0:
            return  # an earlier run ended it
        inserted = self._raw.execute(
            sql.INSERT_PARKED,
            (
                item.journal_id,
                item.item,
                item.channel,
                item.facility_id,
                item.stage,
                item.reason,
                item.detail,
                item.attempts,
                self._at,
                item.kind,
                json.dumps(item.lanes),
                item.payload,
            ),
        )
        self._raw.executemany(sql.INSERT_MATCH_KEY, [(key, inserted.lastrowid) for key in item.match_keys])
        self._counts[item.channel, "parked"] += 1

    def _new_work(self, new: Sequence[NewWork]) -> None:
        """A second hop that is pending already, from an earlier run of its message, is not added again."""
        items = [item for item in self._numbered(new) if item.kind != "event" or not self._pending(item)]
        if not items:
            return
        first = take_ids(self._connection, len(items))
        kinds = self._source_kinds({item.journal_id for item in items})
        rows: list[tuple[Any, ...]] = []
        for work_id, item in enumerate(items, first):
            rest = (item.journal_id, item.item, item.kind, item.channel, kinds.get(item.journal_id, ""))
            tail = (to_stored_time(item.received_at), 0, item.replayed, item.payload or None)
            rows.extend((work_id, lane, *rest, *tail) for lane in sorted(set(item.lanes)) or (0,))
        self._connection.insert(schema.work, rows)

    def _numbered(self, new: Sequence[NewWork]) -> Sequence[NewWork]:
        """Further items of a message get numbers that it has not given yet, and count as received."""
        further = {item.journal_id for item in new if item.further}
        if not further:
            return new
        given = (json.dumps(sorted(further)), FURTHER) * 2
        taken = {(row[0], row[1]) for row in self._raw.execute(sql.FURTHER_ITEMS, given)}
        return parking.number_further(new, taken, self._counts)

    def _pending(self, hop: NewWork) -> bool:
        query = "SELECT 1 FROM work WHERE kind = 'event' AND journal_id = ? AND item = ? LIMIT 1"
        return self._raw.execute(query, (hop.journal_id, hop.item)).fetchone() is not None

    def _source_kinds(self, journal_ids: set[int]) -> dict[int, str]:
        query = "SELECT journal_id, kind FROM journal WHERE journal_id IN (SELECT value FROM json_each(?))"
        return dict(self._raw.execute(query, (json.dumps(sorted(journal_ids)),)).fetchall())

    def _publish(self, events: Sequence[EventRow], rows: Sequence[list[Any]]) -> None:
        """Give the events their numbers in order, and every sink a pending delivery of each that it takes; an event id
        is published once."""
        found = self._raw.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        last = found[0] if found else 0
        for number, row in enumerate(rows, last + 1):
            row[0] = number
        self._connection.insert(schema.events, rows, "ignore")
        for sink in self._sinks:
            if sink.takes_all:
                queued = self._raw.execute(sql.QUEUE_EVENTS, (sink.name, self._at, last)).rowcount
            else:
                wanted = [n for n, e in enumerate(events, last + 1) if sink.takes(e.type, e.facility_id)]
                chosen = (sink.name, self._at, json.dumps(wanted))
                queued = self._raw.execute(sql.QUEUE_CHOSEN_EVENTS, chosen).rowcount if wanted else 0
            self._counts[SINK + sink.name, "committed"] += queued

    def _reply(self, reply: Reply) -> None:
        if reply.once:
            known = "SELECT 1 FROM replies WHERE journal_id = ? AND kind = ?"
            if self._raw.execute(known, (reply.journal_id, reply.kind)).fetchone() is not None:
                return
            number, body = 0, reply.body
        else:
            (number,) = self._raw.execute(sql.NEXT_CONTROL_NUMBER, (reply.partner,)).fetchone()
            body = self._numbering(reply.body, number)
        head = (reply.journal_id, reply.channel, reply.partner, reply.kind, reply.facility_id)
        reply_id = self._raw.execute(sql.INSERT_REPLY, (*head, number, body, self._at, reply.inquiry_id)).lastrowid
        row = (reply.channel, reply_id, reply.partner, 0, reply.facility_id, self._at)
        self._raw.execute(sql.INSERT_OUTBOX, row)
        self._counts[SINK + reply.channel, "committed"] += 1


def _by_word(end: ItemEnd) -> tuple[str, str]:
    return end.channel, end.end
