"""What sources of files have in common: when a file is whole, what its content is, how it is counted and submitted."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Generic, TypeVar

from channels.offering import offer
from channels.polling import PollingSource
from channels.ports import Answer, BodySource, Intake
from parsers.standard import sniff

Mark = TypeVar("Mark")

AT_ONCE = 64
"""Files of one round."""

LARGE = 1 << 20
"""A larger file is not held, but taken in block by block."""

BLOCK = 1 << 20

BREATH = 0.02
"""Seconds at least between two looks at a file that changes all the time."""

BYTES_AT_ONCE = 8 << 20
"""Bytes of one round: no further file is read once so much was."""

TEMPORARY = (".tmp", ".part", ".filepart", ".partial")
"""Ends of the names of files that are not finished."""


def unfinished(name: str) -> bool:
    """Whether a file says by its name that it is still being written."""
    return name.startswith(".") or name.lower().endswith(TEMPORARY)


class Settling(Generic[Mark]):
    """Which files have stayed as they are for long enough.  A mark is what is seen of a file's content from outside.

    `settles_in`: seconds after which the next one may be found settled; infinite when there is none.
    """

    def __init__(self, stable_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stable_seconds = stable_seconds
        self._clock = clock
        self.settles_in = math.inf
        self._seen: dict[str, tuple[Mark, float]] = {}  # name -> what it was, and since when

    def settled(self, listed: Iterable[tuple[str, Mark]]) -> list[tuple[str, Mark]]:
        """Of everything that is there now, what was the same at an earlier look and has been for long enough."""
        now = self._clock()
        before, self._seen = self._seen, {}
        settled: list[tuple[str, Mark]] = []
        self.settles_in = math.inf
        for name, mark in listed:
            was, since = before.get(name, (None, now))
            since = since if was == mark else now
            self._seen[name] = (mark, since)
            rest = self._stable_seconds - (now - since)
            if was == mark and rest <= 0:
                settled.append((name, mark))
            else:
                self.settles_in = min(self.settles_in, max(rest, BREATH))
        return settled

    def forget(self, name: str) -> None:
        self._seen.pop(name, None)


class FileSource(PollingSource):
    """Counters: `files` submitted, `stored`, `rejected`."""

    def __init__(self, name: str, intake: Intake, poll_seconds: float, clock: Callable[[], datetime] | None) -> None:
        super().__init__(name, intake, poll_seconds, clock)
        self.files = 0
        self.stored = 0
        self.rejected = 0

    def _submit(self, name: str, body: bytes, source: BodySource | None = None) -> asyncio.Future[Answer]:
        """Submit a file under the name that its sender gave it; of a large one `body` is the head."""
        self.files += 1
        kind = "x12" if sniff(body) == "x12" else "hl7v2"
        peer = name.encode("utf-8", "backslashreplace").decode()
        return offer(self._intake, self._name, peer, self._clock(), body, kind=kind, source=source)
