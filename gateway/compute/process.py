"""Supervises the compute process: starts it, gives it a wall budget per request, and replaces it when it dies."""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from gateway.compute.protocol import Answer, Configure, Configured, Decided, NeedPart, Part, ReadDone, Refused

log = logging.getLogger(__name__)

LENGTH = struct.Struct(">I")
MARK = struct.Struct(">q")

PartOf = Callable[[int, int], Awaitable[bytes | None]]
"""(journal id, part) -> its bytes."""

_LOST = (TimeoutError, ConnectionError, asyncio.IncompleteReadError, RuntimeError)
"""How the end of the other side shows; RuntimeError is uvloop's word for a transport that is closed."""


class ComputeFailure(Exception):
    """The compute process died, hung or refused.  `work_id`: the item it was at, 0 when none; `reason`: what to park
    that item with."""

    def __init__(self, reason: str, work_id: int) -> None:
        super().__init__(f"{reason} at work {work_id}")
        self.reason = reason
        self.work_id = work_id


class ComputeProcess:
    """One child process and the socket pair to it.  One request at a time."""

    def __init__(self, configuration: Configure, *, memory_bytes: int = 1 << 30, budget_seconds: float = 2.0) -> None:
        self._configuration = configuration
        self._memory_bytes = memory_bytes
        self._budget = budget_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._mark: mmap.mmap | None = None
        self._lock = asyncio.Lock()
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Answer)
        self.restarts = -1  # the first start is none

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start the child and send it the configuration; returns when it has answered."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        mark_fd = os.memfd_create("baton-mark")
        os.ftruncate(mark_fd, MARK.size)
        self._mark = mmap.mmap(mark_fd, MARK.size)
        fd = theirs.fileno()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway.compute.worker",
            str(fd),
            str(mark_fd),
            str(self._memory_bytes),
            pass_fds=(fd, mark_fd),
            stdin=asyncio.subprocess.DEVNULL,
        )
        theirs.close()
        os.close(mark_fd)
        self._reader, self._writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
        self.restarts += 1
        try:
            answer = await self._exchange(self._configuration, 60.0)
        except _LOST:
            await self._end()
            raise
        if not isinstance(answer, Configured):
            raise ComputeFailure("not-configured", 0)
        _tell_faults(answer)

    async def configure(self, configuration: Configure) -> None:
        self._configuration = configuration
        answer = await self.call(configuration, budget=60.0)
        if isinstance(answer, Configured):
            _tell_faults(answer)

    async def stop(self) -> None:
        async with self._lock:
            await self._end()

    async def call(self, request: object, *, budget: float | None = None, part_of: PartOf | None = None) -> Answer:
        """One request.  Raises ComputeFailure after the process was replaced.  `part_of` gives the parts of bodies that
        the request needs; what it raises leaves, and costs the process."""
        async with self._lock:
            if self._process is None or self._process.returncode is not None:
                await self._end()  # it died while nothing was asked of it: no item is to blame
                await self.start()
            started = time.monotonic()
            try:
                answer = await self._exchange(request, budget or self._budget)
                while isinstance(answer, NeedPart):
                    answer = await self._exchange(await self._part(answer, part_of), budget or self._budget)
            except _LOST as error:
                work_id = self._marked()
                reason = "time-budget" if isinstance(error, TimeoutError) else "worker-killed"
                log.error(
                    "compute process lost: %s at work %d after %.1f s", reason, work_id, time.monotonic() - started
                )
                await self._end()
                try:
                    await self.start()
                except _LOST:  # killed again at once; the next request starts another
                    log.error("compute process lost while it started")
                raise ComputeFailure(reason, work_id) from None
            if isinstance(answer, Refused):
                log.error("compute process refused a request: %s", answer.error)
                raise ComputeFailure("refused", self._marked())
            return answer

    async def _part(self, need: NeedPart, part_of: PartOf | None) -> Part:
        assert part_of is not None
        try:
            return Part(body=await part_of(need.journal_id, need.part) or b"")
        except BaseException:
            await self._end()  # it waits for what does not come
            raise

    async def read(self, items: list[Any], group: int = 256, part_of: PartOf | None = None) -> ReadDone:
        """`group` and `part_of` are for bodies in parts; each part that is asked for begins the budget anew."""
        request = {"type": "read", "items": items, "group": group}
        answer = await self.call(request, budget=self._budget + 0.01 * len(items), part_of=part_of)
        assert isinstance(answer, ReadDone)
        return answer

    async def decide(self, request: dict[str, Any]) -> Decided:
        answer = await self.call({"type": "decide", **request}, budget=self._budget + 0.01 * int(request["count"]))
        assert isinstance(answer, Decided)
        return answer

    async def act(self, request: dict[str, Any]) -> Decided:
        answer = await self.call({"type": "act", **request})
        assert isinstance(answer, Decided)
        return answer

    async def _exchange(self, request: object, budget: float) -> Answer:
        assert self._writer is not None and self._reader is not None
        body = self._encoder.encode(request)
        async with asyncio.timeout(budget):
            self._writer.write(LENGTH.pack(len(body)) + body)
            await self._writer.drain()
            head = await self._reader.readexactly(LENGTH.size)
            reply = await self._reader.readexactly(LENGTH.unpack(head)[0])
        answer: Answer = self._decoder.decode(reply)
        return answer

    def _marked(self) -> int:
        return int(MARK.unpack_from(self._mark, 0)[0]) if self._mark is not None else 0

    async def _end(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
        if self._mark is not None:
            self._mark.close()
        self._process = self._reader = self._writer = self._mark = None


def _tell_faults(answer: Configured) -> None:
    """A site's rule that does not run must not go unnoticed."""
    for fault in answer.faults:
        log.error("site rules: left out: %s", fault)
