"""The read side of questions to payers: what was asked, what of it is outstanding, which payers are down."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from gateway.store import schema as s
from gateway.store.core_store import CoreStore
from gateway.store.paging import Facilities, Page, Row, page, seen_by
from gateway.store.ports import Reply

_HIDDEN = ("request_json", "member_id")  # what says who the patient is
_SHOWN: list[Any] = [column for column in s.inquiries.columns if column.name not in _HIDDEN]
OPEN = ("waiting", "sent", "accepted", "overdue", "failed", "given-up")


async def list_inquiries(
    store: CoreStore, facilities: Facilities, *, status: str | None, cursor: str | None, limit: int
) -> Page:
    """The newest first.  `status`: one of them, or `outstanding`: everything that has no answer."""
    query: Select[Any] = seen_by(select(*_SHOWN), facilities, s.inquiries.c.facility_id)
    if status == "outstanding":
        query = query.where(s.inquiries.c.status.in_(OPEN))
    elif status is not None:
        query = query.where(s.inquiries.c.status == status)
    key = [s.inquiries.c.asked_at, s.inquiries.c.inquiry_id]
    rows, following = await page(store, query, key, cursor, limit, newest_first=True)
    return await _with_documents(store, rows), following


async def inquiry(store: CoreStore, facilities: Facilities, inquiry_id: str) -> Row | None:
    """One question with its documents; None when the reader may not see it."""
    query: Select[Any] = seen_by(select(*_SHOWN), facilities, s.inquiries.c.facility_id)
    rows = await store.fetch(query.where(s.inquiries.c.inquiry_id == inquiry_id))
    return (await _with_documents(store, rows))[0] if rows else None


async def patient_place(store: CoreStore, facilities: Facilities, patient_id: str) -> str | None:
    """Facility of a patient whom the reader may see."""
    query: Select[Any] = seen_by(select(s.patients.c.facility_id), facilities, s.patients.c.facility_id)
    rows = await store.fetch(query.where(s.patients.c.patient_id == patient_id))
    return str(rows[0]["facility_id"]) if rows else None


async def payers_down(store: CoreStore) -> list[Row]:
    """Payers whose newest answer was 42 or 80."""
    incidents = s.payer_incidents.c
    query: Select[Any] = select(s.payer_incidents).where(incidents.closed_at.is_(None))
    return await store.fetch(query.order_by(incidents.opened_at))


async def _with_documents(store: CoreStore, rows: list[Row]) -> list[Row]:
    """Each row with `documents`: control number, when it was made, and whether it has left."""
    ids = [row["inquiry_id"] for row in rows]
    reply, waiting = s.replies.c, s.outbox.c
    query: Select[Any] = (
        select(reply.inquiry_id, reply.partner, reply.control_number, reply.created_at, waiting.sequence)
        .select_from(
            s.replies.outerjoin(s.outbox, (waiting.sink == reply.channel) & (waiting.sequence == reply.reply_id))
        )
        .where(reply.inquiry_id.in_(ids))
        .order_by(reply.reply_id)
    )
    found = await store.fetch(query) if ids else []
    documents: dict[str, list[dict[str, Any]]] = {}
    for one in found:
        documents.setdefault(one["inquiry_id"], []).append(
            {
                "partner": one["partner"],
                "control_number": one["control_number"],
                "made_at": one["created_at"],
                "delivered": one["sequence"] is None,
            }
        )
    return [row | {"documents": documents.get(row["inquiry_id"], [])} for row in rows]


def is_late(row: Row, now: datetime) -> bool:
    """Past its clock, or refused: somebody may want to look."""
    if row["status"] in ("overdue", "failed", "given-up"):
        return True
    return row["due_at"] is not None and row["due_at"] < now


async def newest_number(store: CoreStore, document: Reply) -> int:
    """The control number of the newest interchange of this partner and kind that belongs to no inquiry."""
    reply = s.replies.c
    query: Select[Any] = select(reply.control_number).where(
        reply.partner == document.partner, reply.kind == document.kind, reply.inquiry_id.is_(None)
    )
    rows = await store.fetch(query.order_by(reply.reply_id.desc()).limit(1))
    return int(rows[0]["control_number"])
