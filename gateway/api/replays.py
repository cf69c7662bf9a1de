"""Ordinary replay of stored traffic: what it would be, begin it, watch it, stop it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from fastapi import Request
from pydantic import BaseModel, Field

from gateway.api.auth import gateway_of, may_see, needs, new_router, record
from gateway.api.models import Actor, Asked, Moment, Reason
from gateway.api.problems import Problem, ProblemDocument
from gateway.replayer import Busy, Replay
from gateway.store import traffic_log

router = new_router("replays")
_BUSY: dict[int | str, dict[str, Any]] = {409: {"model": ProblemDocument, "description": "A replay is running"}}
_NONE: dict[int | str, dict[str, Any]] = {404: {"model": ProblemDocument, "description": "There was no replay"}}


class ReplayAsked(Asked):
    """Which traffic is to be read and decided again."""

    actor: Actor
    reason: Reason
    since: Moment
    until: Moment | None = Field(None, description="Default: now.")
    channels: list[str] | None = Field(None, max_length=100, description="Default: all that this key may see.")
    per_second: int = Field(50, ge=1, le=1000, description="Most units in a second; live traffic goes between them.")
    apply: bool = Field(False, description="False: only say what it would be.")


class ReplayStop(Asked):
    """Who stops it."""

    actor: Actor


class Held(BaseModel):
    """Units of one channel and type."""

    channel: str
    message_type: str
    count: int
    first_id: int
    last_id: int


class ReplayProgress(BaseModel):
    """How far a replay is."""

    since: datetime
    until: datetime
    channels: list[str]
    per_second: int
    actor: str
    total: int = Field(description="Units.")
    done: int = Field(description="Units that became work again.")
    items: int = Field(description="Items of these.")
    last_id: int = Field(description="Where to go on after a restart.")
    state: str = Field(description="running, done or stopped.")


class ReplayAnswer(BaseModel):
    held: list[Held]
    replay: ReplayProgress | None = Field(description="Null: a dry run.")


@router.post("/replays", response_model=ReplayAnswer, responses=_BUSY)
@needs("channels:write")
async def begin_replay(request: Request, asked: ReplayAsked) -> dict[str, Any]:
    """Stored traffic of a period through the live pipeline once more.  Without `apply` nothing happens.

    Order is kept within each patient.  The same events are not published again and no spent task comes back.
    """
    gateway = gateway_of(request)
    until = asked.until or gateway.clock()
    if asked.since >= until:
        raise Problem(422, "invalid-request", "since must be earlier than until.")
    seen = [channel.name for channel in gateway.settings.channel if may_see(request, channel.default_facility)]
    chosen = tuple(name for name in seen if asked.channels is None or name in asked.channels)
    if asked.channels is not None and set(asked.channels) != set(chosen):
        raise Problem(422, "invalid-request", "There is no such channel.")
    held = await traffic_log.held(gateway.store, asked.since, until, chosen)
    if not asked.apply:
        return {"held": held, "replay": None}
    await record(request, "replay.begin", ",".join(chosen)[:200] or "-", actor=asked.actor, detail=asked.reason)
    replay = Replay(since=asked.since, until=until, channels=chosen, per_second=asked.per_second, actor=asked.actor)
    try:
        gateway.replayer.begin(replay)
    except Busy:
        raise Problem(409, "busy", "A replay is running: stop it first.") from None
    return {"held": held, "replay": msgspec.to_builtins(replay)}


@router.get("/replays", response_model=ReplayProgress, responses=_NONE)
@needs("channels:read")
async def show_replay(request: Request) -> dict[str, Any]:
    """The replay that runs, or ran last since the start."""
    current = gateway_of(request).replayer.current
    if current is None:
        raise Problem(404, "not-found", "There was no replay since the start.")
    return dict(msgspec.to_builtins(current))


@router.post("/replays/stop", response_model=ReplayProgress, responses=_NONE)
@needs("channels:write")
async def stop_replay(request: Request, asked: ReplayStop) -> dict[str, Any]:
    """Stop it after the units in hand."""
    await record(request, "replay.stop", "replay", actor=asked.actor)
    await gateway_of(request).replayer.stop()
    return await show_replay(request)
