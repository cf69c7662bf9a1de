"""Events in commit order: page by page, or as server-sent events that go on from Last-Event-ID (decision 21)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from gateway.api.auth import authenticate, facilities_of, gateway_of, needs, new_router, record
from gateway.api.models import Limit
from gateway.api.restricted import bodies_for
from gateway.settings.channels import EventPattern
from gateway.store.ports import EventRow

router = new_router("events")

HEARTBEAT_SECONDS = 15.0
STREAM = "text/event-stream"
_PAGE = 200
_POSITION = r"^\d{1,18}\.\d{1,18}$"

Facility = Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9-]+$", examples=["general-hospital"])]
Queue = Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9-]+$", examples=["transitions"])]


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What a reader asks for.  `queues`: of task events, those whose task is in one of them."""

    types: frozenset[str] | None
    facilities: frozenset[str] | None
    queues: frozenset[str] | None


class _Placed(msgspec.Struct, frozen=True):
    queue: str = ""


class _Inner(msgspec.Struct, frozen=True):
    data: _Placed = _Placed()


class _Outer(msgspec.Struct, frozen=True):
    data: _Inner


_OUTER = msgspec.json.Decoder(_Outer)


class EventPage(BaseModel):
    """Events as they went to the bus.  `next` is always given: asking again with it brings what came since."""

    items: list[dict[str, Any]] = Field(description="CloudEvents 1.0 with the canonical event as data.")
    positions: list[str] = Field(description="The position of each item, to go on behind it.")
    next: str


@router.get(
    "/events",
    response_model=EventPage,
    responses={200: {"content": {STREAM: {}}, "description": "A page, or a stream for `Accept: text/event-stream`"}},
)
@needs("events:read")
async def read_events(
    request: Request,
    type: Annotated[
        list[EventPattern] | None, Query(max_length=50, description="Types or families: `task.created`, `task.*`.")
    ] = None,
    facility: Annotated[list[Facility] | None, Query(max_length=200, description="Only of these.")] = None,
    queue: Annotated[
        list[Queue] | None, Query(max_length=50, description="Only events of tasks in these queues.")
    ] = None,
    cursor: Annotated[str | None, Query(pattern=_POSITION, description="Position after which to read.")] = None,
    limit: Limit = 100,
    last_event_id: Annotated[str | None, Header(pattern=_POSITION, description="Where a stream goes on.")] = None,
) -> Response:
    """Events in commit order, the oldest first.  A reader that follows the cursor misses none.

    Restricted patients' events come in their minimal form to a key without restricted:read.  Audited: one row for a
    page, one for a stream."""
    allowed, asked = facilities_of(request), frozenset(facility) if facility else None
    chosen = _Chosen(
        types=frozenset(type) if type else None,
        facilities=asked if allowed is None else allowed if asked is None else allowed & asked,
        queues=frozenset(queue) if queue else None,
    )
    after = last_event_id or cursor
    if STREAM in request.headers.get("accept", ""):
        await record(request, "event.stream", "events")
        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(_stream(request, chosen, after), headers=headers, media_type=STREAM)
    rows, position = await _read(request, chosen, after, limit)
    await record(request, "event.read", "events", detail=f"found {len(rows)}")
    bodies = b",".join(await bodies_for(request, [event for _, event in rows]))
    places = msgspec.json.encode([place for place, _ in rows])
    page = b'{"items":[%s],"positions":%s,"next":"%s"}' % (bodies, places, position.encode())
    return Response(page, media_type="application/json")


async def _read(
    request: Request, chosen: _Chosen, after: str | None, limit: int
) -> tuple[list[tuple[str, EventRow]], str]:
    store = gateway_of(request).store
    rows, position = await store.read_events(after, limit, types=chosen.types, facilities=chosen.facilities)
    if chosen.queues is None:
        return rows, position
    return [(place, event) for place, event in rows if _queue_of(event) in chosen.queues], position


def _queue_of(event: EventRow) -> str:
    """The queue of a task event's task; empty for another event."""
    return _OUTER.decode(event.body).data.data.queue if event.type.startswith("task.") else ""


async def _stream(request: Request, chosen: _Chosen, after: str | None) -> AsyncIterator[bytes]:
    gateway = gateway_of(request)
    yield b": connected\n\n"
    spoke = time.monotonic()
    while not (request.app.state.stopping or await request.is_disconnected()):
        before = after
        rows, after = await _read(request, chosen, after, _PAGE)
        bodies = await bodies_for(request, [event for _, event in rows])
        for (position, event), body in zip(rows, bodies, strict=True):
            yield b"id: %s\nevent: %s\ndata: %s\n\n" % (position.encode(), event.type.encode(), body)
        if rows:
            spoke = time.monotonic()
        elif time.monotonic() - spoke >= HEARTBEAT_SECONDS:
            if await authenticate(gateway, request.headers["authorization"]) is None:
                return  # the key was revoked meanwhile
            yield b": still here\n\n"
            spoke = time.monotonic()
        if not rows and not (chosen.queues and after != before):  # a full page may hold none of these queues
            await gateway.wait_for_events(1.0)
