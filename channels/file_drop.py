"""Files from a folder, and files into one.

A dropped file is taken by moving it, submitted to the intake, and moved on by the answer.  What happens between two
moves may happen twice (a crash, a store that was away), and the intake's digest makes it one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from channels.drop_folder import DONE, ERROR, Claimed, DropFolder, NotReadable, write_whole
from channels.file_name import file_name
from channels.file_source import AT_ONCE, BYTES_AT_ONCE, LARGE, FileSource
from channels.folder_notice import FolderNotice
from channels.ports import Answer, Delivery, DeliveryError, Intake, Outcome

log = logging.getLogger(__name__)

_REJECTED = "The content could not be read as an interchange or a message; the journal of the gateway keeps it.\n"


@dataclass(slots=True, frozen=True)
class FileDropSettings:
    """One drop folder.  Times in seconds, sizes in bytes.  `out` is where the answers appear; `notify`: look at once
    when the system tells of a new file."""

    name: str
    folder: Path
    out: Path | None = None
    poll_seconds: float = 0.5
    stable_seconds: float = 1.0
    max_file: int = 256 << 20
    notify: bool = True


class FileDrop(FileSource):
    """Watches one folder.  `trouble` says why the folder cannot be read now, or None."""

    CANNOT = "the folder cannot be read, will try again"
    CAN_AGAIN = "the folder can be read again"

    def __init__(
        self, settings: FileDropSettings, intake: Intake, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        super().__init__(settings.name, intake, settings.poll_seconds, clock)
        self.settings = settings
        self._folder = DropFolder(settings.folder, stable_seconds=settings.stable_seconds, max_file=settings.max_file)
        self._notice = FolderNotice(settings.name, settings.folder, self.wake)
        self._waiting: list[Claimed] = []  # taken, to be submitted

    async def start(self) -> None:
        """Make the folders, take up what was left, and watch.  Raises OSError when the folders cannot be made."""
        await asyncio.to_thread(self._folder.make)
        if self.settings.out is not None:
            await asyncio.to_thread(self.settings.out.mkdir, parents=True, exist_ok=True)
        self._waiting = await asyncio.to_thread(self._folder.leftovers)
        await super().start()

    async def look(self) -> bool:
        if self.settings.notify:
            self._notice.listen()  # before the look: what comes after it is heard
        try:
            moved = await self._pass()
            self._soon = self._folder.settles_in
        except OSError as problem:
            self._begin_trouble(problem.strerror or type(problem).__name__)
            return False
        self._end_trouble()
        return moved

    async def _stop(self) -> None:
        await super()._stop()
        await self._notice.close()

    async def _pass(self) -> bool:
        """Submit what fits into one commit; True when something was answered for good."""
        if len(self._waiting) < AT_ONCE:
            await self._claim()
        batch: list[tuple[Claimed, asyncio.Future[Answer]]] = []
        size = 0
        later: list[Claimed] = []
        while self._waiting and len(batch) < AT_ONCE and size < BYTES_AT_ONCE:
            claimed = self._waiting.pop(0)
            try:
                body, whole = await asyncio.to_thread(self._folder.read, claimed)
            except NotReadable as problem:
                await self._set_aside(claimed, problem, later)
                continue
            size += whole
            source = _DroppedBody(self._folder, claimed, whole) if whole > LARGE else None
            batch.append((claimed, self._submit(claimed.original, body, source)))
            del body
        moved = False
        for claimed, future in batch:
            moved |= await self._conclude(claimed, await future, later)
        self._waiting += later
        return moved

    async def _claim(self) -> None:
        odd = self._folder.odd
        claimed = await asyncio.to_thread(self._folder.claim, AT_ONCE)
        self._waiting += claimed
        if self._folder.odd > odd:
            log.warning("channel %s: %d links or other non-files are ignored", self.settings.name, self._folder.odd)
        for each in claimed:
            if each.mark is not None:
                inode = each.mark[1]
                log.error("channel %s: inode %d cannot be moved, it is read where it lies", self.settings.name, inode)

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


class _DroppedBody:
    """`channels.ports.BodySource` of a file in the folder."""

    def __init__(self, folder: DropFolder, claimed: Claimed, size: int) -> None:
        self.size = size
        self._folder = folder
        self._claimed = claimed

    async def chunks(self) -> AsyncIterator[bytes]:
        blocks = self._folder.blocks(self._claimed)
        try:
            while block := await asyncio.to_thread(next, blocks, b""):
                yield block
        finally:
            await asyncio.to_thread(blocks.close)


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
