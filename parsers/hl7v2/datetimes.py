"""HL7 v2 timestamps: TS and DTM of any precision (chapter 2A.3.22), and ISO 8601 as some senders write it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

_PRECISIONS = ("year", "month", "day", "hour", "minute", "second")
_OFFSET = r"(?:Z| ?([+-])(\d\d):?(\d\d))?"
_DTM = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:T?(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,9}))?)?)?)?)?)?" + _OFFSET, re.ASCII
)
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?" + _OFFSET, re.ASCII)


class Timestamp(msgspec.Struct, frozen=True):
    """A time as sent: `local` without zone (parts that were not sent are the lowest), `offset` in minutes."""

    local: datetime
    offset: int | None
    precision: str  # year | month | day | hour | minute | second


@lru_cache(maxsize=4096)  # the times of one message, and of messages that come together, are often the same
def parse_timestamp(text: str) -> Timestamp | None:
    """Read one timestamp; None when it is empty, '""', or no possible time.  Fractions beyond microseconds are cut."""
    text = text.strip()
    match = _DTM.fullmatch(text) or _ISO.fullmatch(text)
    if match is None:
        return None
    parts = [part for part in match.groups()[:6] if part is not None]
    year, month, day, hour, minute, second = [int(part) for part in parts] + [0, 1, 1, 0, 0, 0][len(parts) :]
    fraction = match.group(7)
    microsecond = int(fraction[:6].ljust(6, "0")) if fraction else 0
    midnight = hour == 24 and not (minute or second or microsecond)  # the end of the day, as ISO 8601 has it
    try:
        local = datetime(year, month, day, 0 if midnight else hour, minute, second, microsecond)
        local += timedelta(days=midnight)
    except (ValueError, OverflowError):
        return None
    offset = 0 if text.endswith("Z") else None
    if match.group(8):
        offset = int(match.group(9)) * 60 + int(match.group(10))
        if offset > 14 * 60 or match.group(10) > "59":
            return None
        offset = -offset if match.group(8) == "-" else offset
    return Timestamp(local, offset, _PRECISIONS[len(parts) - 1])


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def to_utc(ts: Timestamp, zone: str, message_offset: int | None = None) -> tuple[datetime, tuple[str, ...]]:
    """(aware UTC time, flags) of a timestamp of a feed in `zone` (IANA name).

    Its own offset wins.  Without one the time is local to `zone`, unless `message_offset` (of MSH-7, minutes) is none
    that the zone has in that year: then it is taken, flagged "offset-mismatch" (a fixed offset would be wrong beyond a
    clock change).  A time that occurs twice is the one whose offset is `message_offset`, else the first, flagged
    "ambiguous-time"; one that does not exist moves forward by the gap, flagged "nonexistent-time" (decision 20).
    """
    if ts.offset is not None:
        return _shift(ts.local, timedelta(minutes=ts.offset)), ()
    local = ts.local.replace(tzinfo=_zone(zone))
    first, second = _offset(local), _offset(local.replace(fold=1))
    sent = None if message_offset is None else timedelta(minutes=message_offset)
    if sent is not None and sent not in (
        first,
        second,
        _offset(local.replace(month=1, day=1)),
        _offset(local.replace(month=7, day=1)),
    ):
        return _shift(ts.local, sent), ("offset-mismatch",)
    if first > second:
        if sent == second:
            return _shift(ts.local, second), ()
        return _shift(ts.local, first), () if sent == first else ("ambiguous-time",)
    return _shift(ts.local, first), ("nonexistent-time",) if first < second else ()


def _offset(local: datetime) -> timedelta:
    return local.utcoffset() or timedelta(0)


def _shift(local: datetime, offset: timedelta) -> datetime:
    try:
        return (local - offset).replace(tzinfo=UTC)
    except OverflowError:  # the first or last hours of the calendar
        return local.replace(tzinfo=UTC)
