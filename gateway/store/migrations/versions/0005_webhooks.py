"""Webhook subscriptions."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

TABLE = """
CREATE TABLE webhooks (
    name TEXT NOT NULL, url TEXT NOT NULL, types_json TEXT NOT NULL, facilities_json TEXT NOT NULL,
    payload TEXT NOT NULL, format TEXT NOT NULL, restricted BOOLEAN NOT NULL, origin TEXT NOT NULL,
    state TEXT NOT NULL, reason TEXT, secret_id TEXT NOT NULL, previous_secret_id TEXT,
    previous_until {timestamp}, created_at {timestamp} NOT NULL, created_by TEXT, changed_at {timestamp} NOT NULL,
    PRIMARY KEY (name)
)
"""


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(TABLE.format(timestamp="TEXT" if sqlite else "TIMESTAMPTZ"))


def downgrade() -> None:
    op.execute("DROP TABLE webhooks")
