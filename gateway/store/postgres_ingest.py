"""Ingest on PostgreSQL: a batch of received units as one statement."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.store import postgres_statements as sql
from gateway.store.limits import CONTENT, neighbours, parts
from gateway.store.ports import JournalEntry, Stored
from gateway.store.postgres_connection import Raw


async def ingest(
    raw: Raw, entries: Sequence[JournalEntry], now: datetime, seen_since: datetime, slot: int
) -> list[Stored]:
    """Store `entries`; returns when the commit is durable."""
    if any(entry.further for entry in entries):
        async with raw.transaction():
            rows = await raw.fetch(sql.INGEST, *_arguments(entries, now, seen_since, slot))
            await _see_further(raw, entries, rows, now)
    else:
        rows = await raw.fetch(sql.INGEST, *_arguments(entries, now, seen_since, slot))
    stored = [Stored(journal_id=id_, duplicate_of=copied, same_id_as=namesake) for id_, copied, namesake in rows]
    if any(one.duplicate_of == 0 for one in stored):
        await _name_originals(raw, entries, stored)
    return stored


async def _see_further(raw: Raw, entries: Sequence[JournalEntry], rows: Sequence[Any], now: datetime) -> None:
    """The control numbers of the interchanges behind the first; of a copy its original's stand."""
    pairs = [(key, row[0]) for row, entry in zip(rows, entries, strict=True) if row[1] is None for key in entry.further]
    await raw.execute(sql.SEE_FURTHER, [key for key, _ in pairs], [journal_id for _, journal_id in pairs], now)


async def _name_originals(raw: Raw, entries: Sequence[JournalEntry], stored: Sequence[Stored]) -> None:
    """Two processes took in the same unit at once: the statement waited for the other, but could not read it yet."""
    copies = {one.journal_id: (one, entry) for one, entry in zip(stored, entries, strict=True) if one.duplicate_of == 0}
    keys = [entry.dedup_key for _, entry in copies.values()]
    for journal_id, first in await raw.fetch(sql.NAME_ORIGINAL, list(copies), keys):
        copies[journal_id][0].duplicate_of = first


def _arguments(entries: Sequence[JournalEntry], now: datetime, seen_since: datetime, slot: int) -> list[Any]:
    pieces: list[tuple[int, int, bytes]] = []
    lanes: list[tuple[int, int]] = []
    columns: list[tuple[Any, ...]] = []
    first: dict[bytes, int] = {}
    for ordinal, entry in enumerate(entries, 1):
        found = [(ordinal, number, part) for number, part in parts(entry.body)]
        pieces += found
        earlier = first.setdefault(entry.dedup_key, ordinal) if entry.dedup_key is not None else ordinal
        lanes.extend((ordinal, lane) for lane in sorted(set(entry.lanes)) or (0,))
        columns.append(
            (
                entry.channel,
                entry.kind,
                entry.facility_id,
                entry.peer,
                entry.received_at,
                entry.control_id,
                entry.message_type,
                entry.sender,
                entry.digest or hashlib.sha256(entry.body).digest(),
                entry.size or len(entry.body),
                None if found or entry.staged else entry.body,
                entry.rejected,
                entry.acknowledgement,
                entry.config_version,
                entry.dedup_key,
                earlier if earlier < ordinal else 0,
            )
        )
    arrays = [list(column) for column in zip(*columns, strict=True)]
    keys = [entry.dedup_key or b"" for entry in entries]
    part_arrays = [list(column) for column in zip(*pieces, strict=True)] or [[], [], []]
    lane_arrays = [list(column) for column in zip(*lanes, strict=True)]
    forwards = [(ordinal, *one) for ordinal, entry in enumerate(entries, 1) for one in entry.forward]
    forward_arrays = [list(column) for column in zip(*forwards, strict=True)] or [[], [], []]
    ranges = [list(column) for column in zip(*map(neighbours, keys), strict=True)]
    return [
        *arrays, *part_arrays, now, seen_since, *lane_arrays, slot, *forward_arrays, *ranges, _namesakes(keys)
    ]  # fmt: skip


def _namesakes(keys: Sequence[bytes]) -> list[int]:
    """Of each key the ordinal of an earlier one with the same control id and other content, 0 for none."""
    first: dict[bytes, int] = {}
    found: list[int] = []
    for ordinal, key in enumerate(keys, 1):
        earlier = first.setdefault(key[:-CONTENT], ordinal)
        found.append(earlier if keys[earlier - 1] != key else 0)
    return found
