"""The last sequence number (MSH-13) of each sender, moved in the commit that stores his message.

A unit whose number does not fit is stored all the same: rejected as `sequence-gap` or `sequence-behind`, or as a copy
of the one that had its number.  Of the senders in a batch the rows are locked, in one order,
so that several processes number one stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.sequencing import MISFITS, REPEAT_DIFFERS, Judgement, judge
from gateway.store.core_store import CoreStore
from gateway.store.limits import PART
from gateway.store.paging import Row
from gateway.store.ports import JournalEntry, Stored
from gateway.store.schema import journal_part, seen, sequence_number

Sender = tuple[str, str]
"""Channel, and MSH-3|MSH-4."""


def in_use(entries: Sequence[JournalEntry]) -> bool:
    return any(entry.sequence is not None for entry in entries)


class Sequences:
    """The numbers of one batch: `entries` is what is to be stored; `write` afterwards, in the same transaction."""

    def __init__(
        self, connection: Connection, entries: Sequence[JournalEntry], now: datetime, seen_since: datetime
    ) -> None:
        self._connection = connection
        self._now = now
        self._seen_since = seen_since
        self._last: dict[Sender, tuple[int | None, bytes | None]] = {}
        self._taken: set[bytes] = set()
        self._said: list[Judgement | None] = []
        self._lock(sorted({_sender(entry) for entry in entries if entry.sequence is not None}))
        self.entries = [self._judge(entry) for entry in entries]
        self._repeats = [
            made is not entry and made.rejected is None for made, entry in zip(self.entries, entries, strict=True)
        ]

    def _lock(self, senders: list[Sender]) -> None:
        columns, connection = sequence_number.c, self._connection
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        rows = [{"channel": channel, "sender": sender, "at": self._now} for channel, sender in senders]
        connection.execute(dialect.insert(sequence_number).on_conflict_do_nothing(), rows)
        query = select(columns.channel, columns.sender, columns.last, columns.dedup_key)
        query = query.where(tuple_(columns.channel, columns.sender).in_(senders))
        for row in connection.execute(query.order_by(columns.channel, columns.sender).with_for_update()):
            self._last[row.channel, row.sender] = (row.last, row.dedup_key)

    def _judge(self, entry: JournalEntry) -> JournalEntry:
        if entry.sequence is None:
            self._said.append(None)
            return entry
        last, key = self._last[_sender(entry)]
        said = judge(entry.sequence, last)
        self._said.append(said)
        if said.verdict in ("accepted", "resynchronise"):
            self._last[_sender(entry)] = (said.last, entry.dedup_key if said.last is not None else None)
            if entry.dedup_key is not None:
                self._taken.add(entry.dedup_key)
        if said.verdict in (*MISFITS, "repeat") and not self._is_copy(entry):
            if said.verdict == "repeat":  # of the standard's word a copy of that one, whatever it holds
                return msgspec.structs.replace(entry, dedup_key=key)
            refused = {"rejected": f"sequence-{said.verdict}", "dedup_key": None, "acknowledgement": entry.misfit}
            return msgspec.structs.replace(entry, **refused)
        return entry

    def _is_copy(self, entry: JournalEntry) -> bool:
        """The very bytes came before: a copy like any other, under whatever number."""
        if entry.dedup_key in self._taken:
            return True
        known = select(seen.c.journal_id).where(seen.c.dedup_key == entry.dedup_key, seen.c.seen_at >= self._seen_since)
        return self._connection.execute(known).first() is not None

    def write(self, stored: Sequence[Stored]) -> None:
        """Keep the numbers, and the bytes of repeats that are none; tell `stored` what each number was."""
        columns = sequence_number.c
        changed = update(sequence_number).where(
            columns.channel == bindparam("of_channel"), columns.sender == bindparam("of_sender")
        )
        rows = [
            {"of_channel": channel, "of_sender": sender, "last": last, "dedup_key": key, "at": self._now}
            for (channel, sender), (last, key) in self._last.items()
        ]
        self._connection.execute(changed, rows)
        parts: list[dict[str, object]] = []
        for one, entry, said, repeat in zip(stored, self.entries, self._said, self._repeats, strict=True):
            if said is None:
                continue
            one.expected = said.expected
            copy = one.duplicate_of is not None and said.verdict in MISFITS
            one.sequence = "copy" if copy else said.verdict
            if repeat and one.duplicate_of is not None:
                one.sequence = REPEAT_DIFFERS
                starts = range(0, len(entry.body), PART)
                bodies = [entry.body[start : start + PART] for start in starts]
                parts += [{"journal_id": one.journal_id, "part": n, "body": body} for n, body in enumerate(bodies)]
        if parts:
            self._connection.execute(insert(journal_part), parts)


def _sender(entry: JournalEntry) -> Sender:
    return entry.channel, entry.sender


async def numbers_of(store: CoreStore, channel: str) -> list[Row]:
    """`sender`, `last` (None: the next number is taken as it comes) and `at` of each sender of a channel."""
    columns = sequence_number.c
    query = select(columns.sender, columns.last, columns.at).where(columns.channel == channel)
    return await store.fetch(query.order_by(columns.sender))


async def forget_number(store: CoreStore, channel: str, sender: str, now: datetime) -> bool:
    """Take the sender's next number as it comes, as if he had sent -1; False when there is no such sender."""
    columns = sequence_number.c
    changed = update(sequence_number).where(columns.channel == channel, columns.sender == sender)
    changed = changed.values(last=None, dedup_key=None, at=now)
    return bool(await store.execute_write(lambda connection: connection.execute(changed).rowcount))
