"""No receipt and no real-time answer over CORE leaves before the sync that covers its request (decision 30)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from gateway.store.migrate import migrate
from tests.journeys.test_sync_order import GAP, server_pids
from tests.support.configuration import Ground, write_configuration
from tests.support.core_load import ENDPOINT, Asked, inquiry, post
from tests.support.free_ports import free_ports
from tests.support.postgres_server import PostgresServer
from tests.support.served_gateway import ServedGateway
from tests.support.sync_trace import SyncTrace, unsynced_on_postgres, unsynced_on_sqlite

pytestmark = pytest.mark.journey

REQUESTS = 12
SAYS = r"name=\"PayloadID\"\r\n\r\n{}"  # as strace writes the part of a response


async def trace_requests(ground: Ground, mutant: str, server: PostgresServer | None = None) -> list[str]:
    """Batches and real-time requests in turn to a traced gateway (and server); those answered too early."""
    port, *others = free_ports(4)
    config = write_configuration(ground, ports=(others[0], others[1], others[2]), more=ENDPOINT.format(port=port))
    gateway = ServedGateway(config, mutant)
    await asyncio.to_thread(migrate, ground.url)
    await gateway.start()
    trace = SyncTrace(ground.folder / "calls.txt")
    asked = [request(number) for number in range(REQUESTS)]
    try:
        async with httpx.AsyncClient(timeout=30) as client:
            await post(client, f"http://127.0.0.1:{port}/core", request(REQUESTS).fields, request(REQUESTS).document)
            await trace.start([gateway.pid, *(server_pids(server) if server else ())])
            for one in asked:
                await asyncio.sleep(GAP)
                answer = await post(client, f"http://127.0.0.1:{port}/core", one.fields, one.document)
                assert b"\r\n\r\nSuccess\r\n" in answer.content
        await asyncio.sleep(GAP)
        calls = await trace.stop()
    finally:
        gateway.end()
    return (unsynced_on_postgres if server else unsynced_on_sqlite)(calls, [each.payload_id for each in asked], SAYS)


def request(number: int) -> Asked:
    """The PayloadID is in the document too: by it the row is found on its way to the disk."""
    made = Asked(700_000_000 + number, ("Batch", "RealTime")[number % 2], b"")
    document = inquiry(made.number).replace(b"TRN*1*T", b"TRN*1*" + made.payload_id.encode() + b"T")
    return Asked(made.number, made.mode, document)


@pytest.fixture
def production(postgres_database: str, tmp_path: Path) -> Ground:
    return Ground(tmp_path, postgres_database)


async def test_core_sqlite_syncs_the_log_before_each_answer(tmp_path: Path) -> None:
    assert await trace_requests(Ground(tmp_path), "") == []


async def test_core_answer_before_the_sync_is_seen_on_sqlite(tmp_path: Path) -> None:
    assert len(await trace_requests(Ground(tmp_path), "synchronous-normal")) > REQUESTS / 2


async def test_core_postgres_syncs_its_log_before_each_answer(
    production: Ground, postgres_server: PostgresServer
) -> None:
    assert await trace_requests(production, "", postgres_server) == []


async def test_core_answer_before_the_sync_is_seen_on_postgres(
    production: Ground, postgres_server: PostgresServer
) -> None:
    assert len(await trace_requests(production, "synchronous-commit-off", postgres_server)) > REQUESTS / 2
