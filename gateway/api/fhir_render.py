"""Rows of the store as FHIR resources, for one request: its facilities, and its grant for restricted patients.

Without the grant a restricted task is its id, type and due time, a restricted patient is an id, and every other
restricted resource is not shown.  Nor are they found by who they are about: what may not be read may not be asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from gateway.api.auth import facilities_of, gateway_of
from gateway.api.fhir_search import Search, coverage_of
from gateway.api.problems import not_found
from gateway.api.restricted import granted, refusal
from gateway.store import queries
from gateway.store import resources as store_resources
from mappings.fhir import patient, payer
from mappings.fhir import task as tasks
from mappings.fhir.elements import Resource, from_fhir_id

Row = dict[str, Any]
SCOPE_OF_KIND = {
    "Task": "tasks:read",
    "Communication": "tasks:read",
    "Patient": "patients:read",
    "Encounter": "patients:read",
    "Appointment": "patients:read",
    "Coverage": "patients:read",
    "CoverageEligibilityResponse": "patients:read",
    "ClaimResponse": "patients:read",
}
_ABOUT = frozenset({"patient_id", "encounter_id", "birth_date"})


@dataclass(frozen=True, slots=True)
class Page:
    """`rows` are those behind `resources`, in the same order."""

    rows: list[Row]
    resources: list[Resource]
    next: str | None


async def find_resource(request: Request, kind: str, id_: str) -> tuple[Resource, Row]:
    """The resource and its row.  Raises Problem 404, and 403 for what is restricted with no minimal form."""
    if kind == "Communication":
        return await _find_attempt(request, id_)
    key = coverage_of(id_) if kind == "CoverageEligibilityResponse" else from_fhir_id(id_)
    store, facilities = gateway_of(request).store, facilities_of(request)
    row = await store_resources.resource(store, facilities, kind, key) if _is_id(id_) else None
    if row is None:
        raise not_found()
    (shown,) = await _rendered(request, kind, [row], with_notes=True) or [None]
    if shown is None:
        raise refusal()
    return shown, row


async def find_task(request: Request, id_: str) -> Row:
    """The row of a task that may be changed.  Raises Problem."""
    row = None
    if _is_id(id_):
        store, facilities = gateway_of(request).store, facilities_of(request)
        row = await store_resources.resource(store, facilities, "Task", from_fhir_id(id_))
    if row is None:
        raise not_found()
    if row["restricted"] and not granted(request):
        raise refusal()
    return row


async def find_page(request: Request, kind: str, search: Search) -> Page:
    store, facilities = gateway_of(request).store, facilities_of(request)
    wanted, limit = search.wanted, search.count
    if kind == "Communication":
        rows, after = await store_resources.attempts(store, facilities, wanted, search.cursor, limit)
        rows = [row for row in rows if granted(request) or not row["of_restricted"]]
        return Page(rows, [_attempt(row) for row in rows], after)
    rows, after = await store_resources.resources(store, facilities, kind, wanted, search.cursor, limit)
    names_somebody = wanted.identifier or wanted.family or any(name in _ABOUT for name, _ in wanted.equal)
    if names_somebody and not granted(request):
        rows = [row for row in rows if not row["restricted"]]
    pairs = zip(rows, await _rendered(request, kind, rows), strict=True)
    shown = [(row, resource) for row, resource in pairs if resource is not None]
    return Page([row for row, _ in shown], [resource for _, resource in shown], after)


async def includes(request: Request, page: Page, asked: Sequence[str]) -> list[Resource]:
    """What the tasks of a page refer to, each once."""
    ids: dict[str, list[str]] = {}
    open_rows = [row for row in page.rows if granted(request) or not row["restricted"]]
    for row in open_rows:
        if "Task:patient" in asked:
            ids.setdefault("Patient", []).append(row["patient_id"])
        if "Task:encounter" in asked and row["encounter_id"]:
            ids.setdefault("Encounter", []).append(row["encounter_id"])
        if "Task:focus" in asked:
            found = next(((kind, row[name]) for name, kind in tasks.FOCUS if row[name]), None)
            if found is not None:
                ids.setdefault(found[0], []).append(found[1])
    store, facilities = gateway_of(request).store, facilities_of(request)
    result: list[Resource] = []
    for kind, wanted in ids.items():
        rows = await store_resources.resources_of(store, facilities, kind, wanted)
        result += [resource for resource in await _rendered(request, kind, rows) if resource is not None]
    return result


async def _rendered(
    request: Request, kind: str, rows: Sequence[Row], *, with_notes: bool = False
) -> list[Resource | None]:
    """One resource per row; None: not shown to this key."""
    store, facilities = gateway_of(request).store, facilities_of(request)
    may = granted(request)
    open_rows = [row for row in rows if may or not row["restricted"]]
    beside: dict[str, list[Row]] = {}
    if kind == "Patient":
        beside = await store_resources.identifiers_of(store, [row["patient_id"] for row in open_rows])
    elif kind == "Encounter":
        beside = await store_resources.locations_of(store, [row["encounter_id"] for row in open_rows])
    elif kind == "Task" and with_notes:
        beside = {row["task_id"]: await queries.task_history(store, facilities, row["task_id"]) for row in open_rows}
    return [_one(kind, row, beside, hidden=row["restricted"] and not may) for row in rows]


def _one(kind: str, row: Row, beside: dict[str, list[Row]], *, hidden: bool) -> Resource | None:
    if hidden:
        minimal = {"Task": tasks.minimal_task, "Patient": patient.minimal_patient}.get(kind)
        return minimal(row) if minimal else None
    if kind == "Task":
        return tasks.task(row, beside.get(row["task_id"], ()))
    if kind == "Patient":
        return patient.patient(row, beside.get(row["patient_id"], ()))
    if kind == "Encounter":
        return patient.encounter(row, beside.get(row["encounter_id"], ()))
    plain = {
        "Appointment": patient.appointment,
        "Coverage": payer.coverage,
        "CoverageEligibilityResponse": payer.eligibility_response,
        "ClaimResponse": payer.claim_response,
    }
    return plain[kind](row)


async def _find_attempt(request: Request, id_: str) -> tuple[Resource, Row]:
    task_id, _, revision = id_.rpartition(".")
    if not _is_id(task_id) or not revision.isascii() or not revision.isdigit() or len(revision) > 9:
        raise not_found()
    store, facilities = gateway_of(request).store, facilities_of(request)
    wanted = store_resources.Wanted(equal=(("task_id", (from_fhir_id(task_id),)), ("revision", (int(revision),))))
    rows, _ = await store_resources.attempts(store, facilities, wanted, None, 1)
    if not rows:
        raise not_found()
    if rows[0]["of_restricted"] and not granted(request):
        raise refusal()
    return _attempt(rows[0]), rows[0]


def _attempt(row: Row) -> Resource:
    of = {name.removeprefix("of_"): value for name, value in row.items() if name.startswith("of_")}
    return tasks.communication(row, of)


def _is_id(text: str) -> bool:
    return 0 < len(text) <= 64 and text.isascii() and text.replace("-", "").replace(".", "").replace("_", "").isalnum()
