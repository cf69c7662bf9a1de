"""A large body is stored part by part before the commit that makes it a message.  Frozen text."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    moment = "TIMESTAMPTZ" if op.get_bind().dialect.name == "postgresql" else "TEXT"
    op.execute(f"CREATE TABLE staged_body (journal_id BIGINT NOT NULL PRIMARY KEY, started_at {moment} NOT NULL)")


def downgrade() -> None:
    op.execute("DELETE FROM journal_part WHERE journal_id IN (SELECT journal_id FROM staged_body)")
    op.execute("DROP TABLE staged_body")
