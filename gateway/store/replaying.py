"""Stored units become work once more (Core, the same on both engines)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, delete, insert, select

from gateway.store.ledger import Counts
from gateway.store.limits import UNANSWERED, WHOLE
from gateway.store.parking import add_counts, take_ids
from gateway.store.ports import FURTHER
from gateway.store.schema import item_end, journal, parked, work

AGAIN = ("processed", "filtered")
"""Ends that a replay takes back: a filtered item may find a mapping now.  What is parked has its own retry."""


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """One unit to be read again, in these lanes."""

    journal_id: int
    channel: str
    kind: str
    received_at: datetime
    lanes: tuple[int, ...]


def enqueue_again(connection: Connection, units: Sequence[Again], now: datetime) -> int:
    """Each item goes to the end of its lanes, in order; returns how many.  What is pending or parked is left alone.
    Further items are taken back whole: their message sends them out anew.  So is a body in parts, which is read again
    from its begin, not once for each of its items; it is not answered again."""
    ids = [unit.journal_id for unit in units]
    busy = set(connection.execute(select(work.c.journal_id).where(work.c.journal_id.in_(ids))).scalars())
    busy |= set(connection.execute(select(parked.c.journal_id).where(parked.c.journal_id.in_(ids))).scalars())
    end = item_end.c
    in_parts = select(journal.c.journal_id).where(journal.c.journal_id.in_(ids), journal.c.size > WHOLE)
    large = set(connection.execute(in_parts).scalars())
    back = end.word.in_(AGAIN) | end.journal_id.in_(large)
    ended = select(end.journal_id, end.item, end.word).where(end.journal_id.in_(ids), back)
    items: dict[int, list[tuple[int, str]]] = {}
    for journal_id, item, word in connection.execute(ended.order_by(end.journal_id, end.item)):
        items.setdefault(journal_id, []).append((item, word))
    counts, rows = Counts(), 0
    for unit in units:
        if unit.journal_id in busy or unit.journal_id not in items:
            continue
        for item, word in items[unit.journal_id]:
            counts[unit.channel, word] -= 1
            if item >= FURTHER or unit.journal_id in large:
                counts[unit.channel, "received"] -= 1
                continue
            _insert(connection, unit, item)
            rows += 1
        if unit.journal_id in large:
            counts[unit.channel, "received"] += 1
            _insert(connection, unit, 0, UNANSWERED)
            rows += 1
        connection.execute(delete(item_end).where(end.journal_id == unit.journal_id, back))
    add_counts(connection, counts, now)
    return rows


def _insert(connection: Connection, unit: Again, item: int, payload: bytes | None = None) -> None:
    (work_id,) = take_ids(connection, 1)
    row = {"work_id": work_id, "journal_id": unit.journal_id, "item": item, "kind": "read", "channel": unit.channel}
    row |= {
        "source_kind": unit.kind,
        "received_at": unit.received_at,
        "attempts": 0,
        "replayed": True,
        "payload": payload,
    }
    connection.execute(insert(work), [{**row, "lane": lane} for lane in sorted(set(unit.lanes)) or [0]])
