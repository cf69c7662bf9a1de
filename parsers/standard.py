"""Which standard a body is written in: told by its content, never by its name."""

from __future__ import annotations

import re

from parsers.content import Content
from parsers.hl7v2.encoding import from_utf16

SNIFFED = 65536
"""Bytes looked at."""

BLANK = b"\xef\xbb\xbf \t\r\n\x00"
"""What may stand before the first segment: a byte order mark and layout."""

_HL7_LINE = re.compile(rb"(?:^|[\r\n\x0b])[ \t]*(?:MSH|FHS|BHS)[^A-Za-z0-9\s]", re.IGNORECASE)
_X12 = re.compile(rb"(?<![A-Za-z0-9])ISA[^A-Za-z0-9\s]", re.IGNORECASE)


def sniff(body: Content) -> str:
    """hl7v2 | x12 | unknown."""
    head = from_utf16(body[:SNIFFED]).lstrip(BLANK)
    if head[:3].upper() == b"ISA":
        return "x12"
    if head.startswith(b"\x0b") or _HL7_LINE.search(head):
        return "hl7v2"
    return "x12" if _X12.search(head) else "unknown"
