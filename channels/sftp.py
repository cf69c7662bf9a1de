"""Files from a folder of an SFTP server, and files into one, with the guarantees of a file drop.

A file is taken when it is a regular file whose size and time have not changed for a while, read whole, submitted to the
intake, and moved to done/ (or removed) after the commit that holds it.  Links are never followed; names are used on the
server alone, and only those without a path.  What happens twice (a connection that broke before the move, a restart)
the intake's digest makes one.
"""

from __future__ import annotations

import asyncio
import logging
import stat
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from channels.drop_folder import DONE, ERROR
from channels.file_name import file_name
from channels.file_source import AT_ONCE, BYTES_AT_ONCE, LARGE, FileSource, Settling, unfinished
from channels.ports import HEAD, Answer, BodyChanged, Delivery, DeliveryError, Intake, Outcome
from channels.sftp_account import SftpAccount, SftpAway, SftpLine

if TYPE_CHECKING:
    import asyncssh

log = logging.getLogger(__name__)

_BLOCK = 256 << 10
_LISTED = 100_000  # names of a folder that are looked at

Seen = tuple[int, int]  # size, time of change


@dataclass(slots=True, frozen=True, kw_only=True)
class SftpSettings:
    """One channel.  `folder` is read, `out` written; empty: not.  `after`: move | delete what was stored."""

    name: str
    account: SftpAccount
    folder: str = ""
    out: str = ""
    after: str = "move"
    poll_seconds: float = 30.0
    stable_seconds: float = 10.0
    max_file: int = 256 << 20


@dataclass(slots=True, frozen=True)
class _Found:
    name: str
    seen: Seen


@dataclass(slots=True)
class _RemoteBody:
    """`channels.ports.BodySource` of a file on the server."""

    size: int
    read: Callable[[int], AsyncIterator[bytes]]

    def chunks(self) -> AsyncIterator[bytes]:
        return self.read(self.size)


