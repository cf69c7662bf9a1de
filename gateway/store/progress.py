"""How far the gateway is: what is pending, and what comes due next."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import func, select

from gateway.store import schema as s
from gateway.store.core_store import CoreStore


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of what is not finished."""

    work: int  # items and timers in the lanes
    outbox: int  # deliveries not settled
    oldest_at: datetime | None = None  # receipt of the oldest item in the lanes


async def pending(store: CoreStore) -> Pending:
    oldest = func.min(s.work.c.received_at).label("at")
    count = func.count(s.work.c.work_id.distinct()).label("n")
    work = await store.fetch(select(count, oldest))
    outbox = await store.fetch(select(func.count().label("n")).select_from(s.outbox))
    return Pending(work=work[0]["n"], outbox=outbox[0]["n"], oldest_at=work[0]["at"])


async def pending_by_sink(store: CoreStore) -> dict[str, int]:
    """Deliveries not settled."""
    rows = await store.fetch(select(s.outbox.c.sink, func.count().label("n")).group_by(s.outbox.c.sink))
    return {row["sink"]: row["n"] for row in rows}


async def timers_due(store: CoreStore, now: datetime) -> int:
    rows = await store.fetch(select(func.count().label("n")).select_from(s.timers).where(s.timers.c.fire_at <= now))
    return int(rows[0]["n"])


async def next_timer(store: CoreStore) -> datetime | None:
    """When the next timer comes due; None when there is none."""
    rows = await store.fetch(select(func.min(s.timers.c.fire_at).label("at")))
    found: datetime | None = rows[0]["at"]
    return found
