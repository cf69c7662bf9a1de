"""What a key without the grant `restricted:read` gets of restricted patients: the minimal form, or nothing.

A task is its id, type, status, queue and due time; an event is its id, type, what it is about, and when that is due.
Everything else of a restricted patient or stay is refused.  What may not be read is not
found by whom it is about either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import Request

from gateway.api.auth import credential_of, gateway_of
from gateway.api.problems import Problem
from gateway.envelope import to_minimal
from gateway.store.ports import EventRow
from gateway.store.resources import restricted_ids, restricted_messages

GRANT = "restricted:read"
_SHOWN = frozenset(
    {
        "task_id",
        "facility_id",
        "revision",
        "type",
        "priority",
        "due_at",
        "queue",
        "status",
        "overdue",
        "escalations",
        "attempts",
        "late",
        "opened_at",
        "updated_at",
        "closed_at",
    }
)
"""Of a task: what says which work is due, and nothing of whom."""


def granted(request: Request) -> bool:
    return GRANT in credential_of(request).scopes


async def hidden(request: Request, kind: str, ids: Iterable[str]) -> frozenset[str]:
    """Those of these rows that this key may not see in full."""
    return frozenset() if granted(request) else await restricted_ids(gateway_of(request).store, kind, sorted(set(ids)))


async def require(request: Request, kind: str, id_: str) -> None:
    """Raises Problem 403 when this key may not see the row in full."""
    if await hidden(request, kind, [id_]):
        raise refusal()


async def require_patient(request: Request, found: Mapping[str, Any]) -> None:
    """Raises Problem 403 for a patient (`queries.patient_state`) who is restricted, or has a stay that is."""
    await require(request, "Patient", found["patient"]["patient_id"])
    if await hidden(request, "Encounter", (row["encounter_id"] for row in found["encounters"])):
        raise refusal()


async def visible(request: Request, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with `patient_id` and `encounter_id`, without those of restricted patients and stays."""
    patients = await hidden(request, "Patient", (row["patient_id"] for row in rows))
    stays = await hidden(request, "Encounter", (row["encounter_id"] for row in rows if row["encounter_id"]))
    return [row for row in rows if row["patient_id"] not in patients and row["encounter_id"] not in stays]


def refusal() -> Problem:
    return Problem(403, "restricted", f"This is restricted: a key with {GRANT} may see it.")


async def require_message(request: Request, journal_id: int) -> None:
    """Raises Problem 403 for a message that spoke of a restricted patient or stay."""
    if not granted(request) and await restricted_messages(gateway_of(request).store, [journal_id]):
        raise refusal()


async def minimal_tasks(
    request: Request, rows: Sequence[Mapping[str, Any]], *, about_somebody: bool = False
) -> list[dict[str, Any]]:
    """Rows of tasks as this key may see them; asked for by patient (`about_somebody`), those that are hidden are left
    out."""
    unseen = await hidden(request, "Task", (row["task_id"] for row in rows))
    if about_somebody:
        return [dict(row) for row in rows if row["task_id"] not in unseen]
    return [minimal_task(row) if row["task_id"] in unseen else dict(row) for row in rows]


def minimal_task(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the same columns that says nothing of whom it is about."""
    return {name: value if name in _SHOWN else _blank(name, value) for name, value in row.items()}


def _blank(name: str, value: Any) -> Any:
    if name.endswith("_json"):
        return "[]"
    return {"title": "restricted", "reason": "restricted"}.get(name, "" if isinstance(value, str) else _no(value))


def _no(value: Any) -> Any:
    return 0 if isinstance(value, int) and not isinstance(value, bool) else None


async def bodies_for(request: Request, events: Sequence[EventRow]) -> list[bytes]:
    """Events as this key may see them: minimal when they were restricted, or their patient is now."""
    if granted(request):
        return [event.body for event in events]
    now = await hidden(request, "Patient", (event.patient_id for event in events))
    return [to_minimal(event.body) if event.restricted or event.patient_id in now else event.body for event in events]
