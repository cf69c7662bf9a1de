"""X12 segments over bytes: delimiters, elements, components and repetitions (X12.5, X12.6)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

_LONGEST_ID = 3


class Delimiters(NamedTuple):
    """The four separators of one interchange; `component` and `repetition` are empty when the sender has none."""

    element: bytes
    component: bytes
    repetition: bytes
    segment: bytes

    @property
    def blanks(self) -> bytes:
        """White space that is layout between segments, because the interchange does not use it as a separator."""
        return _blanks(self)


@lru_cache(maxsize=64)
def _blanks(delimiters: Delimiters) -> bytes:
    taken = delimiters.element + delimiters.component + delimiters.repetition
    return bytes(byte for byte in b" \t\r\n" if byte not in taken)


def decode(raw: bytes) -> str:
    """X12 declares no character set: UTF-8 where the bytes are UTF-8, else Latin-1, which takes any byte."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


@lru_cache(maxsize=512)
def _identifier(raw: bytes) -> str:
    return decode(raw).upper()


class Segment:
    """One segment; its `id` in upper case, however it was sent.  `position` counts within the transaction set, ST = 1
    (the count that SE01 and IK302 use).
    """

    __slots__ = ("content", "delimiters", "elements", "id", "position")

    def __init__(self, raw: bytes, delimiters: Delimiters, position: int = 0) -> None:
        self.content = raw
        self.elements = raw.split(delimiters.element)
        first = self.elements[0]
        self.id = _identifier(first) if len(first) <= _LONGEST_ID else decode(first)
        self.delimiters = delimiters
        self.position = position

    def raw(self, element: int) -> bytes:
        """The element as sent, b"" when absent.  Elements count from 1: NM101 is `raw(1)`."""
        return self.elements[element] if element < len(self.elements) else b""

    def text(self, element: int, component: int = 0) -> str:
        """The element, or one of its components (from 1), without surrounding blanks; "" when absent."""
        elements = self.elements
        if element >= len(elements) or not (raw := elements[element]):
            return ""
        if component:
            separator = self.delimiters.component
            parts = raw.split(separator) if separator else [raw]
            raw = parts[component - 1] if component <= len(parts) else b""
        try:
            return raw.decode().strip()
        except UnicodeDecodeError:
            return decode(raw).strip()

    def repetitions(self, element: int) -> list[str]:
        """The repetitions of an element, [] when it is empty.  Without a repetition separator there is one."""
        raw = self.raw(element)
        separator = self.delimiters.repetition
        parts = raw.split(separator) if separator else [raw]
        return [text for part in parts if (text := decode(part).strip())]


def split_segments(raw: bytes, delimiters: Delimiters) -> tuple[list[Segment], int]:
    """(segments, number of empty ones skipped).

    Line breaks and indentation around a segment are layout.  An empty segment (a doubled terminator) has no meaning
    and is not counted by SE01.
    """
    segments: list[Segment] = []
    empty = 0
    blanks = delimiters.blanks
    chunks = raw.split(delimiters.segment)
    last = len(chunks) - 1
    by_line = not delimiters.segment.strip()
    for index, chunk in enumerate(chunks):
        content = chunk.strip(blanks)
        if content:
            segments.append(Segment(content, delimiters, len(segments) + 1))
        elif index != last and not by_line:
            empty += 1
    return segments, empty


def same_number(one: str, other: str) -> bool:
    """Control numbers are equal as sent, or as numbers (leading zeros come and go between header and trailer)."""
    return one == other or (number(one) is not None and number(one) == number(other))


def number(text: str) -> int | None:
    """A non-negative decimal count of at most 18 digits, None when the text is none."""
    return int(text) if 0 < len(text) <= 18 and text.isascii() and text.isdigit() else None
