"""A destination that keeps what it is given, for tests and the demo."""

from __future__ import annotations

from collections.abc import Sequence

from channels.ports import Delivery, DeliveryError, Outcome


class MemoryDestination:
    """Records deliveries in order.

    `outcomes` says what to answer for a delivery's id (default: confirmed; then it is recorded); while `away` is True
    every batch raises DeliveryError.
    """

    def __init__(self) -> None:
        self.delivered: list[Delivery] = []
        self.outcomes: dict[str, Outcome] = {}
        self.away = False
        self.closed = False

    async def deliver(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """One outcome per delivery, in order.  Raises DeliveryError while away."""
        if self.away:
            raise DeliveryError("the destination is away")
        outcomes = [self.outcomes.get(delivery.id, Outcome.CONFIRMED) for delivery in batch]
        confirmed = zip(batch, outcomes, strict=True)
        self.delivered += [delivery for delivery, outcome in confirmed if outcome is Outcome.CONFIRMED]
        return outcomes

    async def close(self) -> None:
        self.closed = True
