"""Pages of a query in the order of a key, and the one function that applies a reader's facilities (decision 11)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, tuple_

from gateway.store.columns import UtcDateTime
from gateway.store.core_store import CoreStore
from gateway.store.rows import from_stored_time, to_stored_time

Facilities = frozenset[str] | None
"""What a reader may see; None: everything."""

Row = dict[str, Any]
Page = tuple[list[Row], str | None]
"""Rows, and the cursor of the next page; None when there is none."""


class BadCursor(ValueError):
    """The cursor is none of ours."""


def seen_by(query: Select[Any], facilities: Facilities, column: ColumnElement[str]) -> Select[Any]:
    """`query` without the rows of facilities that the reader may not see."""
    return query if facilities is None else query.where(column.in_(sorted(facilities)))


async def page(
    store: CoreStore,
    query: Select[Any],
    key: Sequence[ColumnElement[Any]],
    cursor: str | None,
    limit: int,
    *,
    newest_first: bool = False,
) -> Page:
    """Rows of `query` after `cursor` in the order of `key`, whose columns are unique together and never null."""
    place: Any = key[0] if len(key) == 1 else tuple_(*key)
    if cursor is not None:
        values = _read_cursor(cursor, key)
        after: Any = values[0] if len(key) == 1 else tuple_(*values, types=[column.type for column in key])
        query = query.where(place < after if newest_first else place > after)
    order = [column.desc() if newest_first else column.asc() for column in key]
    rows = await store.fetch(query.order_by(*order).limit(limit + 1))
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], _write_cursor([rows[limit - 1][str(column.key)] for column in key], key)


def _write_cursor(values: Sequence[Any], key: Sequence[ColumnElement[Any]]) -> str:
    texts = [to_stored_time(v) if isinstance(c.type, UtcDateTime) else v for v, c in zip(values, key, strict=True)]
    return base64.urlsafe_b64encode(json.dumps(texts).encode()).decode()


def _read_cursor(cursor: str, key: Sequence[ColumnElement[Any]]) -> list[Any]:
    try:
        texts = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        pairs = list(zip(texts, key, strict=True))
        values = [from_stored_time(t) if isinstance(c.type, UtcDateTime) else t for t, c in pairs]
        if not all(_fits(value, column) for value, column in zip(values, key, strict=True)):
            raise BadCursor(cursor)
    except (ValueError, TypeError, OverflowError, binascii.Error, RecursionError):
        raise BadCursor("the cursor is none of ours") from None
    return values


def _fits(value: Any, column: ColumnElement[Any]) -> bool:
    """True when the engine can compare the column with `value`; ValueError and OverflowError say the same as False."""
    if isinstance(value, datetime):
        return bool(to_stored_time(value))
    if isinstance(value, str):
        return b"\0" not in value.encode()
    return type(value) is column.type.python_type and -(2**63) <= value < 2**63
