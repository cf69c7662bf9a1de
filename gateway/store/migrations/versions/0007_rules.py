"""Facts that rules ask for: observation, DRG, planned length of stay, directives, living situation, re-checks."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    moment = "TIMESTAMPTZ" if op.get_bind().dialect.name == "postgresql" else "TEXT"
    added = {
        "patients": (
            "living_arrangement TEXT",
            "homeless BOOLEAN NOT NULL DEFAULT FALSE",
            "contact_known BOOLEAN NOT NULL DEFAULT FALSE",
            "advance_directive TEXT",
            "identity_reliability TEXT",
        ),
        "encounters": (
            f"observation_at {moment}",
            "drg TEXT",
            "length_estimate_days INTEGER",
            "advance_directive TEXT",
        ),
        "authorizations": ("needs_recheck BOOLEAN NOT NULL DEFAULT FALSE",),
    }
    for table, columns in added.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
