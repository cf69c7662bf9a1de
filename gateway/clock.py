"""The gateway's time: the system's, or a scenario's that stands still until it is moved (decision 32)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives aware UTC.  For what is written down; time-outs inside the process use the monotonic clock."""


def system_clock() -> datetime:
    return datetime.now(UTC)


class ScenarioClock:
    """Stands at a moment until moved.  Never goes back."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def __call__(self) -> datetime:
        return self._now

    def move_to(self, moment: datetime) -> None:
        self._now = max(self._now, moment.astimezone(UTC))
