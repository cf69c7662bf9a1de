"""The journal of merges and moves: what went from whom to whom, and what undid it (domain reference 2.3 e)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, or_, select

from gateway.store import schema as s
from gateway.store.core_store import CoreStore
from gateway.store.paging import Facilities, Row, seen_by


async def of_patient(store: CoreStore, facilities: Facilities, patient_id: str) -> list[Row]:
    """Entries that name the patient as either side, the newest first."""
    merge = s.merges.c
    query: Select[Any] = seen_by(select(s.merges), facilities, merge.facility_id)
    named = or_(merge.survivor_id == patient_id, merge.prior_id == patient_id)
    return await store.fetch(query.where(named).order_by(merge.at.desc(), merge.merge_id))


async def merge(store: CoreStore, facilities: Facilities, merge_id: str) -> Row | None:
    """One entry; None when the reader may not see it."""
    query: Select[Any] = seen_by(select(s.merges), facilities, s.merges.c.facility_id)
    rows = await store.fetch(query.where(s.merges.c.merge_id == merge_id))
    return rows[0] if rows else None
