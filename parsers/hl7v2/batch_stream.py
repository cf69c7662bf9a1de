"""The messages of a body that need not be in memory: those of `batch.split_batch`, one after the other."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from parsers.content import WINDOW, Content
from parsers.hl7v2.batch import FRAMED, MARKS, split_batch
from parsers.hl7v2.encoding import utf16_codec
from parsers.mllp import FrameReader

MAX_MESSAGE = 64 << 20
"""Bytes of one message; a longer one is not read."""

_AHEAD = 16  # bytes behind a mark that decide whether it is one
_HEAD = 4096
_BLANK = b" \t\x00\xef\xbb\xbf"


class TooLong:
    """A message over `MAX_MESSAGE`: its first bytes."""

    __slots__ = ("head",)

    def __init__(self, head: bytes) -> None:
        self.head = head


def read_batch(content: Content, *, window: int = WINDOW, most: int = MAX_MESSAGE) -> Iterator[bytes | TooLong]:
    """Messages in order; none of an empty body or batch.  Never raises, linear, holds a message and a window."""
    if len(content) <= window:
        yield from split_batch(content[: len(content)]).messages
        return
    first = content[:window]
    codec = utf16_codec(first)
    text = _as_utf8(content, window, codec) if codec else _windows(content, window)
    framed = None if codec else FRAMED.search(first)
    if framed is None:
        yield from _split(text, most)
        return
    yield from (message for message in split_batch(first[: framed.start()]).messages if MARKS.search(message))
    reader = FrameReader(max_frame=most, max_noise=len(content))
    skip = framed.start()
    for each in text:
        for frame in reader.feed(each[skip:]):
            yield from (
                split_batch(frame.body).messages if frame.broken != "oversize" else (TooLong(frame.body[:_HEAD]),)
            )
        skip = 0
    for frame in reader.end():
        yield from split_batch(frame.body).messages


def _windows(content: Content, window: int) -> Iterator[bytes]:
    for at in range(0, len(content), window):
        yield content[at : at + window]


def _as_utf8(content: Content, window: int, codec: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(codec)("replace")
    for raw in _windows(content, window):
        yield decoder.decode(raw).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _split(text: Iterator[bytes], most: int) -> Iterator[bytes | TooLong]:
    """Cut at the headers and trailers, wherever the windows end."""
    buffer, following = b"", next(text, b"")
    look = 0  # every mark before it is known
    start: int | None = None  # of the message in hand
    strange = b""  # what a body without any mark begins with
    found = False
    while following:
        buffer, following = buffer + following, next(text, b"")
        if not following and buffer.rstrip(b"\r\n").endswith(b"\x1c"):  # an MLLP end block without its start
            buffer = buffer.rstrip(b"\r\n")[:-1]
        undecided: int | None = None
        for mark in MARKS.finditer(buffer, look):
            if following and mark.end() + _AHEAD > len(buffer):
                undecided = mark.start()
                break
            found = True
            if start is not None:
                yield buffer[start : mark.start()]
            start = mark.start() if (mark.group(1) or b"").upper() == b"MSH" else None
        if undecided is not None:
            look = undecided
        else:  # a mark whose name is not there yet begins behind the last line break, or where it began before
            look = max(look, 0 if start is None else start + 1)
            line = max(buffer.rfind(b"\r", look), buffer.rfind(b"\n", look))
            if line >= 0:
                look = line + 1
            elif len(buffer[look : look + _HEAD].lstrip(_BLANK)) >= _AHEAD:
                look = len(buffer)
        if start is not None and len(buffer) - start > most:
            yield TooLong(buffer[start : start + _HEAD])
            start = None
        strange = strange or buffer[:_HEAD].strip()
        kept = max(0, look - 1) if start is None else start
        buffer, look, start = buffer[kept:], look - kept, None if start is None else 0
    if start is not None:
        yield buffer
    elif not found and strange:
        yield strange  # for its reader to refuse
