"""Deliveries that a sink did not take, pending once more (Core, the same on both engines)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from sqlalchemy import Connection, delete, insert

from gateway.store.ledger import SINK, Counts
from gateway.store.parking import add_counts
from gateway.store.schema import outbox, undelivered


def publish_again(connection: Connection, sink: str, now: datetime) -> int:
    """Every unrouted or refused delivery of `sink` goes back to the outbox, in its old place of the order."""
    taken = connection.execute(delete(undelivered).where(undelivered.c.sink == sink).returning(undelivered))
    rows = [dict(row) for row in taken.mappings()]
    if not rows:
        return 0
    words = Counter(row["outcome"] for row in rows)
    pending = [{column.name: row[column.name] for column in outbox.columns} for row in rows]
    connection.execute(insert(outbox), pending)
    add_counts(connection, Counts({(SINK + sink, word): -count for word, count in words.items()}), now)
    return len(rows)
