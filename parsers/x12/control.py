"""The control segments of an interchange, found window by window, and line breaks that cut its segments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from parsers.content import WINDOW, Content, visible
from parsers.x12.segments import Delimiters, Segment

_LAYOUT = b" \t\r\n\x0b\x0c"
_OVERLAP = 16  # a line break with the blanks before it
_MOST_BLANKS = b"{0,65535}+"  # layout between two segments; more of it is none


def control_segments(
    content: Content, start: int, end: int, delimiters: Delimiters
) -> Iterator[tuple[int, Segment, int]]:
    """(where it begins, the segment, where it ends) of every GS, GE, ST, SE, TA1 and IEA.

    Linear, and holds one window at a time.  A segment longer than a window is no control segment.
    """
    terminator, layout, pattern = delimiters.segment, delimiters.blanks, _control_pattern(delimiters)
    at = start
    while at < end:
        window = content[at : min(at + WINDOW, end)]
        last = at + len(window) >= end
        for match in pattern.finditer(window):
            begin = match.start(1)
            stop = window.find(terminator, begin)
            if stop < 0:
                if not last:
                    break  # the next window begins with it
                stop = len(window)
            yield at + begin, Segment(window[begin:stop].strip(layout), delimiters), at + stop
        if last:
            return
        at += max(window.rfind(terminator), 0) or len(window)


@lru_cache(maxsize=64)
def _control_pattern(delimiters: Delimiters) -> re.Pattern[bytes]:
    """A control segment that begins after a terminator and layout."""
    terminator = delimiters.segment
    blanks = delimiters.blanks.translate(None, terminator)
    return re.compile(
        re.escape(terminator)
        + (b"[" + re.escape(blanks) + b"]" + _MOST_BLANKS if blanks else b"")
        + rb"(?i:(GS|GE|ST|SE|TA1|IEA))(?="
        + re.escape(delimiters.element)
        + b"|"
        + re.escape(terminator)
        + b")"
    )


def lines_cut_segments(content: Content, start: int, end: int, delimiters: Delimiters) -> bool:
    """Whether a line break stands inside a segment: after something that is no terminator, and before something."""
    if not delimiters.segment.strip():
        return False
    pattern = _cut_pattern(delimiters)
    for at in range(start, end, WINDOW):
        window = content[max(start, at - _OVERLAP) : min(at + WINDOW, end)]
        if b"\n" not in window and b"\r" not in window:
            continue
        match = pattern.search(window)
        if match is not None:
            return bool(visible(content, max(start, at - _OVERLAP) + match.end(), end, _LAYOUT))
    return False


@lru_cache(maxsize=64)
def _cut_pattern(delimiters: Delimiters) -> re.Pattern[bytes]:
    return re.compile(rb"[^\s" + re.escape(delimiters.segment[-1:]) + rb"][ \t]{0,8}[\r\n]")
