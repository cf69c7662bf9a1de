"""What the desk reads and keeps: absences, and the open tasks that have to find somebody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, insert, or_, select, update

from gateway.coordination.people import Absence, Work
from gateway.store import schema as s
from gateway.store.core_store import CoreStore
from gateway.store.paging import Row

# -- absences ----------------------------------------------------------------------------------------------------------


async def enter_absence(store: CoreStore, absence: Absence, actor: str, reason: str | None) -> None:
    row = {
        "absence_id": absence.absence_id,
        "person": absence.person,
        "begins_at": absence.begins_at,
        "ends_at": absence.ends_at,
        "substitute": absence.substitute,
        "actor": actor,
        "reason": reason,
        "entered_at": store.clock(),
    }

    def write(connection: Connection) -> None:
        connection.execute(insert(s.absences).values(row))

    await store.execute_write(write)


async def end_absence(store: CoreStore, absence_id: str, at: datetime) -> bool:
    """It ends then, or never began; False: there is none that goes on longer."""
    absence = s.absences.c
    lasting = or_(absence.ends_at.is_(None), absence.ends_at > at)
    query = update(s.absences).where(absence.absence_id == absence_id, lasting).values(ends_at=at)
    return await store.execute_write(lambda connection: connection.execute(query).rowcount > 0)


async def absences(store: CoreStore, *, person: str | None = None, since: datetime | None = None) -> list[Row]:
    """The latest first; `since`: only those that last beyond it."""
    absence = s.absences.c
    query = select(s.absences)
    if person is not None:
        query = query.where(absence.person == person)
    if since is not None:
        query = query.where(or_(absence.ends_at.is_(None), absence.ends_at > since))
    return await store.fetch(query.order_by(absence.begins_at.desc(), absence.absence_id).limit(500))


async def unsettled_absences(store: CoreStore) -> list[Absence]:
    """Those that are not over, or whose work did not go back yet."""
    rows = await store.fetch(select(s.absences).where(s.absences.c.handed_back_at.is_(None)))
    return [Absence(**{name: row[name] for name in Absence.__struct_fields__}) for row in rows]


async def settle_absences(store: CoreStore, absence_ids: Sequence[str], at: datetime) -> None:
    query = update(s.absences).where(s.absences.c.absence_id.in_(absence_ids)).values(handed_back_at=at)
    await store.execute_write(lambda connection: connection.execute(query))


# -- what has to find somebody -----------------------------------------------------------------------------------------


async def loads(store: CoreStore) -> dict[str, int]:
    """Open tasks by owner."""
    task = s.tasks.c
    query = select(task.owner, func.count().label("held")).where(task.closed_at.is_(None), task.owner.is_not(None))
    return {row["owner"]: row["held"] for row in await store.fetch(query.group_by(task.owner))}


async def owners(store: CoreStore) -> frozenset[str]:
    """Everybody who has, or had before his absence, an open task."""
    found: set[str] = set()
    for column in (s.tasks.c.owner, s.tasks.c.covering_for):
        query = select(column.label("person")).where(s.tasks.c.closed_at.is_(None), column.is_not(None)).distinct()
        found |= {row["person"] for row in await store.fetch(query)}
    return frozenset(found)


def unplaced() -> ColumnElement[bool]:
    return s.tasks.c.team.is_(None)


def held_by(people: Sequence[str]) -> ColumnElement[bool]:
    return s.tasks.c.owner.in_(people)


def covered_for(people: Sequence[str]) -> ColumnElement[bool]:
    return s.tasks.c.covering_for.in_(people)


def waiting_in(teams: Sequence[str]) -> ColumnElement[bool]:
    """Nobody has it, and nobody gave it back."""
    task = s.tasks.c
    returned = func.coalesce(task.business_status, "") == "returned"
    return task.team.in_(teams) & task.owner.is_(None) & ~returned


async def open_work(store: CoreStore, condition: ColumnElement[bool] | None, limit: int, after: str = "") -> list[Work]:
    """Open tasks that meet `condition`, in order of their ids, with what panels ask of their patients."""
    task = s.tasks.c
    query = select(s.tasks).where(task.closed_at.is_(None), task.task_id > after)
    rows = await store.fetch(
        (query if condition is None else query.where(condition)).order_by(task.task_id).limit(limit)
    )
    facts = await _patients(store, sorted({row["patient_id"] for row in rows if row["patient_id"]}))
    fields = [name for name in Work.__struct_fields__ if name in s.tasks.c]
    return [Work(**{name: row[name] for name in fields}, **facts.get(row["patient_id"], {})) for row in rows]


async def _patients(store: CoreStore, patient_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """patient id -> `identifiers`, `pcp_id`, `payers`, `diagnoses`."""
    if not patient_ids:
        return {}
    known: dict[str, dict[str, Any]] = {
        row["patient_id"]: {"pcp_id": row["pcp_id"], "identifiers": set(), "payers": set(), "diagnoses": set()}
        for row in await store.fetch(_of(s.patients, patient_ids, "patient_id", "pcp_id"))
    }
    for row in await store.fetch(_of(s.patient_identifiers, patient_ids, "patient_id", "authority", "value")):
        known[row["patient_id"]]["identifiers"].add(f"{row['authority']}|{row['value']}")
    covered = _of(s.coverages, patient_ids, "patient_id", "payer_id").where(s.coverages.c.active)
    for row in await store.fetch(covered):
        known[row["patient_id"]]["payers"].add(row["payer_id"])
    for row in await store.fetch(_of(s.encounters, patient_ids, "patient_id", "diagnoses_json")):
        codes = (one["code"].replace(".", "") for one in json.loads(row["diagnoses_json"]))
        known[row["patient_id"]]["diagnoses"].update(codes)
    return {
        patient_id: {
            "pcp_id": facts["pcp_id"],
            "identifiers": frozenset(facts["identifiers"]),
            "payers": frozenset(facts["payers"] - {None}),
            "diagnoses": tuple(sorted(facts["diagnoses"])),
        }
        for patient_id, facts in known.items()
    }


def _of(table: Any, patient_ids: Sequence[str], *names: str) -> Select[Any]:
    return select(*(table.c[name] for name in names)).where(table.c.patient_id.in_(patient_ids))


async def open_by_place(store: CoreStore) -> list[Row]:
    """Open tasks by `queue` and `facility_id`: `open`, `unowned`."""
    task = s.tasks.c
    unowned = func.sum(case((task.owner.is_(None), 1), else_=0)).label("unowned")
    query = select(task.queue, task.facility_id, func.count().label("open"), unowned)
    query = query.where(task.closed_at.is_(None)).group_by(task.queue, task.facility_id)
    return await store.fetch(query.order_by(task.queue, task.facility_id))
