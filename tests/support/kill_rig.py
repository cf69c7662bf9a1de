"""Kills a gateway at random moments under load, starts it again, and reconciles when nothing is pending."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from gateway.store.migrate import migrate
from tests.support.bus_witness import BusWitness
from tests.support.configuration import Ground, write_configuration
from tests.support.evidence import Evidence
from tests.support.free_ports import free_ports
from tests.support.ledger_client import Patients, Sender, SendersLedger
from tests.support.reconcile import Findings, find_lost, reconcile
from tests.support.served_gateway import ServedGateway
from tests.support.waiting import until
from tests.support.wire import Wire

CONNECTIONS, KEYS = 8, 8
WINDOW = 20  # unanswered messages of the connection that does not wait
DRAIN_SECONDS = 120.0


@dataclass(slots=True)
class Outcome:
    """What a run came to."""

    seed: int
    findings: Findings = field(default_factory=Findings)
    kills: int = 0
    compute_kills: int = 0
    ledger: SendersLedger = field(default_factory=SendersLedger)
    events: int = 0
    repeats: int = 0
    seconds: float = 0.0
    drain_seconds: float = 0.0
    ready_seconds: list[float] = field(default_factory=list)

    def report(self) -> str:
        ready = sorted(self.ready_seconds)
        return (
            f"seed {self.seed}: {self.kills} kills, {self.compute_kills} of the compute process alone, "
            f"{len(self.ledger.sent)} sent, {len(self.ledger.acked)} acknowledged, {self.ledger.resent} sent again, "
            f"{self.events} events, {self.repeats} repeated on the bus, {self.seconds:.0f} s, drained in "
            f"{self.drain_seconds:.1f} s, ready in {ready[len(ready) // 2]:.2f} s (longest {ready[-1]:.2f} s); "
            f"broken: {self.findings.broken or 'nothing'}"
        )


class KillRig:
    """`ground` with a bus: the gateway reaches it through a wire that is sometimes cut before a kill."""

    def __init__(self, ground: Ground, *, seed: int | None = None, mutant: str = "", pause: float = 0.004) -> None:
        self._ground = ground
        self._mutant = mutant
        self._pause = pause
        self.outcome = Outcome(random.SystemRandom().randrange(1 << 32) if seed is None else seed)
        self._random = random.Random(self.outcome.seed)
        self._evidence = Evidence(ground.url)
        self._wire: Wire | None = None
        self._witness: BusWitness | None = None

    async def run(self, kills: int, compute_kills: int = 0, *, until_broken: bool = False) -> Outcome:
        """`until_broken`: look after every kill and end at the first loss (for planted faults)."""
        began = time.monotonic()
        await self._open()
        senders = self._senders()
        tasks = [asyncio.create_task(sender.run()) for sender in senders]
        try:
            await self._kill_often(kills, until_broken)
            await self._gateway.start()
            await self._kill_compute(compute_kills)
            for sender in senders:
                sender.finish()
            async with asyncio.timeout(DRAIN_SECONDS):
                await asyncio.gather(*tasks)
            await self._drain()
            assert await self._gateway.stop() == 0, self._gateway.tail()
            seen = await self._seen()
            self.outcome.findings = await reconcile(self.outcome.ledger, self._evidence, seen)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._close()
        self.outcome.seconds = time.monotonic() - began
        self.outcome.ready_seconds = self._gateway.ready_seconds
        return self.outcome

    # -- the parts of a run --------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        ground = self._ground
        if ground.bus_url:
            self._witness = BusWitness(ground.bus_url, ground.exchange, ground.queue)
            await self._witness.start()
            self._wire = Wire(ground.bus_url)
            ground = Ground(ground.folder, ground.url, await self._wire.start(), ground.exchange, ground.queue)
        ports = free_ports(3)
        config = write_configuration(ground, ports=(ports[0], ports[1], ports[2]), split_lanes=4)
        self._port = ports[0]
        self._gateway = ServedGateway(config, self._mutant)
        await asyncio.to_thread(migrate, ground.url)

    async def _close(self) -> None:
        self._gateway.end()
        if self._wire is not None:
            await self._wire.stop()
        if self._witness is not None:
            await self._witness.stop()

    @staticmethod
    def _began() -> datetime:
        return datetime.now(UTC) - timedelta(hours=2)

    def _senders(self) -> list[Sender]:
        began, ledger = self._began(), self.outcome.ledger

        def sender(number: int, keys: int, window: int) -> Sender:
            patients = Patients([f"K{number}P{key}" for key in range(keys)], began)
            return Sender(self._port, patients, ledger, window=window, pause=self._pause)

        return [*(sender(number, KEYS, 1) for number in range(CONNECTIONS)), sender(CONNECTIONS, 2 * KEYS, WINDOW)]

    async def _kill_often(self, kills: int, until_broken: bool) -> None:
        for number in range(kills):
            early = self._random.random() < 0.1  # while it starts
            await self._gateway.start(wait=not early)
            await asyncio.sleep(self._random.uniform(0.2, 0.7))
            if self._wire is not None and number % 2 == 0:
                self._wire.cut()
                await asyncio.sleep(self._random.uniform(0.02, 0.2))
            self._gateway.kill()
            self.outcome.kills += 1
            if self._wire is not None:
                self._wire.mend()
            if until_broken and await find_lost(self.outcome.ledger, self._evidence):
                return

    async def _kill_compute(self, kills: int) -> None:
        """One kill after the other, each after some progress: a message that is at hand at every kill is rightly
        parked."""
        ended = 0
        while self.outcome.compute_kills < kills:
            await until(partial(self._ended_more_than, ended), DRAIN_SECONDS, pause=0.02)
            await asyncio.sleep(self._random.uniform(0.02, 0.3))
            if self._gateway.kill_compute():
                self.outcome.compute_kills += 1
                ended = await self._evidence.count("item_end")

    async def _ended_more_than(self, count: int) -> bool:
        return await self._evidence.count("item_end") > count

    async def _drain(self) -> None:
        """Nothing is pending: not after a fixed time, but when it is so."""
        began = time.monotonic()
        await until(self._nothing_pending, DRAIN_SECONDS, pause=0.1)
        self.outcome.drain_seconds = time.monotonic() - began

    async def _nothing_pending(self) -> bool:
        return await self._evidence.unfinished() == 0

    async def _seen(self) -> list[str] | None:
        self.outcome.events = await self._evidence.count("events")
        if self._witness is None:
            return None
        await self._witness.quiet()
        seen = [each.event_id for each in self._witness.seen]
        self.outcome.repeats = len(seen) - len(set(seen))
        return seen
