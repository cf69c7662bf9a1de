"""Which store the settings ask for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import make_url

from gateway.clock import Clock
from gateway.settings import Settings
from gateway.store.delivery import Numbering, unnumbered
from gateway.store.postgres import PostgresStore
from gateway.store.sinks import EventSink
from gateway.store.sqlite import SqliteStore


def open_store(
    settings: Settings,
    clock: Clock,
    channel_sinks: Sequence[EventSink] = (),
    numbering: Numbering = unnumbered,
) -> SqliteStore | PostgresStore:
    """The store, not connected yet.  Events are queued for the bus only where there is one, and for these channels.
    Without `numbering` it can send no interchange to partners."""
    sinks = (*((EventSink("bus", restricted=settings.bus.restricted),) if settings.bus.url else ()), *channel_sinks)
    seen_for = timedelta(days=settings.store.seen_days)
    url = make_url(settings.store.url)
    if url.get_backend_name() == "sqlite":
        return SqliteStore(url.database or "", clock=clock, sinks=sinks, seen_for=seen_for, numbering=numbering)
    pool_size = settings.store.pool_size
    return PostgresStore(
        url.render_as_string(hide_password=False),
        clock=clock,
        sinks=sinks,
        seen_for=seen_for,
        pool_size=pool_size,
        numbering=numbering,
    )
