"""Making API keys, and the one that commands on this machine use to change a running gateway."""

from __future__ import annotations

import os
import secrets
from datetime import datetime
from pathlib import Path

from gateway.api.auth import ANY, SCOPES, hash_secret, new_secret
from gateway.store import access
from gateway.store.core_store import CoreStore

ADMIN_KEY_FILE = "admin.key"
ADMINISTRATION = "local administration"


def new_key(
    name: str, scopes: tuple[str, ...], facilities: tuple[str, ...], created_at: datetime
) -> tuple[str, access.ApiKey]:
    """A secret, and what is stored of it."""
    secret = new_secret()
    entry = access.ApiKey(
        key_id=f"key_{secrets.token_hex(4)}",
        name=name,
        hash=hash_secret(secret),
        scopes=scopes,
        facilities=facilities,
        created_at=created_at,
    )
    return secret, entry


async def ensure_admin_key(store: CoreStore, data_dir: str, now: datetime) -> Path:
    """The file of the local administration key (mode 0600), made at the first start and whenever it stopped working."""
    path = Path(data_dir) / ADMIN_KEY_FILE
    try:
        known = await access.find_key(store, hash_secret(path.read_text().strip()))
    except OSError:
        known = None
    if known is not None and known.revoked_at is None and set(known.scopes) != set(SCOPES):
        await access.revoke_key(store, known.key_id, now)  # made by a version that knew other scopes
        known = None
    if known is None or known.revoked_at is not None:
        secret, entry = new_key(ADMINISTRATION, tuple(SCOPES), (ANY,), now)
        await access.create_key(store, entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secret + "\n")
    return path
