"""No acknowledgement leaves before the sync that covers its message: by the order of system calls (decision 30)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from channels.mllp_client import MllpClient
from gateway.store.migrate import migrate
from tests.support import hospital_messages as sent
from tests.support.configuration import Ground, write_configuration
from tests.support.free_ports import free_ports
from tests.support.postgres_server import PostgresServer
from tests.support.served_gateway import ServedGateway
from tests.support.sync_trace import SyncTrace, unsynced_on_postgres, unsynced_on_sqlite

pytestmark = pytest.mark.journey

MESSAGES = 20
GAP = 0.04  # seconds: without it the commit of one message hides that the next has none


async def trace_messages(ground: Ground, mutant: str, server: PostgresServer | None = None) -> list[str]:
    """Send single messages to a traced gateway (and server); ids of those whose answer was too early."""
    ports = free_ports(3)
    gateway = ServedGateway(write_configuration(ground, ports=(ports[0], ports[1], ports[2])), mutant)
    await asyncio.to_thread(migrate, ground.url)
    await gateway.start()
    trace = SyncTrace(ground.folder / "calls.txt")
    control_ids = [f"SYNC{number:04d}" for number in range(MESSAGES)]
    client = MllpClient("127.0.0.1", ports[0])
    try:
        await client.send(sent.register("WARM", datetime.now(UTC), "WARM"))
        await trace.start([gateway.pid, *(server_pids(server) if server else ())])
        for number, control_id in enumerate(control_ids):
            await asyncio.sleep(GAP)
            reply = await client.send(sent.register(f"P{number}", datetime.now(UTC), control_id))
            assert reply.code == "AA"
        await asyncio.sleep(GAP)
        calls = await trace.stop()
    finally:
        await client.close()
        gateway.end()
    return (unsynced_on_postgres if server else unsynced_on_sqlite)(calls, control_ids)


def server_pids(server: PostgresServer) -> list[int]:
    """The postmaster and every backend."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return [server.pid, *map(int, children)]


@pytest.fixture
def production(postgres_database: str, tmp_path: Path) -> Ground:
    return Ground(tmp_path, postgres_database)


async def test_sqlite_syncs_the_log_before_each_answer(tmp_path: Path) -> None:
    assert await trace_messages(Ground(tmp_path), "") == []


@pytest.mark.parametrize("mutant", ["ack-before-commit", "synchronous-normal"])
async def test_an_answer_before_the_sync_is_seen_on_sqlite(tmp_path: Path, mutant: str) -> None:
    assert len(await trace_messages(Ground(tmp_path), mutant)) > MESSAGES / 2


async def test_postgres_syncs_its_log_before_each_answer(production: Ground, postgres_server: PostgresServer) -> None:
    assert await trace_messages(production, "", postgres_server) == []


@pytest.mark.parametrize("mutant", ["ack-before-commit", "synchronous-commit-off"])
async def test_an_answer_before_the_sync_is_seen_on_postgres(
    production: Ground, postgres_server: PostgresServer, mutant: str
) -> None:
    assert len(await trace_messages(production, mutant, postgres_server)) > MESSAGES / 2
