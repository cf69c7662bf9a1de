"""Values between Python and a row: moments as sortable text, booleans as SQLite's 0 and 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any


def to_stored_time(moment: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SS.ffffffZ` in UTC: as text it sorts as time does.  ValueError for a naive datetime."""
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError("a stored time must be aware")
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


def from_stored_time(text: str) -> datetime:
    return datetime.fromisoformat(text)


class StoredTimes(dict[datetime, str]):
    """Moments as text, each made once: rows of a batch name the same ones over and over."""

    def __missing__(self, moment: datetime) -> str:
        text = self[moment] = to_stored_time(moment)
        return text


def to_sqlite_rows(rows: Iterable[Iterable[Any]], moments: Sequence[int], texts: StoredTimes) -> list[list[Any]]:
    """Rows whose moments, at these positions, are text; booleans need nothing, sqlite3 binds them as 0 and 1."""
    written = [list(row) for row in rows]
    for row in written:
        for position in moments:
            value = row[position]
            if value is not None:
                row[position] = texts[value]
    return written


def with_booleans(rows: Iterable[Sequence[Any]], positions: Sequence[int]) -> list[list[Any]]:
    """Rows as read from SQLite, with 0/1 of the boolean columns made True/False."""
    read = [list(row) for row in rows]
    for position in positions:
        for row in read:
            row[position] = row[position] == 1
    return read
