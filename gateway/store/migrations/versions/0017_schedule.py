"""What schedules said of an appointment's time, and whose appointments a blocked or freed time concerns."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.execute("ALTER TABLE appointments ADD COLUMN blocks_json TEXT NOT NULL DEFAULT '[]'")
    op.execute("CREATE INDEX ix_appointments_schedule ON appointments (facility_id, status, start_at)")


def downgrade() -> None:
    op.execute("DROP INDEX ix_appointments_schedule")
    op.execute("ALTER TABLE appointments DROP COLUMN blocks_json")
