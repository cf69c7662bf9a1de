"""Deliveries made pending once more (Core, the same on both engines)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, exists, insert, select

from gateway.store.ledger import SINK, Counts
from gateway.store.parking import add_counts
from gateway.store.schema import outbox, replies, undelivered

PASSED_ON = ("batch", "relayed")
"""Kinds of `replies` rows that answer nothing: an interchange as it was passed on to a payer behind us."""


def publish_again(connection: Connection, sink: str, now: datetime) -> int:
    """Every unrouted or refused delivery of `sink` goes back to the outbox, in its old place of the order; but those
    that are there again already, because a copy asked for them."""
    there = exists().where(outbox.c.sink == undelivered.c.sink, outbox.c.sequence == undelivered.c.sequence)
    gone = delete(undelivered).where(undelivered.c.sink == sink, ~there)
    taken = connection.execute(gone.returning(undelivered))
    rows = [dict(row) for row in taken.mappings()]
    if not rows:
        return 0
    words = Counter(row["outcome"] for row in rows)
    pending = [
        {name: row[name] for name in (c.name for c in outbox.c) if name in row} for row in rows
    ]  # refused by nobody yet
    connection.execute(insert(outbox), pending)
    add_counts(connection, Counts({(SINK + sink, word): -count for word, count in words.items()}), now)
    return len(rows)


def set_aside(connection: Connection, sink: str, now: datetime) -> int:
    """Everything pending for `sink`, which takes nothing any more, becomes parked: it can be published again."""
    taken = connection.execute(delete(outbox).where(outbox.c.sink == sink).returning(outbox))
    kept = [{name: row[name] for name in (c.name for c in undelivered.c) if name in row} for row in taken.mappings()]
    rows = [row | {"outcome": "parked", "settled_at": now} for row in kept]
    if rows:
        connection.execute(insert(undelivered), rows)
        add_counts(connection, Counts({(SINK + sink, "parked"): len(rows)}), now)
    return len(rows)


def answer_again(connection: Connection, journal_ids: Sequence[int], now: datetime) -> int:
    """The stored answers of these interchanges are delivered once more: their senders sent the same content again
    (decision 5).  Not those that are still pending, and not what was made of one to pass it on to a payer."""
    reply = replies.c
    waiting = exists().where(outbox.c.sink == reply.channel, outbox.c.sequence == reply.reply_id)
    query = select(reply.channel, reply.reply_id, reply.partner, reply.facility_id)
    query = query.where(reply.journal_id.in_(journal_ids), ~waiting, reply.kind.not_in(PASSED_ON))
    query = query.order_by(reply.reply_id)
    found = connection.execute(query).all()
    rows = [
        {"sink": one.channel, "sequence": one.reply_id, "key": one.partner, "lane": 0, "facility_id": one.facility_id}
        for one in found
    ]
    if rows:
        connection.execute(insert(outbox), [{**row, "queued_at": now} for row in rows])
        add_counts(connection, Counts(Counter((SINK + one.channel, "committed") for one in found)), now)
    return len(rows)


Numbering = Callable[[bytes, int], bytes]
"""Puts a control number into the slots of a body; the parsers know how, the store how the number goes on."""


def unnumbered(body: bytes, number: int) -> bytes:
    """Of a store that was opened without a way to number what it sends."""
    raise RuntimeError("this store was opened without numbering: it can send no interchange")
