"""Ordinary replay: stored traffic of a period through the live pipeline once more, in order and throttled.

Items go to the end of their lanes in the order of receipt, a few at a time, and only while the lanes keep up: live
traffic goes between them.  A replay changes what the present program and settings make of old messages: the same event
ids are not published again, a task whose key is spent is not opened again, and what is older than the state is late.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

import msgspec

from channels.ports import Inbound
from gateway.admission import IntakeFeed, admit
from gateway.store import replaying, traffic_log
from gateway.store.core_store import CoreStore
from gateway.store.ports import StoreUnavailable
from gateway.store.progress import pending
from gateway.store.replaying import Again
from gateway.store.traffic_log import StoredUnit

log = logging.getLogger(__name__)

PAUSE = 0.2


class Replay(msgspec.Struct, kw_only=True):
    """What was asked, and how far it is.  `state`: running | done | stopped."""

    since: datetime
    until: datetime
    channels: tuple[str, ...]
    per_second: int
    actor: str
    total: int = 0
    done: int = 0
    items: int = 0
    last_id: int = 0
    state: str = "running"


class Busy(Exception):
    """A replay is running."""


class Replayer:
    """One replay at a time.  It does not survive a restart: `last_id` says where to go on."""

    def __init__(
        self, store: CoreStore, feeds: Callable[[], Mapping[str, IntakeFeed]], wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._feeds = feeds
        self._wake = wake
        self._task: asyncio.Task[None] | None = None
        self.current: Replay | None = None

    def begin(self, replay: Replay) -> None:
        """Raises Busy."""
        if self._task is not None and not self._task.done():
            raise Busy
        self.current = replay
        self._task = asyncio.create_task(self._run(replay), name="replay")

    async def stop(self) -> None:
        """End after the units in hand."""
        if self.current is not None and self.current.state == "running":
            self.current.state = "stopped"
        if self._task is not None:
            await self._task

    async def _run(self, replay: Replay) -> None:
        first = await traffic_log.first_since(self._store, replay.since)
        last = await traffic_log.first_since(self._store, replay.until)
        replay.last_id = first - 1
        replay.total = await traffic_log.count(self._store, first - 1, last, replay.channels)
        while replay.state == "running":
            try:
                if not await self._step(replay, last):
                    replay.state = "done"
            except StoreUnavailable:
                log.debug("store away: the replay waits")
                await asyncio.sleep(1.0)
        log.info("replay %s after %d units", replay.state, replay.done)

    async def _step(self, replay: Replay, last: int) -> bool:
        """A fifth of a second's units, when the lanes have room; False: there are no more."""
        if (await pending(self._store)).work > replay.per_second:
            await asyncio.sleep(PAUSE)
            return True
        limit = max(1, int(replay.per_second * PAUSE))
        units = await traffic_log.units(self._store, replay.last_id, last, limit, replay.channels, heads=True)
        if not units:
            return False
        feeds = self._feeds()
        again = [unit_again(unit, feeds[unit.channel]) for unit in units if unit.channel in feeds]
        now = self._store.clock()
        replay.items += await self._store.execute_write(partial(replaying.enqueue_again, units=again, now=now))
        replay.done, replay.last_id = replay.done + len(units), units[-1].journal_id
        self._wake()
        await asyncio.sleep(PAUSE)
        return True


def unit_again(unit: StoredUnit, feed: IntakeFeed) -> Again:
    """The unit with the lanes that intake would give it now."""
    inbound = Inbound(unit.channel, "", unit.received_at, unit.body, answered=lambda answer: None, kind=unit.kind)
    return Again(
        journal_id=unit.journal_id,
        channel=unit.channel,
        kind=unit.kind,
        received_at=unit.received_at,
        lanes=admit(inbound, feed).entry.lanes,
    )
