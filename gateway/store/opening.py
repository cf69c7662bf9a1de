"""Which store the settings ask for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy import make_url

from gateway.clock import Clock
from gateway.event_sinks import EventSink
from gateway.settings import Settings
from gateway.store.delivery import Numbering, unnumbered
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore

BUS_GRANTED = "bus-granted"


def bus_sinks(settings: Settings) -> tuple[EventSink, ...]:
    """The bus, where there is one; and once more for queues with the grant, where there is such a queue."""
    bus = settings.bus
    if not bus.url:
        return ()
    granted = (EventSink(BUS_GRANTED, restricted=True),) if any(queue.restricted for queue in bus.queue) else ()
    return (EventSink("bus", restricted=bus.restricted), *granted)


def store_exists(settings: Settings) -> bool:
    """False: an embedded store that was never opened; whether a server has one only opening tells."""
    url = make_url(settings.store.url)
    return url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()


def open_store(
    settings: Settings,
    clock: Clock,
    channel_sinks: Sequence[EventSink] = (),
    numbering: Numbering = unnumbered,
) -> SqliteStore | PostgresStore:
    """The store, not connected yet.  Events are queued for the bus only where there is one, and for these channels.
    Without `numbering` it can send no interchange to partners."""
    sinks = (*bus_sinks(settings), *channel_sinks)
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
