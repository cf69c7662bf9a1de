"""The pipeline: claims stored work in lane order, has it read and decided in the compute process, writes the effects.

One batch is one transaction: state, tasks, timers, events and outbox rows appear together with the end of the work
that made them, or not at all (architecture, section 2, lines 3 and 4).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import msgspec

from gateway.batches import BatchSize, beside_parted, fitting, isolate_suspect, untried
from gateway.compute.parted import Cursor
from gateway.compute.process import ComputeFailure, ComputeProcess
from gateway.compute.protocol import Decided, ReadDone
from gateway.coordination.changes import Adopt, Ask, Command, Link, Silence, Undo
from gateway.crosswalk import needed
from gateway.store.ports import (
    Loaded,
    LoadRequest,
    Parked,
    Progress,
    Reply,
    Session,
    Store,
    StoreUnavailable,
    WorkItem,
    WriteRefused,
    WriteSet,
)

log = logging.getLogger(__name__)

LONGEST_CHAIN = 16
"""Batches in one hold of the lanes: commands and a new configuration wait for its end."""


class PipelineSettings:
    """How the pipeline batches and how patient it is."""

    def __init__(
        self,
        *,
        batch: int = 256,
        linger_seconds: float = 0.02,
        max_attempts: int = 3,
        small_batch: int = 32,
        idle_seconds: float = 0.25,
    ) -> None:
        self.batch = batch
        self.linger_seconds = linger_seconds
        self.max_attempts = max_attempts
        self.small_batch = small_batch
        self.idle_seconds = idle_seconds


class Conflict(Exception):
    """A command met a task that is not there or not as the person saw it.  `reason`: not-found | conflict:..."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Pipeline:
    """Runs until stopped.

    `clock` gives the gateway's time, `committed` is called after each commit, `facility_of` names a channel's facility,
    `waiting` tells how many items are pending.
    """

    def __init__(
        self,
        store: Store,
        compute: ComputeProcess,
        settings: PipelineSettings,
        clock: Callable[[], datetime],
        committed: Callable[[Decided], None] = lambda decided: None,
        facility_of: Callable[[str], str] = lambda channel: "main",
        waiting: Callable[[], int] = lambda: 0,
    ) -> None:
        self._store = store
        self._compute = compute
        self._settings = settings
        self._clock = clock
        self._committed = committed
        self._facility_of = facility_of
        self._waiting = waiting
        self.answer_parked: Callable[[WorkItem, str], Reply | None] = lambda item, reason: None
        """What a message that the compute process could not survive is answered, where it is answered at all."""
        self._wake = asyncio.Event()
        self._stopping = False
        self._more = False  # behind the batch in hand: nothing is gained by waiting
        self._size = BatchSize(settings.batch)
        self._group = settings.batch  # of a body in parts so many items at most were read last
        self._task: asyncio.Task[None] | None = None
        self._batch = asyncio.Lock()
        self._read_ahead: tuple[list[int], ReadDone | None] = ([], None)
        self.batches = 0
        self.items = 0
        self.last_progress = time.monotonic()

    # -- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="pipeline")

    def wake(self) -> None:
        """New work was committed."""
        self._wake.set()

    async def stop(self) -> None:
        """End after the batch in hand."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        away = False
        while not self._stopping:
            self._wake.clear()  # before the claim: work stored from here on is seen by it, or wakes the next
            try:
                count = await self.run_once()
            except StoreUnavailable:
                if not away:  # once: an outage may last for hours
                    log.warning("store away: the pipeline waits")
                away = True
                await self._pause(1.0)
                continue
            except Exception:  # the loop must survive a batch: nothing was committed, it is claimed again
                log.exception("batch failed")
                await self._pause(1.0)
                continue
            away = False
            self.last_progress = time.monotonic()
            if count == 0:
                await self._pause(self._settings.idle_seconds)
            elif count < self._settings.small_batch and self._settings.linger_seconds and not self._more:
                await asyncio.sleep(self._settings.linger_seconds)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    # -- one batch ---------------------------------------------------------------------------------------------------

    async def run_once(self) -> int:
        """Claim and finish one batch; returns how many items ended.  0: nothing to do."""
        async with self._batch:
            limit = self._size.limit
            session = await self._store.claim(limit)
            if session is None:
                return 0
            self._more = len(session.items) >= limit
            return await self._finish(session)

    @asynccontextmanager
    async def between_batches(self) -> AsyncIterator[None]:
        """No batch is in hand inside, and none read ahead: what is claimed next is read anew (decision 28)."""
        async with self._batch:
            self._read_ahead = ([], None)
            yield

    async def _finish(self, session: Session) -> int:
        needed: frozenset[int] | None = None
        up_to = 0
        ended = 0
        batch: Sequence[WorkItem] = ()
        try:
            async with session:
                batch = beside_parted(isolate_suspect(session.items))
                self._more |= len(batch) < len(session.items)
                if not batch:
                    return 0
                reading = await self._read(batch)
                loaded = await session.load(reading.request)
                count, needed = fitting(reading.keys, batch, loaded, session.lanes)
                if count:
                    decided = await self._compute.decide({"count": count, "rows": loaded.rows, "now": self._clock()})
                    for _ in range(LONGEST_CHAIN):
                        following = await self._write(session, batch, decided)
                        ended = len(decided.done) + len(decided.writes.progress)
                        self._more |= bool(decided.writes.progress)
                        if following is None:
                            break
                        batch, decided = following
                else:
                    up_to = batch[0].work_id
        except ComputeFailure as failure:
            await self._blame(failure, batch)
            return len(batch)
        except WriteRefused:
            log.error("the store refused the effects of a batch of %d: it is halved until one is left", len(batch))
            await self._blame(ComputeFailure("store-refused", 0), batch)
            return len(batch)
        if needed is not None and up_to:
            return await self._with_lanes(needed | frozenset(batch[0].lanes), up_to)
        return ended

    async def _read(self, batch: Sequence[WorkItem]) -> ReadDone:
        """What was read ahead, when it is this batch."""
        (ids, reading), self._read_ahead = self._read_ahead, ([], None)
        if reading is not None and ids == [item.work_id for item in batch]:
            return reading
        self._group = self._size.limit
        return await self._compute.read(list(batch), self._group, self._store.body_part)

    async def _write(
        self, session: Session, batch: Sequence[WorkItem], decided: Decided
    ) -> tuple[Sequence[WorkItem], Decided] | None:
        """Commit, and use the time that it takes: see `_look_ahead`."""
        writing = asyncio.ensure_future(session.commit(decided.writes))
        following = None
        try:
            if len(decided.done) == len(batch) and not any(item.size for item in batch):
                following = await self._look_ahead(session, batch[-1].work_id)
        except (ComputeFailure, StoreUnavailable) as problem:
            log.warning("nothing read ahead: %s", type(problem).__name__)  # it is met again, and blamed
        finally:
            await writing
        self._count(decided)
        return following

    async def _look_ahead(self, session: Session, after: int) -> tuple[Sequence[WorkItem], Decided] | None:
        """Read the batch that follows.  Where the lanes stay ours, decide on it too, upon the state that the batch in
        writing leaves; but not when more than the patients named must be known, such as whom an answer may be about."""
        limit = self._size.limit
        items = untried(await session.ahead(after, limit))
        if len(items) < min(self._settings.small_batch, limit) or any(item.size for item in items):
            return None
        reading = await self._compute.read(list(items))
        request = reading.request
        further = request.patient_ids or request.members or request.traces or request.timers or request.schedule
        if not session.keeps_lanes or further:
            self._read_ahead = ([item.work_id for item in items], reading)
            return None
        loaded = await session.load(request)
        return items, await self._compute.decide(
            {"count": len(items), "rows": loaded.rows, "now": self._clock(), "follows": True}
        )

    async def _with_lanes(self, lanes: frozenset[int], up_to: int) -> int:
        """The next message needs lanes not held: lock the whole set in ascending order (merge protocol, rule 3)."""
        session = await self._store.claim(self._settings.batch, only_lanes=lanes, up_to=up_to)
        return 0 if session is None else await self._finish(session)

    def _count(self, decided: Decided) -> None:
        self._size.wrote(self._store.last_write_ms, self._waiting())
        self.batches += 1
        self.items += len(decided.done)
        for rule_id, error in decided.rule_failures:
            log.error("rule %s failed: %s", rule_id, error)
        self._committed(decided)

    # -- items that fail, hang or kill -------------------------------------------------------------------------------

    async def _blame(self, failure: ComputeFailure, batch: Sequence[WorkItem]) -> None:
        """Commit an attempt of the item at which the compute process was lost, then park it when it had its chances.

        The item is tried again alone, so that its neighbours are never lost with it a second time.  When nothing says
        at which item it was, the batch is halved until the one is alone: its neighbours lose no chance (decision 18).
        """
        suspect = next((item for item in batch if item.work_id == failure.work_id), None)
        if suspect is not None and suspect.size and self._group > 1:
            self._size.failed(self._group)  # until the message or set is alone
            return
        if suspect is None:
            if len(batch) != 1:
                self._size.failed(len(batch))
                return
            suspect = batch[0]
        chances = 2 if failure.reason == "time-budget" else self._settings.max_attempts
        if suspect.attempts + 1 < chances:
            await self._store.failed_attempt([suspect.work_id])
            return
        await self._park(suspect, failure.reason)

    async def _park(self, suspect: WorkItem, reason: str) -> None:
        session = await self._store.claim(1, only_lanes=frozenset(suspect.lanes), up_to=suspect.work_id)
        if session is None:
            return
        async with session:
            if not any(item.work_id == suspect.work_id for item in session.items):
                return
            writes = WriteSet(done=[suspect.work_id])
            told = suspect
            if suspect.kind == "timer":
                writes.deleted_timers = [suspect.body.decode()]
            elif suspect.size:
                writes = self._park_part(suspect, reason)
                first = await self._store.body_part(suspect.journal_id, 0)
                item = writes.parked[0].item
                told = msgspec.structs.replace(suspect, size=0, body=first or b"", item=item)
            else:
                writes.parked = [self._parked(suspect, reason)]
            answer = self.answer_parked(told, reason) if writes.parked else None
            writes.replies = [answer] if answer is not None else []
            await session.commit(writes)
        if suspect.kind == "timer":
            log.error("timer of channel %s dropped: %s", suspect.channel, reason)
            return
        log.error("message m-%d parked: %s", suspect.journal_id, reason)

    def _park_part(self, suspect: WorkItem, reason: str) -> WriteSet:
        """Of a batch the message alone, and its siblings go on; of X12 the rest, which is read one set by the other."""
        cursor = Cursor.read(suspect.body)
        parked = self._parked(suspect, reason)
        parked.item = cursor.item
        if suspect.source_kind == "hl7v2":
            rest = bytes(Cursor(cursor.item + 1, cursor.replies))
            progress = [Progress(work_id=suspect.work_id, cursor=rest)]
            return WriteSet(progress=progress, parked=[parked], received={suspect.channel: 1})
        parked.payload = bytes(cursor)
        return WriteSet(done=[suspect.work_id], parked=[parked])

    def _parked(self, suspect: WorkItem, reason: str) -> Parked:
        return Parked(
            journal_id=suspect.journal_id,
            item=suspect.item,
            channel=suspect.channel,
            facility_id=self._facility_of(suspect.channel),
            stage="compute",
            reason=reason,
            detail="",
            attempts=suspect.attempts + 1,
            kind=suspect.kind,
            lanes=suspect.lanes,
            payload=suspect.body if suspect.kind == "event" else b"",
        )

    # -- commands ----------------------------------------------------------------------------------------------------

    async def ask(self, question: Ask | Adopt | Undo | Link | Silence, *, dry_run: bool = False) -> WriteSet:
        """A question to a payer, what going live found, a merge undone, or a silent feed, in the
        patient's lane; with `dry_run` nothing is written.  Raises Conflict."""
        further = frozenset(question.lanes) if isinstance(question, Link) else frozenset[int]()
        session = await self._store.claim_patient(question.patient_id, further)
        async with session:
            loaded = await session.load(needed(question))
            decided = await self._compute.act({"command": question, "rows": loaded.rows, "now": self._clock()})
            outcome = decided.done[0]
            if outcome.outcome != "processed":
                raise Conflict(outcome.reason or "conflict")
            if not dry_run:
                await session.commit(decided.writes)
        if not dry_run:
            self._committed(decided)
        return decided.writes

    async def send_document(self, document: Reply) -> None:
        """Write an interchange of ours for its channel."""
        session = await self._store.hold(frozenset())
        async with session:
            await session.commit(WriteSet(replies=[document]))
        self._committed(Decided(writes=WriteSet(replies=[document]), done=[]))

    async def execute(self, command: Command, patient_id: str) -> WriteSet:
        """A person's act on a task, in the patient's lane.  Raises Conflict."""
        session = await self._store.claim_patient(patient_id)
        async with session:
            loaded = await session.load(LoadRequest(patient_ids=[patient_id]))
            decided = await self._compute.act({"command": command, "rows": loaded.rows, "now": self._clock()})
            outcome = decided.done[0]
            if outcome.outcome != "processed":
                raise Conflict(outcome.reason or "conflict")
            if command.request is not None:
                decided.writes.appended["task_requests"] = [request_row(command, loaded, self._clock())]
            await session.commit(decided.writes)
        self._committed(decided)
        return decided.writes


def request_row(command: Command, loaded: Loaded, now: datetime) -> list[Any]:
    """What is kept of an act that was asked for under an Idempotency-Key, in the transaction that does it."""
    task = next(row for row in loaded.rows["tasks"] if row[0] == command.task_id)
    return [command.request, task[1], command.task_id, command.request_digest, now]
