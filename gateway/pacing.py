"""Which channels are held to a pace: those by which partners are asked, where the settings say how often."""

from __future__ import annotations

from dataclasses import replace

from channels.paced import PacedDestination, batch_of
from channels.ports import Destination
from gateway.relay import RelayTimes
from gateway.settings import Settings


def paced(
    settings: Settings, channel: str, destination: Destination, times: RelayTimes
) -> tuple[Destination, RelayTimes]:
    """The destination and its times as they are, or held to `asking.per_minute`."""
    pace = settings.asking.per_minute
    if not pace or not any(partner.channel == channel for partner in settings.partners):
        return destination, times
    limit = min(times.batch, batch_of(pace))
    return PacedDestination(destination, pace), replace(times, batch=limit, delivery=max(times.delivery, 90.0))
