"""A migrated SQLite store on a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.store.migrate import migrate
from gateway.store.sqlite import SqliteStore

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of an empty store: copying them is much faster than migrating for every test."""
    path = tmp_path_factory.mktemp("migrated") / "baton.db"
    migrate(f"sqlite:///{path}")
    return path.read_bytes()


@pytest.fixture
async def store(tmp_path: Path, migrated: bytes, clock: Clock) -> AsyncIterator[SqliteStore]:
    path = tmp_path / "baton.db"
    path.write_bytes(migrated)
    store = SqliteStore(path, clock=clock)
    await store.open()
    yield store
    await store.close()
