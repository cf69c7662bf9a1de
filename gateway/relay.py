"""The relay: committed events and reply files to one destination, in order, until each is confirmed.

A delivery leaves the outbox only after its destination took it.  While the destination is away nothing is lost and
nothing is skipped: the relay tries again, slower each time up to ten seconds, and the backlog drains by itself.

Order holds per key (the patient): a delivery that failed, and every later one of its key, stays and is sent again next
round in order, also when the destination took some of the later ones.  A consumer may so see an event twice, with the
same id, and never as its last word an older one.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from channels.ports import Delivery, DeliveryError, Destination, Outcome, Postponed, Result, Stoppable
from gateway.store.ports import OutboxItem, StoreUnavailable

log = logging.getLogger(__name__)

_MOST_STUCK = 10_000


class Outbox(Protocol):
    """The part of a store that the relay needs."""

    async def outbox_claim(self, sink: str, limit: int) -> list[OutboxItem]: ...

    async def outbox_settle(self, sink: str, outcomes: Sequence[tuple[int, str]]) -> None: ...

    async def outbox_postpone(self, sink: str, postponed: Sequence[tuple[int, int, datetime]]) -> None: ...


@dataclass(slots=True, frozen=True)
class RelayTimes:
    """Seconds, and the size of a round."""

    batch: int = 500
    idle: float = 0.25  # between looks at an empty outbox when nobody calls `wake`
    first_retry: float = 0.25
    last_retry: float = 10.0
    delivery: float = 30.0  # above every destination's own time-outs: a delivery that hangs all the same is given up


def to_delivery(item: OutboxItem) -> Delivery:
    """An event for the bus, or a reply file (which has no routing key).

    Outside the body there are only our own ids and fixed words (decision 24)."""
    if not item.routing_key:
        return Delivery(f"{item.type.lower()}-{item.event_id}.x12", item.key, "", item.body, {}, "application/edi-x12")
    headers = {"type": item.type, "facility": item.facility_id, "partitionkey": item.key}
    return Delivery(item.event_id, item.key, item.routing_key, item.body, headers, "application/cloudevents+json")


class Relay:
    """Moves the outbox rows of one sink to one destination; the only relay of that sink.

    `render` makes the delivery of an item.  Counters: `settled` by outcome word, `failures`, and `trouble`: why it
    cannot deliver now, or None.  The destination stays open: who made it closes it.
    """

    def __init__(
        self,
        store: Outbox,
        sink: str,
        destination: Destination,
        *,
        render: Callable[[OutboxItem], Delivery] = to_delivery,
        times: RelayTimes | None = None,
    ) -> None:
        self.settled: Counter[str] = Counter()
        self.failures = 0
        self.trouble: str | None = None
        self.paused = False
        self._draining = False
        self._store = store
        self._sink = sink
        self._destination = destination
        self._render = render
        self._times = times or RelayTimes()
        self._wake = asyncio.Event()
        self._stopped = asyncio.Event()
        self._pause = 0.0
        self._answers = True  # the destination, in the last round
        self._stuck = 0  # deliveries of keys that cannot go on: looked past, so that they hold up nobody else
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Deliver from now on."""
        self._task = asyncio.get_running_loop().create_task(self.run(), name=f"relay {self._sink}")

    async def stop(self, timeout: float = 2.0) -> None:
        """Finish the round in hand, or leave it to the next start after `timeout` seconds."""
        self._stopped.set()
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout)
            self._task.cancel()
            await asyncio.wait({self._task})

    def wake(self) -> None:
        """New deliveries were committed."""
        self._wake.set()

    def pause(self) -> None:
        """Deliver nothing after the round in hand until `resume`; the outbox keeps it."""
        self.paused = True

    def drain(self) -> None:
        """Deliver what is pending, also what a pause kept, then pause."""
        self.paused, self._draining = False, True
        self._pause = 0.0
        self._wake.set()

    def resume(self) -> None:
        self.paused = self._draining = False
        if isinstance(self._destination, Stoppable):
            self._destination.resume()
        self._pause = 0.0
        self._wake.set()

    @property
    def connected(self) -> int:
        """Connections that the destination holds; 0 where that means nothing."""
        return int(getattr(self._destination, "connected", 0))

    @property
    def stopped(self) -> str:
        """Why the destination takes nothing until a person lets it; "" while it does."""
        return self._destination.stopped if isinstance(self._destination, Stoppable) else ""

    async def run(self) -> None:
        """Deliver until stopped."""
        while not self._stopped.is_set():
            self._wake.clear()
            moved = 0 if self.paused else await self._attempt()
            if self._draining and not moved and not self._stuck and self._answers:
                self.paused, self._draining = True, False
            if self._pause:
                # A destination that answers is asked again as soon as there is something for other keys.
                seconds = self._pause * random.uniform(0.75, 1.25)  # noqa: S311
                await self._sleep(seconds, self._wake if self._answers else self._stopped)
            elif not moved:
                await self._sleep(self._times.idle, self._wake)

    async def deliver_once(self) -> int:
        """One round; how many deliveries were settled.  Raises DeliveryError and StoreUnavailable."""
        self._answers = False
        items = await self._store.outbox_claim(self._sink, self._times.batch + self._stuck)
        if not items:
            self._answers, self._stuck = True, 0
            return 0
        try:
            async with asyncio.timeout(self._times.delivery):
                outcomes = await self._destination.deliver([self._delivery(item) for item in items])
        except TimeoutError:
            raise DeliveryError("the destination did not answer in time") from None
        settled = settled_outcomes(items, outcomes)
        self._answers = True
        if settled:
            await self._store.outbox_settle(self._sink, settled)
            self.settled.update(word for _, word in settled)
        pairs = zip(items, outcomes, strict=True)
        postponed = [(item.sequence, one.refusals, one.due) for item, one in pairs if isinstance(one, Postponed)]
        if postponed:
            await self._store.outbox_postpone(self._sink, postponed)
        self._stuck = min(len(items) - len(settled), _MOST_STUCK)
        self.failures += sum(map(_is_failure, outcomes))
        return len(settled)

    def _delivery(self, item: OutboxItem) -> Delivery:
        delivery = self._render(item)
        return replace(delivery, refusals=item.refusals, due=item.due_at) if item.refusals else delivery

    async def _attempt(self) -> int:
        """A round that survives trouble, and says so once when it starts and once when it ends."""
        try:
            moved = await self.deliver_once()
        except (DeliveryError, StoreUnavailable) as problem:
            self._begin_trouble(str(problem))
            return 0
        except Exception as problem:  # one sink's fault must not end the relay; the rows stay
            self._begin_trouble(type(problem).__name__)
            return 0
        if self._stuck:
            self._begin_trouble(f"{self._stuck} deliveries are not taken or wait behind one that is not")
        elif self.trouble is not None:
            log.warning("%s: delivers again", self._sink)
            self.trouble = None
        if moved or not self._stuck:
            self._pause = 0.0
        return moved

    def _begin_trouble(self, reason: str) -> None:
        if self.trouble is None:
            log.error("%s: cannot deliver, will try again: %s", self._sink, reason)
        self.trouble = reason
        self._pause = min(max(self._pause * 2, self._times.first_retry), self._times.last_retry)

    async def _sleep(self, seconds: float, until: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(seconds):
                await until.wait()
        except TimeoutError:
            pass


def _is_failure(outcome: Result) -> bool:
    return outcome is Outcome.FAILED or isinstance(outcome, Postponed)


def settled_outcomes(items: Sequence[OutboxItem], outcomes: Sequence[Result]) -> list[tuple[int, str]]:
    """(sequence, word) of what leaves the outbox: nothing of a key from its first failure on."""
    stopped: set[str] = set()
    settled: list[tuple[int, str]] = []
    for item, outcome in zip(items, outcomes, strict=True):
        if isinstance(outcome, Postponed) or outcome is Outcome.FAILED:
            stopped.add(item.key)
        elif item.key not in stopped:
            settled.append((item.sequence, outcome.value))
    return settled
