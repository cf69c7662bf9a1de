"""An MSH with one separator too many or too few: what follows stands one place off.

Interfaces that build the header by hand send such messages; what is meant is plain, because the message type stands in
MSH-10 or MSH-8 and none in MSH-9.
"""

from __future__ import annotations

import re

_TYPE = re.compile(rb"[A-Za-z]{3}[^A-Za-z0-9\s][A-Za-z][A-Za-z0-9]{2}(?![A-Za-z0-9])")
_TIME = re.compile(rb"[0-9]{8}")
_TYPE_AT = 8  # of a header split at its separators: MSH-9
_TIME_AT = 6


def realign(fields: list[bytes]) -> str | None:
    """Put `fields`, an MSH split at its field separator, where they belong; what was wrong, or None.

    Of an empty field too many that one goes after whose removal MSH-7 is a time again, else the empty MSH-9.  One that
    is missing is put before the time, else before the type: which of the names was left out nobody can tell.
    """
    if len(fields) <= _TYPE_AT or _TYPE.match(fields[_TYPE_AT].strip()):
        return None
    if _TYPE.match(fields[_TYPE_AT - 1].strip()):
        fields.insert(_TIME_AT - 1 if _TIME.match(fields[_TIME_AT - 1]) else _TYPE_AT - 1, b"")
        return "one field separator too few before the message type"
    if len(fields) <= _TYPE_AT + 2 or fields[_TYPE_AT].strip() or not _TYPE.match(fields[_TYPE_AT + 1].strip()):
        return None
    del fields[_surplus(fields)]
    return "one field separator too many before the message type"


def _surplus(fields: list[bytes]) -> int:
    if _TIME.match(fields[_TIME_AT + 1]):
        for index in range(_TIME_AT, 1, -1):
            if not fields[index]:
                return index
    return _TYPE_AT
