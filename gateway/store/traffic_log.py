"""Stored units in the order of receipt, with their bodies: for shadow runs, replays and whoever asks why not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, exists, func, select

from gateway.store.core_store import CoreStore
from gateway.store.paging import Row
from gateway.store.schema import journal, journal_part, tasks


class StoredUnit(msgspec.Struct, frozen=True, kw_only=True):
    """One journal row that was taken in: no duplicate, nothing rejected."""

    journal_id: int
    channel: str
    kind: str
    received_at: datetime
    control_id: str
    message_type: str
    facility_id: str
    body: bytes


async def first_since(store: CoreStore, moment: datetime) -> int:
    """The id from which on rows were received at or after `moment`: found by halving, as ids rise with time."""
    row = journal.c
    ends = await store.fetch(select(func.min(row.journal_id).label("low"), func.max(row.journal_id).label("high")))
    low, high = ends[0]["low"], ends[0]["high"]
    if low is None:
        return 0
    high += 1
    while low < high:
        middle = (low + high) // 2
        query = select(row.received_at).where(row.journal_id >= middle).order_by(row.journal_id).limit(1)
        found = await store.fetch(query)
        if found and found[0]["received_at"] < moment:
            low = middle + 1
        else:
            high = middle
    return int(low)


async def units(
    store: CoreStore,
    after: int,
    before: int,
    limit: int,
    channels: Sequence[str] | None = None,
    *,
    heads: bool = False,
) -> list[StoredUnit]:
    """Rows with `after` < id < `before` in order; those whose body is past its retention are left out.  `heads`: of a
    body in parts the first one alone."""
    row = journal.c
    condition = (row.journal_id > after) & (row.journal_id < before)
    chosen = condition if channels is None else condition & row.channel.in_(channels)
    return await _read(store, chosen, limit, heads=heads)


async def _read(
    store: CoreStore, condition: ColumnElement[bool], limit: int, *, heads: bool = False
) -> list[StoredUnit]:
    row = journal.c
    columns = [row[name] for name in StoredUnit.__struct_fields__]
    kept = row.body.is_not(None) | exists().where(journal_part.c.journal_id == row.journal_id)
    query = select(*columns, row.size).where(condition, row.rejected.is_(None), row.duplicate_of.is_(None), kept)
    found: list[StoredUnit] = []
    for one in await store.fetch(query.order_by(row.journal_id).limit(limit)):
        size = one.pop("size")
        body = one.pop("body")
        if body is None and size:
            body = await (store.body_part(one["journal_id"], 0) if heads else _parts(store, one["journal_id"]))
        if body is not None:
            found.append(StoredUnit(**one, body=bytes(body)))
    return found


async def units_of(store: CoreStore, journal_ids: Sequence[int]) -> list[StoredUnit]:
    """The rows of these ids in order, without those whose body is past its retention."""
    found: list[StoredUnit] = []
    for start in range(0, len(journal_ids), 500):  # under every engine's limit of parameters
        chosen = journal_ids[start : start + 500]
        found += await _read(store, journal.c.journal_id.in_(chosen), len(chosen))
    return found


async def held(store: CoreStore, since: datetime, until: datetime, channels: Sequence[str] | None = None) -> list[Row]:
    """What was taken in in that time by `channel` and `message_type`: `count`, `first_id`, `last_id`."""
    row = journal.c
    first, last = await first_since(store, since), await first_since(store, until)
    columns = (func.count().label("count"), func.min(row.journal_id), func.max(row.journal_id))
    query = select(row.channel, row.message_type, columns[0], columns[1].label("first_id"), columns[2].label("last_id"))
    query = query.where(
        row.journal_id >= first, row.journal_id < last, row.rejected.is_(None), row.duplicate_of.is_(None)
    )
    if channels is not None:
        query = query.where(row.channel.in_(channels))
    return await store.fetch(query.group_by(row.channel, row.message_type).order_by(row.channel, row.message_type))


async def count(store: CoreStore, after: int, before: int, channels: Sequence[str] | None = None) -> int:
    """How many rows `units` passes over."""
    row = journal.c
    query = select(func.count().label("held")).where(
        row.journal_id > after, row.journal_id < before, row.rejected.is_(None), row.duplicate_of.is_(None)
    )
    if channels is not None:
        query = query.where(row.channel.in_(channels))
    return int((await store.fetch(query))[0]["held"])


async def _parts(store: CoreStore, journal_id: int) -> bytes | None:
    part: Any = journal_part.c
    rows = await store.fetch(select(part.body).where(part.journal_id == journal_id).order_by(part.part))
    return b"".join(row["body"] for row in rows) or None


async def opened_tasks(store: CoreStore, since: datetime, until: datetime) -> list[Row]:
    """Tasks that were opened in that time."""
    return await store.fetch(select(tasks).where(tasks.c.opened_at >= since, tasks.c.opened_at < until))


async def known_keys(store: CoreStore, keys: Sequence[str]) -> frozenset[str]:
    """Those of the task keys that the store holds, of open tasks and of closed ones."""
    found: set[str] = set()
    for start in range(0, len(keys), 500):
        query = select(tasks.c.task_key).where(tasks.c.task_key.in_(keys[start : start + 500]))
        found.update(row["task_key"] for row in await store.fetch(query))
    return frozenset(found)
