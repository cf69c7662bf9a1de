"""The channels that are open: their sources and relays, opened at the start and changed one by one by a reload.

A change is prepared first: everything that can fail is made beside what runs (files of TLS read, passwords had, ports
bound), and let go again when one thing fails.  Then only the channels that it touches are drained and opened anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from channels.listening import ListeningSource
from channels.ports import Delivery, Destination
from gateway.bus import bus_destinations
from gateway.certificates import Certificates
from gateway.clock import Clock
from gateway.intake import GroupCommitIntake
from gateway.openings.kind import Source, Surroundings
from gateway.openings.kinds import kind_of
from gateway.outgoing import renderer
from gateway.pacing import paced
from gateway.relay import Relay, RelayTimes
from gateway.settings import Settings
from gateway.settings.kinds import AnyChannel
from gateway.store.opening import BUS_GRANTED
from gateway.store.ports import OutboxItem
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore

log = logging.getLogger(__name__)

DRAIN_SECONDS = 10.0
"""For what a touched channel has in hand; a sender whose answer does not come in time sends again."""


@dataclass(slots=True)
class Change:
    """What a reload closes and opens, by channel; the opened ones are made and not started."""

    settings: Settings
    closing: list[str] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    relays: dict[str, tuple[Relay, Destination]] = field(default_factory=dict)
    certificates: Certificates = field(default_factory=Certificates)


class OpenChannels:
    """`sources`, `ports` (bound, of listeners) and `relays` by channel; the relays of buses and webhooks too."""

    def __init__(self, settings: Settings, store: SqliteStore | PostgresStore, clock: Clock) -> None:
        self.settings = settings
        self.certificates = Certificates()
        self.sources: dict[str, Source] = {}
        self.ports: dict[str, int] = {}
        self.relays: dict[str, Relay] = {}
        self.states: dict[str, str] = {}
        self._store = store
        self._clock = clock
        self._destinations: dict[str, Destination] = {}
        self._made: dict[str, Any] = {}  # by channel: what one half of a kind made for its other half

    # -- at the start --------------------------------------------------------------------------------------------------

    def start_relays(self, intake: GroupCommitIntake) -> None:
        """Send what is pending for the buses and for each channel that sends."""
        self._intake = intake
        for sink, bus in bus_destinations(self.settings).items():
            self._begin(sink, self._relay(sink, bus))
        for channel in self.settings.channel:
            if channel.enabled and (made := self._make_relay(self.settings, channel, self.certificates)) is not None:
                self._begin(channel.name, made)

    async def start_sources(self) -> None:
        """Take messages in.  Raises OSError."""
        kept = await self._store.channel_states()
        for channel in self.settings.channel:
            if channel.enabled:
                self.states[channel.name] = kept.get(channel.name, "running")
                source = self._make_source(self.settings, channel, self.certificates)
                await self._start(channel.name, source)

    # -- a reload ------------------------------------------------------------------------------------------------------

    async def prepare(self, settings: Settings) -> Change | str:
        """Make what the new settings open; why it cannot be, as text.  Nothing that runs has changed when it fails."""
        change = Change(settings, certificates=self.certificates.copy())
        before, after = _bounds(self.settings), _bounds(settings)
        change.closing = [name for name, bound in before.items() if after.get(name) != bound]
        touched = [channel for channel in settings.channel if before.get(channel.name) != after.get(channel.name)]
        made = dict(self._made)
        try:
            for name in change.closing:
                change.certificates.drop(name)
            for channel in touched:
                if channel.enabled:
                    await self._prepare(change, channel)
        except OSError as problem:
            await self.abandon(change)
            self._made.clear()
            self._made.update(made)
            return f"channel {channel.name} cannot be opened: {problem}"
        return change

    async def _prepare(self, change: Change, channel: AnyChannel) -> None:
        if (relay := self._make_relay(change.settings, channel, change.certificates)) is not None:
            change.relays[channel.name] = relay
        source = self._make_source(change.settings, channel, change.certificates)
        if source is not None:
            change.sources[channel.name] = source
            if isinstance(source, ListeningSource):
                await source.bind(self.sources[name] for name in change.closing if name in self.sources)

    async def abandon(self, change: Change) -> None:
        """Let go of what was made for a change that does not come."""
        for source in change.sources.values():
            if isinstance(source, ListeningSource):
                source.unbind()
        await asyncio.gather(*(destination.close() for _, destination in change.relays.values()))

    async def apply(self, change: Change) -> None:
        """Drain what the change closes, open what it opens; what else is open does not notice."""
        self.settings, self.certificates = change.settings, change.certificates
        await asyncio.gather(*(self._close(name) for name in change.closing))
        for name, relay in change.relays.items():
            self._begin(name, relay)
        for channel in change.settings.channel:
            if channel.enabled:
                self.states.setdefault(channel.name, "running")
            if channel.name in change.sources or channel.name in change.relays:
                try:
                    await self._start(channel.name, change.sources.get(channel.name))
                except OSError as problem:  # its address was had: nothing that is known of
                    log.error("channel %s: cannot be opened: %s", channel.name, problem)
                else:
                    log.warning("channel %s: opened with its new settings", channel.name)

    async def _close(self, name: str) -> None:
        source, relay = self.sources.pop(name, None), self.relays.pop(name, None)
        self.ports.pop(name, None)
        if source is not None:
            await source.drain(DRAIN_SECONDS)
        if relay is not None:
            await relay.stop()
        if (destination := self._destinations.pop(name, None)) is not None:
            await destination.close()
        log.warning("channel %s: closed", name)

    # -- steering ------------------------------------------------------------------------------------------------------

    def valve(self, name: str) -> Source | Relay:
        """What a pause stops: the reading, or the sending of a channel that only sends.  KeyError when it is closed."""
        return self.sources.get(name) or self.relays[name]

    def drain(self, name: str) -> None:
        """Stop reading; a channel that only sends empties its queue."""
        valve = self.valve(name)
        if isinstance(valve, Relay):
            valve.drain()
        else:
            valve.pause()

    async def steered(self, name: str, state: str, actor: str) -> None:
        self.states[name] = state
        await self._store.set_channel_state(name, state, actor)
        log.warning("channel %s: %s", name, state)

    def wake(self) -> None:
        """Something to send was committed."""
        for relay in self.relays.values():
            relay.wake()

    # -- the end -------------------------------------------------------------------------------------------------------

    async def drain_sources(self, timeout: float) -> None:
        await asyncio.gather(*(source.drain(timeout) for source in self.sources.values()))

    async def stop_relays(self) -> None:
        await asyncio.gather(*(relay.stop() for relay in self.relays.values()))
        await asyncio.gather(*(destination.close() for destination in self._destinations.values()))

    # -- one channel ---------------------------------------------------------------------------------------------------

    async def _start(self, name: str, source: Source | None) -> None:
        if source is not None:
            self.sources[name] = source
            self.ports[name] = await source.start() or 0
        if self.states[name] != "running":
            if valve := self.sources.get(name) or self.relays.get(name):
                valve.pause()
            log.warning("channel %s: %s since before the start", name, self.states[name])

    def _make_source(self, settings: Settings, channel: AnyChannel, certificates: Certificates) -> Source | None:
        open_source = kind_of(channel).source
        return open_source(channel, self._surroundings(settings, certificates)) if open_source is not None else None

    def _make_relay(
        self, settings: Settings, channel: AnyChannel, certificates: Certificates
    ) -> tuple[Relay, Destination] | None:
        kind = kind_of(channel)
        if kind.destination is None:
            return None
        destination = kind.destination(channel, self._surroundings(settings, certificates))
        patient = RelayTimes(batch=settings.bus.batch, delivery=kind.patience(channel))
        times = kind.times(channel) if kind.times is not None else patient
        return self._relay(channel.name, *paced(settings, channel.name, destination, times), kind.render)

    def _relay(
        self,
        sink: str,
        destination: Destination,
        times: RelayTimes | None = None,
        render: Callable[[OutboxItem], Delivery] | None = None,
    ) -> tuple[Relay, Destination]:
        """`render`: of a sink that is sent something else than events and files."""
        payload = self.settings.bus_payload if sink in ("bus", BUS_GRANTED) else "full"
        granted = all(each.restricted for each in self._store.sinks if each.name == sink)
        render = render or renderer(payload, restricted=granted)
        times = times or RelayTimes(batch=self.settings.bus.batch)
        return Relay(self._store, sink, destination, render=render, times=times), destination

    def _begin(self, sink: str, relay: tuple[Relay, Destination]) -> None:
        self.relays[sink], self._destinations[sink] = relay
        self.relays[sink].start()

    def _surroundings(self, settings: Settings, certificates: Certificates) -> Surroundings:
        given = (settings, self._store, self._intake, self._clock, certificates)
        return Surroundings(*given, self.sources, self._made)


def _bounds(settings: Settings) -> dict[str, tuple[object, ...]]:
    """Of each channel that is opened here what cannot change while it is open."""
    return {
        one.name: (one.kind, kind.bound(one))
        for one in settings.channel
        if one.enabled and ((kind := kind_of(one)).source is not None or kind.destination is not None)
    }
