"""Retention (decision 26): what may go, step by step.  Never work, outbox or parked rows, nor what they still need.

Candidates are looked for on a reader, in key order, one pass; only the removal of one step is a write.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, select, update

from gateway.store.schema import (
    events,
    exchange,
    journal,
    journal_part,
    outbox,
    parked,
    replies,
    seen,
    task_requests,
    undelivered,
    work,
)

STEP = 500
"""Rows of one transaction."""


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long each kind is kept.  State, tasks and their history are always kept."""

    bodies: timedelta = timedelta(days=90)
    events: timedelta = timedelta(days=400)
    seen: timedelta = timedelta(days=14)
    interchanges: timedelta = timedelta(days=400)
    requests: timedelta = timedelta(days=30)


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """How many went (or would go)."""

    bodies: int = 0
    events: int = 0
    seen: int = 0
    exchanges: int = 0
    answers: int = 0  # application acknowledgements
    interchanges: int = 0  # X12 that we sent: answers and questions
    requests: int = 0  # what was asked under an Idempotency-Key
    partitions: int = 0  # PostgreSQL: of the journal, whose bodies (counted above) go as a whole


class Prunable(msgspec.Struct, frozen=True):
    """One kind: which rows of `table` may go.  `ascending`: its key grows with time, so a search may end early."""

    table: Table
    time: ColumnElement[datetime]
    before: datetime
    free: ColumnElement[bool] | None  # nothing needs the row any more
    ascending: bool

    @property
    def key(self) -> ColumnElement[Any]:
        return next(iter(self.table.primary_key.columns))


def prunable(now: datetime, retention: Retention) -> dict[str, Prunable]:
    """By the names of `Pruned`."""
    return {
        "bodies": Prunable(journal, journal.c.received_at, now - retention.bodies, _unneeded_body(), ascending=True),
        "events": Prunable(events, events.c.emitted_at, now - retention.events, _settled_event(), ascending=True),
        "exchanges": Prunable(exchange, exchange.c.started_at, now - retention.events, None, ascending=True),
        "seen": Prunable(seen, seen.c.seen_at, now - retention.seen, None, ascending=False),
        "answers": Prunable(replies, replies.c.created_at, now - retention.bodies, _settled_answer(), ascending=True),
        "interchanges": Prunable(
            replies, replies.c.created_at, now - retention.interchanges, _settled_interchange(), ascending=True
        ),
        "requests": Prunable(task_requests, task_requests.c.at, now - retention.requests, None, ascending=False),
    }


def candidates(connection: Connection, kind: Prunable, after: Any) -> list[Any]:
    """Keys of up to one step of rows that may go, from the one `after` on (None: the first), ascending."""
    rest = [] if after is None else [kind.key > after]
    if kind.ascending:
        newer = select(kind.key).where(kind.time >= kind.before, *rest).order_by(kind.key).limit(1)
        end = connection.execute(newer).scalar()
        rest += [] if end is None else [kind.key < end]
    query = select(kind.key).where(_old(kind), *rest).order_by(kind.key).limit(STEP)
    return list(connection.execute(query).scalars())


def remove(connection: Connection, kind: Prunable, keys: Sequence[Any]) -> int:
    """Remove those of `keys` that may still go; returns how many went."""
    chosen = and_(kind.key.in_(keys), _old(kind))
    if kind.table is not journal:
        return connection.execute(delete(kind.table).where(chosen)).rowcount
    bare = connection.execute(select(kind.key).where(chosen)).scalars().all()
    connection.execute(delete(journal_part).where(journal_part.c.journal_id.in_(bare)))
    return connection.execute(update(journal).where(kind.key.in_(bare)).values(body=None)).rowcount


def _old(kind: Prunable) -> ColumnElement[bool]:
    old = kind.time < kind.before
    return old if kind.free is None else and_(old, kind.free)


def _unneeded_body() -> ColumnElement[bool]:
    same = journal.c.journal_id
    kept = journal.c.body.is_not(None) | exists().where(journal_part.c.journal_id == same)
    pending = exists().where(work.c.journal_id == same)
    waiting = exists().where(parked.c.journal_id == same)
    unanswered = exists().where(replies.c.journal_id == same, outbox.c.sequence == replies.c.reply_id)
    # Rows of a sink that is sent messages bear their number; another's row of this number keeps a body a little longer.
    unsent = exists().where(outbox.c.sequence == same)
    set_aside = exists().where(undelivered.c.sequence == same)
    return and_(kept, ~pending, ~waiting, ~unanswered, ~unsent, ~set_aside)


def _settled_answer() -> ColumnElement[bool]:
    """An application acknowledgement (kind "ACK", "ACK.1")."""
    return and_(replies.c.kind.like("ACK%"), *_delivered())


def _settled_interchange() -> ColumnElement[bool]:
    """X12 that we sent: a TA1, 999, 997, or a question."""
    return and_(~replies.c.kind.like("ACK%"), *_delivered())


def _delivered() -> list[ColumnElement[bool]]:
    """Neither pending nor set aside."""
    return [
        ~exists().where(table.c.sink == replies.c.channel, table.c.sequence == replies.c.reply_id)
        for table in (outbox, undelivered)
    ]


def _settled_event() -> ColumnElement[bool]:
    pending = [exists().where(table.c.sequence == events.c.seq) for table in (outbox, undelivered)]
    return and_(~pending[0], ~pending[1])
