"""Channels: how each is, and pause, resume, drain (decision 27); what sequence number is expected of whom."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from fastapi import Request
from pydantic import BaseModel, Field

from gateway.api.auth import gateway_of, may_see, needs, new_router, record
from gateway.api.models import TEXT, Actor, Asked, ChannelAct, ChannelView, Ident, Page
from gateway.api.ports import ChannelStatus
from gateway.api.problems import Problem, ProblemDocument, not_found
from gateway.store.sequences import forget_number, numbers_of

router = new_router("channels")
_ABSENT: dict[int | str, dict[str, Any]] = {404: {"model": ProblemDocument, "description": "No such channel"}}
_REFUSED = _ABSENT | {409: {"model": ProblemDocument, "description": "The channel is disabled"}}


@router.get("/channels", response_model=Page[ChannelView])
@needs("channels:read")
async def list_channels(request: Request) -> dict[str, Any]:
    """All channels that this key may see."""
    found = await gateway_of(request).channels()
    return {"items": [asdict(channel) for channel in found if may_see(request, channel.facility_id)], "next": None}


@router.get("/channels/{name}", response_model=ChannelView, responses=_ABSENT)
@needs("channels:read")
async def show_channel(request: Request, name: Ident) -> dict[str, Any]:
    """One channel."""
    return asdict(await _find(request, name))


@router.post("/channels/{name}/pause", response_model=ChannelView, responses=_REFUSED)
@needs("channels:write")
async def pause_channel(request: Request, name: Ident, act: ChannelAct) -> dict[str, Any]:
    """Stop reading: senders wait, what is stored goes on."""
    return await _steer(request, name, "pause", act)


@router.post("/channels/{name}/resume", response_model=ChannelView, responses=_REFUSED)
@needs("channels:write")
async def resume_channel(request: Request, name: Ident, act: ChannelAct) -> dict[str, Any]:
    """Read again."""
    return await _steer(request, name, "resume", act)


@router.post("/channels/{name}/drain", response_model=ChannelView, responses=_REFUSED)
@needs("channels:write")
async def drain_channel(request: Request, name: Ident, act: ChannelAct) -> dict[str, Any]:
    """Stop reading and finish what is stored: nothing is left when `in_flight` of its counts is 0."""
    return await _steer(request, name, "drain", act)


class SequenceNumber(BaseModel):
    """What is expected of one sender (HL7 v2, chapter 2.10.1)."""

    sender: str = Field(description="MSH-3 and MSH-4.", examples=["ADT1|GENHOSP"])
    expected: int | None = Field(description="The next MSH-13; null: it is taken whatever it is.", examples=[1042])
    at: datetime = Field(description="When its last number came.")


class SequenceNumbers(BaseModel):
    """The senders of a channel that uses the sequence number protocol."""

    items: list[SequenceNumber]


class Forgetting(Asked):
    """Whose next number is to be taken as it comes."""

    actor: Actor
    sender: str = Field(min_length=1, max_length=500, pattern=TEXT, examples=["ADT1|GENHOSP"])


@router.get("/channels/{name}/sequence", response_model=SequenceNumbers, responses=_ABSENT)
@needs("channels:read")
async def list_sequence_numbers(request: Request, name: Ident) -> dict[str, Any]:
    """Which sequence number is expected of each sender; empty where the channel does not use them."""
    await _find(request, name)
    return await _numbers(request, name)


@router.post("/channels/{name}/sequence/forget", response_model=SequenceNumbers, responses=_ABSENT)
@needs("channels:write")
async def forget_sequence_number(request: Request, name: Ident, act: Forgetting) -> dict[str, Any]:
    """Take a sender's next number as it comes, as if it had sent -1: for a link that stands behind a gap."""
    channel, gateway = await _find(request, name), gateway_of(request)
    await record(request, "channel.forget-number", name, facility_id=channel.facility_id, actor=act.actor)
    if not await forget_number(gateway.store, name, act.sender, gateway.clock()):
        raise not_found()
    return await _numbers(request, name)


async def _numbers(request: Request, name: str) -> dict[str, Any]:
    rows = await numbers_of(gateway_of(request).store, name)
    items = [{**row, "expected": None if row["last"] is None else row["last"] + 1} for row in rows]
    return {"items": items}


async def _steer(request: Request, name: str, verb: str, act: ChannelAct) -> dict[str, Any]:
    channel = await _find(request, name)
    gateway = gateway_of(request)
    await record(request, f"channel.{verb}", channel.name, facility_id=channel.facility_id, actor=act.actor)
    verbs = {"pause": gateway.pause_channel, "resume": gateway.resume_channel, "drain": gateway.drain_channel}
    try:
        await verbs[verb](channel.name, act.actor)
    except KeyError:
        raise Problem(409, "conflict", "The channel is not open: it is disabled in the settings.") from None
    return asdict(await _find(request, name))


async def _find(request: Request, name: str) -> ChannelStatus:
    for channel in await gateway_of(request).channels():
        if channel.name == name and may_see(request, channel.facility_id):
            return channel
    raise not_found()
