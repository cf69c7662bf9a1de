"""A payer is not asked more often than the settings allow; acknowledgements do not wait."""

from __future__ import annotations

from collections.abc import Sequence

from channels.paced import PacedDestination, batch_of
from channels.ports import Delivery, Outcome


class Taking:
    """Takes everything and remembers when."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.taken: list[tuple[str, float]] = []

    async def deliver(self, batch: Sequence[Delivery]) -> list[Outcome]:
        self.taken += [(one.id, self.clock.now) for one in batch]
        return [Outcome.CONFIRMED] * len(batch)

    async def close(self) -> None:
        self.clock.now = -1.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def file(name: str) -> Delivery:
    return Delivery(f"{name}.x12", "PAYER5", "", b"ISA", {}, "application/edi-x12")


async def test_questions_go_evenly_and_acknowledgements_at_once() -> None:
    clock = Clock()
    inner = Taking(clock)
    paced = PacedDestination(inner, 30, clock=clock, sleep=clock.sleep)
    names = ["270-r-1", "999-r-2", "278-r-3", "ta1-r-4", "270-r-5"]
    assert await paced.deliver([file(name) for name in names]) == [Outcome.CONFIRMED] * 5
    assert inner.taken == [
        ("270-r-1.x12", 100.0), ("999-r-2.x12", 100.0), ("278-r-3.x12", 102.0), ("ta1-r-4.x12", 102.0),
        ("270-r-5.x12", 104.0),
    ]  # fmt: skip


async def test_pause_counts_as_time_that_passed() -> None:
    clock = Clock()
    inner = Taking(clock)
    paced = PacedDestination(inner, 60, clock=clock, sleep=clock.sleep)
    await paced.deliver([file("270-r-1")])
    clock.now += 30
    await paced.deliver([file("270-r-2"), file("270-r-3")])
    assert [at for _, at in inner.taken] == [100.0, 130.0, 131.0]
    await paced.close()
    assert clock.now == -1.0


def test_a_round_is_short_at_any_pace() -> None:
    assert [batch_of(pace) for pace in (1, 6, 60, 600)] == [1, 1, 10, 100]
