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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from channels.drop_folder import DONE, ERROR, TEMPORARY
from channels.file_name import file_name
from channels.ports import Answer, Delivery, DeliveryError, Inbound, Intake, Outcome
from channels.sftp_account import SftpAccount, SftpAway, SftpLine

if TYPE_CHECKING:
    import asyncssh

log = logging.getLogger(__name__)

_AT_ONCE = 64  # files per round
_BYTES_AT_ONCE = 8 << 20
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


class Sftp:
    """Polls one folder; also `channels.ports.Destination` for the other.

    Counters: `files` submitted, `stored`, `rejected`, `sent`; `trouble`: why the server cannot be used now, or None.
    """

    def __init__(
        self,
        settings: SftpSettings,
        intake: Intake,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """OSError when asyncssh or a key cannot be had."""
        self.settings = settings
        self.files = 0
        self.stored = 0
        self.rejected = 0
        self.sent = 0
        self.trouble: str | None = None
        self.paused = False
        self._intake = intake
        self._clock = clock
        self._line = SftpLine(settings.account)
        self._seen: dict[str, tuple[Seen, float]] = {}
        self._stuck: dict[str, Seen] = {}  # stored, and could not be moved: not taken again while they stay the same
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # -- a source of the gateway -----------------------------------------------------------------------------------

    async def start(self) -> None:
        if self.settings.folder:
            self._task = asyncio.create_task(self._watch(), name=f"sftp {self.settings.name}")

    def pause(self) -> None:
        """Take no further files."""
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    async def drain(self, timeout: float = 15.0) -> None:
        self._ending.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout)
            self._task.cancel()
            await asyncio.wait({self._task})

    @property
    def connections(self) -> int:
        return 0 if self.trouble else 1

    async def _watch(self) -> None:
        while not self._ending.is_set():
            more = False
            try:
                if self._intake.accepting and not self.paused:
                    more = await self.look()
                    self._end_trouble()
            except SftpAway as problem:
                self._begin_trouble(str(problem))
            except self._line.errors as problem:
                await self._line.drop()
                self._begin_trouble(type(problem).__name__)
            if not more:
                await self._rest()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self.settings.poll_seconds):
                await self._ending.wait()
        except TimeoutError:
            pass

    async def look(self) -> bool:
        """One round; True when there is more to take at once.  Raises SftpAway and the errors of the connection."""
        client = await self._line.open()
        async with asyncio.timeout(self.settings.account.answer_seconds):
            ready = self._ready(await self._list(client))
        batch: list[tuple[_Found, asyncio.Future[Answer]]] = []
        size = 0
        taken = 0
        for found in ready[:_AT_ONCE]:
            if size >= _BYTES_AT_ONCE:
                break
            taken += 1
            if found.seen[0] > self.settings.max_file:
                await self._finish(client, found, ERROR, "is larger than this channel accepts")
                continue
            body = await self._read(client, found)
            if body is None:
                continue
            size += len(body)
            batch.append((found, self._submit(found, body)))
        moved = False
        for found, future in batch:
            moved |= await self._conclude(client, found, await future)
        return moved and taken < len(ready)

    async def _list(self, client: asyncssh.SFTPClient) -> list[_Found]:
        found: list[_Found] = []
        async for entry in client.scandir(self.settings.folder):
            name = str(entry.filename)
            unfinished = name.startswith(".") or name.lower().endswith(TEMPORARY)
            if unfinished or "/" in name or "\0" in name or not entry.attrs.size:
                continue
            mode = entry.attrs.permissions
            if mode is not None and stat.S_ISREG(mode):
                found.append(_Found(name, (entry.attrs.size, int(entry.attrs.mtime or 0))))
            if len(found) >= _LISTED:
                break
        return found

    def _ready(self, listed: list[_Found]) -> list[_Found]:
        """Those that stayed as they are for long enough, the oldest first."""
        now = time.monotonic()
        seen: dict[str, tuple[Seen, float]] = {}
        ready: list[_Found] = []
        for found in listed:
            before, since = self._seen.get(found.name, (None, now))
            since = since if before == found.seen else now
            seen[found.name] = (found.seen, since)
            settled = before == found.seen and now - since >= self.settings.stable_seconds
            if settled and self._stuck.get(found.name) != found.seen:
                ready.append(found)
        self._seen = seen
        self._stuck = {name: mark for name, mark in self._stuck.items() if name in seen}
        return sorted(ready, key=lambda each: (each.seen[1], each.name))

    async def _read(self, client: asyncssh.SFTPClient, found: _Found) -> bytes | None:
        """The whole file, or None: it changed, went away, or cannot be read now."""
        path = f"{self.settings.folder.rstrip('/')}/{found.name}"
        try:
            before = await client.lstat(path)
            if before.permissions is None or not stat.S_ISREG(before.permissions) or before.size != found.seen[0]:
                return None
            body = bytearray()
            async with client.open(path, "rb") as file:
                while len(body) <= found.seen[0]:
                    async with asyncio.timeout(self.settings.account.answer_seconds):
                        block = await file.read(_BLOCK)
                    if not block:
                        break
                    assert isinstance(block, bytes)
                    body += block
            after = await client.lstat(path)
        except self._line.errors as problem:
            if await self._is_away():
                raise
            log.warning("channel %s: a file cannot be read: %s", self.settings.name, type(problem).__name__)
            return None
        same = (after.size, int(after.mtime or 0)) == found.seen
        return bytes(body) if same and len(body) == found.seen[0] else None

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

    def _submit(self, found: _Found, body: bytes) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def answered(answer: Answer) -> None:
            if not future.done():
                future.set_result(answer)

        self.files += 1
        kind = "x12" if body[:1024].lstrip().startswith(b"ISA") else "hl7v2"
        name = found.name.encode("utf-8", "backslashreplace").decode()
        self._intake.submit(Inbound(self.settings.name, name, self._clock(), body, answered, kind=kind))
        return future

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

    def _begin_trouble(self, reason: str) -> None:
        if self.trouble is None:
            log.error("channel %s: the server cannot be used, will try again: %s", self.settings.name, reason)
        self.trouble = reason

    def _end_trouble(self) -> None:
        if self.trouble is not None:
            log.warning("channel %s: the server can be used again", self.settings.name)
            self.trouble = None

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
        self._ending.set()
        await self._line.drop()
