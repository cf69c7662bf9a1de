"""What was received about one patient, and what changed: for whoever asks why there is, or is not, a task."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from gateway.store import schema as s
from gateway.store.core_store import CoreStore
from gateway.store.paging import Facilities, Page, Row, page, seen_by


async def patient_named(store: CoreStore, text: str) -> str | None:
    """Our id of the one patient of this id, or with this identifier, `AUTHORITY|NUMBER` (no authority: any)."""
    authority, bar, number = text.rpartition("|")
    ids, named = s.patients.c.patient_id, s.patient_identifiers.c
    query = select(ids).where(ids == text)
    if bar:
        held = select(named.patient_id).where(named.value == number)
        query = select(ids).where(ids.in_(held.where(named.authority == authority) if authority else held))
    rows = await store.fetch(query.limit(2))
    return str(rows[0]["patient_id"]) if len(rows) == 1 else None


async def names_of(store: CoreStore, patient_id: str) -> tuple[list[str], list[Row]]:
    """(his ids: his own and those merged into him, his identifiers: `authority`, `value`)."""
    ids = [patient_id]
    for known in ids:  # grows while it is read: merges are chains
        merged = select(s.patients.c.patient_id).where(s.patients.c.merged_into == known)
        ids += [row["patient_id"] for row in await store.fetch(merged) if row["patient_id"] not in ids]
    named = s.patient_identifiers.c
    query = select(named.authority, named.value).where(named.patient_id.in_(ids))
    return ids, await store.fetch(query.order_by(named.authority, named.value))


async def member_ids(store: CoreStore, patient_ids: list[str]) -> list[str]:
    """Member ids under which payers know him."""
    covered = s.coverages.c
    query = select(covered.member_id).where(covered.patient_id.in_(patient_ids), covered.member_id.is_not(None))
    return sorted({row["member_id"] for row in await store.fetch(query)})


async def messages_about(store: CoreStore, patient_ids: Sequence[str], before: datetime | None) -> list[int]:
    """Journal ids of every message that had an effect on him, in order; from events, and from what changed."""
    event, change = s.events.c, s.transitions.c
    told = select(event.journal_id).where(event.patient_id.in_(patient_ids)).distinct()
    changed = select(change.message_id).where(change.patient_id.in_(patient_ids)).distinct()
    if before is not None:
        told, changed = told.where(event.emitted_at < before), changed.where(change.at < before)
    found = {row["journal_id"] for row in await store.fetch(told)}
    found |= {int(row["message_id"][2:]) for row in await store.fetch(changed) if row["message_id"][2:].isdigit()}
    return sorted(found - {0})


async def ends_of(store: CoreStore, journal_ids: list[int]) -> dict[int, list[Row]]:
    """How the items of these messages ended: `item`, `end`, `reason`; and what waits, parked."""
    end, waiting = s.item_end.c, s.parked.c
    ended = select(end.journal_id, end.item, end.word.label("end"), end.reason).where(end.journal_id.in_(journal_ids))
    parked = select(
        waiting.journal_id, waiting.item, waiting.stage, waiting.reason, waiting.detail, waiting.parked_id
    ).where(waiting.journal_id.in_(journal_ids))
    found: dict[int, list[Row]] = {}
    details = {(row["journal_id"], row["item"]): row for row in await store.fetch(parked)}
    for row in await store.fetch(ended.order_by(end.journal_id, end.item)):
        found.setdefault(row["journal_id"], []).append(row | details.get((row["journal_id"], row["item"]), {}))
    return found


async def transitions(
    store: CoreStore,
    facilities: Facilities,
    patient_id: str,
    cursor: str | None,
    limit: int,
) -> Page:
    """What changed about a patient, from what to what, by which message; the newest first."""
    change = s.transitions.c
    query = seen_by(select(s.transitions).where(change.patient_id == patient_id), facilities, change.facility_id)
    return await page(store, query, [change.at, change.transition_id], cursor, limit, newest_first=True)
