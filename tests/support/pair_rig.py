"""Two gateways on one store and one bus, killed in turn while senders go over from one to the other."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from gateway.store.migrate import migrate
from tests.support.bus_witness import BusWitness
from tests.support.configuration import Ground, write_configuration
from tests.support.free_ports import free_ports
from tests.support.kill_rig import CONNECTIONS, DRAIN_SECONDS, KillRig, Outcome
from tests.support.ledger_client import Patients, Sender, SendersLedger
from tests.support.reconcile import reconcile
from tests.support.served_gateway import ServedGateway


class FailoverSender(Sender):
    """Tries the other gateway after each connection that ended or could not be made, as an engine with two addresses."""

    def __init__(self, ports: list[int], patients: Patients, ledger: SendersLedger, *, window: int) -> None:
        super().__init__(ports[0], patients, ledger, window=window, pause=0.05)
        self._ports = ports

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._ports = self._ports[1:] + self._ports[:1]
        self._port = self._ports[0]
        return await super()._connect()


class PairRig(KillRig):
    """`ground` must be one that several gateways can share."""

    async def run(self, kills: int, compute_kills: int = 0, *, until_broken: bool = False) -> Outcome:
        """Every kill takes one of the two; the other works on, and takes over what the dead one had claimed."""
        await self._open()
        await asyncio.gather(*(gateway.start() for gateway in self._pair))
        senders = self._pair_senders()
        tasks = [asyncio.create_task(sender.run()) for sender in senders]
        try:
            for number in range(kills):
                await asyncio.sleep(self._random.uniform(0.3, 0.8))
                gateway = self._pair[number % 2]
                gateway.kill()
                self.outcome.kills += 1
                await asyncio.sleep(self._random.uniform(0.2, 0.6))
                await gateway.start()
            for sender in senders:
                sender.finish()
            async with asyncio.timeout(DRAIN_SECONDS):
                await asyncio.gather(*tasks)
            await self._drain()
            for gateway in self._pair:
                assert await gateway.stop() == 0, gateway.tail()
            seen = await self._seen()
            self.outcome.findings = await reconcile(self.outcome.ledger, self._evidence, seen)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._close()
        self.outcome.ready_seconds = [seconds for gateway in self._pair for seconds in gateway.ready_seconds]
        return self.outcome

    async def _open(self) -> None:
        ground = self._ground
        self._witness = BusWitness(ground.bus_url, ground.exchange, ground.queue)
        await self._witness.start()
        await asyncio.to_thread(migrate, ground.url)
        self._pair: list[ServedGateway] = []
        self._ports: list[int] = []
        for name in ("one", "two"):
            ports = free_ports(3)
            folder = ground.folder / name
            folder.mkdir()
            home: Ground = replace(ground, folder=folder)
            config = write_configuration(home, ports=(ports[0], ports[1], ports[2]), split_lanes=4)
            self._pair.append(ServedGateway(config))
            self._ports.append(ports[0])

    async def _close(self) -> None:
        for gateway in self._pair:
            gateway.end()
        if self._witness is not None:
            await self._witness.stop()

    def _pair_senders(self) -> list[FailoverSender]:
        ports, swapped = self._ports, self._ports[::-1]
        return [
            FailoverSender(
                ports if number % 2 else swapped,
                Patients([f"K{number}P{key}" for key in range(8)], self._began()),
                self.outcome.ledger,
                window=1 + 4 * (number % 3),
            )
            for number in range(CONNECTIONS)
        ]
