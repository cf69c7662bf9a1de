"""Ingest on SQLite: one transaction for a batch of received units."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.store import delivery, parking, sequences
from gateway.store.ledger import REUSED, SINK, Counts
from gateway.store.limits import LIFE, PART, neighbours, parts
from gateway.store.ports import JournalEntry, Stored, StoreUnavailable
from gateway.store.rows import to_stored_time
from gateway.store.schema import item_end, journal, outbox, work
from gateway.store.sqlite_connection import SqliteConnection, meaning
from gateway.store.sqlite_statements import (
    ADD_COUNT,
    INSERT_PART,
    NEXT_IDS,
    SEE_FURTHER,
    SEEN,
    UNSTAGE,
    same_ids,
    see,
)
from gateway.store.statements import in_groups


class Batch:
    """The rows that a batch of entries becomes, gathered in order and written table by table."""

    def __init__(self, connection: SqliteConnection, now: datetime, seen_since: datetime) -> None:
        self._connection = connection
        self._raw = connection.raw
        self._now = now
        self._at = to_stored_time(now)
        self._seen_since = to_stored_time(seen_since)
        self._journal: list[tuple[Any, ...]] = []
        self._parts: list[tuple[int, int, bytes]] = []
        self._work: list[tuple[Any, ...]] = []
        self._ends: list[tuple[Any, ...]] = []
        self._outbox: list[tuple[Any, ...]] = []
        self._counts = Counts()
        self._copied: list[int] = []
        self._further: list[tuple[bytes, int, str]] = []

    def add(
        self, work_id: int, journal_id: int, entry: JournalEntry, original: int | None, namesake: int | None
    ) -> Stored:
        """`original`: the row that has this unit already; `namesake`: one with its control id and other content."""
        received_at = to_stored_time(entry.received_at)
        self._counts[entry.channel, "received"] += 1
        body: bytes | None = entry.body
        if original is not None:
            body = None
            self._end(journal_id, entry.channel, "duplicate", f"m-{original}")
            self._copied.append(original)
        elif entry.rejected is not None:
            self._end(journal_id, entry.channel, "rejected", entry.rejected)
        else:
            self._further.extend((key, journal_id, self._at) for key in entry.further)
            rest = (journal_id, 0, "read", entry.channel, entry.kind, received_at, 0, False, None)
            self._work.extend((work_id, lane, *rest) for lane in sorted(set(entry.lanes)) or (0,))
            for sink, key in entry.forward:
                self._outbox.append((sink, journal_id, key, 0, entry.facility_id, self._at, 0, None))
                self._counts[SINK + sink, "committed"] += 1
        if entry.staged:
            body = None
            if original is None:
                self._raw.execute(UNSTAGE, (journal_id,))
        elif body is not None and len(body) > PART:
            self._parts.extend((journal_id, *part) for part in parts(body))
            body = None
        if namesake is not None:
            self._counts[entry.channel, REUSED] += 1
        self._journal.append((*self._journal_row(journal_id, entry, received_at, body, original), namesake))
        return Stored(journal_id=journal_id, duplicate_of=original, same_id_as=namesake)

    def write(self) -> None:
        self._connection.insert(journal, self._journal)
        self._connection.insert(work, self._work)
        if self._parts:
            self._raw.executemany(INSERT_PART, self._parts)
        if self._further:
            self._raw.executemany(SEE_FURTHER, self._further)
        self._connection.insert(item_end, self._ends)
        self._connection.insert(outbox, self._outbox)
        add_counts(self._connection, self._counts, self._at)
        if self._copied:
            parking.retry_copies(self._connection.core, self._copied, self._now)
            delivery.answer_again(self._connection.core, self._copied, self._now)

    def originals(self, keyed: Sequence[tuple[bytes, int]]) -> dict[int, int]:
        """Claim the keys of these (dedup key, journal id); journal id -> the row whose key it is already.

        A key older than the window is free again.
        """
        found: dict[int, int] = {}
        rows = [(key, journal_id, self._at) for key, journal_id in keyed]
        at = 0
        for size, groups in in_groups(rows, "sqlite"):
            for values in groups:
                at += size
                if self._raw.execute(see(size), [*values, self._seen_since]).rowcount < size:
                    found |= self._earlier(keyed[at - size : at])
        return found

    def _earlier(self, keyed: Sequence[tuple[bytes, int]]) -> dict[int, int]:
        found: dict[int, int] = {}
        for key, journal_id in keyed:
            (first,) = self._raw.execute(SEEN, (key,)).fetchone()
            if first != journal_id:
                found[journal_id] = int(first)
        return found

    def namesakes(self, keyed: Sequence[tuple[bytes, int]]) -> dict[int, int]:
        """Of these, whose keys are claimed: journal id -> the earlier row with its control id and other content."""
        found: dict[int, int] = {}
        rows = [(*neighbours(key), journal_id) for key, journal_id in keyed]
        for size, groups in in_groups(rows, "sqlite"):
            for values in groups:
                found.update(self._raw.execute(same_ids(size), [*values, self._seen_since]))
        return found

    def _end(self, journal_id: int, channel: str, word: str, reason: str) -> None:
        self._ends.append((journal_id, 0, word, reason, channel, self._at))
        self._counts[channel, word] += 1

    @staticmethod
    def _journal_row(
        journal_id: int, entry: JournalEntry, received_at: str, body: bytes | None, original: int | None
    ) -> tuple[Any, ...]:
        return (
            journal_id,
            entry.channel,
            entry.kind,
            entry.facility_id,
            entry.peer,
            received_at,
            entry.control_id,
            entry.message_type,
            entry.sender,
            entry.digest or hashlib.sha256(entry.body).digest(),
            entry.size or len(entry.body),
            body,
            original,
            entry.rejected,
            entry.acknowledgement,
            entry.config_version,
            None,
            None,
            None,
        )


def add_counts(connection: SqliteConnection, counts: Counts, at: str) -> None:
    connection.raw.executemany(ADD_COUNT, [(c, 0, word, n, at) for (c, word), n in counts.items() if n])


def take_ids(connection: SqliteConnection, count: int) -> int:
    """The first of `count` new ids of the sequence that journal and work share."""
    (last,) = connection.raw.execute(NEXT_IDS, (count,)).fetchone()
    return int(last) - count + 1


def ingest(
    connection: SqliteConnection, entries: Sequence[JournalEntry], now: datetime, life: timedelta = LIFE
) -> list[Stored]:
    """Store `entries` in the open transaction, which holds nothing else.

    A row that SQLite refuses costs its neighbours nothing (decision 6).
    """
    try:
        return _store(connection, entries, now, life)
    except Exception as error:
        if isinstance(meaning(error), StoreUnavailable):
            raise
    connection.rollback()  # the transaction is this batch alone: begun anew it costs the usual case no savepoint
    connection.begin("IMMEDIATE")
    return [_store_alone(connection, entry, now, life) for entry in entries]


def _store(
    connection: SqliteConnection, entries: Sequence[JournalEntry], now: datetime, life: timedelta
) -> list[Stored]:
    if sequences.in_use(entries):
        numbers = sequences.Sequences(connection.core, entries, now, now - life)
        stored = _store_judged(connection, numbers.entries, now, life)
        numbers.write(stored)
        return stored
    return _store_judged(connection, entries, now, life)


def _store_judged(
    connection: SqliteConnection, entries: Sequence[JournalEntry], now: datetime, life: timedelta
) -> list[Stored]:
    batch = Batch(connection, now, now - life)
    first = take_ids(connection, len(entries))
    numbered = [(entry.staged or number, entry) for number, entry in enumerate(entries, first)]
    copies = batch.originals([(entry.dedup_key, number) for number, entry in numbered if entry.dedup_key is not None])
    named = [
        (entry.dedup_key, number)
        for number, entry in numbered
        if entry.dedup_key is not None and entry.kind == "hl7v2" and entry.control_id and number not in copies
    ]
    same = batch.namesakes(named)
    stored = [
        batch.add(work_id, number, entry, copies.get(number), same.get(number))
        for work_id, (number, entry) in enumerate(numbered, first)
    ]
    batch.write()
    return stored


def _store_alone(connection: SqliteConnection, entry: JournalEntry, now: datetime, life: timedelta) -> Stored:
    raw = connection.raw
    raw.execute("SAVEPOINT entry")
    try:
        (stored,) = _store(connection, [entry], now, life)
    except Exception as caught:
        error = meaning(caught)
        if isinstance(error, StoreUnavailable):
            raise
        raw.execute("ROLLBACK TO entry")
        stored = Stored(journal_id=0, error=str(error))
    raw.execute("RELEASE entry")
    return stored
