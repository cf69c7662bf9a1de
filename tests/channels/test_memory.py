from __future__ import annotations

import pytest

from channels.memory import MemoryDestination
from channels.ports import Delivery, DeliveryError, Outcome


def delivery(name: str) -> Delivery:
    return Delivery(id=name, key="k", routing_key="adt.x.main", body=b"{}", headers={})


async def test_deliver_records_what_is_confirmed_in_order() -> None:
    memory = MemoryDestination()
    memory.outcomes["b"] = Outcome.RETURNED
    outcomes = await memory.deliver([delivery("a"), delivery("b"), delivery("c")])
    assert outcomes == [Outcome.CONFIRMED, Outcome.RETURNED, Outcome.CONFIRMED]
    assert [each.id for each in memory.delivered] == ["a", "c"]


async def test_deliver_while_away_takes_nothing() -> None:
    memory = MemoryDestination()
    memory.away = True
    with pytest.raises(DeliveryError):
        await memory.deliver([delivery("a")])
    assert memory.delivered == []
