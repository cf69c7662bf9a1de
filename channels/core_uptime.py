"""When an endpoint could be called: a beat is kept, and a gap between two beats is kept as a time it was down.

A restart, a pause, a gateway that hung and a store that was away all look the same to a partner.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from channels.core_ports import DOWN, Book, Exchange

log = logging.getLogger(__name__)

BEAT = 30.0
"""Seconds between two beats; a gap of more than two of them counts."""


class Uptime:
    """Beats while `open_now` says that calls are answered."""

    def __init__(self, channel: str, book: Book, clock: Callable[[], datetime], open_now: Callable[[], bool]) -> None:
        self._channel = channel
        self._book = book
        self._clock = clock
        self._open_now = open_now
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"core uptime {self._channel}")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def beat(self) -> None:
        """Keep that calls are answered now, and since when they were not."""
        now = self._clock()
        last = await self._book.last_open(self._channel)
        if last is not None and now - last > timedelta(seconds=2 * BEAT):
            gap = Exchange(
                channel=self._channel,
                partner="",
                direction="in",
                kind=DOWN,
                form="",
                payload_type="",
                payload_id="",
                started_at=last,
                answered_at=now,
                outcome=DOWN,
            )
            await self._book.note(gap)
        await self._book.set_open(self._channel, now)

    async def _run(self) -> None:
        while True:
            if self._open_now():
                try:
                    await self.beat()
                except Exception as problem:  # the store is away: the gap is found by the next beat that is kept
                    log.info("channel %s: a beat was not kept: %s", self._channel, type(problem).__name__)
            await asyncio.sleep(BEAT)
