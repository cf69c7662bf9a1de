"""How a channel gives the intake one unit and waits for the commit that holds it."""

from __future__ import annotations

import asyncio
from datetime import datetime

from channels.ports import Answer, BodySource, Inbound, Intake


def offer(
    intake: Intake,
    channel: str,
    peer: str,
    now: datetime,
    body: bytes,
    *,
    kind: str = "x12",
    identity: str = "",
    source: BodySource | None = None,
) -> asyncio.Future[Answer]:
    """Submit one unit; its answer comes after the commit.  `accepted` False with `close`: the store is away."""
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def answered(answer: Answer) -> None:
        if not future.done():
            future.set_result(answer)

    intake.submit(Inbound(channel, peer, now, body, answered, kind=kind, source=source, identity=identity))
    return future
