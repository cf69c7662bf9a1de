"""Retention (decision 26): what may go, step by step.  Never work, outbox or parked rows, nor what they still need."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, delete, exists, func, select, update

from gateway.store.schema import events, journal, journal_part, outbox, parked, replies, seen, undelivered, work

STEP = 500
"""Rows of each kind in one transaction."""


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long each kind is kept.  State, tasks and their history are always kept."""

    bodies: timedelta = timedelta(days=90)
    events: timedelta = timedelta(days=400)
    seen: timedelta = timedelta(days=14)


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """How many went (or would go)."""

    bodies: int = 0
    events: int = 0
    seen: int = 0

    @property
    def any(self) -> bool:
        return bool(self.bodies or self.events or self.seen)

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(bodies=self.bodies + other.bodies, events=self.events + other.events, seen=self.seen + other.seen)


def prune_step(connection: Connection, now: datetime, retention: Retention, *, dry_run: bool = False) -> Pruned:
    """One bounded step of each kind; with `dry_run` nothing changes and the counts are of everything that would go."""
    kinds: dict[str, tuple[Table, ColumnElement[bool]]] = {
        "bodies": (journal, _prunable_bodies(now - retention.bodies)),
        "events": (events, _prunable_events(now - retention.events)),
        "seen": (seen, seen.c.seen_at < now - retention.seen),
    }
    return Pruned(
        **{
            kind: connection.execute(select(func.count()).select_from(table).where(old)).scalar_one()
            if dry_run
            else _remove(connection, table, old)
            for kind, (table, old) in kinds.items()
        }
    )


def _prunable_bodies(before: datetime) -> ColumnElement[bool]:
    needed = [exists().where(table.c.journal_id == journal.c.journal_id) for table in (work, parked)]
    answers = exists().where(replies.c.journal_id == journal.c.journal_id, outbox.c.sequence == replies.c.reply_id)
    kept = journal.c.body.is_not(None) | exists().where(journal_part.c.journal_id == journal.c.journal_id)
    return (journal.c.received_at < before) & kept & ~needed[0] & ~needed[1] & ~answers


def _prunable_events(before: datetime) -> ColumnElement[bool]:
    pending = [exists().where(table.c.sequence == events.c.seq) for table in (outbox, undelivered)]
    return (events.c.emitted_at < before) & ~pending[0] & ~pending[1]


def _remove(connection: Connection, table: Table, old: ColumnElement[bool]) -> int:
    key: Any = next(iter(table.primary_key.columns))
    keys = connection.execute(select(key).where(old).order_by(key).limit(STEP)).scalars().all()
    if not keys:
        return 0
    if table is journal:
        connection.execute(delete(journal_part).where(journal_part.c.journal_id.in_(keys)))
        connection.execute(update(journal).where(key.in_(keys)).values(body=None))
    else:
        connection.execute(delete(table).where(key.in_(keys)))
    return len(keys)
