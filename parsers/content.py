"""Bytes that need not all be in memory: what a large body is read from."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Protocol

WINDOW = 1 << 20
"""Bytes that a reader looks at at once."""

_BLOCK = 1 << 16


class Content(Protocol):
    """Bytes by their offsets.  `bytes` is one; a slice is always bytes, cut at the end like those of `bytes`."""

    def __len__(self) -> int: ...

    def __getitem__(self, at: slice, /) -> bytes: ...


class PartedContent:
    """Bytes kept elsewhere in parts of `part` bytes each but the last; the last two that were asked for are held.

    `fetch` gives part n, counted from 0.  It is asked in order, a few times over (a reader of X12 looks for the ends
    of an interchange before it reads its sets).
    """

    def __init__(self, length: int, part: int, fetch: Callable[[int], bytes]) -> None:
        self._length = length
        self._part = part
        self._fetch = fetch
        self._held: dict[int, bytes] = {}

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, at: slice, /) -> bytes:
        begin, end, _ = at.indices(self._length)
        if begin >= end:
            return b""
        first, last = begin // self._part, (end - 1) // self._part
        start = begin - first * self._part
        if first == last:
            return self._hold(first)[start : start + end - begin]
        pieces = [self._hold(number) for number in range(first, last + 1)]
        pieces[0] = pieces[0][start:]
        pieces[-1] = pieces[-1][: end - last * self._part]
        return b"".join(pieces)

    def _hold(self, number: int) -> bytes:
        found = self._held.pop(number, None)
        if found is None:
            found = self._fetch(number)
        self._held[number] = found
        if len(self._held) > 2:
            del self._held[next(iter(self._held))]
        return found


class Unwrapped:
    """A stretch of content without its line breaks.  Holds eight bytes for every 64 KiB."""

    def __init__(self, content: Content, start: int, end: int) -> None:
        self._content = content
        self._start = start
        self._end = end
        self._before = array("Q", [0])  # bytes that are left before each block, and behind the last
        for at in range(start, end, _BLOCK):
            block = content[at : min(at + _BLOCK, end)]
            self._before.append(self._before[-1] + len(block) - block.count(b"\r") - block.count(b"\n"))

    def __len__(self) -> int:
        return self._before[-1]

    def __getitem__(self, at: slice, /) -> bytes:
        begin, end, _ = at.indices(len(self))
        if begin >= end:
            return b""
        first, last = bisect_right(self._before, begin) - 1, bisect_left(self._before, end)
        stop = min(self._start + last * _BLOCK, self._end)
        left = self._content[self._start + first * _BLOCK : stop].translate(None, b"\r\n")
        return left[begin - self._before[first] : end - self._before[first]]


def skip(content: Content, start: int, end: int, blanks: bytes) -> int:
    """Where the first byte of a stretch stands that is none of `blanks`; `end` when there is none."""
    for at in range(start, end, WINDOW):
        window = content[at : min(at + WINDOW, end)]
        left = len(window.lstrip(blanks))
        if left:
            return at + len(window) - left
    return end


def visible(content: Content, start: int, end: int, blanks: bytes) -> bytes:
    """The first two bytes of a stretch behind leading `blanks`; b"" when there is nothing else."""
    first = skip(content, start, end, blanks)
    return content[first : min(first + 2, end)]
