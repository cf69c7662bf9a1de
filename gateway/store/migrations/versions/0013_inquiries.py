"""Questions to payers are listed by when they were asked."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_inquiries_asked ON inquiries (asked_at, inquiry_id)")
