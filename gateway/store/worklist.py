"""The worklist with the patient beside each task: for the command line and the demo."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import select

from gateway.store import schema as s
from gateway.store.core_store import CoreStore


class WorklistRow(msgspec.Struct, frozen=True, kw_only=True):
    """One task and whom it is about; initials instead of a name."""

    task_id: str
    rule_id: str
    title: str
    priority: str
    due_at: datetime
    queue: str
    status: str
    business_status: str | None
    overdue: bool
    reason: str
    facility_id: str
    open: bool
    mrn: str
    initials: str


async def worklist(store: CoreStore) -> list[WorklistRow]:
    """Every task, the earliest due first."""
    task, patient = s.tasks.c, s.patients.c
    query = (
        select(
            task.task_id,
            task.rule_id,
            task.title,
            task.priority,
            task.due_at,
            task.queue,
            task.status,
            task.business_status,
            task.overdue,
            task.reason,
            task.facility_id,
            task.closed_at,
            patient.mrn,
            patient.family,
            patient.given,
        )
        .select_from(s.tasks.outerjoin(s.patients, patient.patient_id == task.patient_id))
        .order_by(task.due_at, task.task_id)
    )
    rows = []
    for row in await store.fetch(query):
        family, given = row.pop("family") or "", row.pop("given") or ""
        closed_at = row.pop("closed_at")
        initials = f"{given[:1]}{family[:1]}" or "-"
        rows.append(WorklistRow(**{**row, "mrn": row["mrn"] or "-"}, initials=initials, open=closed_at is None))
    return rows
