"""How long each kind is kept, from the settings."""

from __future__ import annotations

from datetime import timedelta

from gateway.settings import Settings
from gateway.store.pruning import Retention


def retention_of(settings: Settings) -> Retention:
    """An interchange that comes again gets its stored answer again: that is kept as long as a copy is known."""
    kept, seen = settings.retention, settings.store.seen_days
    return Retention(
        bodies=timedelta(days=kept.bodies_days),
        events=timedelta(days=kept.events_days),
        seen=timedelta(days=seen),
        interchanges=timedelta(days=max(kept.interchanges_days, seen)),
        requests=timedelta(days=kept.requests_days),
    )
