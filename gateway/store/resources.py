"""Rows behind FHIR resources: one by id, or a page of those that match, each with `restricted`.

A row is restricted when its patient or its stay is (PD1-12, PV1-16, PV2-22, DG1-18); the mark is looked up, not copied,
so that it holds from the moment it is set, for what was there before too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, Table, exists, false, or_, select

from gateway.store import schema as s
from gateway.store.core_store import CoreStore
from gateway.store.paging import Facilities, Page, Row, page, seen_by


class Kind(msgspec.Struct, frozen=True):
    """Where resources of one type come from."""

    table: Table
    key: str


KINDS = {
    "Task": Kind(s.tasks, "task_id"),
    "Patient": Kind(s.patients, "patient_id"),
    "Encounter": Kind(s.encounters, "encounter_id"),
    "Appointment": Kind(s.appointments, "appointment_id"),
    "Coverage": Kind(s.coverages, "coverage_id"),
    "CoverageEligibilityResponse": Kind(s.coverages, "coverage_id"),
    "ClaimResponse": Kind(s.authorizations, "authorization_id"),
}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a search asks for; what is None or empty does not matter.  Each of `equal` names a column and the values it
    may have; `updated` and `starts` are (comparison, moment) with ge, gt, le or lt."""

    equal: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    updated: tuple[tuple[str, datetime], ...] = ()
    starts: tuple[tuple[str, datetime], ...] = ()  # appointments alone
    owner: tuple[str, ...] = ()  # tasks alone: a person, or a queue whose task nobody has
    identifier: tuple[tuple[str | None, str], ...] = ()  # (authority or None, value)
    family: str | None = None
    nothing: bool = False  # a value was asked for that no row can have


async def resource(store: CoreStore, facilities: Facilities, kind: str, id_: str) -> Row | None:
    found = KINDS[kind]
    query = _rows(found, facilities).where(found.table.c[found.key] == id_)
    rows = await store.fetch(query)
    return rows[0] if rows else None


async def resources(
    store: CoreStore, facilities: Facilities, kind: str, wanted: Wanted, cursor: str | None, limit: int
) -> Page:
    """A page in the order of ids, which is about that of arrival."""
    found = KINDS[kind]
    query = _wanted(_rows(found, facilities), found, wanted)
    if kind == "CoverageEligibilityResponse":
        heard = s.coverages.c.eligibility_as_of.is_not(None) | s.coverages.c.rejected_at.is_not(None)
        query = query.where(heard)
    return await page(store, query, [found.table.c[found.key]], cursor, limit)


async def resources_of(store: CoreStore, facilities: Facilities, kind: str, ids: Sequence[str]) -> list[Row]:
    """Those of these ids that may be seen."""
    found = KINDS[kind]
    if not ids:
        return []
    query = _rows(found, facilities).where(found.table.c[found.key].in_(sorted(set(ids))))
    return await store.fetch(query.order_by(found.table.c[found.key]))


async def attempts(store: CoreStore, facilities: Facilities, wanted: Wanted, cursor: str | None, limit: int) -> Page:
    """Documented attempts: history rows of tasks, with their task's columns under `task_`."""
    change, task = s.task_changes, s.tasks
    of_task = [task.c[name].label(f"of_{name}") for name in ("patient_id", "encounter_id", "rule_id")]
    joined = change.join(task, task.c.task_id == change.c.task_id)
    columns: list[Any] = [*change.columns, *of_task, _restricted(task).label("of_restricted")]
    query: Select[Any] = select(*columns).select_from(joined)
    query = seen_by(query.where(change.c.change == "attempted"), facilities, change.c.facility_id)
    for name, values in wanted.equal:
        column = change.c[name] if name in change.c else task.c[name]
        query = query.where(column.in_(values))
    query = query.where(*(_compared(change.c.at, how, moment) for how, moment in wanted.updated))
    if wanted.nothing:
        query = query.where(false())
    return await page(store, query, [change.c.task_id, change.c.revision], cursor, limit)


async def identifiers_of(store: CoreStore, patient_ids: Sequence[str]) -> dict[str, list[Row]]:
    """Patient -> his identifiers.  For patients that were already found to be seen."""
    query = select(s.patient_identifiers).where(s.patient_identifiers.c.patient_id.in_(sorted(set(patient_ids))))
    return _by(await store.fetch(query.order_by(s.patient_identifiers.c.since)) if patient_ids else [], "patient_id")


