"""News of details that waits to be told as one."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("ALTER TABLE patients ADD COLUMN held_json TEXT NOT NULL DEFAULT '[]'")
