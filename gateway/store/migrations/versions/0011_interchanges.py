"""Interchanges are found by their sender and control number."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_journal_interchange ON journal (sender, control_id) WHERE kind = 'x12'")


def downgrade() -> None:
    op.execute("DROP INDEX ix_journal_interchange")
