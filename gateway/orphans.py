"""Deliveries that wait for nobody: their channel, webhook or bus is no longer in the settings."""

from __future__ import annotations

import msgspec

from gateway.settings import Settings
from gateway.store.core_store import CoreStore
from gateway.store.opening import bus_sinks
from gateway.store.progress import pending_by_sink
from gateway.store.webhooks import list_webhooks


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """So many deliveries wait for `sink`, which is not there."""

    sink: str
    deliveries: int

    @property
    def text(self) -> str:
        return f"{self.deliveries} deliveries wait for {self.sink}, which the settings do not name"


async def is_there(store: CoreStore, settings: Settings, sink: str) -> bool:
    """Whether something takes what is pending for this sink, now or once it is enabled or resumed."""
    if settings.find_channel(sink) is not None or any(one.name == sink for one in bus_sinks(settings)):
        return True
    return any(row.name == sink for row in await list_webhooks(store))


async def orphans(store: CoreStore, settings: Settings) -> list[Orphan]:
    """Raises StoreUnavailable."""
    pending = await pending_by_sink(store)
    return [
        Orphan(sink=sink, deliveries=count)
        for sink, count in sorted(pending.items())
        if not await is_there(store, settings, sink)
    ]
