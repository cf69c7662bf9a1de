"""A migrated store on a clock that the test moves: each test runs on both stores, unless it names one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.store.migrate import migrate
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore
from parsers.x12.acknowledgement import number_interchange
from tests.support.postgres_server import PostgresServer

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

only_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)
"""For what only this store has: its file, its writer."""


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


@pytest.fixture(scope="session")
def migrated_template(_postgres: PostgresServer) -> str:
    """Name of an empty, migrated database, to make others from."""
    _postgres.start()
    url = _postgres.new_database()
    with ThreadPoolExecutor(1) as thread:  # the fixture may be first asked for within a running loop
        thread.submit(migrate, url).result()
    return url.rpartition("/")[2]


@pytest.fixture
def postgres_store_url(postgres_server: PostgresServer, migrated_template: str) -> Iterator[str]:
    """URL of a migrated database of the test's own."""
    url = postgres_server.new_database(template=migrated_template)
    yield url
    postgres_server.start()
    postgres_server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> AsyncIterator[SqliteStore | PostgresStore]:
    store: SqliteStore | PostgresStore
    if request.param == "sqlite":
        path = tmp_path / "baton.db"
        path.write_bytes(request.getfixturevalue("migrated"))
        store = SqliteStore(path, clock=clock, numbering=number_interchange)
    else:
        store = PostgresStore(request.getfixturevalue("postgres_store_url"), clock=clock, numbering=number_interchange)
    await store.open()
    yield store
    await store.close()
