"""The last sequence number of each sender, for channels that use that protocol.

Frozen text, like the first migration.
"""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    key, at = ("BYTEA", "TIMESTAMP WITH TIME ZONE") if postgresql else ("BLOB", "TEXT")
    op.execute(
        f"CREATE TABLE sequence_number (channel TEXT NOT NULL, sender TEXT NOT NULL, last BIGINT, dedup_key {key}, "
        f"at {at} NOT NULL, PRIMARY KEY (channel, sender))"
    )


def downgrade() -> None:
    op.execute("DROP TABLE sequence_number")
