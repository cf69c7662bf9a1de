"""Parked items: what needs a person, and what a person decides (retry, edit, discard)."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel, Field

from gateway.api.auth import facilities_of, gateway_of, needs, new_router, record
from gateway.api.models import TEXT, Cursor, Limit, Number, Page, ParkedAct, ParkedEdit
from gateway.api.problems import Problem, ProblemDocument, not_found
from gateway.store import queries

router = new_router("parked")
_ABSENT: dict[int | str, dict[str, Any]] = {404: {"model": ProblemDocument, "description": "Nothing parked of this id"}}


class ParkedItem(BaseModel):
    """An item that could not be processed."""

    parked_id: int = Field(examples=[7])
    message_id: str = Field(examples=["m-1842"])
    item: int
    channel: str
    facility_id: str
    stage: str = Field(description="parse, map, match, decide or compute.", examples=["map"])
    reason: str = Field(examples=["no-patient-id"])
    detail: str = Field(description="Where it failed; never a value of the message.", examples=["PID^1^3"])
    attempts: int
    parked_at: datetime


class ParkedOutcome(BaseModel):
    """What was done."""

    parked_id: int
    done: str = Field(description="retried, edited or discarded.", examples=["retried"])
    message_id: str = Field(description="The message that is processed now; after an edit a new one.")


@router.get("/parked", response_model=Page[ParkedItem])
@needs("parked:read")
async def list_parked(
    request: Request,
    channel: Annotated[str | None, Query(max_length=63, pattern=TEXT)] = None,
    reason: Annotated[str | None, Query(max_length=60, pattern=TEXT)] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """Parked items, the oldest first."""
    chosen = queries.ParkedFilter(channel=channel, reason=reason)
    rows, after = await queries.parked_items(gateway_of(request).store, facilities_of(request), chosen, cursor, limit)
    return {"items": [show_item(row) for row in rows], "next": after}


@router.get("/parked/{parked_id}", response_model=ParkedItem, responses=_ABSENT)
@needs("parked:read")
async def show_parked(request: Request, parked_id: Number) -> dict[str, Any]:
    """One parked item."""
    return show_item(await _find(request, parked_id))


@router.post("/parked/{parked_id}/retry", response_model=ParkedOutcome, responses=_ABSENT)
@needs("parked:write")
async def retry_parked(request: Request, parked_id: Number, act: ParkedAct) -> dict[str, Any]:
    """Process it again, at the end of its lane."""
    row = await _decide(request, parked_id, "retry", act)
    gateway = gateway_of(request)
    if not await gateway.store.retry_parked(parked_id, act.actor, act.reason):
        raise not_found()
    gateway.wake()
    return {"parked_id": parked_id, "done": "retried", "message_id": f"m-{row['journal_id']}"}


@router.post("/parked/{parked_id}/edit", response_model=ParkedOutcome, responses=_ABSENT)
@needs("parked:write", body_limit="max_edit")
async def edit_parked(request: Request, parked_id: Number, act: ParkedEdit) -> dict[str, Any]:
    """Process a corrected body in its place: a new message, linked to the old one."""
    body = _body(act)
    await _decide(request, parked_id, "edit", act)
    gateway = gateway_of(request)
    journal_id = await gateway.store.edit_parked(parked_id, body, act.actor, act.reason)
    if journal_id is None:
        raise not_found()
    gateway.wake()
    return {"parked_id": parked_id, "done": "edited", "message_id": f"m-{journal_id}"}


@router.post("/parked/{parked_id}/discard", response_model=ParkedOutcome, responses=_ABSENT)
@needs("parked:write")
async def discard_parked(request: Request, parked_id: Number, act: ParkedAct) -> dict[str, Any]:
    """End it as filtered: it has no effect, and the message stays in the journal."""
    row = await _decide(request, parked_id, "discard", act)
    if not await gateway_of(request).store.discard_parked(parked_id, act.actor, act.reason):
        raise not_found()
    return {"parked_id": parked_id, "done": "discarded", "message_id": f"m-{row['journal_id']}"}


async def _decide(request: Request, parked_id: int, verb: str, act: ParkedAct) -> dict[str, Any]:
    row = await _find(request, parked_id)
    about = f"m-{row['journal_id']}/{row['item']}"
    await record(request, f"parked.{verb}", about, facility_id=row["facility_id"], actor=act.actor, detail=act.reason)
    return row


async def _find(request: Request, parked_id: int) -> dict[str, Any]:
    row = await queries.parked_item(gateway_of(request).store, facilities_of(request), parked_id)
    if row is None:
        raise not_found()
    return row


def _body(act: ParkedEdit) -> bytes:
    if act.encoding == "utf-8":
        return act.body.encode()
    try:
        return base64.b64decode(act.body, validate=True)
    except ValueError:
        raise Problem(422, "invalid-request", "`body` is not base64.") from None


def show_item(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "message_id": f"m-{row['journal_id']}"}
