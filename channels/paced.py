"""A destination that is not asked more often than its owner allows: questions wait for their turn, answers do not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from channels.ports import Delivery, Destination, Result

QUESTIONS = ("270-", "278-")
"""How the ids of our own questions begin."""


class PacedDestination:
    """`per_minute` questions at most, evenly.  `clock` gives seconds that only go forward."""

    def __init__(
        self,
        inner: Destination,
        per_minute: int,
        *,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._inner = inner
        self._between = 60.0 / per_minute
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._sleep = sleep
        self._free_at = 0.0

    @property
    def connected(self) -> int:
        """Connections that the destination holds."""
        return int(getattr(self._inner, "connected", 0))

    @property
    def stopped(self) -> str:
        """Why it takes nothing until a person lets it; "" while it does."""
        return str(getattr(self._inner, "stopped", ""))

    def resume(self) -> None:
        if (again := getattr(self._inner, "resume", None)) is not None:
            again()

    async def deliver(self, batch: Sequence[Delivery]) -> list[Result]:
        """One by one, each question in its turn.  Raises DeliveryError; what was delivered before is sent again then,
        under the same name."""
        outcomes: list[Result] = []
        for delivery in batch:
            if delivery.id.startswith(QUESTIONS):
                now = self._clock()
                turn = max(now, self._free_at)
                self._free_at = turn + self._between
                if turn > now:
                    await self._sleep(turn - now)
            outcomes += await self._inner.deliver([delivery])
        return outcomes

    async def close(self) -> None:
        await self._inner.close()


def batch_of(per_minute: int) -> int:
    """So many deliveries at a time that a round lasts some ten seconds at most."""
    return max(1, per_minute // 6)
