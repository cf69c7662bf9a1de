"""A gateway in this process, over real sockets and files, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from channels.mllp_client import MllpClient, Reply
from gateway.api.keys import ensure_admin_key
from gateway.bootstrap import Gateway
from gateway.clock import ScenarioClock
from gateway.settings.check import load
from gateway.store.migrate import migrate
from gateway.store.progress import next_timer
from gateway.store.worklist import WorklistRow, worklist
from tests.support.waiting import until

Open = Callable[..., Awaitable["PlayedGateway"]]
"""open_gateway(ground, packages=(...), **configuration): a fixture of the journeys."""


class PlayedGateway:
    """Between `start` and `stop` it takes messages; both may be called again, as after a restart of the process."""

    def __init__(self, config: Path, clock: ScenarioClock, packages: Sequence[str] = ()) -> None:
        self.config = config
        self.clock = clock
        self._packages = packages
        self._clients: dict[str, MllpClient] = {}
        self._files = 0

    async def start(self) -> None:
        settings = load(self.config)
        await asyncio.to_thread(migrate, settings.store.url)
        self.gateway = Gateway(settings, clock=self.clock, packages=self._packages)
        await self.gateway.start()

    async def stop(self) -> None:
        for client in self._clients.values():
            await client.close()
        self._clients.clear()
        await self.gateway.stop()

    # -- what peers do -----------------------------------------------------------------------------------------------

    def client(self, channel: str, **options: Any) -> MllpClient:
        """A connection of its own."""
        return MllpClient("127.0.0.1", self.gateway.port_of(channel), **options)

    async def send(self, channel: str, body: bytes) -> Reply:
        """One message over the connection that this channel's peer keeps open; returns its acknowledgement."""
        if channel not in self._clients:
            self._clients[channel] = self.client(channel)
        return await self._clients[channel].send(body)

    async def accepted(self, channel: str, *bodies: bytes) -> None:
        """Send in order; every one is answered AA.  Returns when all are decided."""
        for body in bodies:
            reply = await self.send(channel, body)
            assert reply.code == "AA", reply.body
        await self.settle()

    async def client_send(self, channel: str, *bodies: bytes) -> None:
        """Send in order; every one is answered AA.  Does not wait for what follows."""
        for body in bodies:
            reply = await self.send(channel, body)
            assert reply.code == "AA", reply.body

    async def drop(self, channel: str, body: bytes) -> None:
        """Put a file into the channel's folder and wait until it is decided."""
        section = self.gateway.settings.find_channel(channel)
        assert section is not None and section.kind == "file-drop"
        self._files += 1
        folder, name = Path(section.folder), f"answer-{self._files}.x12"
        before = self.gateway.intake.traffic[channel].received
        (folder / f".{name}").write_bytes(body)
        (folder / f".{name}").rename(folder / name)
        await until(lambda: self.gateway.intake.traffic[channel].received > before)
        await self.gateway.intake.drain()
        await self.settle()

    # -- time --------------------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Return when everything stored is decided and delivered."""

        async def settled() -> bool:
            self.gateway.wake()
            return not await self.gateway.unsettled()

        await until(settled, pause=0.005)

    async def pass_time(self, until: datetime) -> None:
        """Move the clock to `until`, stopping at every timer on the way."""
        while (due := await next_timer(self.gateway.store)) is not None and due <= until:
            self.clock.move_to(due + timedelta(seconds=1))
            await self.gateway.scheduler.tick()
            await self.settle()
        self.clock.move_to(until)

    # -- what became of it -------------------------------------------------------------------------------------------

    async def tasks(self) -> list[WorklistRow]:
        return await worklist(self.gateway.store)

    async def task_states(self, mrn: str) -> dict[str, str]:
        """Rule -> status of its newest task for this patient."""
        return {row.rule_id: row.status for row in await self.tasks() if row.mrn == mrn}

    async def rows(self, query: str, **values: Any) -> list[Any]:
        """Rows of a SELECT that both stores understand."""
        return await self.gateway.store.read(lambda core: list(core.execute(text(query), values)))

    async def count(self, table: str, where: str = "1 = 1", **values: Any) -> int:
        return int((await self.rows(f"SELECT count(*) FROM {table} WHERE {where}", **values))[0][0])

    async def event_types(self) -> list[str]:
        """Types of all events in the order in which the API's cursor gives them."""
        found, cursor = [], None
        async with self.api() as api:
            while True:
                given = {"limit": 100} | ({"cursor": cursor} if cursor else {})
                page = (await api.get("/api/v1/events", params=given)).raise_for_status().json()
                found += [event["type"] for event in page["items"]]
                if not page["items"]:
                    return found
                cursor = page["next"]

    @contextlib.asynccontextmanager
    async def api(self) -> AsyncIterator[httpx.AsyncClient]:
        """The HTTP API with the key of the local administration."""
        store, folder = self.gateway.store, self.gateway.settings.gateway.data_dir
        key = (await ensure_admin_key(store, folder, self.clock())).read_text().strip()
        base = f"http://127.0.0.1:{self.gateway.api.port}"
        async with httpx.AsyncClient(base_url=base, headers={"Authorization": f"Bearer {key}"}) as client:
            yield client

    async def assert_balanced(self) -> None:
        """Both equations of the ledger hold and nothing is in flight."""
        async with self.api() as api:
            said = (await api.get("/api/v1/ledger")).raise_for_status().json()
        ledger = await self.gateway.store.ledger()
        assert ledger.balanced, json.dumps(said)
        for balance in (*ledger.channels.values(), *ledger.sinks.values()):
            assert balance.open == 0
