"""Timers: due ones become work at the end of their lane, but never ahead of messages that a feed still owes us.

Decision 17.  A timer judges what was recorded up to its moment.  After an outage of ours, or a silence of its feed, the
messages that would answer it may still be waiting at the sender; so the feed's timers are held up to the newest
recorded time that it has delivered, until it has caught up or the hold ran out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec

from gateway.clock import Clock
from gateway.store.ports import Store, StoreUnavailable

log = logging.getLogger(__name__)

LAST_ALIVE = "last_alive"
OUTAGE = timedelta(seconds=60)
"""Away for longer than this: senders may have queued."""

HEARTBEAT = timedelta(seconds=5)


class Hold(msgspec.Struct, kw_only=True):
    """One feed that is catching up since `since`."""

    since: datetime
    first_message_at: datetime | None = None
    newest: datetime | None = None  # recorded_at of the newest message decided


class SchedulerSettings(msgspec.Struct, frozen=True, kw_only=True):
    catch_up: timedelta = timedelta(minutes=15)  # after the feed's first message
    catch_up_longest: timedelta = timedelta(hours=2)  # in any case
    poll_seconds: float = 0.5
    limit: int = 500
    quiet: Mapping[str, timedelta] = msgspec.field(default_factory=dict)  # channel -> declared interval


class Scheduler:
    """Runs until stopped.  `wake` tells the pipeline that timers became work."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: SchedulerSettings,
        channels: tuple[str, ...],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._channels = channels
        self._wake = wake
        self._holds: dict[str, Hold] = {}
        self._last_received: dict[str, datetime] = {}
        self._beat: datetime | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def configure(self, settings: SchedulerSettings, channels: tuple[str, ...]) -> None:
        """Use these from the next look on."""
        self._settings, self._channels = settings, channels

    async def start(self) -> None:
        """Begin; feeds are held when we were away."""
        now = self._clock()
        last = await self._store.fact(LAST_ALIVE)
        if last is not None and now - datetime.fromisoformat(last) > OUTAGE:
            self._holds = {channel: Hold(since=now) for channel in self._channels}
            log.warning("away since %s: timers wait for their feeds to catch up", last)
        await self._heartbeat(now)
        self._task = asyncio.create_task(self._run(), name="scheduler")

    async def stop(self) -> None:
        self._stopping.set()
        if self._task is not None:
            await self._task
        try:
            await self._heartbeat(self._clock(), force=True)
        except StoreUnavailable:
            log.warning("store away at the end: the last heartbeat is not written")

    def decided(self, recorded: Mapping[str, datetime]) -> None:
        """The pipeline decided messages recorded up to these moments, by channel."""
        now = self._clock()
        for channel, recorded_at in recorded.items():
            self._last_received[channel] = now
            hold = self._holds.get(channel)
            if hold is not None:
                hold.first_message_at = hold.first_message_at or now
                hold.newest = max(hold.newest or recorded_at, recorded_at)

    def horizons(self, now: datetime) -> dict[str, datetime]:
        """Channel -> latest `fire_at` that may fire now.  Channels that are not held are not named."""
        for channel, interval in self._settings.quiet.items():
            last = self._last_received.get(channel)
            if last is not None and now - last > interval and channel not in self._holds:
                self._holds[channel] = Hold(since=now, newest=last)
        self._holds = {channel: hold for channel, hold in self._holds.items() if not self._released(hold, now)}
        never = datetime.min.replace(tzinfo=now.tzinfo)
        return {channel: hold.newest or never for channel, hold in self._holds.items()}

    def _released(self, hold: Hold, now: datetime) -> bool:
        if now - hold.since >= self._settings.catch_up_longest:
            return True
        if hold.first_message_at is None:
            return False
        caught_up = hold.newest is not None and hold.newest >= hold.since
        return caught_up or now - hold.first_message_at >= self._settings.catch_up

    async def tick(self) -> int:
        """Queue what is due; returns how many timers became work."""
        now = self._clock()
        count = await self._store.due_timers(now, self._settings.limit, self.horizons(now))
        if count:
            self._wake()
        await self._heartbeat(now)
        return count

    async def _heartbeat(self, now: datetime, *, force: bool = False) -> None:
        if force or self._beat is None or now - self._beat >= HEARTBEAT:
            await self._store.set_fact(LAST_ALIVE, now.isoformat())
            self._beat = now

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.tick()
            except StoreUnavailable:
                log.debug("store away: timers wait")
            except Exception:  # the loop must survive a tick: nothing was taken from its row
                log.exception("timers could not be queued")
            try:
                async with asyncio.timeout(self._settings.poll_seconds):
                    await self._stopping.wait()
            except TimeoutError:
                pass
