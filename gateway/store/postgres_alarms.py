"""What is wrong inside a PostgreSQL store though everything still works."""

from __future__ import annotations

from sqlalchemy import Connection, text

LONGEST_WRITER = 10
"""Seconds for which a writing transaction may be open: every reader of events waits behind it (decision 21)."""

_OLDEST_WRITER = text(
    "SELECT extract(epoch FROM max(now() - xact_start)) FROM pg_stat_activity "
    "WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
)
_OUTSIDE_PARTITIONS = text("SELECT EXISTS (SELECT 1 FROM journal_default)")


def alarms(connection: Connection) -> list[str]:
    """Sentences; empty when all is well."""
    found = []
    oldest = connection.execute(_OLDEST_WRITER).scalar()
    if oldest is not None and oldest > LONGEST_WRITER:
        found.append(f"a writing transaction is open for more than {LONGEST_WRITER} s: readers of events wait for it")
    if connection.execute(_OUTSIDE_PARTITIONS).scalar():
        found.append("journal rows are in the default partition: partitions were not made ahead")
    return found
