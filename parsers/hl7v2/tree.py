"""The whole message as nested lists, by python-hl7: for people who look at one message, never for a feed.

python-hl7 takes about 3 ms for an ordinary message, cuts segments at CR alone, ignores MSH-18 and loses the rest of a
value after a lone escape when it unescapes.  So it is given text that our own reader decoded, with CR ends, within a
bounded size, and its values are shown as sent.
"""

from __future__ import annotations

import hl7

from parsers.errors import Oddity, ParseError
from parsers.hl7v2.message import Message

MAX_BYTES = 1 << 20

Tree = str | list["Tree"]
"""Segment > field > repetition > component > subcomponent; a level with a single plain value is that value."""


def read_tree(raw: bytes, character_set: str | None = None) -> list[Tree]:
    """One list per segment, its name first; values as sent, not unescaped.

    Raises ParseError when there is no readable MSH, when the message is over MAX_BYTES, or when python-hl7 fails.
    """
    if len(raw) > MAX_BYTES:
        raise ParseError(Oddity("error", "too-long", "message", f"over {MAX_BYTES} bytes: no tree is made"))
    message = Message(raw, character_set)
    lines = [segment.decoded() for segment in message.segments]
    try:
        parsed = hl7.parse("\r".join(lines))
    except (hl7.HL7Exception, ValueError, LookupError, TypeError, AssertionError) as problem:
        text = f"python-hl7 cannot read it ({type(problem).__name__})"
        raise ParseError(Oddity("error", "tree", "message", text)) from None
    return [[_plain(field) for field in segment] for segment in parsed]


def _plain(node: object) -> Tree:
    if not isinstance(node, list):
        return str(node)
    parts = [_plain(each) for each in node]
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else parts
