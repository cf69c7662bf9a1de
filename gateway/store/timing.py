"""Which timers may fire now (decision 17)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select

from gateway.store.schema import timer_queued, timers, work


def due_timers(now: datetime, limit: int, horizons: Mapping[str, datetime]) -> Select[Any]:
    """`timer_id` and `fire_at` of timers that are due, not queued yet, within their feed's horizon, not ahead of work.

    A timer waits while its lane holds work received at or before its moment.  An X12 file that is not read yet may
    concern any patient, so it holds every timer.
    """
    oldest = func.min(work.c.received_at).label("oldest")
    lanes = select(work.c.lane, oldest).where(work.c.kind != "timer").group_by(work.c.lane).subquery("lanes")
    unread = select(oldest).where(work.c.kind == "read", work.c.source_kind == "x12").subquery("unread")
    return (
        select(timers.c.timer_id, timers.c.fire_at)
        .select_from(timers.join(unread, or_(unread.c.oldest.is_(None), unread.c.oldest > timers.c.fire_at)))
        .outerjoin(lanes, lanes.c.lane == timers.c.lane)
        .outerjoin(timer_queued, timer_queued.c.timer_id == timers.c.timer_id)
        .where(
            timers.c.fire_at <= now,
            timer_queued.c.timer_id.is_(None),
            or_(lanes.c.oldest.is_(None), lanes.c.oldest > timers.c.fire_at),
            *(or_(timers.c.channel != name, timers.c.fire_at <= until) for name, until in sorted(horizons.items())),
        )
        .order_by(timers.c.fire_at, timers.c.timer_id)
        .limit(limit)
    )
