"""Merges and moves of patients' records: see them, and take a wrong one back."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Request
from pydantic import BaseModel, Field

from gateway.api.auth import facilities_of, gateway_of, needs, new_router, record
from gateway.api.models import TEXT, Actor, Asked, Ident, model_of, shown
from gateway.api.problems import ProblemDocument, not_found
from gateway.api.restricted import require
from gateway.coordination import records
from gateway.coordination.changes import Undo
from gateway.store import inquiries, merges
from gateway.store.paging import Row
from gateway.store.ports import WriteSet

router = new_router("patients")

Merge: type[BaseModel] = model_of(records.Merge)


class MergeList(BaseModel):
    """Merges and moves that concern a patient, the newest first."""

    items: list[Merge]  # type: ignore[valid-type]


class UndoAct(Asked):
    """Who takes it back, and why."""

    actor: Actor
    reason: str = Field(min_length=1, max_length=150, pattern=TEXT, examples=["two people of one name"])
    dry_run: bool = Field(False, description="`true` says what would go back and what would not; nothing changes.")


class Undone(BaseModel):
    """What goes back to the record that was merged away, and what cannot be taken back."""

    survivor: str
    restored: str
    moved: dict[str, list[str]]
    left: list[str] = Field(description="What stays, and why.")


@router.get(
    "/patients/{patient_id}/merges",
    response_model=MergeList,
    responses={404: {"model": ProblemDocument, "description": "No such patient"}},
)
@needs("patients:read")
async def list_merges(request: Request, patient_id: Ident) -> dict[str, Any]:
    """The journal of merges and moves that name this patient, by our id.  Audited."""
    store, facilities = gateway_of(request).store, facilities_of(request)
    facility_id = await inquiries.patient_place(store, facilities, patient_id)
    if facility_id is None:
        raise not_found()
    await require(request, "Patient", patient_id)
    await record(request, "merge.list", patient_id, facility_id=facility_id)
    return {"items": [_shown(row) for row in await merges.of_patient(store, facilities, patient_id)]}


@router.post(
    "/merges/{merge_id}/undo",
    response_model=Undone,
    responses={
        404: {"model": ProblemDocument, "description": "No such merge"},
        409: {"model": ProblemDocument, "description": "It cannot be undone; `detail` says why"},
    },
)
@needs("patients:write")
async def undo_merge(request: Request, merge_id: Ident, act: UndoAct) -> dict[str, Any]:
    """Take a wrong merge or move back.  Ask with `dry_run` first: it says what will stay where it is."""
    gateway = gateway_of(request)
    found = await merges.merge(gateway.store, facilities_of(request), merge_id)
    if found is None:
        raise not_found()
    await require(request, "Patient", found["survivor_id"])
    if not act.dry_run:
        await record(request, "merge.undo", merge_id, facility_id=found["facility_id"], actor=act.actor)
    undo = Undo(
        merge_id=merge_id,
        merge_trigger=found["trigger"],
        patient_id=found["survivor_id"],
        prior_id=found["prior_id"],
        moved_json=found["moved_json"],
        actor=act.actor,
        reason=act.reason,
    )
    return _told(await gateway.ask(undo, dry_run=act.dry_run))


def _shown(row: Row) -> dict[str, Any]:
    """Ids of what moved, not how the records were before."""
    entry = shown(row)
    entry["moved"] = {name: ids for name, ids in entry["moved"].items() if name not in ("before", "after")}
    return entry


def _told(writes: WriteSet) -> dict[str, Any]:
    event = next(event for event in writes.events if event.type == "patient.unmerged")
    told: dict[str, Any] = msgspec.json.decode(event.body)["data"]["data"]
    return told
