"""The API over a real SQLite store; the rest of the gateway is a fake at its port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api.app import create_app
from gateway.api.auth import hash_secret, new_secret
from gateway.store import access
from gateway.store.migrate import migrate
from gateway.store.sqlite import SqliteStore
from tests.gateway.api.fake_gateway import NOON, FakeGateway, fill


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("migrated") / "baton.db"
    migrate(f"sqlite:///{path}")
    return path.read_bytes()


@pytest.fixture
async def store(tmp_path: Path, migrated: bytes) -> AsyncIterator[SqliteStore]:
    path = tmp_path / "baton.db"
    path.write_bytes(migrated)
    store = SqliteStore(path, clock=lambda: NOON)
    await store.open()
    await fill(store)
    yield store
    await store.close()


@pytest.fixture
async def gateway(store: SqliteStore) -> AsyncIterator[FakeGateway]:
    gateway = FakeGateway(store)
    await gateway.webhooks.start()
    yield gateway
    await gateway.webhooks.stop()


Holder = Callable[..., Any]


@pytest.fixture
def key(store: SqliteStore) -> Holder:
    """await key("tasks:read", facilities=("main",)) -> headers of a new key."""

    async def make(*scopes: str, facilities: tuple[str, ...] = ("*",)) -> dict[str, str]:
        secret = new_secret()
        entry = access.ApiKey(
            key_id=f"key_{hash_secret(secret)[:8]}",
            name="test",
            hash=hash_secret(secret),
            scopes=scopes,
            facilities=facilities,
            created_at=NOON,
        )
        await access.create_key(store, entry)
        return {"Authorization": f"Bearer {secret}"}

    return make


@pytest.fixture
async def client(gateway: FakeGateway) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app(gateway), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://baton") as client:
        yield client
