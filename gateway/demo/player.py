"""Plays a scenario into a running gateway: real sockets, real files, a clock that stops at every timer on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from channels.mllp_client import MllpClient
from gateway.bootstrap import Gateway
from gateway.clock import ScenarioClock
from gateway.coordination.changes import Ask
from gateway.demo.scenario import Scenario, Step
from gateway.payer.folder import FolderPayer
from gateway.payer.scenario import Scenario as Answers
from gateway.store import queries
from gateway.store.progress import next_timer

SETTLE_SECONDS = 30.0


class NotSettled(Exception):
    """The gateway did not finish what it was given in time."""


@dataclass(slots=True)
class Played:
    """What happened at one step."""

    step: Step
    answer: str  # "AA", "CA", "AR"; a file: "stored"


@dataclass(slots=True)
class Player:
    """`told` hears each step as it is answered."""

    gateway: Gateway
    clock: ScenarioClock
    scenario: Scenario
    told: Callable[[Played], None]
    _clients: dict[str, MllpClient] = field(default_factory=dict)

    async def play(self) -> None:
        """Send everything in its order, then let time pass to the scenario's end."""
        try:
            for step in self.scenario.steps:
                await self.pass_time(step.at)
                answer = await (self._ask(step) if step.ask else self._send(step))
                await self.settle()
                self.told(Played(step, answer))
            await self.pass_time(self.scenario.ends)
        finally:
            for client in self._clients.values():
                await client.close()

    async def pass_time(self, until: datetime) -> None:
        """Move the clock to `until`, stopping at every timer that comes due, so that each fires at its moment."""
        while True:
            due = await next_timer(self.gateway.store)
            if due is None or due > until:
                break
            self.clock.move_to(due + timedelta(seconds=1))
            await self.gateway.scheduler.tick()
            await self.settle()
        self.clock.move_to(until)

    async def settle(self) -> None:
        """Return when everything stored has been decided and every queue to a folder is empty."""
        async with asyncio.timeout(SETTLE_SECONDS):
            while await self.gateway.unsettled():
                self.gateway.pipeline.wake()
                await asyncio.sleep(0.005)

    async def _send(self, step: Step) -> str:
        body = self.scenario.body(step)
        channel = self.gateway.settings.find_channel(step.channel)
        if channel is not None and channel.kind == "file-drop":
            return await self._drop(step, body, Path(channel.folder))
        client = self._clients.get(step.channel)
        if client is None:
            client = MllpClient("127.0.0.1", self.gateway.port_of(step.channel))
            self._clients[step.channel] = client
        return (await client.send(body)).code

    async def _ask(self, step: Step) -> str:
        """The gateway asks; the simulated payer at the folder answers, and its answers are taken in."""
        rows = await queries.search_patients(self.gateway.store, None, identifier=step.mrn)
        question = Ask(kind=step.ask, patient_id=rows[0]["patient_id"], actor="registration", request_id=step.say)
        await self.gateway.ask(question)
        await self.settle()
        channel = self.gateway.settings.find_channel(step.channel)
        assert channel is not None and channel.kind == "file-drop"
        payer = FolderPayer(Answers(), Path(channel.out), Path(channel.folder))
        before = self.gateway.intake.traffic[step.channel].received
        await asyncio.to_thread(payer.make)
        written = await asyncio.to_thread(payer.step, self.clock().astimezone(self.scenario.zone), wait=False)
        async with asyncio.timeout(SETTLE_SECONDS):
            while self.gateway.intake.traffic[step.channel].received < before + written:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await self.gateway.intake.drain()
        return "asked"

    async def _drop(self, step: Step, body: bytes, folder: Path) -> str:
        """Put a file as a payer's transfer does: under a temporary name, then renamed; wait until it was taken."""
        before = self.gateway.intake.traffic[step.channel].received
        temporary, final = folder / f".{step.file.name}", folder / step.file.name
        await asyncio.to_thread(temporary.write_bytes, body)
        await asyncio.to_thread(temporary.rename, final)
        async with asyncio.timeout(SETTLE_SECONDS):
            while self.gateway.intake.traffic[step.channel].received == before or final.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await self.gateway.intake.drain()
        return "stored"
