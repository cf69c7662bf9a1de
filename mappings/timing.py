"""When an appointment or a slot begins and ends (domain reference 3.1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from mappings.source import Source
from parsers.hl7v2.message import Segment

UNITS = {"S": 1, "SEC": 1, "SECONDS": 1, "H": 3600, "HR": 3600, "HOUR": 3600, "HOURS": 3600, "D": 86400, "DAY": 86400}
"""Seconds of a duration unit; anything else is minutes (domain reference 3.1)."""

LONGEST = timedelta(days=366)
"""Longest duration believed."""

STARTS = (("AIS", 4), ("AIP", 6), ("AIL", 6), ("AIG", 8))
"""Resource starts in their order of precedence, after TQ1-7 and SCH-11."""

DURATIONS = (("AIS", 7, 8), ("AIP", 9, 10), ("AIL", 9, 10), ("AIG", 11, 12))


def read_start(source: Source, sch: Segment) -> tuple[datetime | None, str | None]:
    """(UTC, as sent) of TQ1-7, SCH-11.4, SCH-11.1 when it is a date, else the earliest AIS-4, AIP-6, AIL-6 or AIG-8."""
    tq1 = source.first("TQ1")
    places = [(tq1, 7, 1)] if tq1 else []
    places.append((sch, 11, 4))
    if sch.text(11)[:8].isdigit():
        places.append((sch, 11, 1))
    unread = None
    for segment, field, component in places:
        if at := source.instant(segment, field, component):
            return at, segment.text(field, component)
        unread = unread or source.part(segment, field, component)
    for name, field in STARTS:
        rows = [(at, row.text(field)) for row in rows_of(source, name) if (at := source.instant(row, field))]
        if rows:
            return min(rows)
    return None, unread


def read_end(source: Source, sch: Segment, start: datetime | None) -> datetime | None:
    """TQ1-8, SCH-11.5, else start and duration (TQ1-6, SCH-11.3, SCH-9/10, the first resource's)."""
    tq1 = source.first("TQ1")
    found = (source.instant(tq1, 8) if tq1 else None) or source.instant(sch, 11, 5)
    if found is not None or start is None:
        return found
    length = _length(source.value(tq1, 6), source.part(tq1, 6, 2)) if tq1 else None
    length = length or _length(source.part(sch, 11, 3), None)
    length = length or _length(source.value(sch, 9), source.value(sch, 10) or source.part(sch, 9, 2))
    for name, field, unit in DURATIONS:
        if length is None and (row := next(rows_of(source, name), None)):
            length = _length(source.value(row, field), source.value(row, unit))
    try:
        return start + length if length else None
    except OverflowError:
        return None


def _length(amount: str | None, unit: str | None) -> timedelta | None:
    if amount is None or not (amount.isascii() and amount.isdigit()) or len(amount) > 8:
        return None
    length = timedelta(seconds=int(amount) * UNITS.get((unit or "").upper(), 60))
    return length if timedelta() < length <= LONGEST else None


def rows_of(source: Source, name: str) -> Iterator[Segment]:
    """Its segments of one name whose action code is not D."""
    return (row for row in source.all(name) if source.value(row, 2) != "D")
