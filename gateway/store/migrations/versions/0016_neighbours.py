"""Dedup keys of one sender stand together, in the order of his control ids: one page of the index instead of one each.

Keys that are there are rewritten, so that a copy sent across the upgrade is still one.  Frozen text, like the first
migration.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from alembic import op
from sqlalchemy import text

revision = "0016"
down_revision = "0015"

_HASHED = 24  # length of a key before: 8 bytes for sender and control id, 16 for the content


def upgrade() -> None:
    _rewrite(_HASHED, _HASHED, _neighbouring)


def downgrade() -> None:
    _rewrite(_HASHED + 1, 2**31 - 1, _hashed)


def _rewrite(shortest: int, longest: int, prefix: Callable[[str, str, str], bytes]) -> None:
    """Keys of these lengths.  Both forms differ in length, so one that was rewritten is not met again."""
    old = text(
        "SELECT s.dedup_key, coalesce(j.channel, ''), coalesce(j.sender, ''), coalesce(j.control_id, '') FROM seen s "
        "LEFT JOIN journal j ON j.journal_id = s.journal_id WHERE s.dedup_key > :after "
        "AND length(s.dedup_key) BETWEEN :shortest AND :longest ORDER BY s.dedup_key LIMIT 5000"
    )
    new = text("UPDATE seen SET dedup_key = :new WHERE dedup_key = :old")
    connection = op.get_bind()
    after = b""
    while rows := connection.execute(old, {"after": after, "shortest": shortest, "longest": longest}).all():
        connection.execute(new, [{"old": key, "new": prefix(*names) + bytes(key)[-16:]} for key, *names in rows])
        after = rows[-1][0]


def _neighbouring(channel: str, sender: str, control_id: str) -> bytes:
    return blake2b(f"{channel}\0{sender}".encode(), digest_size=8).digest() + control_id.encode() + b"\0"


def _hashed(channel: str, sender: str, control_id: str) -> bytes:
    return blake2b(f"{channel}\0{sender}\0{control_id}".encode(), digest_size=8).digest()
