"""An index of payers' refusals to answer, which figures count.

Frozen text, like the first migration.
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_events_refused ON events (emitted_at) WHERE type = 'eligibility.rejected'")


def downgrade() -> None:
    op.execute("DROP INDEX ix_events_refused")
