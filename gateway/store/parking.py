"""Parked items, and how each leaves: retried, edited or discarded (Core, the same on both engines).

Every function runs inside the caller's transaction and returns False when the row was already resolved.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Connection, cast, delete, func, insert, select, update

from gateway.store.ledger import Counts
from gateway.store.limits import FROM_ITS_BEGIN, WHOLE, parts
from gateway.store.ports import NewWork
from gateway.store.schema import (
    arrival,
    gateway_state,
    item_end,
    journal,
    journal_part,
    match_key,
    parked,
    parked_history,
    patients,
    work,
)
from gateway.store.statements import adding_counts

GATEWAY = "gateway"  # the actor of what nobody asked for: a match key appeared, a copy arrived


def take_ids(connection: Connection, count: int) -> list[int]:
    """The next ids of the sequence that journal and work share, ascending."""
    if connection.dialect.name == "sqlite":
        value = cast(gateway_state.c.value, BigInteger) + count
        last = int(
            connection.execute(
                update(gateway_state)
                .where(gateway_state.c.name == "last_id")
                .values(value=value)
                .returning(gateway_state.c.value)
            ).scalar_one()
        )
        return list(range(last - count + 1, last + 1))
    series = func.generate_series(1, count).table_valued("n")
    return list(connection.execute(select(arrival.next_value()).select_from(series)).scalars())


def number_further(new: Sequence[NewWork], taken: set[tuple[int, int]], counts: Counts) -> list[NewWork]:
    """New work whose further items have the first number, from their own on, that is not in `taken`; each is counted as
    received."""
    numbered = []
    for one in new:
        if not one.further:
            numbered.append(one)
            continue
        item = one.item
        while (one.journal_id, item) in taken:
            item += 1
        taken.add((one.journal_id, item))
        counts[one.channel, "received"] += 1
        numbered.append(msgspec.structs.replace(one, item=item))
    return numbered


def add_counts(connection: Connection, counts: Counts, now: datetime, slot: int = 0) -> None:
    rows = [
        {"channel": channel, "slot": slot, "word": word, "count": count, "at": now}
        for (channel, word), count in sorted(counts.items())
        if count
    ]
    if not rows:
        return
    connection.execute(adding_counts(connection.dialect.name), rows)


def retry_waiting(connection: Connection, keys: Sequence[str], now: datetime) -> None:
    """Parked answers that wait for one of these match keys become work again, the oldest first (decision 10)."""
    found: set[int] = set()
    for start in range(0, len(keys), 500):  # under every engine's limit of parameters
        query = select(match_key.c.parked_id).where(match_key.c.key.in_(keys[start : start + 500]))
        found.update(connection.execute(query).scalars())
    for parked_id in sorted(found):
        retry(connection, parked_id, now=now, actor=GATEWAY, why="match key appeared")


def retry_copies(connection: Connection, journal_ids: Sequence[int], now: datetime) -> None:
    """A copy of a parked message retries it once (decision 5); parked again, it waits for the next copy."""
    waiting = select(parked.c.parked_id).where(parked.c.journal_id.in_(journal_ids)).order_by(parked.c.parked_id)
    for parked_id in connection.execute(waiting).scalars().all():
        retry(connection, parked_id, now=now, actor=GATEWAY, why="copy received")


def retry(connection: Connection, parked_id: int, *, now: datetime, actor: str, why: str | None = None) -> bool:
    """The item becomes work again, at the end of its lanes."""
    row = _resolve(connection, parked_id, now, actor, why, "retried")
    if row is None:
        return False
    _enqueue(connection, row, row["journal_id"])
    connection.execute(
        delete(item_end).where(item_end.c.journal_id == row["journal_id"], item_end.c.item == row["item"])
    )
    add_counts(connection, Counts({(row["channel"], "parked"): -1}), now)
    return True


def discard(connection: Connection, parked_id: int, *, now: datetime, actor: str, why: str | None) -> bool:
    """The item ends as filtered: a person decided that it has no effect."""
    row = _resolve(connection, parked_id, now, actor, why, "discarded")
    if row is None:
        return False
    _end_filtered(connection, row, "discarded", now)
    release_gap(connection, row["journal_id"], now)
    return True


def replace(
    connection: Connection, parked_id: int, body: bytes, *, now: datetime, actor: str, why: str | None
) -> int | None:
    """An edited body takes the item's place: a new journal row linked to the old one, read in the old one's lanes.
    Returns its id."""
    row = _resolve(connection, parked_id, now, actor, why, "edited")
    if row is None:
        return None
    old = connection.execute(select(journal).where(journal.c.journal_id == row["journal_id"])).mappings().one()
    (journal_id,) = take_ids(connection, 1)
    new = {
        **old,
        "size": len(body),
        "digest": hashlib.sha256(body).digest(),
        "journal_id": journal_id,
        "received_at": now,
        "duplicate_of": None,
        "rejected": None,
        "same_id_as": None,
    }
    new |= {"replay_of": old["journal_id"], "edited_by": actor, "edit_reason": why}
    split = [{"journal_id": journal_id, "part": n, "body": part} for n, part in parts(body)]
    connection.execute(insert(journal).values({**new, "body": None if split else body}))
    if split:
        connection.execute(insert(journal_part), split)
    _end_filtered(connection, row, f"edited:m-{journal_id}", now)
    whole = FROM_ITS_BEGIN if len(body) > WHOLE else b""
    _enqueue(connection, {**row, "kind": "read", "item": 0, "payload": whole}, journal_id)
    add_counts(connection, Counts({(old["channel"], "received"): 1}), now)
    release_gap(connection, row["journal_id"], now)
    return journal_id


def release_gap(connection: Connection, journal_id: int, now: datetime) -> None:
    """A parked message will not be folded in any more: its patient carries no gap, and what waited behind it goes on in
    the order of receipt (decision 16).  The caller holds the item's lanes."""
    message_id = f"m-{journal_id}"
    connection.execute(update(patients).where(patients.c.gap_since == message_id).values(gap_since=None))
    retry_waiting(connection, [f"gap:{message_id}"], now)


