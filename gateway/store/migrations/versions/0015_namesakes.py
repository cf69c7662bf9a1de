"""A control id that comes again with other content is found: keys of copies begin with whose control id it is.

Keys that are there are rewritten, so that a copy sent across the upgrade is still one.  Frozen text, like the first
migration.
"""

from __future__ import annotations

from hashlib import blake2b

from alembic import op
from sqlalchemy import text

revision = "0015"
down_revision = "0014"

_OPTIONS = ("autovacuum_analyze_threshold", "autovacuum_vacuum_threshold", "autovacuum_vacuum_insert_threshold")


def upgrade() -> None:
    op.execute("ALTER TABLE journal ADD COLUMN same_id_as BIGINT")
    connection = op.get_bind()
    old = text(
        "SELECT s.dedup_key, coalesce(j.channel, ''), coalesce(j.sender, ''), coalesce(j.control_id, '') FROM seen s "
        "LEFT JOIN journal j ON j.journal_id = s.journal_id WHERE s.dedup_key > :after AND length(s.dedup_key) = 16 "
        "ORDER BY s.dedup_key LIMIT 5000"
    )
    new = text("UPDATE seen SET dedup_key = :new WHERE dedup_key = :old")
    after = b""
    while rows := connection.execute(old, {"after": after}).all():
        connection.execute(new, [{"old": key, "new": _prefix(*names) + bytes(key)} for key, *names in rows])
        after = rows[-1][0]
    if connection.dialect.name == "postgresql":
        op.execute(f"ALTER TABLE seen SET ({', '.join(f'{name} = 50000' for name in _OPTIONS)})")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE seen RESET ({', '.join(_OPTIONS)})")
    op.execute("UPDATE seen SET dedup_key = substr(dedup_key, 9) WHERE length(dedup_key) = 24")
    op.execute("ALTER TABLE journal DROP COLUMN same_id_as")


def _prefix(*names: str) -> bytes:
    return blake2b("\0".join(names).encode(), digest_size=8).digest()
