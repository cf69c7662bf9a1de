"""Looks after a running gateway: one notice when something begins to be wrong, one when it clears; and retention.

Decision 27: silence and backlog are noticed.  A notice is a log line and a counter, with our own words only.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.orphans import Orphan, orphans
from gateway.retention import retention_of
from gateway.silence import Silences
from gateway.store.ports import StoreUnavailable

if TYPE_CHECKING:
    from gateway.bootstrap import Gateway

log = logging.getLogger(__name__)

POLL_SECONDS = 5.0
PRUNE_SECONDS = 6 * 3600.0
ORPHANS_SECONDS = 60.0
OLDEST_PENDING = timedelta(minutes=5)
RECENT = timedelta(minutes=10)
"""For which the last message of a peer that spoke for another, or of a wrong number, stays a notice."""


class Watch:
    """Runs until stopped."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.silences = Silences(gateway)
        self._open: dict[str, str] = {}  # notice -> what it says
        self._pruned = time.monotonic()
        self._orphans_due = 0.0
        self._orphaned: dict[str, Orphan] = {}
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="watch")

    async def stop(self) -> None:
        self._stopping.set()
        if self._task is not None:
            await self._task

    @property
    def notices(self) -> dict[str, str]:
        """What is wrong now."""
        return dict(self._open)

    async def look(self) -> None:
        """Compare what is with what was; raise and clear notices."""
        gateway = self._gateway
        facts = await gateway.facts()
        found: dict[str, str] = {}
        if "store-away" in facts.reasons:
            found["store-away"] = "the store is away: sources wait"
        if "disk-short" in facts.reasons:
            found["disk-short"] = "the disk reserve is reached: sources wait"
        if facts.oldest_pending_seconds > OLDEST_PENDING.total_seconds():
            found["backlog"] = f"the oldest pending message waits longer than {OLDEST_PENDING.seconds} s"
        for channel in gateway.settings.channel:
            quiet = facts.feed_quiet_seconds.get(channel.name, 0.0)
            if channel.quiet_after and quiet > channel.quiet_after:
                found[f"quiet:{channel.name}"] = f"channel {channel.name}: nothing for {channel.quiet_after} s"
        await asyncio.to_thread(gateway.certificates.refresh)
        found |= gateway.certificates.notices(gateway.clock())
        for name, traffic in gateway.intake.traffic.items():
            if traffic.last_foreign and gateway.clock() - traffic.last_foreign < RECENT:
                found[f"foreign:{name}"] = f"channel {name}: peers send for senders that are not theirs"
            if traffic.frozen or (traffic.last_misnumbered and gateway.clock() - traffic.last_misnumbered < RECENT):
                found[f"sequence:{name}"] = f"channel {name}: sequence numbers that do not fit: baton channels sequence"
        found |= {f"webhook:{name}": text for name, text in gateway.webhooks.notices.items()}
        for name, relay in gateway.relays.items():
            if relay.trouble and name != "bus":
                found[f"sending:{name}"] = f"channel {name}: deliveries wait: {relay.trouble}"
            if relay.stopped and not relay.paused:
                await gateway.pause_channel(name, "gateway")
        found |= {f"orphan:{name}": one.text for name, one in (await self._orphans()).items()}
        for text in await gateway.store.maintain():
            found[f"store:{text}"] = text
        self._compare(found)

    async def _orphans(self) -> dict[str, Orphan]:
        """Looked for now and then: what is pending is counted for it."""
        if time.monotonic() >= self._orphans_due:
            self._orphans_due = time.monotonic() + ORPHANS_SECONDS
            found = await orphans(self._gateway.store, self._gateway.settings)
            self._orphaned = {one.sink: one for one in found}
        return self._orphaned

    def _compare(self, found: dict[str, str]) -> None:
        for name, text in found.items():
            if name not in self._open:
                log.warning("notice: %s", text)
                self._gateway.metrics.notices.labels(name.partition(":")[0]).inc()
        for name, text in self._open.items():
            if name not in found:
                log.warning("cleared: %s", text)
        self._open = found

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.look()
                await self.silences.look()
                await self._prune_now_and_then()
            except StoreUnavailable:
                self.silences.interrupted()
                self._compare({**self._open, "store-away": "the store is away: sources wait"})
            except Exception:  # the loop must survive a look
                log.exception("the watch could not look")
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._stopping.wait()
            except TimeoutError:
                pass

    async def _prune_now_and_then(self) -> None:
        if time.monotonic() - self._pruned < PRUNE_SECONDS:
            return
        self._pruned = time.monotonic()
        gateway = self._gateway
        pruned = await gateway.store.prune(gateway.clock(), retention_of(gateway.settings))
        counts = (pruned.bodies, pruned.events, pruned.seen, pruned.answers, pruned.interchanges)
        log.info("pruned %d bodies, %d events, %d dedup keys, %d answers, %d interchanges", *counts)