def _resolve(
    connection: Connection, parked_id: int, now: datetime, actor: str, why: str | None, resolution: str
) -> dict[str, Any] | None:
    """Take the row out of `parked` and into the history; None when it is not there."""
    taken = connection.execute(delete(parked).where(parked.c.parked_id == parked_id).returning(parked))
    found = taken.mappings().one_or_none()
    if found is None:
        return None
    connection.execute(delete(match_key).where(match_key.c.parked_id == parked_id))
    kept = {column.name: found[column.name] for column in parked_history.c if column.name in found}
    connection.execute(
        insert(parked_history).values(**kept, resolved_at=now, resolution=resolution, actor=actor, why=why)
    )
    return dict(found)


def _enqueue(connection: Connection, row: dict[str, Any], journal_id: int) -> None:
    (work_id,) = take_ids(connection, 1)
    received = select(journal.c.kind, journal.c.received_at).where(journal.c.journal_id == journal_id)
    source_kind, received_at = connection.execute(received).one()
    item = {name: row[name] for name in ("item", "kind", "channel")}
    item |= {"work_id": work_id, "journal_id": journal_id, "source_kind": source_kind, "received_at": received_at}
    item |= {"attempts": 0, "replayed": True, "payload": row["payload"] or None}
    lanes = sorted(set(json.loads(row["lanes_json"]))) or [0]
    connection.execute(insert(work), [{**item, "lane": lane} for lane in lanes])


def _end_filtered(connection: Connection, row: dict[str, Any], reason: str, now: datetime) -> None:
    connection.execute(
        update(item_end)
        .where(item_end.c.journal_id == row["journal_id"], item_end.c.item == row["item"])
        .values(word="filtered", reason=reason, at=now)
    )
    add_counts(connection, Counts({(row["channel"], "parked"): -1, (row["channel"], "filtered"): 1}), now)
