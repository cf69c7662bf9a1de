"""Files from a folder, and files into one.

A dropped file is taken by moving it, submitted to the intake, and moved on by the answer.  What happens between two
moves may happen twice (a crash, a store that was away), and the intake's digest makes it one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from channels.drop_folder import DONE, ERROR, Claimed, DropFolder, NotReadable, write_whole
from channels.file_name import file_name
from channels.ports import Answer, Delivery, DeliveryError, Inbound, Intake, Outcome

log = logging.getLogger(__name__)

_AT_ONCE = 64  # files per commit
_BYTES_AT_ONCE = 8 << 20
_REJECTED = "The content could not be read as an interchange or a message; the journal of the gateway keeps it.\n"


@dataclass(slots=True, frozen=True)
class FileDropSettings:
    """One drop folder.  Times in seconds, sizes in bytes.  `out` is where the answers appear."""

    name: str
    folder: Path
    out: Path | None = None
    poll_seconds: float = 0.5
    stable_seconds: float = 1.0
    max_file: int = 256 << 20


class FileDrop:
    """Watches one folder.

    Counters: `files` submitted, `stored`, `rejected`; `trouble` says why the folder cannot be read now, or None.
    """

    def __init__(
        self,
        settings: FileDropSettings,
        intake: Intake,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self.files = 0
        self.stored = 0
        self.rejected = 0
        self.trouble: str | None = None
        self.last_received_at: datetime | None = None
        self.paused = False
        self._intake = intake
        self._clock = clock
        self._folder = DropFolder(settings.folder, stable_seconds=settings.stable_seconds, max_file=settings.max_file)
        self._waiting: list[Claimed] = []  # taken, to be submitted
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make the folders, take up what was left, and watch.  Raises OSError when the folders cannot be made."""
        await asyncio.to_thread(self._folder.make)
        if self.settings.out is not None:
            await asyncio.to_thread(self.settings.out.mkdir, parents=True, exist_ok=True)
        self._waiting = await asyncio.to_thread(self._folder.leftovers)
        self._task = asyncio.get_running_loop().create_task(self._watch(), name=f"file drop {self.settings.name}")

    @property
    def connections(self) -> int:
        return 0

    def pause(self) -> None:
        """Take no further files."""
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    async def drain(self, timeout: float = 15.0) -> None:
        """Finish the files in hand and stop; after `timeout` seconds leave them to the next start."""
        self._ending.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout)
        await self.close()

    async def close(self) -> None:
        """Stop now."""
        self._ending.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _watch(self) -> None:
        while not self._ending.is_set():
            moved = False
            try:
                if self._intake.accepting and not self.paused:
                    moved = await self._pass()
                self._end_trouble()
            except OSError as problem:
                self._begin_trouble(problem)
            if not moved:
                await self._rest()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self.settings.poll_seconds):
                await self._ending.wait()
        except TimeoutError:
            pass

    async def _pass(self) -> bool:
        """Submit what fits into one commit; True when something was answered for good."""
        if len(self._waiting) < _AT_ONCE:
            await self._claim()
        batch: list[tuple[Claimed, asyncio.Future[Answer]]] = []
        size = 0
        later: list[Claimed] = []
        while self._waiting and len(batch) < _AT_ONCE and size < _BYTES_AT_ONCE:
            claimed = self._waiting.pop(0)
            try:
                body = await asyncio.to_thread(self._folder.read, claimed)
            except NotReadable as problem:
                await self._set_aside(claimed, problem, later)
                continue
            size += len(body)
            batch.append((claimed, self._submit(claimed, body)))
            del body
        moved = False
        for claimed, future in batch:
            moved |= await self._conclude(claimed, await future, later)
        self._waiting += later
        return moved

    async def _claim(self) -> None:
        odd = self._folder.odd
        claimed = await asyncio.to_thread(self._folder.claim, _AT_ONCE)
        self._waiting += claimed
        if self._folder.odd > odd:
            log.warning("channel %s: %d links or other non-files are ignored", self.settings.name, self._folder.odd)
        for each in claimed:
            if each.mark is not None:
                inode = each.mark[1]
                log.error("channel %s: inode %d cannot be moved, it is read where it lies", self.settings.name, inode)

    def _submit(self, claimed: Claimed, body: bytes) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def answered(answer: Answer) -> None:
            if not future.done():
                future.set_result(answer)

        self.files += 1
        self.last_received_at = self._clock()
        kind = "x12" if body[:1024].lstrip().startswith(b"ISA") else "hl7v2"
        name = claimed.original.encode("utf-8", "backslashreplace").decode()
        self._intake.submit(Inbound(self.settings.name, name, self.last_received_at, body, answered, kind=kind))
        return future

    async def _conclude(self, claimed: Claimed, answer: Answer, later: list[Claimed]) -> bool:
        """Move an answered file on; False when it must be submitted again (our own outage)."""
        if answer.accepted:
            self.stored += 1
            if await asyncio.to_thread(self._folder.changed, claimed):
                log.warning("channel %s: a file changed after it was read: it is read again", self.settings.name)
                if not await asyncio.to_thread(self._folder.give_back, claimed):
                    later.append(claimed)
                return True
            await self._finish(claimed, DONE)
        elif answer.close:
            if claimed.folder:
                later.append(claimed)
            else:
                self._folder.let_go(claimed)
            return False
        else:
            self.rejected += 1
            await self._finish(claimed, ERROR, _REJECTED)
        return True

    async def _set_aside(self, claimed: Claimed, problem: NotReadable, later: list[Claimed]) -> None:
        if problem.later:
            if claimed.folder:
                later.append(claimed)
            else:
                self._folder.let_go(claimed)
            return
        self.rejected += 1
        log.warning("channel %s: a file is set aside: %s", self.settings.name, problem)
        await self._finish(claimed, ERROR, f"{problem}\n")

    async def _finish(self, claimed: Claimed, folder: str, reason: str = "") -> None:
        moved = await asyncio.to_thread(self._folder.finish, claimed, folder, reason)
        if not moved and claimed.folder:
            mark = claimed.name.partition("-")[0]
            log.error("channel %s: file %s is done and cannot be moved from .working", self.settings.name, mark)

    def _begin_trouble(self, problem: OSError) -> None:
        reason = problem.strerror or type(problem).__name__
        if self.trouble is None:
            log.error("channel %s: the folder cannot be read, will try again: %s", self.settings.name, reason)
        self.trouble = reason

    def _end_trouble(self) -> None:
        if self.trouble is not None:
            log.warning("channel %s: the folder can be read again", self.settings.name)
            self.trouble = None


class FileDestination:
    """`channels.ports.Destination` that writes each delivery as a whole file, named by control number and id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def deliver(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Raises DeliveryError when the folder cannot be written."""
        return await asyncio.to_thread(self._write, batch)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, batch: Sequence[Delivery]) -> list[Outcome]:
        outcomes = []
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for delivery in batch:
                if "/" in delivery.id or "\0" in delivery.id or delivery.id.startswith("."):
                    outcomes.append(Outcome.REFUSED)
                    continue
                write_whole(self._folder, file_name(delivery), delivery.body)
                outcomes.append(Outcome.CONFIRMED)
        except OSError as problem:
            raise DeliveryError(f"the folder cannot be written: {problem.strerror}") from None
        return outcomes
