"""Stored traffic or files through one or two configurations, and the difference that makes in tasks."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from gateway.compute.protocol import Configure
from gateway.coordination.records import Task
from gateway.shadow.difference import Difference, compare
from gateway.shadow.engine import Message, ShadowRun
from gateway.shadow.readers import CHUNK, Read, Readers
from gateway.store import traffic_log
from gateway.store.core_store import CoreStore

Progress = Callable[[int, int], None]
"""(messages done, messages in all)"""


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks opened from `since` on and before `until` are compared.  What came in the `warm_up` before makes the state
    that the period begins with; what came up to `now` after it shows how those tasks went on."""

    since: datetime
    until: datetime
    now: datetime
    warm_up: timedelta = timedelta(0)
    channels: tuple[str, ...] | None = None


class Figures(msgspec.Struct, kw_only=True):
    """How a shadow run went."""

    messages: int
    timers: int
    seconds: float
    traffic_seconds: float
    ends: dict[str, int]
    failures: dict[str, int]
    tasks: int

    @property
    def speed(self) -> float:
        """How many times faster than the traffic came."""
        return self.traffic_seconds / self.seconds if self.seconds else 0.0


class Result(msgspec.Struct, kw_only=True):
    figures: Figures
    difference: Difference


async def replay(
    store: CoreStore,
    before: Configure | None,
    after: Configure,
    period: Period,
    progress: Progress = lambda done, of: None,
) -> Result:
    """`before` None: against the tasks that the store holds."""
    configurations = (before, after) if before else (after,)
    runs = [ShadowRun(one) for one in configurations]
    started = time.monotonic()
    with Readers(configurations) as readers:
        async for chunk in stored_chunks(store, period, progress):
            readers.push(chunk)
            if readers.full:
                _play(readers.pop(), runs)
        while readers:
            _play(readers.pop(), runs)
    for run in runs:
        run.wait(period.now)
    elapsed = time.monotonic() - started
    old: Iterable[Task] = runs[0].tasks.values()
    if before is None:
        old = [Task(**row) for row in await traffic_log.opened_tasks(store, period.since, period.until)]
    difference = compare(old, runs[-1].tasks.values(), since=period.since, until=period.until)
    return Result(
        figures=_figures(runs[-1], elapsed, period.until - period.since + period.warm_up), difference=difference
    )


def _play(read: Iterable[Read], runs: Sequence[ShadowRun]) -> None:
    for message, heard in read:
        for run, one in zip(runs, heard, strict=True):
            run.take(message, one)


async def stored_chunks(store: CoreStore, period: Period, progress: Progress) -> AsyncIterator[list[Message]]:
    """The traffic of the period and its warm-up, in order."""
    first = await traffic_log.first_since(store, period.since - period.warm_up)
    last = await traffic_log.first_since(store, period.now)
    total = await traffic_log.count(store, first - 1, last, period.channels)
    done, after = 0, first - 1
    progress(0, total)
    while found := await traffic_log.units(store, after, last, CHUNK, period.channels):
        yield [message_of(unit) for unit in found]
        done, after = done + len(found), found[-1].journal_id
        progress(done, total)


def message_of(unit: traffic_log.StoredUnit) -> Message:
    return Message(
        journal_id=unit.journal_id,
        channel=unit.channel,
        kind=unit.kind,
        received_at=unit.received_at,
        body=unit.body,
        control_id=unit.control_id,
        message_type=unit.message_type,
    )


def simulate(
    before: Configure | None, after: Configure, messages: Sequence[Message], until: datetime | None = None
) -> Result:
    """Files instead of stored traffic; `before` None: against nothing, every task is new."""
    configurations = (before, after) if before else (after,)
    runs = [ShadowRun(one) for one in configurations]
    started = time.monotonic()
    with Readers(configurations) as readers:
        for first in range(0, len(messages), CHUNK):
            readers.push(messages[first : first + CHUNK])
            if readers.full:
                _play(readers.pop(), runs)
        while readers:
            _play(readers.pop(), runs)
    for run in runs:
        run.wait(until or run.now)
    elapsed = time.monotonic() - started
    old: Iterable[Task] = runs[0].tasks.values() if before else ()
    span = runs[-1].now - messages[0].received_at if messages else timedelta(0)
    return Result(figures=_figures(runs[-1], elapsed, span), difference=compare(old, runs[-1].tasks.values()))


def _figures(run: ShadowRun, elapsed: float, span: timedelta) -> Figures:
    return Figures(
        messages=run.messages,
        timers=run.timers,
        seconds=round(elapsed, 3),
        traffic_seconds=max(span, timedelta(0)).total_seconds(),
        ends=dict(run.ends),
        failures=dict(run.failures),
        tasks=len(run.tasks),
    )
