"""Links between patients, and stays that became another one."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("ALTER TABLE patients ADD COLUMN links_json TEXT NOT NULL DEFAULT '[]'")
    op.execute("ALTER TABLE encounters ADD COLUMN merged_into TEXT")
