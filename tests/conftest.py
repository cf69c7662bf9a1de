"""Services of the test run: started when a test first asks, shared by all, stopped at the end.

A missing server fails the tests that need it, with one sentence that says what to do; nothing is skipped.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres_server import PostgresServer
from tests.support.rabbitmq_server import RabbitServer

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
_skipped: list[str] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole gateways first: they take longest, and one begun last would leave the other workers idle."""
    items.sort(key=lambda item: not {"journeys", "benchmarks"} & set(item.path.parts))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what was skipped: only tests marked `corpus`, and only where the corpus is absent, may be."""
    if report.skipped and not hasattr(report, "wasxfail"):
        excused = "corpus" in report.keywords and not CORPUS.is_dir()
        if not excused:
            _skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where nothing may be skipped (FORBID_SKIPS, set by CI), a skipped test fails the run."""
    if os.environ.get("FORBID_SKIPS") and _skipped:
        print("\nskipped, though it should have run here:", *_skipped, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def _postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def _rabbitmq() -> Iterator[RabbitServer]:
    server = RabbitServer()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres_server(_postgres: PostgresServer) -> PostgresServer:
    """The shared server, running; a test may stop and start it."""
    _postgres.start()
    return _postgres


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """URL of the shared server's `postgres` database."""
    return postgres_server.url()


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Iterator[str]:
    """URL of a fresh database, dropped after the test."""
    url = postgres_server.new_database()
    yield url
    postgres_server.start()
    postgres_server.drop_database(url)


@pytest.fixture
def rabbitmq_server(_rabbitmq: RabbitServer) -> RabbitServer:
    """The shared broker, running; a test may stop, freeze and start it."""
    _rabbitmq.start()
    return _rabbitmq


@pytest.fixture
def rabbitmq_url(rabbitmq_server: RabbitServer) -> str:
    """URL of the shared broker; take names from `bus_name` to keep tests apart."""
    return rabbitmq_server.url


@pytest.fixture
def bus_name() -> str:
    """A prefix for exchanges and queues that no other test uses."""
    return f"t{secrets.token_hex(4)}"
