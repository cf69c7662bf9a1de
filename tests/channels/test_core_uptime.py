from __future__ import annotations

from datetime import UTC, datetime, timedelta

from channels.core_ports import DOWN, Exchange
from channels.core_uptime import BEAT, Uptime

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Kept:
    def __init__(self) -> None:
        self.open_at: datetime | None = None
        self.gaps: list[Exchange] = []

    async def last_open(self, channel: str) -> datetime | None:
        return self.open_at

    async def set_open(self, channel: str, moment: datetime) -> None:
        self.open_at = moment

    async def note(self, exchange: Exchange) -> int:
        self.gaps.append(exchange)
        return len(self.gaps)


async def test_uptime_a_gap_between_beats_is_kept_as_a_time_it_was_down() -> None:
    kept, now = Kept(), START
    uptime = Uptime("core", kept, lambda: now, lambda: True)  # type: ignore[arg-type]
    await uptime.beat()
    now += timedelta(seconds=2 * BEAT)
    await uptime.beat()
    assert kept.gaps == []
    now += timedelta(minutes=10)
    await uptime.beat()
    (gap,) = kept.gaps
    assert (gap.kind, gap.started_at, gap.answered_at) == (DOWN, now - timedelta(minutes=10), now)
    assert kept.open_at == now
