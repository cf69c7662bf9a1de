"""Parts of a large body (decision 8) before the commit that makes them a message.

A part is a small transaction of its own, so that a file of hundreds of megabytes never keeps the writer of SQLite from
acknowledging, nor a transaction of PostgreSQL open for as long as a file takes to come
(docs/decisions/0015-a-large-body-is-staged.md).  Nobody sees parts whose journal row was not committed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select

from gateway.store.parking import take_ids
from gateway.store.schema import journal_part, staged_body

LONGEST = timedelta(days=1)
"""Longer than any body takes to come: what was staged before belongs to nobody."""

_STEP = 8
"""Parts that one transaction removes."""


def begin(connection: Connection, now: datetime) -> int:
    """A new number, of the sequence of journal ids."""
    (number,) = take_ids(connection, 1)
    connection.execute(insert(staged_body).values(journal_id=number, started_at=now))
    return number


def add(connection: Connection, staged: int, number: int, part: bytes) -> None:
    connection.execute(insert(journal_part), [{"journal_id": staged, "part": number, "body": part}])


def remove_some(connection: Connection, staged: int) -> bool:
    """Whether there may be more."""
    same = journal_part.c.journal_id == staged
    numbers = select(journal_part.c.part).where(same).order_by(journal_part.c.part).limit(_STEP)
    found = list(connection.execute(numbers).scalars())
    if found:
        connection.execute(delete(journal_part).where(same, journal_part.c.part.in_(found)))
    else:
        connection.execute(delete(staged_body).where(staged_body.c.journal_id == staged))
    return bool(found)


def left(before: datetime) -> Select[Any]:
    return select(staged_body.c.journal_id).where(staged_body.c.started_at < before)
