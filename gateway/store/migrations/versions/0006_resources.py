"""What an appointment takes, and which message decided its status and its times."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    moment = "TIMESTAMPTZ" if op.get_bind().dialect.name == "postgresql" else "TEXT"
    for column in (f"status_at {moment}", f"timing_at {moment}", "resources_json TEXT NOT NULL DEFAULT '{}'"):
        op.execute(f"ALTER TABLE appointments ADD COLUMN {column}")
