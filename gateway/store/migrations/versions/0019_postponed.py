"""How often an endpoint refused a delivery, and when it is tried again, outlives the process."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.execute("ALTER TABLE outbox ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0")
    moment = "TIMESTAMP WITH TIME ZONE" if op.get_bind().dialect.name == "postgresql" else "TEXT"
    op.execute(f"ALTER TABLE outbox ADD COLUMN due_at {moment}")


def downgrade() -> None:
    op.execute("ALTER TABLE outbox DROP COLUMN due_at")
    op.execute("ALTER TABLE outbox DROP COLUMN refusals")
