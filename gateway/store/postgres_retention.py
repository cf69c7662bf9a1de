"""Retention of the journal on PostgreSQL, a partition at a time (decision 26).

When every row of a partition is past its retention and nothing needs a body of it, a copy without bodies takes its
place, and the partition goes as a whole.

Taking the bodies out row by row would leave the file as large as it was, since no new row ever comes into an old
partition.  What the rows say besides is kept: tasks, events and histories name their messages.

The copy grows by short transactions, so that readers of events never wait for it (decision 21), and goes on where an
earlier run, or another process, left it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import msgspec
from sqlalchemy import Connection, delete, exists, func, or_, select, text

from gateway.store.core_store import CoreStore
from gateway.store.ports import StoreUnavailable
from gateway.store.postgres_locks import lock_number
from gateway.store.postgres_partitions import SIZE, partition_name
from gateway.store.schema import journal, journal_part, outbox, parked, replies, undelivered, work

CHUNK = 20_000
"""Rows copied by one transaction."""

ATTEMPTS = 5
"""How often the lock of an exchange is asked for."""

BARE = "without bodies"
"""The comment of a partition that was exchanged."""

_CLOSED = text(
    "SELECT substr(c.relname, 9)::int FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = 'journal'::regclass AND c.relname ~ '^journal_[0-9]+$' "
    "AND substr(c.relname, 9)::int < (SELECT last_value / :size FROM arrival) "
    "AND obj_description(c.oid, 'pg_class') IS DISTINCT FROM :bare ORDER BY 1"
)
_LOCKED_OUT = "55P03"  # lock_not_available: the lock was not to be had in time
_KEPT = ", ".join(column.name for column in journal.columns if column.name != "body")


class Whole(msgspec.Struct, frozen=True):
    """What went with whole partitions."""

    partitions: int = 0
    bodies: int = 0


async def bare_partitions(store: CoreStore, before: datetime, *, dry_run: bool) -> Whole:
    """Exchange every partition that is closed, older than `before` and not needed; with `dry_run` only say how many."""
    numbers = await store.read(partial(_ripe, before=before))
    if dry_run:
        return Whole(len(numbers))
    done = bodies = 0
    for number in numbers:
        found = 0
        while copied := await store.execute_write(partial(_copy_on, number=number, before=before)):
            found += copied.bodies
            if copied.complete:
                break
        if copied is not None and await _exchange(store, number, before):
            done, bodies = done + 1, bodies + found
    return Whole(done, bodies)


class _Copied(msgspec.Struct, frozen=True):
    bodies: int
    complete: bool


def _ripe(connection: Connection, before: datetime) -> list[int]:
    return [number for number in _closed(connection) if _is_ripe(connection, number, before)]


def _closed(connection: Connection) -> Sequence[int]:
    """Partitions that no new id falls into and that were not exchanged."""
    return connection.execute(_CLOSED, {"size": SIZE, "bare": BARE}).scalars().all()


def _is_ripe(connection: Connection, number: int, before: datetime) -> bool:
    """By its newest number; that no row at all is newer is looked at while they are copied."""
    within = journal.c.journal_id.between(*_ids(number))
    newest = select(journal.c.received_at).where(within).order_by(journal.c.journal_id.desc()).limit(1)
    received_at = connection.execute(newest).scalar()
    return received_at is not None and received_at < before and not _needed(connection, number)


def _needed(connection: Connection, number: int) -> bool:
    """Whether anything is pending, parked or not delivered that a body of this partition belongs to."""
    ids = _ids(number)
    unanswered = (replies.c.reply_id == outbox.c.sequence) & replies.c.journal_id.between(*ids)
    named = [
        exists().where(work.c.journal_id.between(*ids)),
        exists().where(parked.c.journal_id.between(*ids)),
        exists().where(outbox.c.sequence.between(*ids)),
        exists().where(undelivered.c.sequence.between(*ids)),
        exists().where(unanswered),
    ]
    return bool(connection.execute(select(or_(*named))).scalar())


def _copy_on(connection: Connection, number: int, before: datetime) -> _Copied | None:
    """Copy the next rows without their bodies; None when one of them may not lose it."""
    _lock(connection)
    name, (first, last) = f"{partition_name(number)}_bare", _ids(number)
    if number not in _closed(connection):  # another process was faster
        return None
    within = (
        f"CONSTRAINT within CHECK (journal_id >= {first} AND journal_id < {last + 1})"  # spares a look at every row
    )
    connection.execute(text(f"CREATE TABLE IF NOT EXISTS {name} (LIKE journal INCLUDING ALL, {within})"))
    copied_to = connection.execute(text(f"SELECT max(journal_id) FROM {name}")).scalar()  # noqa: S608
    from_id = first if copied_to is None else copied_to + 1
    old = select(journal.c.journal_id, journal.c.received_at, journal.c.body.is_not(None).label("full"))
    rest = old.where(journal.c.journal_id.between(from_id, last)).order_by(journal.c.journal_id)
    chunk = rest.limit(CHUNK).subquery()
    found = (func.max(chunk.c.journal_id), func.max(chunk.c.received_at), func.count().filter(chunk.c.full))
    rows, to_id, newest, bodies = connection.execute(select(func.count(), *found)).one()
    if not rows:
        return _Copied(0, complete=True)
    if newest >= before or _needed(connection, number):
        return None
    connection.execute(
        text(f"INSERT INTO {name} ({_KEPT}) SELECT {_KEPT} FROM journal WHERE journal_id BETWEEN :first AND :last"),  # noqa: S608
        {"first": from_id, "last": to_id},
    )
    in_parts = journal_part.c.journal_id.between(from_id, to_id)
    bodies += connection.execute(select(func.count(journal_part.c.journal_id.distinct())).where(in_parts)).scalar_one()
    connection.execute(delete(journal_part).where(in_parts))
    return _Copied(bodies, complete=rows < CHUNK)


async def _exchange(store: CoreStore, number: int, before: datetime) -> bool:
    """False when the lock was not to be had: everybody waits behind who waits for it, so that is done briefly."""
    for _ in range(ATTEMPTS):
        try:
            return await store.execute_write(partial(_put_in_place, number=number, before=before))
        except StoreUnavailable as problem:
            if _LOCKED_OUT not in str(problem):
                raise
    return False


def _put_in_place(connection: Connection, number: int, before: datetime) -> bool:
    _lock(connection)
    name, (first, last) = partition_name(number), _ids(number)
    connection.execute(text("SET LOCAL lock_timeout = '500ms'"))
    connection.execute(text("LOCK TABLE journal IN ACCESS EXCLUSIVE MODE"))
    if number not in _ripe(connection, before):  # a message was played again, or another process was faster
        return False
    for statement in (
        f"ALTER TABLE journal DETACH PARTITION {name}",
        f"DROP TABLE {name}",
        f"ALTER TABLE {name}_bare RENAME TO {name}",
        f"ALTER TABLE journal ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({last + 1})",
        f"ALTER TABLE {name} DROP CONSTRAINT within",
        f"COMMENT ON TABLE {name} IS '{BARE}'",
    ):
        connection.execute(text(statement))
    return True


def _ids(number: int) -> tuple[int, int]:
    """The first and the last id of a partition."""
    return number * SIZE, (number + 1) * SIZE - 1


def _lock(connection: Connection) -> None:
    """One process at a time works on partitions."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock_number("partitions")})
