"""Store, then acknowledge.  Nothing is answered before the commit that holds it is durable.

A self-clocking group commit: while one commit runs, arrivals gather; when it ends, its answers go out and what has
gathered is committed: at once after a small commit, a moment later after a large one, whose senders are about to send
again.  A lone sender waits for one commit and nothing else, many senders share one.  There is one committer, so the
journal's order is the order of arrival.

While the store is away the batch is kept and tried again, sources stop reading, and a unit whose hold budget is over is
answered by its channel's rule (decision 1).  The batch still goes in when the store is back: a copy sent again is then
a duplicate.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from channels.ports import Answer, Inbound
from gateway.admission import Admission, IntakeFeed, admit, dedup_key, outage_code
from gateway.sequencing import MISFITS
from gateway.staging import Stages, Staging
from gateway.store.ports import JournalEntry, Stored, StoreUnavailable
from gateway.traffic import ChannelTraffic
from parsers.hl7v2.acknowledgement import AckError, Ours, build_answer
from parsers.hl7v2.batch_acknowledgement import build_batch_acknowledgement

__all__ = ["GroupCommitIntake", "IntakeFeed", "IntakeLimits"]

log = logging.getLogger(__name__)

_OUTAGE = AckError(code="207", location="", text="not stored, send again")


class Ingesting(Stages, Protocol):
    """The part of a store that the intake needs."""

    async def ingest(self, entries: Sequence[JournalEntry]) -> list[Stored]: ...


@dataclass(slots=True, frozen=True)
class IntakeLimits:
    """Sizes and times of the group commit."""

    batch_rows: int = 512
    batch_bytes: int = 8 << 20
    gathered_bytes: int = 32 << 20  # above it sources stop reading
    crowd_rows: int = 32  # after a commit of more than these the next one lets arrivals gather
    gather_seconds: float = 0.001
    max_backlog: int = 100_000  # unprocessed items above which sources stop reading
    retry_seconds: float = 0.25
    slow_commit_seconds: float = 2.0  # a commit that takes longer counts as an absent store


@dataclass(slots=True)
class _Pending:
    inbound: Inbound
    feed: IntakeFeed
    admission: Admission
    deadline: float  # of the loop's clock
    gave_up: bool = False


class GroupCommitIntake:
    """`channels.ports.Intake` over a store.

    `feeds` by channel name; `configure` replaces them between commits.  `backlog` gives the number of unprocessed
    items, `disk_short` says that the disk reserve is used up, `on_stored` hears how many new units a commit brought.
    Counters: `traffic` by channel, `commits`, `committed`, `commit_seconds`, `largest_commit`.
    """

    def __init__(
        self,
        store: Ingesting,
        feeds: Mapping[str, IntakeFeed],
        *,
        limits: IntakeLimits | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        backlog: Callable[[], int] = lambda: 0,
        disk_short: Callable[[], bool] = lambda: False,
        on_stored: Callable[[int], None] = lambda _: None,
        on_answered: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.limits = limits or IntakeLimits()
        self.traffic: dict[str, ChannelTraffic] = {}
        self.commits = 0
        self.committed = 0
        self.commit_seconds = 0.0
        self.largest_commit = 0
        self._store = store
        self._clock = clock
        self._backlog = backlog
        self._disk_short = disk_short
        self._on_stored = on_stored
        self._on_answered = on_answered
        self._control_ids = (f"{prefix}{n:09d}" for prefix in [f"B{secrets.token_hex(4)}"] for n in itertools.count(1))
        self._staging = Staging(store)
        self._gathered: list[_Pending] = []
        self._gathered_bytes = 0
        self._flight: list[_Pending] = []
        self._flight_since = 0.0
        self._crowded = False  # the last commit was large
        self._away = False
        self._committer: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._waiting: list[Callable[[], None]] = []
        self.configure(feeds)

    def configure(self, feeds: Mapping[str, IntakeFeed]) -> None:
        """Use these feeds from the next unit on."""
        self._feeds = dict(feeds)
        for channel in feeds:
            self.traffic.setdefault(channel, ChannelTraffic())

    def submit(self, inbound: Inbound) -> None:
        """Take one unit; the answer comes by `inbound.answered` after the commit."""
        loop = asyncio.get_running_loop()
        try:
            feed = self._feeds[inbound.channel]
            admission = admit(inbound, feed)
        except Exception as problem:  # our own fault is no verdict about the message
            log.error("channel %s: a unit could not be judged: %s", inbound.channel, type(problem).__name__)
            loop.call_soon(_call, inbound, Answer(close=True, accepted=False))
            return
        traffic = self.traffic[inbound.channel]
        traffic.received += 1
        traffic.last_received = inbound.received_at
        patience = math.inf if feed.on_store_timeout == "hold" else feed.hold_seconds
        if inbound.source is not None:
            self._staging.add(inbound, admission, lambda: self._gather(inbound, feed, admission, patience))
        else:
            self._gather(inbound, feed, admission, patience)

    def _gather(self, inbound: Inbound, feed: IntakeFeed, admission: Admission, patience: float) -> None:
        loop = asyncio.get_running_loop()
        self._gathered.append(_Pending(inbound, feed, admission, loop.time() + patience))
        self._gathered_bytes += len(inbound.body)
        if self._committer is None:
            self._committer = loop.create_task(self._commit_gathered())
            if self._watch is None:
                self._watch = loop.call_later(self.limits.retry_seconds, self._look)

    @property
    def accepting(self) -> bool:
        """False while the store is away or slow, the disk is short, or too much is waiting."""
        return not (self._away or self._gathered_bytes > self.limits.gathered_bytes or self.full)

    @property
    def full(self) -> bool:
        """True while the disk is short or too much waits: also what was read already is not taken."""
        return self._backlog() > self.limits.max_backlog or self._disk_short()

    def when_accepting(self, resume: Callable[[], None]) -> None:
        """Call `resume` once when `accepting` turns true again; at once when it is."""
        if self.accepting:
            resume()
            return
        self._waiting.append(resume)
        if self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(self.limits.retry_seconds, self._look)

    async def drain(self) -> None:
        """Return when everything submitted is answered."""
        await self._staging.drain()
        while self._committer is not None:
            await asyncio.wait({self._committer})

    async def close(self) -> None:
        """Stop at once; what is not committed stays unanswered, and its sender sends it again."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        await self._staging.close()
        if self._committer is not None:
            self._committer.cancel()
            await asyncio.wait({self._committer})

    async def _commit_gathered(self) -> None:
        try:
            while self._gathered:
                if self._crowded and len(self._gathered) < self.limits.batch_rows:
                    await asyncio.sleep(self.limits.gather_seconds)
                self._flight = self._take()
                self._flight_since = asyncio.get_running_loop().time()
                for pending in self._flight:
                    entry = pending.admission.entry
                    if entry.dedup_key is None and entry.rejected is None:  # a large body
                        header, identity = pending.admission.header, pending.inbound.identity
                        entry.dedup_key = await asyncio.to_thread(dedup_key, entry, header, identity)
                    if pending.feed.batch_answer == "each" and entry.rejected is None and not entry.staged:
                        await self._answer_batch(pending)
                stored = await self._ingest([pending.admission.entry for pending in self._flight])
                flight, self._flight = self._flight, []
                self._crowded = len(flight) > self.limits.crowd_rows
                self._answer(flight, stored)
        finally:
            self._committer = None

    def _take(self) -> list[_Pending]:
        size = rows = 0
        for pending in itertools.islice(self._gathered, self.limits.batch_rows):
            size += len(pending.inbound.body)
            if rows and size > self.limits.batch_bytes:
                size -= len(pending.inbound.body)
                break
            rows += 1
        batch = self._gathered[:rows]
        del self._gathered[:rows]
        self._gathered_bytes -= size
        return batch

    async def _ingest(self, entries: list[JournalEntry]) -> list[Stored]:
        """Commit a batch, however long the store is away."""
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                stored = await self._store.ingest(entries)
                break
            except Exception as problem:  # StoreUnavailable, or a fault of the store's own: the batch must not be lost
                if not self._away:
                    reason = "away" if isinstance(problem, StoreUnavailable) else type(problem).__name__
                    log.error("store cannot take messages (%s): sources wait", reason)
                    self._away = True
                await asyncio.sleep(self.limits.retry_seconds)
        self.commits += 1
        self.committed += len(entries)
        self.commit_seconds += loop.time() - started
        self.largest_commit = max(self.largest_commit, len(entries))
        if self._away:
            log.warning("store takes messages again after %.1f s", loop.time() - self._flight_since)
            self._away = False
            self._resume()
        return stored

    def _answer(self, flight: list[_Pending], stored: list[Stored]) -> None:
        now = self._clock()
        fresh = 0
        for pending, result in zip(flight, stored, strict=True):
            admission = pending.admission
            traffic = self.traffic[pending.inbound.channel]
            fresh += traffic.count(admission.entry, result)
            if admission.entry.staged and (result.duplicate_of is not None or result.error is not None):
                self._staging.drop(admission.entry.staged)
            if pending.gave_up:
                continue
            if result.error is not None:
                self._say(pending, now, self._outage_answer(pending, now))
            else:
                entry, code, error = admission.entry, admission.code, admission.error
                accepted = entry.rejected is None
                if result.sequence in MISFITS:
                    accepted, code = False, entry.misfit or None
                    error = AckError("207", "MSH^1^13", f"sequence number {result.expected} is expected")
                reply = self._reply(admission, code, error, now, result.expected)
                sender = entry.sender if admission.header is not None and accepted else ""
                known = (result.journal_id, result.duplicate_of)
                self._say(pending, now, Answer(reply, admission.close, accepted, sender, *known))
                traffic.answered[code or ""] += 1
                self._on_answered((now - pending.inbound.received_at).total_seconds())
        if fresh:
            self._on_stored(fresh)

    async def _answer_batch(self, pending: _Pending) -> None:
        """Make the answers to the messages of a batch, beside the loop: there may be thousands."""
        header, body = pending.admission.header, pending.inbound.body
        if header is None or not header.batch:
            return
        ours = next(self._control_ids)
        pending.admission.answer = await asyncio.to_thread(
            build_batch_acknowledgement,
            body,
            header,
            pending.feed.ack_mode,
            now=self._clock(),
            control_ids=(f"{ours}.{number}" for number in itertools.count(1)),
        )

    def _reply(
        self,
        admission: Admission,
        code: str | None,
        error: AckError | None,
        now: datetime,
        expected: int | None = None,
    ) -> bytes | None:
        """`expected`: the sequence number, where they are in use."""
        if admission.answer is not None and error is None:
            return admission.answer
        if admission.header is None or code is None:
            return None
        ours = Ours(now, next(self._control_ids), expected=expected)
        return build_answer(admission.header, code, ours, error)

    def _outage_answer(self, pending: _Pending, now: datetime) -> Answer:
        """AR or CE with 207; where that cannot be said, the connection ends."""
        header = pending.admission.header
        code = outage_code(header, pending.feed) if header is not None else None
        reply = self._reply(pending.admission, code, _OUTAGE, now)
        self.traffic[pending.inbound.channel].answered[code or ""] += 1
        return Answer(reply, close=reply is None and header is not None, accepted=False)

    def _say(self, pending: _Pending, now: datetime, answer: Answer) -> None:
        self.traffic[pending.inbound.channel].last_answered = now
        _call(pending.inbound, answer)

    def _look(self) -> None:
        """Every `retry_seconds` while anything waits: hold budgets, a store that hangs, sources that do not read."""
        self._watch = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._flight and now - self._flight_since > self.limits.slow_commit_seconds and not self._away:
            log.error("store did not finish a commit in %.0f s: sources wait", self.limits.slow_commit_seconds)
            self._away = True
        for pending in itertools.chain(self._flight, self._gathered):
            if now >= pending.deadline and not pending.gave_up:
                self._give_up(pending)
        if self._waiting and self.accepting:
            self._resume()
        if self._committer is not None or self._waiting:
            self._watch = loop.call_later(self.limits.retry_seconds, self._look)

    def _give_up(self, pending: _Pending) -> None:
        pending.gave_up = True
        self.traffic[pending.inbound.channel].gave_up += 1
        now = self._clock()
        if pending.feed.on_store_timeout == "nak" and pending.admission.header is not None:
            self._say(pending, now, self._outage_answer(pending, now))
        else:
            self._say(pending, now, Answer(close=True, accepted=False))

    def _resume(self) -> None:
        waiting, self._waiting = self._waiting, []
        for resume in waiting:
            resume()


def _call(inbound: Inbound, answer: Answer) -> None:
    try:
        inbound.answered(answer)
    except Exception as problem:  # one peer's channel must not keep the others from their answers
        log.error("channel %s: an answer could not be handed over: %s", inbound.channel, type(problem).__name__)