async def locations_of(store: CoreStore, encounter_ids: Sequence[str]) -> dict[str, list[Row]]:
    """Encounter -> where it was, in order."""
    place = s.encounter_locations
    query = select(place).where(place.c.encounter_id.in_(sorted(set(encounter_ids))))
    return _by(await store.fetch(query.order_by(place.c.sequence)) if encounter_ids else [], "encounter_id")


async def restricted_ids(store: CoreStore, kind: str, ids: Sequence[str]) -> frozenset[str]:
    """Those of these ids whose rows are restricted."""
    found = KINDS[kind]
    if not ids:
        return frozenset()
    key = found.table.c[found.key]
    rows = await store.fetch(select(key).where(key.in_(sorted(set(ids))), _restricted(found.table)))
    return frozenset(row[found.key] for row in rows)


async def restricted_messages(store: CoreStore, journal_ids: Sequence[int]) -> frozenset[int]:
    """Those of these messages of which a restricted event came, or one about a patient who is restricted now."""
    event, patient = s.events.c, s.patients.alias()
    known = exists().where(patient.c.patient_id == event.patient_id, patient.c.restricted)
    query = select(event.journal_id).where(event.journal_id.in_(journal_ids), event.restricted | known)
    return frozenset(row["journal_id"] for row in await store.fetch(query.distinct()))


def _rows(kind: Kind, facilities: Facilities) -> Select[Any]:
    columns = [column for column in kind.table.columns if column.name != "restricted"]
    query = select(*columns, _restricted(kind.table).label("restricted"))
    return seen_by(query, facilities, kind.table.c.facility_id)


def _restricted(table: Table) -> ColumnElement[bool]:
    """Restricted itself, or of a restricted patient or stay."""
    marks: list[ColumnElement[bool]] = [table.c.restricted] if "restricted" in table.c else []
    if table is not s.patients:
        patient = s.patients.alias()
        marks.append(exists().where(patient.c.patient_id == table.c.patient_id, patient.c.restricted))
    if table is not s.encounters and "encounter_id" in table.c:
        stay = s.encounters.alias()
        marks.append(exists().where(stay.c.encounter_id == table.c.encounter_id, stay.c.restricted))
    return or_(*marks)


def _wanted(query: Select[Any], kind: Kind, wanted: Wanted) -> Select[Any]:
    table = kind.table
    for name, values in wanted.equal:
        query = query.where(table.c[name].in_(values))
    query = query.where(*(_compared(table.c.updated_at, how, moment) for how, moment in wanted.updated))
    if wanted.starts:
        query = query.where(*(_compared(s.appointments.c.start_at, how, moment) for how, moment in wanted.starts))
    if wanted.owner:
        task = s.tasks.c
        query = query.where(task.owner.in_(wanted.owner) | (task.owner.is_(None) & task.queue.in_(wanted.owner)))
    if wanted.identifier:
        query = query.where(or_(*(_named(table, authority, value) for authority, value in wanted.identifier)))
    if wanted.family is not None:
        query = query.where(s.patients.c.family == wanted.family)
    return query.where(false()) if wanted.nothing else query


def _named(table: Table, authority: str | None, value: str) -> ColumnElement[bool]:
    if table is s.patients:
        known = s.patient_identifiers
        found = select(known.c.patient_id).where(known.c.value == value)
        return table.c.patient_id.in_(found if authority is None else found.where(known.c.authority == authority))
    if table is s.encounters:
        same = table.c.visit_number == value
        return same if authority is None else same & (table.c.visit_authority == authority)
    if table is s.appointments:
        return (table.c.filler_id == value) | (table.c.placer_id == value)
    if table is s.coverages:
        return table.c.member_id == value
    return (table.c.number == value) | (table.c.tracking_number == value) | (table.c.trace == value)


def _compared(column: ColumnElement[Any], how: str, moment: datetime) -> ColumnElement[bool]:
    comparisons = {"ge": column >= moment, "gt": column > moment, "le": column <= moment, "lt": column < moment}
    return comparisons[how]


def _by(rows: list[Row], name: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[name], []).append(row)
    return found
