"""The ledger: what came in equals what ended plus what is in flight (decision 7)."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from pydantic import BaseModel, Field

from gateway.api.auth import facilities_of, gateway_of, may_see, needs, new_router, record
from gateway.api.models import ChannelAct, Ident
from gateway.api.problems import Problem, ProblemDocument, not_found
from gateway.orphans import is_there
from gateway.store.ledger import Balance

router = new_router("ledger")
_THERE: dict[int | str, dict[str, Any]] = {409: {"model": ProblemDocument, "description": "The sink is there"}}
_ABSENT: dict[int | str, dict[str, Any]] = {404: {"model": ProblemDocument, "description": "Not for this key"}}


class Account(BaseModel):
    """One equation: `came` = the sum of `words` + `open`."""

    came: int = Field(description="Items received, or events committed.", examples=[120])
    words: dict[str, int] = Field(examples=[{"processed": 118, "filtered": 1, "parked": 1}])
    open: int = Field(description="In flight, or pending.", examples=[0])
    balanced: bool


class LedgerView(BaseModel):
    """Both equations at one moment.  Sinks are shown to keys of all facilities."""

    balanced: bool
    channels: dict[str, Account]
    sinks: dict[str, Account]


@router.get("/ledger", response_model=LedgerView)
@needs("ledger:read")
async def show_ledger(request: Request) -> dict[str, Any]:
    """The ledger by channel and by sink."""
    gateway = gateway_of(request)
    book = await gateway.store.ledger()
    facilities = {channel.name: channel.default_facility for channel in gateway.settings.channel}
    everything = facilities_of(request) is None
    channels = {
        name: balance
        for name, balance in book.channels.items()
        if everything or (name in facilities and may_see(request, facilities[name]))
    }
    return {
        "balanced": book.balanced,
        "channels": {name: _account(balance) for name, balance in channels.items()},
        "sinks": {name: _account(balance) for name, balance in book.sinks.items()} if everything else {},
    }


class Requeued(BaseModel):
    """What became pending once more, or was set aside."""

    sink: str = Field(examples=["bus"])
    deliveries: int = Field(examples=[3])


@router.post("/ledger/sinks/{sink}/publish-again", response_model=Requeued, responses=_ABSENT)
@needs("channels:write")
async def publish_again(request: Request, sink: Ident, act: ChannelAct) -> dict[str, Any]:
    """Deliveries that the sink did not route or refused become pending again, in their old place (decision 22).

    For keys of all facilities."""
    if facilities_of(request) is not None:
        raise not_found()
    await record(request, "sink.publish-again", sink, actor=act.actor)
    gateway = gateway_of(request)
    count = await gateway.store.publish_again(sink)
    gateway.wake()
    return {"sink": sink, "deliveries": count}


@router.post("/ledger/sinks/{sink}/set-aside", response_model=Requeued, responses=_ABSENT | _THERE)
@needs("channels:write")
async def set_aside(request: Request, sink: Ident, act: ChannelAct) -> dict[str, Any]:
    """What is pending for a sink that the settings name no more is given up: it counts as `parked`, and `publish-again`
    makes it pending once more when the sink is back.

    For keys of all facilities.  409 while the settings or a webhook name it: pause or remove it first."""
    if facilities_of(request) is not None:
        raise not_found()
    gateway = gateway_of(request)
    if await is_there(gateway.store, gateway.settings, sink):
        raise Problem(409, "conflict", f"{sink} is there and takes what is pending for it.")
    await record(request, "sink.set-aside", sink, actor=act.actor)
    return {"sink": sink, "deliveries": await gateway.store.set_aside(sink)}


def _account(balance: Balance) -> dict[str, Any]:
    return {"came": balance.came, "words": balance.words, "open": balance.open, "balanced": balance.balanced}
