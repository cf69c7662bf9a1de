"""The local administration key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.api.auth import SCOPES, authenticate
from gateway.api.keys import ensure_admin_key
from gateway.store import access
from tests.gateway.api.fake_gateway import NOON, FakeGateway


def everything_written(store: Any) -> bytes:
    return b"".join(Path(f"{store.path}{end}").read_bytes() for end in ("", "-wal"))


async def test_admin_key_is_made_once_and_may_do_everything(gateway: FakeGateway, tmp_path: Path) -> None:
    path = await ensure_admin_key(gateway.store, str(tmp_path / "data"), NOON)
    secret = path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    assert await ensure_admin_key(gateway.store, str(tmp_path / "data"), NOON) == path
    assert path.read_text().strip() == secret and len(await access.keys(gateway.store)) == 1
    credential = await authenticate(gateway, f"Bearer {secret}")
    assert credential is not None and credential.scopes == frozenset(SCOPES) and credential.facilities is None


async def test_admin_key_that_stopped_working_is_replaced(gateway: FakeGateway, tmp_path: Path) -> None:
    path = await ensure_admin_key(gateway.store, str(tmp_path), NOON)
    before = path.read_text()
    (key,) = await access.keys(gateway.store)
    await access.revoke_key(gateway.store, key.key_id, NOON)
    await ensure_admin_key(gateway.store, str(tmp_path), NOON)
    assert path.read_text() != before and path.stat().st_mode & 0o777 == 0o600


async def test_secret_is_nowhere_in_the_store(gateway: FakeGateway, tmp_path: Path, store: Any) -> None:
    path = await ensure_admin_key(gateway.store, str(tmp_path / "data"), NOON)
    secret = path.read_text().strip().encode()
    assert secret not in everything_written(store)
