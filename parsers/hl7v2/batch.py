"""Files and frames with more than one message (chapter 2.10.3): FHS/BHS batches, many MSH, stored MLLP frames."""

from __future__ import annotations

import re

import msgspec

from parsers.errors import Oddity
from parsers.hl7v2.encoding import find_start, from_utf16
from parsers.mllp import FrameReader

MARKS = re.compile(
    rb"(?:^(?:\xef\xbb\xbf)?|(?<=[\r\n]))[ \t\x00]*"
    rb"(?:(MSH|FHS|BHS)(?=[!-/:-@\[-`{-~])|(BTS|FTS)(?=[!-/:-@\[-`{-~\r\n]|$))",
    re.IGNORECASE,
)
FRAMED = re.compile(rb"\x0b[ \t\r\n]*(?=(?:MSH|FHS|BHS)[^A-Za-z0-9\s])")
_NAMES = (b"MSH", b"FHS", b"BHS", b"FTS", b"BTS")
_BLANK = b"\xef\xbb\xbf \t\r\n\x00"
_TRAILER_COUNT = re.compile(rb"[^\w\r\n]([0-9]{1,9})")


class Batch(msgspec.Struct):
    """The messages of one body, as sent, in order."""

    messages: list[bytes]
    oddities: list[Oddity]


def split_batch(body: bytes) -> Batch:
    """Split a body into its messages; a body without any header is one message, for its reader to refuse.

    Batch headers and trailers are left out and their counts checked (BTS-1 messages, FTS-1 batches).  Never raises.
    """
    upper = body.upper()
    if upper.startswith(b"MSH") and not any(upper.find(name, 3) >= 0 for name in _NAMES) and b"\x1c" not in body[-3:]:
        return Batch([body], [])
    told = from_utf16(body)
    if told is not body:
        batch = split_batch(told)
        batch.oddities.append(Oddity("information", "character-set", "message", "the text is UTF-16"))
        return batch
    framed = FRAMED.search(body)
    if framed:
        return _split_frames(body, framed.start())
    start = find_start(body)
    if start < len(body) and body.rstrip(b"\r\n").endswith(b"\x1c"):
        batch = _split(body.rstrip(b"\r\n")[:-1])
        batch.oddities.append(Oddity("information", "framing", "message", "an MLLP end block without its start"))
        return batch
    return _split(body)


def _split_frames(body: bytes, start: int) -> Batch:
    """Stored MLLP traffic; what a capture writes between the frames is not read."""
    reader = FrameReader(max_frame=len(body), max_noise=len(body))
    whole = _split(body[:start]) if MARKS.search(body, 0, start) else Batch([], [])
    for each in reader.feed(body[start:]) + reader.end():
        batch = _split(each.body)
        whole.messages += batch.messages
        whole.oddities += batch.oddities
        if each.broken:
            whole.oddities.append(Oddity("warning", "framing", "message", "an MLLP frame without its end block"))
    return whole


def _split(body: bytes) -> Batch:
    batch = Batch([], [])
    marks = list(MARKS.finditer(body))
    starts = [mark for mark in marks if (mark.group(1) or b"").upper() == b"MSH"]
    wrapped = len(starts) < len(marks)
    if not starts and not wrapped:
        return Batch([body] if body.strip() else [], [])
    if len(starts) == 1 and not wrapped and not body[: starts[0].start()].strip(_BLANK):
        return Batch([body], [])
    if body[: marks[0].start()].strip(_BLANK):
        batch.oddities.append(Oddity("warning", "batch", "message", "bytes before the first header are not read"))
    _collect(body, marks, batch)
    return batch


def _collect(body: bytes, marks: list[re.Match[bytes]], batch: Batch) -> None:
    """Messages between the marks, and the counts of the trailers."""
    messages = batches = 0
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        name = (mark.group(1) or mark.group(2)).upper()
        stop = following.start() if following else len(body)
        if name == b"MSH":
            batch.messages.append(body[mark.start() : stop])
            messages += 1
        elif name == b"BHS":
            messages = 0
            batches += 1
        elif name in (b"BTS", b"FTS"):
            stated = _TRAILER_COUNT.match(body, mark.end(), stop)
            found = messages if name == b"BTS" or not batches else batches
            if stated and int(stated.group(1)) != found and (name == b"BTS" or batches or stated.group(1) != b"1"):
                text = f"the trailer counts {int(stated.group(1))}, {found} were found"
                batch.oddities.append(Oddity("warning", "batch-count", name.decode() + "^1^1", text))
