"""Reading ahead in processes of their own: it needs no state, so that what is read early changes nothing."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from types import TracebackType

import msgspec

from gateway import garbage
from gateway.compute.protocol import Configure
from gateway.compute.steps import Heard, Steps
from gateway.compute.worker import configure
from gateway.shadow.engine import Message, work_of

CHUNK = 200
"""Messages that are read at once."""
AHEAD = 4
"""Chunks in reading while one is decided."""
WORTH_IT = 25
"""Chunks after which further processes are started: a short run is over before they are there."""
MOST = 3
"""Readers: one process decides, and reading costs less than half of deciding."""

Read = tuple[Message, Sequence[Heard | None]]
"""A message and what was heard of it under each configuration; None: not read yet."""


class Readers:
    """`push` chunks in their order, `pop` them in the same order.  Close it, or use it as a context manager."""

    def __init__(self, configurations: Sequence[Configure], processes: int | None = None) -> None:
        """`processes`: by default as many as the machine has, beside the one that decides."""
        self._configurations = configurations
        self._processes = min(MOST, (os.cpu_count() or 1) - 1) if processes is None else processes
        self._pool: ProcessPoolExecutor | None = None
        self._there = False  # a process has answered
        self._pushed = 0
        self._chunks: deque[tuple[Sequence[Message], Future[bytes] | None]] = deque()

    def __enter__(self) -> Readers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def __bool__(self) -> bool:
        """Whether a chunk is left."""
        return bool(self._chunks)

    @property
    def full(self) -> bool:
        """Time to `pop`."""
        return len(self._chunks) > (AHEAD if self._pool is not None else 0)

    def push(self, messages: Sequence[Message]) -> None:
        self._pushed += 1
        if self._pool is None and self._processes > 0 and self._pushed > WORTH_IT:
            garbage.collect_rarely()
            told = msgspec.msgpack.encode(self._configurations)
            self._pool = ProcessPoolExecutor(self._processes, get_context("spawn"), _start, (told,))
        future = self._pool.submit(_read, msgspec.msgpack.encode(messages)) if self._pool is not None else None
        self._chunks.append((messages, future))

    def pop(self) -> list[Read]:
        """The oldest chunk.  Waits until it was read; for the processes to be there it does not."""
        messages, future = self._chunks.popleft()
        self._there = self._there or (future is not None and future.done())
        if future is None or not self._there:
            return [(message, [None] * len(self._configurations)) for message in messages]
        return list(zip(messages, _HEARD.decode(future.result()), strict=True))


# -- in a reading process ----------------------------------------------------------------------------------------------

_HEARD = msgspec.msgpack.Decoder(list[list[Heard]])
_MESSAGES = msgspec.msgpack.Decoder(list[Message])
_readers: list[Steps] = []


def _start(configurations: bytes) -> None:
    for one in msgspec.msgpack.decode(configurations, type=list[Configure], strict=False):
        steps = Steps()
        configure(steps, one)
        _readers.append(steps)
    garbage.collect_rarely()


def _read(chunk: bytes) -> bytes:
    return msgspec.msgpack.encode(
        [[steps.heard(work_of(message)) for steps in _readers] for message in _MESSAGES.decode(chunk)]
    )
