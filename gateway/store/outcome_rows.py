"""The rows that figures for outcomes are made of: few columns, one period, only what the reader may see."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Table, literal, select

from gateway.store import schema as s
from gateway.store.core_store import CoreStore
from gateway.store.paging import Facilities, Row, seen_by

READMITTED_WITHIN = timedelta(days=31)
FOLLOWED_WITHIN = timedelta(days=31)


class OutcomeRows(msgspec.Struct, kw_only=True):
    """Inputs of `gateway.outcomes`, by its functions."""

    contacts: list[Row]
    discharges: list[Row]
    visits_of: dict[str, list[Row]]
    visits: list[Row]
    stays: list[Row]
    authorizations: list[Row]
    rejections: list[str]
    open: list[Row]


async def outcome_rows(store: CoreStore, facilities: Facilities, since: datetime, until: datetime) -> OutcomeRows:
    """Discharges, visits and decisions from `since` on and before `until`; open tasks as they are now."""
    task, stay, visit, decided = s.tasks.c, s.encounters.c, s.appointments.c, s.authorizations.c
    called = (
        select(task.facility_id, task.due_at, task.closed_at, task.business_status, stay.discharged_at)
        .select_from(s.tasks.outerjoin(s.encounters, stay.encounter_id == task.encounter_id))
        .where(task.rule_id == "discharge-contact-2bd", task.opened_at >= since, task.opened_at < until)
    )
    left = stay.discharged_at.is_not(None) & (stay.discharged_at >= since) & (stay.discharged_at < until)
    home = left & stay.disposition_category.in_(("home", "home-health")) & (stay.status == "discharged")
    come = (visit.start_at >= since) & (visit.start_at < until)
    near = (visit.start_at >= since) & (visit.start_at < until + FOLLOWED_WITHIN)
    visits_of: dict[str, list[Row]] = defaultdict(list)
    for row in await _rows(store, facilities, s.appointments, near, "patient_id", "start_at", "status"):
        visits_of[row["patient_id"]].append(row)
    return OutcomeRows(
        contacts=await store.fetch(seen_by(called, facilities, task.facility_id)),
        discharges=await _rows(store, facilities, s.encounters, home, "facility_id", "patient_id", "discharged_at"),
        visits_of=visits_of,
        visits=await _rows(store, facilities, s.appointments, come, "facility_id", "status"),
        stays=await _rows(
            store,
            facilities,
            s.encounters,
            (stay.inpatient_at >= since - READMITTED_WITHIN * 6) & (stay.inpatient_at < until + READMITTED_WITHIN),
            *("facility_id", "patient_id", "inpatient_at", "discharged_at"),
            *("disposition_category", "planned_readmission", "newborn"),
        ),
        authorizations=await _rows(
            store,
            facilities,
            s.authorizations,
            (decided.source == "278") & (decided.decided_at >= since) & (decided.decided_at < until),
            *("payer_id", "clock_started_at", "requested_at", "decided_at", "status", "overturned", "urgent"),
        ),
        rejections=await _rejections(store, facilities, since, until),
        open=await _rows(store, facilities, s.tasks, task.closed_at.is_(None), "queue", "opened_at", "due_at"),
    )


async def _rows(
    store: CoreStore, facilities: Facilities, table: Table, condition: ColumnElement[bool], *names: str
) -> list[Row]:
    query = select(*(table.c[name] for name in names)).where(condition)
    return await store.fetch(seen_by(query, facilities, table.c.facility_id))


async def _rejections(store: CoreStore, facilities: Facilities, since: datetime, until: datetime) -> list[str]:
    """Reason codes of payers' refusals to answer, from their events."""
    event = s.events.c
    refused = literal("eligibility.rejected", literal_execute=True)  # as written in the index that serves it
    query = select(event.body).where(event.type == refused, event.emitted_at >= since, event.emitted_at < until)
    found: list[str] = []
    for row in await store.fetch(seen_by(query, facilities, event.facility_id)):
        told: dict[str, Any] = msgspec.json.decode(row["body"])["data"].get("data", {})
        found += [one["reason"] for one in told.get("rejections") or () if one.get("reason")]
    return found
