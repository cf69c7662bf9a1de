"""A server that would answer COMMIT before its log is synced is not worked with (decision 30)."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import pytest

from channels.mllp_client import PeerLost
from gateway.store.migrate import migrate
from tests.support import hospital_messages as sent
from tests.support.configuration import Ground, write_configuration
from tests.support.played_gateway import Open
from tests.support.postgres_server import PostgresServer
from tests.support.served_gateway import ServedGateway
from tests.support.waiting import until

pytestmark = pytest.mark.journey


@pytest.fixture
def production(postgres_database: str, tmp_path: Path) -> Ground:
    return Ground(tmp_path, postgres_database)


async def test_the_gateway_does_not_start_on_it(production: Ground, postgres_server: PostgresServer) -> None:
    await asyncio.to_thread(migrate, production.url)
    loosen(postgres_server, production, "off")
    gateway = ServedGateway(write_configuration(production))

    await gateway.start(wait=False)
    code = await gateway.exit_code(30)

    assert code == 3, gateway.tail()
    assert "synchronous_commit=off" in gateway.tail()


async def test_a_running_gateway_answers_nothing_over_connections_that_turn_unsafe(
    production: Ground, postgres_server: PostgresServer, open_gateway: Open, morning: datetime
) -> None:
    played = await open_gateway(production, hold_seconds=1.0)
    await played.accepted("adt", sent.register("100", morning, "C1"))
    loosen(postgres_server, production, "off")

    client = played.client("adt")
    with pytest.raises(PeerLost):
        await client.send(sent.register("200", morning, "C2"))
    loosen(postgres_server, production, "on")
    await until(lambda: played.gateway.intake.accepting)
    reply = await client.send(sent.register("200", morning, "C2"))
    await client.close()

    assert reply.code == "AA"
    await played.settle()
    assert await played.count("patients") == 2


def loosen(server: PostgresServer, ground: Ground, value: str) -> None:
    """Set `synchronous_commit` of the database and end its sessions, so that all connections are new ones."""
    name = ground.url.rpartition("/")[2]
    server.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = {value}')
    server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
