"""Bodies that are too large to be held, on their way into the store: block by block, ahead of their commit.

Only when all of a body is there, and is what its source announced, does its entry join the group commit, which makes it
a message.  One body at a time: memory is one part.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from hashlib import sha256
from typing import Any, Protocol

from channels.ports import Answer, BodyChanged, BodySource, Inbound
from gateway.admission import Admission, dedup_key
from gateway.store.limits import PART
from gateway.store.ports import StoreUnavailable

log = logging.getLogger(__name__)


class Stages(Protocol):
    """The part of a store that keeps parts ahead of their message."""

    async def begin_body(self) -> int:
        """The number under which the parts of one body are kept."""
        ...

    async def add_part(self, staged: int, number: int, part: bytes) -> None: ...

    async def drop_body(self, staged: int) -> None:
        """Remove the parts of what became no message."""
        ...


class Staging:
    """Takes bodies in, one after the other."""

    def __init__(self, store: Stages) -> None:
        self._store = store
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, inbound: Inbound, admission: Admission, whole: Callable[[], None]) -> None:
        """Store the parts of a body; then call `whole`, or answer that it may be sent again."""
        self._start(self._take_in(inbound, admission, whole))

    def drop(self, staged: int) -> None:
        """Remove what a copy, or a row that the store refused, has staged."""
        self._start(self._drop(staged))

    async def drain(self) -> None:
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.drain()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take_in(self, inbound: Inbound, admission: Admission, whole: Callable[[], None]) -> None:
        assert inbound.source is not None
        entry = admission.entry
        async with self._turn:
            staged = 0
            try:
                staged = await self._store.begin_body()
                entry.digest, entry.size = await self._stage(staged, inbound.source)
                entry.staged = staged
            except asyncio.CancelledError:
                raise
            except Exception as problem:  # the file is still there, and comes again
                if not isinstance(problem, BodyChanged | StoreUnavailable):
                    log.warning("channel %s: a body could not be read: %s", inbound.channel, type(problem).__name__)
                if staged:
                    await self._drop(staged)
                inbound.answered(Answer(close=True, accepted=False))
                return
        entry.body = b""
        if entry.rejected is None:
            entry.dedup_key = dedup_key(entry, admission.header, inbound.identity)
        whole()

    async def _stage(self, staged: int, source: BodySource) -> tuple[bytes, int]:
        digest = sha256()
        size = number = 0
        async for part in _parts(source):
            await asyncio.to_thread(digest.update, part)
            await self._store.add_part(staged, number, part)
            number += 1
            size += len(part)
        if size != source.size:
            raise BodyChanged
        return digest.digest(), size

    async def _drop(self, staged: int) -> None:
        try:
            await self._store.drop_body(staged)
        except StoreUnavailable:
            pass  # it is removed as left behind, later


async def _parts(source: BodySource) -> AsyncIterator[bytes]:
    """What comes in blocks, in parts as they are kept."""
    held = bytearray()
    async for block in source.chunks():
        held += block
        while len(held) >= PART:
            yield bytes(held[:PART])
            del held[:PART]
    if held:
        yield bytes(held)
