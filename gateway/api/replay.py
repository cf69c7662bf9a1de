"""What a sending channel is sent once more: said beforehand, then done."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from pydantic import AwareDatetime, BaseModel, Field

from gateway.api.auth import facilities_of, gateway_of, needs, new_router, record
from gateway.api.models import ChannelAct, Ident
from gateway.api.problems import ProblemDocument, not_found
from gateway.replay import find_sender, replay
from gateway.store.forwarding import Chosen

router = new_router("channels")
_ABSENT: dict[int | str, dict[str, Any]] = {
    404: {"model": ProblemDocument, "description": "No such sending channel, or not for this key"}
}


class ReplayAct(ChannelAct):
    """What is to be sent again, and whether only to say what that would be."""

    since: AwareDatetime = Field(description="Received (a message) or emitted (an event) from this moment on.")
    until: AwareDatetime = Field(description="And before this one.")
    types: tuple[str, ...] = Field(
        (), max_length=50, description="Of messages `ADT^A31`, `SIU^*`; of events `encounter.*`; empty: all it takes."
    )
    dry_run: bool = Field(True, description="Only say what would be sent.")


class ReplayView(BaseModel):
    """What is sent again, or would be."""

    channel: str = Field(examples=["down"])
    dry_run: bool
    deliveries: int = Field(description="Sent again; those that are pending anyway are counted.", examples=[118])
    pending: int = Field(description="Of these, on their way since the first time.", examples=[0])
    refused: dict[str, int] = Field(
        description="Why others of the choice cannot be: duplicate, rejected, body-removed, restricted.",
        examples=[{"body-removed": 4, "duplicate": 1}],
    )
    more: bool = Field(description="The choice is larger than one replay may be: it ends before its end.")


@router.post("/channels/{name}/replay", response_model=ReplayView, responses=_ABSENT)
@needs("channels:write")
async def replay_channel(request: Request, name: Ident, act: ReplayAct) -> dict[str, Any]:
    """Send messages or events again, in their old order and place.  For keys of all facilities."""
    gateway = gateway_of(request)
    channel = find_sender(gateway.settings, name)
    if channel is None or facilities_of(request) is not None:
        raise not_found()
    if not act.dry_run:
        await record(request, "channel.replay", name, actor=act.actor)
    chosen = Chosen(act.since, act.until, act.types)
    found = await replay(gateway.store, channel, chosen, dry_run=act.dry_run)
    if not act.dry_run:
        gateway.wake()
    return {
        "channel": name,
        "dry_run": act.dry_run,
        "deliveries": found.deliveries,
        "pending": found.pending,
        "refused": dict(found.refused),
        "more": found.more,
    }
