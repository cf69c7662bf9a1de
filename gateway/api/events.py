"""Events in commit order: page by page, or as server-sent events that go on from Last-Event-ID (decision 21)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from gateway.api.auth import authenticate, facilities_of, gateway_of, needs, new_router
from gateway.api.models import Limit

router = new_router("events")

HEARTBEAT_SECONDS = 15.0
STREAM = "text/event-stream"
_PAGE = 200
_POSITION = r"^\d{1,18}\.\d{1,18}$"

EventType = Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,80}$", examples=["task.created"])]


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
    type: Annotated[list[EventType] | None, Query(max_length=50, description="Only these types.")] = None,
    cursor: Annotated[str | None, Query(pattern=_POSITION, description="Position after which to read.")] = None,
    limit: Limit = 100,
    last_event_id: Annotated[str | None, Header(pattern=_POSITION, description="Where a stream goes on.")] = None,
) -> Response:
    """Events in commit order, the oldest first.  A reader that follows the cursor misses none."""
    types = frozenset(type) if type else None
    after = last_event_id or cursor
    if STREAM in request.headers.get("accept", ""):
        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(_stream(request, types, after), headers=headers, media_type=STREAM)
    store = gateway_of(request).store
    rows, position = await store.read_events(after, limit, types=types, facilities=facilities_of(request))
    bodies = b",".join(event.body for _, event in rows)
    places = msgspec.json.encode([place for place, _ in rows])
    page = b'{"items":[%s],"positions":%s,"next":"%s"}' % (bodies, places, position.encode())
    return Response(page, media_type="application/json")


async def _stream(request: Request, types: frozenset[str] | None, after: str | None) -> AsyncIterator[bytes]:
    gateway, facilities = gateway_of(request), facilities_of(request)
    yield b": connected\n\n"
    spoke = time.monotonic()
    while not (request.app.state.stopping or await request.is_disconnected()):
        rows, after = await gateway.store.read_events(after, _PAGE, types=types, facilities=facilities)
        for position, event in rows:
            yield b"id: %s\nevent: %s\ndata: %s\n\n" % (position.encode(), event.type.encode(), event.body)
        if rows:
            spoke = time.monotonic()
            continue
        if time.monotonic() - spoke >= HEARTBEAT_SECONDS:
            if await authenticate(gateway, request.headers["authorization"]) is None:
                return  # the key was revoked meanwhile
            yield b": still here\n\n"
            spoke = time.monotonic()
        await gateway.wait_for_events(1.0)
