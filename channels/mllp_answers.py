"""Application acknowledgements over the connection on which their messages came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from channels.mllp_listener import MllpListener
from channels.ports import Delivery, DeliveryError, Outcome

_MOST_WAITING = 100_000


class ConnectionAnswers:
    """A destination: writes each answer to the connection of its message, while that is open; else to the newest
    connection from the same address that spoke for the same sender.  Without any it waits up to `hold` seconds.

    Headers of a delivery: `peer` as the listener named it, `sender` (MSH-3|MSH-4).
    """

    def __init__(self, listener: Callable[[], MllpListener | None], hold: float) -> None:
        self._listener = listener
        self._hold = hold
        self._waiting: dict[str, float] = {}  # delivery -> since when nobody is there for it

    async def deliver(self, batch: Sequence[Delivery]) -> list[Outcome]:
        listener = self._listener()
        if listener is None:
            raise DeliveryError("the listener is closed")
        return [self._answer(listener, delivery) for delivery in batch]

    async def close(self) -> None:
        self._waiting.clear()

    def _answer(self, listener: MllpListener, delivery: Delivery) -> Outcome:
        connection = listener.find(delivery.headers["peer"], delivery.headers["sender"])
        if connection is not None and connection.tell(delivery.body):
            self._waiting.pop(delivery.id, None)
            return Outcome.CONFIRMED
        now = asyncio.get_running_loop().time()
        if now - self._waiting.setdefault(delivery.id, now) < self._hold and len(self._waiting) < _MOST_WAITING:
            return Outcome.FAILED
        del self._waiting[delivery.id]
        return Outcome.REFUSED
