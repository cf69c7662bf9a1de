"""An MSH with one separator too many: every field behind it stands one place too far right.

Interfaces that build the header by hand send such messages; what is meant is plain, because the message type stands in
MSH-10 and nothing in MSH-9.
"""

from __future__ import annotations

import re

_TYPE = re.compile(rb"[A-Za-z]{3}[^A-Za-z0-9\s][A-Za-z][A-Za-z0-9]{2}(?![A-Za-z0-9])")
_TIME = re.compile(rb"[0-9]{8}")
_TYPE_AT = 8  # of a header split at its separators: MSH-9
_TIME_AT = 6


def extra_field(fields: list[bytes]) -> int:
    """Index of the empty field that is one too many in `fields`, an MSH split at its field separator; 0 when none is.

    The one is taken after whose removal MSH-7 is a time again; when that is none, the empty MSH-9.
    """
    if len(fields) <= _TYPE_AT + 2 or fields[_TYPE_AT].strip() or not _TYPE.match(fields[_TYPE_AT + 1].strip()):
        return 0
    if _TIME.match(fields[_TIME_AT + 1]):
        for index in range(_TIME_AT, 1, -1):
            if not fields[index]:
                return index
    return _TYPE_AT
