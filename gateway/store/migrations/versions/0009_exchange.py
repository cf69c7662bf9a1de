"""Requests over CAQH CORE and their answers.

Frozen text, like the first migration.
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

TABLES = """
CREATE TABLE exchange (
    exchange_id {numbered}, channel TEXT NOT NULL, partner TEXT NOT NULL, direction TEXT NOT NULL, kind TEXT NOT NULL,
    form TEXT NOT NULL, payload_type TEXT NOT NULL, payload_id TEXT NOT NULL, outcome TEXT NOT NULL,
    started_at {timestamp} NOT NULL, answered_at {timestamp}, dedup_key TEXT, digest {bytes},
    control_number TEXT NOT NULL, request_journal_id BIGINT, answer_journal_id BIGINT, reply_id BIGINT,
    fetched_at {timestamp}, confirmed_at {timestamp}
);
CREATE UNIQUE INDEX uq_exchange_key ON exchange (dedup_key);
CREATE INDEX ix_exchange_answer ON exchange (answer_journal_id);
CREATE INDEX ix_exchange_partner ON exchange (partner, started_at);
CREATE INDEX ix_exchange_request_journal_id ON exchange (request_journal_id)
"""


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    words = (
        {"timestamp": "TEXT", "bytes": "BLOB", "numbered": "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"}
        if sqlite
        else {"timestamp": "TIMESTAMPTZ", "bytes": "BYTEA", "numbered": "BIGSERIAL NOT NULL PRIMARY KEY"}
    )
    for statement in TABLES.format(**words).split(";"):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("there is no way back to before these columns: restore a backup")
