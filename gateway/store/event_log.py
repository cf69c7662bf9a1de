"""Reading the event log in commit order (decision 21).

A position is opaque to its holder: `<transaction>.<number>`.  On PostgreSQL a reader stops below the oldest transaction
still running, so that no event can appear behind a position already given out.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_, select, true, tuple_

from gateway.store.paging import BadCursor
from gateway.store.ports import EventRow
from gateway.store.schema import events

START = "0.0"
_POSITION = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})")
Position = tuple[int, int]


def parse_position(text: str) -> Position:
    """BadCursor when it is none of ours."""
    found = _POSITION.fullmatch(text)
    if found is None:
        raise BadCursor("the position is none of ours")
    return int(found[1]), int(found[2])


def read_events(
    connection: Connection,
    after: str | None,
    limit: int,
    types: frozenset[str] | None,
    facilities: frozenset[str] | None,
    visible: ColumnElement[bool] | None = None,
) -> tuple[list[tuple[str, EventRow]], str]:
    """One page after `after`, and where to go on: the last event read, or the newest one when there was no more.

    `visible`: what an engine may show now; None: everything committed.
    """
    transaction, number = parse_position(START if after is None else after)
    place = tuple_(events.c.tx, events.c.seq)
    open_to = [] if visible is None else [visible]
    newest = (
        select(events.c.tx, events.c.seq).where(*open_to).order_by(events.c.tx.desc(), events.c.seq.desc()).limit(1)
    )
    page = select(events).where(place > tuple_(transaction, number), *open_to)
    if types is not None:
        page = page.where(_of_types(types))
    if facilities is not None:
        page = page.where(events.c.facility_id.in_(facilities))
    rows = connection.execute(page.order_by(events.c.tx, events.c.seq).limit(limit)).all()
    found = [(f"{row.tx}.{row.seq}", _event(row)) for row in rows]
    if len(found) == limit:
        return found, found[-1][0]
    last = connection.execute(newest).one_or_none()
    end = max((transaction, number), (last.tx, last.seq) if last is not None else (0, 0))
    return found, f"{end[0]}.{end[1]}"


def _of_types(patterns: frozenset[str]) -> ColumnElement[bool]:
    """Event types, families (`task.*`), or all (`*`)."""
    families = [pattern.removesuffix("*") for pattern in patterns if pattern.endswith(".*")]
    exact = sorted(pattern for pattern in patterns if not pattern.endswith("*"))
    if "*" in patterns:
        return true()
    return or_(events.c.type.in_(exact), *(events.c.type.startswith(family, autoescape=True) for family in families))


def _event(row: Any) -> EventRow:
    return EventRow(**{name: getattr(row, name) for name in EventRow.__struct_fields__})
