"""The life of a source that looks for something at intervals: one loop, paused, resumed, drained, in trouble or not."""

from __future__ import annotations

import asyncio
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime

from channels.offering import offer
from channels.ports import Answer, Intake

log = logging.getLogger(__name__)


class PollingSource(ABC):
    """`trouble` says why nothing can be had now, or None; its begin and its end are logged once, in the class's words.

    `name` of the channel; `poll_seconds` between two looks.  `look` is the subclass's.
    """

    CANNOT = "nothing can be fetched, will try again"
    CAN_AGAIN = "fetches again"

    def __init__(self, name: str, intake: Intake, poll_seconds: float, clock: Callable[[], datetime] | None) -> None:
        self.trouble: str | None = None
        self.paused = False
        self._name = name
        self._intake = intake
        self._poll_seconds = poll_seconds
        self._clock = clock or (lambda: datetime.now(UTC))
        self._ending = False
        self._soon = math.inf  # seconds after which the round in hand wants the next one
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def look(self) -> bool:
        """One round; True when there is more to take at once.  What it raises ends the round and nothing else."""

    async def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"channel {self._name}")

    @property
    def connections(self) -> int:
        return 0

    def pause(self) -> None:
        """Take nothing further."""
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    async def drain(self, timeout: float = 15.0) -> None:
        """Finish what is in hand and stop; after `timeout` seconds leave it to the next start."""
        self._end()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout)
        await self._stop()

    async def close(self) -> None:
        """Stop now."""
        await self._stop()

    async def _stop(self) -> None:
        self._end()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _end(self) -> None:
        self._ending = True
        self._wake.set()

    async def _run(self) -> None:
        while not self._ending:
            self._wake.clear()  # before the look: what comes from here on is seen by it, or wakes the next
            more = False
            if self._intake.accepting and not self.paused:
                try:
                    more = await self.look()
                except Exception as problem:  # the loop must survive a round: the next one looks again
                    log.error("channel %s: a look failed: %s", self._name, type(problem).__name__)
            if not more and not self._ending:
                await self._rest()

    async def _rest(self) -> None:
        seconds, self._soon = min(self._poll_seconds, self._soon), math.inf
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _begin_trouble(self, reason: str) -> None:
        if self.trouble is None:
            log.error("channel %s: %s: %s", self._name, self.CANNOT, reason)
        self.trouble = reason

    def _end_trouble(self) -> None:
        if self.trouble is not None:
            log.warning("channel %s: %s", self._name, self.CAN_AGAIN)
            self.trouble = None

    def _offer(self, peer: str, body: bytes, kind: str, identity: str = "") -> asyncio.Future[Answer]:
        """Submit one unit; its answer comes after the commit that holds it."""
        return offer(self._intake, self._name, peer, self._clock(), body, kind=kind, identity=identity)
