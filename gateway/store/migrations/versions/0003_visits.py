"""What the further visit events tell: flags of a stay, leave, announced transfer, consulting doctor, allergies."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    moment = "TIMESTAMPTZ" if op.get_bind().dialect.name == "postgresql" else "TEXT"
    op.execute("ALTER TABLE patients ADD COLUMN allergies_json TEXT NOT NULL DEFAULT '{}'")
    for column in (
        "flags_json TEXT NOT NULL DEFAULT '{}'",
        "leave_status TEXT",
        f"expected_return_at {moment}",
        "pending_location TEXT",
        "consulting_id TEXT",
        "consulting_name TEXT",
    ):
        op.execute(f"ALTER TABLE encounters ADD COLUMN {column}")