class Sftp(FileSource):
    """Polls one folder; also `channels.ports.Destination` for the other.

    Counters: also `sent`; `trouble`: why the server cannot be used now, or None.
    """

    CANNOT = "the server cannot be used, will try again"
    CAN_AGAIN = "the server can be used again"

    def __init__(self, settings: SftpSettings, intake: Intake, *, clock: Callable[[], datetime] | None = None) -> None:
        """OSError when asyncssh or a key cannot be had."""
        super().__init__(settings.name, intake, settings.poll_seconds, clock)
        self.settings = settings
        self.sent = 0
        self._line = SftpLine(settings.account)
        self._settling: Settling[Seen] = Settling(settings.stable_seconds)
        self._stuck: dict[str, Seen] = {}  # stored, and could not be moved: not taken again while they stay the same

    # -- a source of the gateway -----------------------------------------------------------------------------------

    async def start(self) -> None:
        if self.settings.folder:
            await super().start()

    @property
    def connections(self) -> int:
        return 0 if self.trouble else 1

    async def look(self) -> bool:
        try:
            more = await self._round()
        except SftpAway as problem:
            self._begin_trouble(str(problem))
            return False
        except self._line.errors as problem:
            await self._line.drop()
            self._begin_trouble(type(problem).__name__)
            return False
        self._end_trouble()
        return more

    async def _round(self) -> bool:
        """One round; True when there is more to take at once.  Raises SftpAway and the errors of the connection."""
        client = await self._line.open()
        async with asyncio.timeout(self.settings.account.answer_seconds):
            ready = self._ready(await self._list(client))
        batch: list[tuple[_Found, asyncio.Future[Answer]]] = []
        size = 0
        taken = 0
        for found in ready[:AT_ONCE]:
            if size >= BYTES_AT_ONCE:
                break
            taken += 1
            if found.seen[0] > self.settings.max_file:
                await self._finish(client, found, ERROR, "is larger than this channel accepts")
                continue
            body = await self._read(client, found)
            if body is None:
                continue
            size += found.seen[0]
            large = len(body) < found.seen[0]
            source = _RemoteBody(found.seen[0], partial(self._blocks, client, found)) if large else None
            batch.append((found, self._submit(found.name, body, source)))
        moved = False
        for found, future in batch:
            moved |= await self._conclude(client, found, await future)
        return moved and taken < len(ready)

    async def _list(self, client: asyncssh.SFTPClient) -> list[_Found]:
        found: list[_Found] = []
        async for entry in client.scandir(self.settings.folder):
            name = str(entry.filename)
            if unfinished(name) or "/" in name or "\0" in name or not entry.attrs.size:
                continue
            mode = entry.attrs.permissions
            if mode is not None and stat.S_ISREG(mode):
                found.append(_Found(name, (entry.attrs.size, int(entry.attrs.mtime or 0))))
            if len(found) >= _LISTED:
                break
        return found

    def _ready(self, listed: list[_Found]) -> list[_Found]:
        """Those that are whole and not stuck, the oldest first."""
        self._stuck = {found.name: found.seen for found in listed if self._stuck.get(found.name) == found.seen}
        settled = self._settling.settled((found.name, found.seen) for found in listed)
        ready = [_Found(name, seen) for name, seen in settled if name not in self._stuck]
        return sorted(ready, key=lambda each: (each.seen[1], each.name))

    async def _read(self, client: asyncssh.SFTPClient, found: _Found) -> bytes | None:
        """The whole file, of a large one the head; None: it changed, went away, or cannot be read now."""
        body = bytearray()
        size = found.seen[0]
        try:
            async for block in self._blocks(client, found, HEAD if size > LARGE else size):
                body += block
        except BodyChanged:
            return None
        except self._line.errors as problem:
            if await self._is_away():
                raise
            log.warning("channel %s: a file cannot be read: %s", self.settings.name, type(problem).__name__)
            return None
        return bytes(body)

    async def _blocks(self, client: asyncssh.SFTPClient, found: _Found, limit: int) -> AsyncIterator[bytes]:
        """The first `limit` bytes of a file that is and stays what was seen of it.  Raises BodyChanged."""
        path = f"{self.settings.folder.rstrip('/')}/{found.name}"
        before = await client.lstat(path)
        if before.permissions is None or not stat.S_ISREG(before.permissions) or before.size != found.seen[0]:
            raise BodyChanged
        read = 0
        async with client.open(path, "rb") as file:
            while read < limit:
                async with asyncio.timeout(self.settings.account.answer_seconds):
                    block = await file.read(min(_BLOCK, limit - read))
                if not block:
                    break
                assert isinstance(block, bytes)
                read += len(block)
                yield block
        after = await client.lstat(path)
        if (after.size, int(after.mtime or 0)) != found.seen or read != limit:
            raise BodyChanged

    async def _is_away(self) -> bool:
        """Whether the server is gone, and not only one file of his."""
        try:
            client = await self._line.open()
            async with asyncio.timeout(self.settings.account.answer_seconds):
                await client.stat(self.settings.folder or ".")
        except SftpAway:
            return True
        except self._line.errors:
            return True
        return False

    async def _conclude(self, client: asyncssh.SFTPClient, found: _Found, answer: Answer) -> bool:
        """Move an answered file on; False when it must be submitted again (our own outage)."""
        if answer.accepted:
            self.stored += 1
            await self._finish(client, found, DONE)
        elif answer.close:
            return False
        else:
            await self._finish(client, found, ERROR, "is no interchange and no message")
        return True

    async def _finish(self, client: asyncssh.SFTPClient, found: _Found, goal: str, reason: str = "") -> None:
        folder = self.settings.folder.rstrip("/")
        path = f"{folder}/{found.name}"
        if reason:
            self.rejected += 1
            log.warning("channel %s: a file %s", self.settings.name, reason)
        try:
            if self.settings.after == "delete" and goal == DONE:
                await client.remove(path)
                return
            await client.makedirs(f"{folder}/{goal}", exist_ok=True)
            await client.rename(path, f"{folder}/{goal}/{time.time_ns():016x}-{found.name[-150:]}")
        except self._line.errors as problem:
            self._stuck[found.name] = found.seen
            log.error("channel %s: a file stays where it is: %s", self.settings.name, type(problem).__name__)

    # -- channels.ports.Destination --------------------------------------------------------------------------------

    async def deliver(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Write each delivery under a temporary name and rename it.  DeliveryError when the server is away."""
        if not self.settings.out:
            return [Outcome.REFUSED] * len(batch)
        outcomes: list[Outcome] = []
        try:
            client = await self._line.open()
            for delivery in batch:
                async with asyncio.timeout(self.settings.account.answer_seconds):
                    outcomes.append(await self._put(client, delivery))
        except SftpAway as problem:
            raise DeliveryError(str(problem)) from None
        except self._line.errors as problem:
            await self._line.drop()
            if not outcomes:
                raise DeliveryError(f"the file was not taken: {type(problem).__name__}") from None
        return outcomes + [Outcome.FAILED] * (len(batch) - len(outcomes))

    async def _put(self, client: asyncssh.SFTPClient, delivery: Delivery) -> Outcome:
        if "/" in delivery.id or "\0" in delivery.id or delivery.id.startswith("."):
            return Outcome.REFUSED
        folder = self.settings.out.rstrip("/")
        name = file_name(delivery)
        temporary, path = f"{folder}/.{name}.tmp", f"{folder}/{name}"
        async with client.open(temporary, "wb") as file:
            await file.write(delivery.body)
        if (await client.lstat(temporary)).size != len(delivery.body):
            return Outcome.FAILED
        try:
            await client.posix_rename(temporary, path)
        except self._line.errors:  # a server without that extension, which renames to free names alone
            if await client.exists(path):
                await client.remove(path)
            await client.rename(temporary, path)
        self.sent += 1
        return Outcome.CONFIRMED

    async def close(self) -> None:
        await super().close()
        await self._line.drop()
