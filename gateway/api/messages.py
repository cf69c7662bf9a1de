"""Messages as they were received, and everything that came of one (its trace)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from gateway.api.auth import facilities_of, gateway_of, needs, new_router, record
from gateway.api.models import TEXT, Asked, Cursor, Limit, Moment, Page, Task, Transition, shown
from gateway.api.parked import ParkedItem, show_item
from gateway.api.problems import ProblemDocument, not_found
from gateway.api.restricted import require_message, require_patient
from gateway.store import patient_log, queries
from gateway.store.ledger import REUSED

router = new_router("messages")
End = Literal["processed", "filtered", "duplicate", "rejected", "parked"]
_ABSENT: dict[int | str, dict[str, Any]] = {404: {"model": ProblemDocument, "description": "No such message"}}


class Message(BaseModel):
    """One received unit: a frame, an interchange or a file."""

    message_id: str = Field(examples=["m-1842"])
    channel: str = Field(examples=["adt"])
    kind: str = Field(description="hl7v2 or x12.", examples=["hl7v2"])
    facility_id: str = Field(examples=["main"])
    message_type: str = Field(examples=["ADT^A01"])
    control_id: str = Field(examples=["MSG00001"])
    sender: str = Field(examples=["EPIC|GENHOSP"])
    peer: str = Field(examples=["10.1.2.3:51234"])
    received_at: datetime
    size: int = Field(description="Bytes.", examples=[812])
    acknowledgement: str = Field(description="The code that was answered; empty: none.", examples=["AA"])
    duplicate_of: str | None = Field(description="The message of which this is a copy.")
    rejected: str | None = Field(description="Why it was not taken.", examples=["no-header"])
    replay_of: str | None = Field(description="The message that this one was edited from.")
    same_id_as: str | None = Field(
        description="An earlier message of its sender with its control id and other content."
    )
    flags: list[str] = Field(description="What is odd about it.", examples=[["control-id-reused"]])


class MessageSearch(Asked):
    """What is known of a message.  Without `received_after` the journal is read back to its beginning."""

    control_id: str | None = Field(
        None, min_length=1, max_length=200, pattern=TEXT, description="MSH-10 or ISA13, as sent.", examples=["MSG00001"]
    )
    sender: str | None = Field(
        None, max_length=200, pattern=TEXT, description="As messages show it.", examples=["EPIC|GENHOSP"]
    )
    patient: str | None = Field(
        None, max_length=80, pattern=TEXT, description="Our id: messages that had an effect on this patient."
    )
    channel: str | None = Field(None, max_length=63, pattern=TEXT, examples=["adt"])
    type: str | None = Field(None, max_length=30, pattern=TEXT, examples=["ADT^A01"])
    end: End | None = Field(None, description="An item ended so.", examples=["parked"])
    received_after: Moment | None = None
    received_before: Moment | None = None
    cursor: str | None = Field(
        None, max_length=400, pattern=r"^[A-Za-z0-9_=-]+$", description="`next` of the last page."
    )
    limit: int = Field(100, ge=1, le=500)


class ItemEnd(BaseModel):
    """How one item of the message ended; an item that is not listed is in flight."""

    item: int
    end: str = Field(description="processed, filtered, duplicate, rejected or parked.", examples=["processed"])
    reason: str | None
    at: datetime


class PendingItem(BaseModel):
    """An item in flight, once per lane that it waits in."""

    work_id: int
    item: int
    kind: str = Field(description="read: to be read; event: read, and going to its patient's lane.", examples=["read"])
    attempts: int
    received_at: datetime


class EventSummary(BaseModel):
    """An event that came of the message."""

    event_id: str
    type: str = Field(examples=["encounter.admitted"])
    item: int
    aggregate: str
    aggregate_id: str
    patient_id: str
    emitted_at: datetime


class Trace(BaseModel):
    """A message and everything that came of it."""

    message: Message
    ends: list[ItemEnd]
    pending: list[PendingItem]
    parked: list[ParkedItem]
    events: list[EventSummary]
    transitions: list[Transition]  # type: ignore[valid-type]
    tasks: list[Task]  # type: ignore[valid-type]
    more: list[str] = Field(default=[], description="The lists that are cut after 1,000.", examples=[["ends"]])


@router.get("/messages", response_model=Page[Message])
@needs("messages:read")
async def list_messages(
    request: Request,
    channel: Annotated[str | None, Query(max_length=63, pattern=TEXT)] = None,
    type: Annotated[str | None, Query(max_length=30, pattern=TEXT, examples=["ADT^A01"])] = None,
    end: Annotated[End | None, Query(description="An item ended so.")] = None,
    received_after: Annotated[Moment | None, Query(description="With an offset or Z.")] = None,
    received_before: Annotated[Moment | None, Query(description="With an offset or Z.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """Messages, the newest first."""
    chosen = queries.MessageFilter(
        channel=channel, message_type=type, end=end, received_after=received_after, received_before=received_before
    )
    rows, after = await queries.messages(gateway_of(request).store, facilities_of(request), chosen, cursor, limit)
    return {"items": [_message(row) for row in rows], "next": after}


@router.post("/messages/_search", response_model=Page[Message], responses=_ABSENT)
@needs("messages:read")
async def search_messages(request: Request, search: MessageSearch) -> dict[str, Any]:
    """Messages by control id, sender or patient, the newest first: what may name somebody stays out of URLs.  Audited,
    without what was asked but for the patient.  404: no such patient."""
    store = gateway_of(request).store
    about: tuple[str, ...] = ()
    if search.patient is not None:
        found = await queries.patient_state(store, facilities_of(request), search.patient)
        if found is None:
            raise not_found()
        await require_patient(request, found)
        about = tuple((await patient_log.names_of(store, search.patient))[0])
    chosen = queries.MessageFilter(
        channel=search.channel,
        message_type=search.type,
        end=search.end,
        control_id=search.control_id,
        sender=search.sender,
        patient_ids=about,
        received_after=search.received_after,
        received_before=search.received_before,
    )
    rows, after = await queries.messages(store, facilities_of(request), chosen, search.cursor, search.limit)
    await record(request, "message.search", search.patient or "messages", detail=f"found {len(rows)}")
    return {"items": [_message(row) for row in rows], "next": after}


@router.get("/messages/{message_id}", response_model=Trace, responses=_ABSENT)
@needs("messages:read")
async def trace_message(request: Request, message_id: str) -> dict[str, Any]:
    """One message: received, acknowledged, ended, and its events, transitions and tasks.  Audited."""
    found = await queries.message_trace(gateway_of(request).store, facilities_of(request), _number(message_id))
    if found is None:
        raise not_found()
    await require_message(request, _number(message_id))
    await record(request, "message.read", message_id, facility_id=found["message"]["facility_id"])
    lists = {
        name: [shown(row) for row in rows] for name, rows in found.items() if name not in ("message", "parked", "more")
    }
    return {
        "message": _message(found["message"]),
        "more": found["more"],
        "parked": [show_item(row) for row in found["parked"]],
        **lists,
    }


@router.get(
    "/messages/{message_id}/body",
    response_class=Response,
    responses=_ABSENT | {200: {"content": {"application/octet-stream": {}}, "description": "The bytes as received"}},
)
@needs("bodies:read")
async def read_body(request: Request, message_id: str) -> Response:
    """The bytes as they were received.  Audited."""
    store, number = gateway_of(request).store, _number(message_id)
    message = await queries.message(store, facilities_of(request), number)
    if message is None:
        raise not_found()
    await require_message(request, number)
    await record(request, "body.read", message_id, facility_id=message["facility_id"])
    body = await queries.message_body(store, facilities_of(request), number)
    if body is None:
        raise not_found()
    headers = {"Content-Length": str(body.size)}
    return StreamingResponse(body.chunks(), media_type="application/octet-stream", headers=headers)


def _number(message_id: str) -> int:
    """journal_id of `m-<journal_id>`; what is not of that form is nobody's."""
    digits = message_id.removeprefix("m-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18 or digits == message_id:
        raise not_found()
    return int(digits)


def _message(row: dict[str, Any]) -> dict[str, Any]:
    links = {name: _id(row[name]) for name in ("duplicate_of", "replay_of", "same_id_as")}
    flags = [REUSED] if row["same_id_as"] is not None else []
    return {**row, **links, "message_id": _id(row["journal_id"]), "flags": flags}


def _id(journal_id: int | None) -> str | None:
    return None if journal_id is None else f"m-{journal_id}"
