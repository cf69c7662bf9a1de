"""Partitions of the journal: by range of journal id, made ahead of need (decision 26).

Ids beyond the last partition go to the default partition: nothing is refused, but its rows cannot be dropped with a
partition, and a range that has rows there can no longer be made.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from gateway.store.postgres_locks import lock_number

SIZE = 5_000_000
"""Journal ids per partition, as the first migration made them."""

AHEAD = 3
"""Partitions made beyond the one in use."""


def extend_journal(connection: Connection) -> int:
    """Make the partitions that the next ids will need; returns how many."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock_number("partitions")})
    (last,) = connection.execute(text("SELECT last_value FROM arrival")).one()
    made = 0
    for number in range(last // SIZE, last // SIZE + AHEAD + 1):
        name, first = partition_name(number), number * SIZE
        found = connection.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar()
        if found is None and not _in_default(connection, first):
            connection.execute(
                text(f"CREATE TABLE {name} PARTITION OF journal FOR VALUES FROM ({first}) TO ({first + SIZE})")
            )
            made += 1
    return made


def partition_name(number: int) -> str:
    return f"journal_{number:06d}"


def _in_default(connection: Connection, first: int) -> bool:
    rows = text("SELECT 1 FROM journal_default WHERE journal_id >= :first AND journal_id < :last LIMIT 1")
    return connection.execute(rows, {"first": first, "last": first + SIZE}).scalar() is not None
