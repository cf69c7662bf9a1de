"""Transaction sets of a functional group, ST..SE: where each stands, and one at a time what it holds."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from parsers.content import Content
from parsers.x12.segments import Delimiters, Segment, split_segments


class TransactionSet:
    """ST..SE.  `trailer` is None when SE is missing; the set then ends where the next control segment begins.

    `guide` is ST03, else GS08.
    """

    __slots__ = ("_raw", "delimiters", "guide", "header", "trailer")

    def __init__(self, raw: bytes, delimiters: Delimiters, version: str) -> None:
        self._raw = raw
        self.delimiters = delimiters
        self.header = Segment(raw.partition(delimiters.segment)[0].strip(delimiters.blanks), delimiters)
        last = Segment(raw.rpartition(delimiters.segment)[2].strip(delimiters.blanks), delimiters)
        self.trailer = last if last.id == "SE" else None
        self.guide = self.header.text(3) or version

    @property
    def id(self) -> str:
        return self.header.text(1)

    @property
    def control_number(self) -> str:
        return self.header.text(2)

    def split(self) -> tuple[list[Segment], int]:
        """(segments, empty segments skipped); splits anew on every call."""
        return split_segments(self._raw, self.delimiters)


class TransactionSets:
    """The sets of a group in order: two offsets each, cut out of the content when they are asked for."""

    __slots__ = ("_bounds", "_content", "_delimiters", "_version")

    def __init__(self, content: Content, delimiters: Delimiters, version: str) -> None:
        self._content = content
        self._delimiters = delimiters
        self._version = version
        self._bounds = array("Q")

    def open(self, start: int) -> None:
        self._bounds.append(start)

    def close(self, end: int) -> None:
        self._bounds.append(end)

    def __len__(self) -> int:
        return (len(self._bounds) + 1) // 2

    def __getitem__(self, index: int) -> TransactionSet:
        start, end = self._bounds[2 * index : 2 * index + 2]
        return TransactionSet(self._content[start:end], self._delimiters, self._version)

    def __iter__(self) -> Iterator[TransactionSet]:
        return (self[index] for index in range(len(self)))
