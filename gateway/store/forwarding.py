"""Messages that go on to somebody else: their outbox rows name journal rows, and the body is read when they leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, exists, insert, select

from gateway.event_sinks import EventSink, matches
from gateway.store.ledger import SINK, Counts
from gateway.store.parking import add_counts
from gateway.store.schema import events, journal, journal_part, outbox, patients, undelivered

MOST_REPLAYED = 100_000


KeyOf = Callable[[str, bytes], str]
"""Ordering key of a message, from its feed's name and its body."""


class Chosen(msgspec.Struct, frozen=True):
    """What is to be sent again.  Times: of receipt of a message, of emission of an event; from `since` on, before
    `until`.  `types`: of messages ("ADT^A31", "SIU^*") or of events ("encounter.*"); () for all that the sink takes."""

    since: datetime
    until: datetime
    types: tuple[str, ...] = ()


class Replay(msgspec.Struct):
    """What sending again means, before or after it was done.  `refused`: reason -> how many cannot be sent again."""

    deliveries: int = 0
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    pending: int = 0  # of `deliveries`: still on their way since the first time
    rows: list[tuple[int, str, str]] = msgspec.field(default_factory=list)  # sequence, key, facility
    more: bool = False  # the choice is larger than one replay may be: it ends early


def choose_messages(
    connection: Connection, sink: str, feeds: Sequence[str], chosen: Chosen, key_of: KeyOf | None
) -> Replay:
    """The chosen messages of these channels, in order of receipt.

    Not what is pending still (it goes anyway), and not what has no body to send: copies (their first is sent), what was
    rejected, and what retention removed.  `key_of`: None orders each feed as a whole."""
    found = Replay()
    rows = connection.execute(_messages(sink, feeds, chosen)).all()
    found.more = len(rows) > MOST_REPLAYED
    for row in rows[:MOST_REPLAYED]:
        if chosen.types and not any(fnmatchcase(row.message_type, one) for one in chosen.types):
            continue
        reason = (
            "duplicate" if row.duplicate_of else "rejected" if row.rejected else "" if row.whole else "body-removed"
        )
        key = row.channel
        if key_of is not None and not reason:
            key = key_of(row.channel, bodies(connection, [row.journal_id]).get(row.journal_id, b""))
        _take(found, reason, bool(row.pending), (row.journal_id, key, row.facility_id))
    return found


def choose_events(connection: Connection, sink: EventSink, chosen: Chosen) -> Replay:
    """The chosen events among those that the sink takes, in commit order.  Not events of restricted patients, where it
    has no grant for them."""
    found = Replay()
    e = events.c
    waits = exists().where(outbox.c.sink == sink.name, outbox.c.sequence == e.seq)
    query = select(e.seq, e.type, e.facility_id, e.patient_id, e.restricted, waits.label("pending"))
    query = query.where(e.emitted_at >= chosen.since, e.emitted_at < chosen.until).order_by(e.seq)
    rows = connection.execute(query.limit(MOST_REPLAYED + 1)).all()
    found.more = len(rows) > MOST_REPLAYED
    for row in rows[:MOST_REPLAYED]:
        if sink.takes(row.type, row.facility_id) and matches(chosen.types, row.type):
            reason = "restricted" if row.restricted and not sink.restricted else ""
            _take(found, reason, bool(row.pending), (row.seq, row.patient_id, row.facility_id))
    return found


def send_again(connection: Connection, sink: str, found: Replay, now: datetime) -> None:
    """Queue what was chosen, each in its old place of the order."""
    if not found.rows:
        return
    _take_back(connection, sink, [sequence for sequence, _, _ in found.rows], now)
    fixed = {"sink": sink, "lane": 0, "queued_at": now}
    rows = [fixed | {"sequence": one, "key": key, "facility_id": facility} for one, key, facility in found.rows]
    connection.execute(insert(outbox), rows)
    add_counts(connection, Counts({(SINK + sink, "committed"): len(rows)}), now)


def _take(found: Replay, reason: str, pending: bool, row: tuple[int, str, str]) -> None:
    if reason:
        found.refused[reason] += 1
        return
    found.deliveries += 1
    found.pending += pending
    if not pending:
        found.rows.append(row)


def _messages(sink: str, feeds: Sequence[str], chosen: Chosen) -> Select[Any]:
    j = journal.c
    waits = exists().where(outbox.c.sink == sink, outbox.c.sequence == j.journal_id)
    parts = exists().where(journal_part.c.journal_id == j.journal_id)
    columns = (j.journal_id, j.channel, j.message_type, j.facility_id, j.duplicate_of, j.rejected)
    query = select(*columns, waits.label("pending"), (j.body.is_not(None) | parts).label("whole"))
    query = query.where(j.channel.in_(feeds), j.received_at >= chosen.since, j.received_at < chosen.until)
    return query.where(j.kind == "hl7v2").order_by(j.journal_id).limit(MOST_REPLAYED + 1)


def _take_back(connection: Connection, sink: str, sequence: Sequence[int], now: datetime) -> None:
    """What was set aside of these is on its way again: its row and its counts go."""
    gone: Counter[str] = Counter()
    for number in sequence:
        taken = undelivered.delete().where(undelivered.c.sink == sink, undelivered.c.sequence == number)
        gone.update(connection.execute(taken.returning(undelivered.c.outcome)).scalars())
    if gone:
        changed = {(SINK + sink, word): -count for word, count in gone.items()}
        add_counts(connection, Counts(changed | {(SINK + sink, "committed"): -sum(gone.values())}), now)


def persons(connection: Connection, patient_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Who these patients are now, by our id."""
    found = connection.execute(select(patients).where(patients.c.patient_id.in_(patient_ids))).mappings()
    return {row["patient_id"]: dict(row) for row in found}


def bodies(connection: Connection, journal_ids: Sequence[int]) -> dict[int, bytes]:
    """Bodies of journal rows; those that are copies, or were removed, are left out."""
    query = select(journal.c.journal_id, journal.c.body).where(journal.c.journal_id.in_(journal_ids))
    found: dict[int, bytes] = {}
    for row in connection.execute(query).all():
        part = journal_part.c
        parts = select(part.body).where(part.journal_id == row.journal_id).order_by(part.part)
        body = row.body if row.body is not None else b"".join(connection.execute(parts).scalars())
        if body:
            found[row.journal_id] = body
    return found
