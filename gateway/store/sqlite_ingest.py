"""Ingest on SQLite: one transaction for a batch of received units."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.store import delivery, parking
from gateway.store.ledger import Counts
from gateway.store.limits import LIFE, PART, parts
from gateway.store.ports import JournalEntry, Stored, StoreUnavailable
from gateway.store.rows import to_stored_time
from gateway.store.schema import journal
from gateway.store.sqlite_connection import SqliteConnection, meaning
from gateway.store.sqlite_statements import (
    ADD_COUNT,
    INSERT_END,
    INSERT_PART,
    INSERT_WORK,
    NEXT_IDS,
    SEE,
)
from gateway.store.statements import TOGETHER, in_groups, insert_rows


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
        self._counts = Counts()
        self._copied: list[int] = []

    def add(self, journal_id: int, entry: JournalEntry) -> Stored:
        received_at = to_stored_time(entry.received_at)
        original = None if entry.dedup_key is None else self._first_copy(entry.dedup_key, journal_id)
        self._counts[entry.channel, "received"] += 1
        body: bytes | None = entry.body
        if original is not None:
            body = None
            self._end(journal_id, entry.channel, "duplicate", f"m-{original}")
            self._copied.append(original)
        elif entry.rejected is not None:
            self._end(journal_id, entry.channel, "rejected", entry.rejected)
        else:
            rest = (journal_id, 0, "read", entry.channel, entry.kind, received_at, 0, False, None)
            self._work.extend((journal_id, lane, *rest) for lane in sorted(set(entry.lanes)) or (0,))
        if body is not None and len(body) > PART:
            self._parts.extend((journal_id, *part) for part in parts(body))
            body = None
        self._journal.append(self._journal_row(journal_id, entry, received_at, body, original))
        return Stored(journal_id=journal_id, duplicate_of=original)

    def write(self) -> None:
        raw = self._raw
        together, rest = in_groups(self._journal)
        raw.executemany(insert_rows(journal, "sqlite", TOGETHER), together)
        raw.executemany(insert_rows(journal, "sqlite", 1), rest)
        if self._parts:
            raw.executemany(INSERT_PART, self._parts)
        if self._work:
            raw.executemany(INSERT_WORK, self._work)
        if self._ends:
            raw.executemany(INSERT_END, self._ends)
        add_counts(self._connection, self._counts, self._at)
        if self._copied:
            parking.retry_copies(self._connection.core, self._copied, self._now)
            delivery.answer_again(self._connection.core, self._copied, self._now)

    def _first_copy(self, key: bytes, journal_id: int) -> int | None:
        """Claim the key for this row, or say which row has it.  A key older than the window is free again."""
        cursor = self._raw.execute(SEE, (key, journal_id, self._at, self._seen_since))
        if cursor.rowcount:
            return None
        (original,) = self._raw.execute("SELECT journal_id FROM seen WHERE dedup_key = ?", (key,)).fetchone()
        return int(original)

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
            hashlib.sha256(entry.body).digest(),
            len(entry.body),
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
    """Store `entries` in the open transaction.  A row that SQLite refuses costs its neighbours nothing (decision 6)."""
    raw = connection.raw
    raw.execute("SAVEPOINT batch")
    try:
        stored = _store(connection, entries, now, life)
    except Exception as error:
        if isinstance(meaning(error), StoreUnavailable):
            raise
        raw.execute("ROLLBACK TO batch")
        stored = [_store_alone(connection, entry, now, life) for entry in entries]
    raw.execute("RELEASE batch")
    return stored


def _store(
    connection: SqliteConnection, entries: Sequence[JournalEntry], now: datetime, life: timedelta
) -> list[Stored]:
    batch = Batch(connection, now, now - life)
    first = take_ids(connection, len(entries))
    stored = [batch.add(first + index, entry) for index, entry in enumerate(entries)]
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
