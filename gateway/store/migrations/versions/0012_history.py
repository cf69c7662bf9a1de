"""What was said of a stay's status, in recorded order."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("ALTER TABLE encounters ADD COLUMN history_json TEXT NOT NULL DEFAULT '{}'")
