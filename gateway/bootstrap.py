"""The composition root: the only place that joins settings, store, channels, pipeline, relay and API."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from channels.ports import Delivery, Destination
from gateway.api.keys import ensure_admin_key
from gateway.api.ports import ChannelStatus, Facts
from gateway.api.server import ApiServer
from gateway.bus import bus_destinations
from gateway.certificates import Certificates
from gateway.channel_kinds import answer_rules, event_sinks, feeds_of, kind_of
from gateway.channel_opening import Source, Surroundings
from gateway.clock import Clock, system_clock
from gateway.compute.answering import ApplicationAnswers, Outcome
from gateway.compute.process import ComputeProcess
from gateway.compute.protocol import Configure, Decided
from gateway.configuration import compute_configuration
from gateway.coordination.changes import Adopt, Ask, Command, Link, Undo
from gateway.desk import DeskClerk
from gateway.intake import GroupCommitIntake, IntakeFeed
from gateway.mllp_opening import message_sinks
from gateway.outgoing import renderer
from gateway.pacing import paced
from gateway.pipeline import Pipeline, PipelineSettings
from gateway.relay import Relay, RelayTimes
from gateway.replayer import Replayer
from gateway.scheduler import Scheduler, SchedulerSettings
from gateway.settings import Settings
from gateway.settings.kinds import AnyChannel
from gateway.status import Status
from gateway.store import inquiries
from gateway.store.opening import BUS_GRANTED, open_store
from gateway.store.ports import OutboxItem, Reply, WorkItem, WriteSet
from gateway.store.progress import pending
from gateway.telemetry import Metrics
from gateway.watch import Watch
from gateway.webhooks import Webhooks
from parsers.x12.acknowledgement import number_interchange

log = logging.getLogger(__name__)


class Gateway:
    """One running gateway.  `start` returns when it takes messages; `stop` drains."""

    def __init__(self, settings: Settings, *, clock: Clock = system_clock, packages: Sequence[str] = ()) -> None:
        self.settings = settings
        self.clock = clock
        self._packages = list(packages)
        self.store = open_store(settings, clock, event_sinks(settings), number_interchange)
        self.store.message_sinks = message_sinks(settings.channel)
        self.metrics = Metrics()
        self.certificates = Certificates()
        self.sources: dict[str, Source] = {}
        self.ports: dict[str, int] = {}
        self.relays: dict[str, Relay] = {}
        self.ready = False
        self._states: dict[str, str] = {}
        self._events = asyncio.Event()
        self._destinations: list[Destination] = []
        self._opened: dict[str, Any] = {}
        self._disk_checked = (0.0, False)
        self._backlog = 0

    # -- starting ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the store, start the compute process, pipeline, relays, timers, then the channels."""
        await self.store.open()
        salt = await self.store.salt()
        self.compute = ComputeProcess(
            self.configuration(salt),
            memory_bytes=self.settings.pipeline.memory_mb << 20,
            budget_seconds=self.settings.pipeline.budget_seconds,
        )
        await self.compute.start()
        self.pipeline = Pipeline(
            self.store,
            self.compute,
            PipelineSettings(
                batch=self.settings.pipeline.batch,
                linger_seconds=self.settings.pipeline.linger_ms / 1000,
                max_attempts=self.settings.pipeline.max_attempts,
            ),
            self.clock,
            self._decided,
            lambda channel: self.settings.profile(channel).default_facility,
        )
        self.pipeline.answer_parked = self._answer_parked
        self.intake = GroupCommitIntake(
            self.store,
            self.feeds(),
            clock=self.clock,
            backlog=lambda: self._backlog,
            disk_short=self.disk_short,
            on_stored=self._stored,
            on_answered=self.metrics.ack_seconds.observe,
        )
        self.scheduler = Scheduler(
            self.store, self.clock, self._scheduler_settings(), tuple(self.feeds()), self.pipeline.wake
        )
        self._start_relays()
        self.webhooks = Webhooks(self)
        await self.webhooks.start()
        self.pipeline.start()
        await self.scheduler.start()
        self.status = Status(self)
        self.watch = Watch(self)
        await ensure_admin_key(self.store, self.settings.gateway.data_dir, self.clock())
        await self._note_configuration()
        await self._open_channels()
        self.replayer = Replayer(self.store, self.feeds, self.wake)
        self.api = ApiServer(self)
        await self.api.start()
        self.watch.start()
        self.desk = DeskClerk(self)
        self.desk.start()
        self.ready = True

    def configuration(self, salt: bytes) -> Configure:
        made = compute_configuration(self.settings, salt, self._packages)
        made.answering = answer_rules([channel for channel in self.settings.channel if channel.enabled])
        return made

    def feeds(self) -> dict[str, IntakeFeed]:
        return feeds_of(self.settings)

    def _scheduler_settings(self) -> SchedulerSettings:
        return SchedulerSettings(
            catch_up=timedelta(minutes=self.settings.scheduler.catch_up_minutes),
            catch_up_longest=timedelta(hours=self.settings.scheduler.catch_up_max_hours),
            quiet={c.name: timedelta(seconds=c.quiet_after) for c in self.settings.channel if c.quiet_after},
        )

    def _start_relays(self) -> None:
        for sink, bus in bus_destinations(self.settings).items():
            self._relay(sink, bus)
        for channel in self.settings.channel:
            kind = kind_of(channel)
            if kind.destination is not None and channel.enabled:
                destination = kind.destination(channel, self._surroundings())
                patient = RelayTimes(batch=self.settings.bus.batch, delivery=kind.patience(channel))
                times = kind.times(channel) if kind.times is not None else patient
                destination, times = paced(self.settings, channel.name, destination, times)
                self._relay(channel.name, destination, kind.render, times)

    def _surroundings(self) -> Surroundings:
        given = (self.settings, self.store, self.intake, self.clock, self.certificates)
        return Surroundings(*given, self.sources, self._opened)

    def _relay(
        self,
        sink: str,
        destination: Destination,
        render: Callable[[OutboxItem], Delivery] | None = None,
        times: RelayTimes | None = None,
    ) -> None:
        """`render`: of a sink that is sent something else than events and files."""
        self._destinations.append(destination)
        payload = self.settings.bus_payload if sink in ("bus", BUS_GRANTED) else "full"
        granted = all(each.restricted for each in self.store.sinks if each.name == sink)
        render = render or renderer(payload, restricted=granted)
        times = times or RelayTimes(batch=self.settings.bus.batch)
        self.relays[sink] = Relay(self.store, sink, destination, render=render, times=times)
        self.relays[sink].start()

    async def _note_configuration(self) -> None:
        digest = hashlib.sha256(self.settings.model_dump_json().encode()).hexdigest()
        await self.store.note_configuration(self.settings.version, digest)

    async def reload(self, settings: Settings) -> list[str]:
        """Apply new settings all or nothing, between two batches (decision 28); why not, when they need more than that.

        Feed profiles, acknowledgement, rules and retention change while running; what is bound or connected does not.
        """
        refusals = needs_restart(self.settings, settings)
        if not refusals and moves_lanes(self.settings, settings) and (await pending(self.store)).work:
            refusals.append("a lane function or patient key changes: drain the channels first (baton channels drain)")
        if refusals:
            return refusals
        self.settings = settings
        async with self.pipeline.between_batches():
            await self.compute.configure(self.configuration(await self.store.salt()))
            self.intake.configure(self.feeds())
        await asyncio.to_thread(self.certificates.refresh)
        await self._note_configuration()
        log.warning("settings of version %d applied", settings.version)
        return []

    async def _open_channels(self) -> None:
        kept = await self.store.channel_states()
        for channel in self.settings.channel:
            if not channel.enabled:
                continue
            open_source = kind_of(channel).source
            if open_source is not None:
                self.sources[channel.name] = source = open_source(channel, self._surroundings())
                self.ports[channel.name] = await source.start() or 0
            self._states[channel.name] = kept.get(channel.name, "running")
            if self._states[channel.name] != "running":
                if valve := self.sources.get(channel.name) or self.relays.get(channel.name):
                    valve.pause()
                log.warning("channel %s: %s since before the start", channel.name, self._states[channel.name])

    # -- stopping ------------------------------------------------------------------------------------------------------

    async def stop(self, timeout: float = 15.0) -> None:
        """Drain: no new peers, answer what was taken in, finish the batch in hand, then close."""
        self.ready = False
        deadline = time.monotonic() + timeout
        await asyncio.gather(*(source.drain(max(0.5, timeout - 5)) for source in self.sources.values()))
        try:
            async with asyncio.timeout(max(0.5, deadline - time.monotonic() - 3)):
                await self.intake.drain()
        except TimeoutError:
            log.warning("store away at the end: unanswered messages will be sent again")
        await self.intake.close()
        await self.api.stop()
        await self.watch.stop()
        await self.desk.stop()
        await self.replayer.stop()
        await self.scheduler.stop()
        await self.pipeline.stop()
        await self.webhooks.stop()
        await asyncio.gather(*(relay.stop() for relay in self.relays.values()))
        await asyncio.gather(*(destination.close() for destination in self._destinations))
        await self.compute.stop()
        await self.store.close()

    # -- what happens while running --------------------------------------------------------------------------------

    def _stored(self, count: int) -> None:
        self.metrics.commit_rows.observe(count)
        self._backlog += count
        self.pipeline.wake()

    def _decided(self, decided: Decided) -> None:
        self._backlog = max(0, self._backlog - len(decided.done))
        self.scheduler.decided(decided.recorded)
        self.metrics.batch_items.observe(len(decided.done))
        for end in decided.writes.ends:
            self.status.ended[end.channel, end.end] += 1
        for parked in decided.writes.parked:
            self.status.ended[parked.channel, "parked"] += 1
        if decided.writes.new_work or decided.writes.appeared:
            self.pipeline.wake()
        if decided.writes.events or decided.writes.replies:
            for relay in self.relays.values():
                relay.wake()
            self._events.set()

    def _answer_parked(self, item: WorkItem, reason: str) -> Reply | None:
        answers = ApplicationAnswers(answer_rules(self.settings.channel), self.clock())
        facility = self.settings.profile(item.channel).default_facility
        return answers.reply(item, item.item, Outcome("parked", reason, "compute"), facility)

    def disk_short(self) -> bool:
        """True when the reserve is reached (decision 26); looked at once a second at most."""
        at, short = self._disk_checked
        now = time.monotonic()
        if now - at > 1.0:
            usage = shutil.disk_usage(self._data_folder())
            reserve = min(usage.total * self.settings.disk.reserve_ratio, self.settings.disk.reserve_bytes)
            short = usage.free < reserve
            self._disk_checked = (now, short)
        return short

    def _data_folder(self) -> Path:
        folder = Path(self.settings.gateway.data_dir)
        return folder if folder.exists() else Path()

    # -- for the API (gateway.api.ports.GatewayPort) -----------------------------------------------------------------

    async def execute_command(self, command: Command, patient_id: str) -> WriteSet:
        """A person's act on a task.  Raises gateway.pipeline.Conflict."""
        return await self.pipeline.execute(command, patient_id)

    async def ask(self, question: Ask | Adopt | Undo | Link, *, dry_run: bool = False) -> WriteSet:
        """A question to a payer, what going live found, or a merge undone.  Raises gateway.pipeline.Conflict."""
        return await self.pipeline.ask(question, dry_run=dry_run)

    async def send_document(self, document: Reply) -> int:
        """An interchange that nobody in particular is behind; returns its control number."""
        await self.pipeline.send_document(document)
        return await inquiries.newest_number(self.store, document)

    async def facts(self) -> Facts:
        return await self.status.facts()

    async def channels(self) -> list[ChannelStatus]:
        return await self.status.channels()

    def channel_state(self, name: str) -> str:
        channel = self.settings.find_channel(name)
        return "disabled" if channel is None or not channel.enabled else self._states.get(name, "stopped")

    def answers_of(self, name: str) -> str:
        """Which acknowledgements a channel gives, in words."""
        channel = self.settings.find_channel(name)
        return kind_of(channel).answers(channel) if channel is not None else ""

    def port_of(self, name: str) -> int:
        """The TCP port that a listener is bound to."""
        return self.ports[name]

    def bus_state(self) -> str:
        """embedded | connected | away"""
        relay = self.relays.get("bus")
        if relay is None:
            return "embedded"
        return "away" if relay.trouble else "connected"

    async def pause_channel(self, name: str, actor: str) -> None:
        self._valve(name).pause()
        await self._steer(name, "paused", actor)

    async def resume_channel(self, name: str, actor: str) -> None:
        self._valve(name).resume()
        await self._steer(name, "running", actor)

    async def drain_channel(self, name: str, actor: str) -> None:
        """Stop reading, and what is stored is finished by the pipeline; a channel that only sends empties its queue."""
        valve = self._valve(name)
        if isinstance(valve, Relay):
            valve.drain()
        else:
            valve.pause()
        await self._steer(name, "draining", actor)

    def _valve(self, name: str) -> Source | Relay:
        """What a pause stops: the reading, or the sending of a channel that only sends.  KeyError when it is closed."""
        return self.sources.get(name) or self.relays[name]

    async def _steer(self, name: str, state: str, actor: str) -> None:
        self._states[name] = state
        await self.store.set_channel_state(name, state, actor)
        log.warning("channel %s: %s", name, state)

    def wake(self) -> None:
        self.pipeline.wake()
        for relay in self.relays.values():
            relay.wake()

    async def wait_for_events(self, seconds: float) -> None:
        """Return when events were committed here, or after `seconds`."""
        self._events.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._events.wait()
        except TimeoutError:
            pass

    async def unsettled(self) -> bool:
        """True while something stored is not decided, or a reply not written out."""
        waiting = await pending(self.store)
        return waiting.work > 0 or (waiting.outbox > 0 and bool(self.relays))


def needs_restart(old: Settings, new: Settings) -> list[str]:
    """What of the new settings only a restart can apply."""
    found = [
        f"[{name}] changed: restart"
        for name in ("gateway", "store", "bus", "api", "webhooks", "pipeline", "disk", "scheduler")
        if getattr(old, name) != getattr(new, name)
    ]
    if [_bound(channel) for channel in old.channel] != [_bound(channel) for channel in new.channel]:
        found.append("a channel was added, removed or bound otherwise: restart")
    return found


def _bound(channel: AnyChannel) -> tuple[object, ...]:
    return (channel.name, channel.enabled, kind_of(channel).bound(channel))


def moves_lanes(old: Settings, new: Settings) -> bool:
    """True when pending work would be in other lanes, or of other patients, under the new settings."""
    return any(
        (before.default_authority, getattr(before, "split_lanes", 1), getattr(before, "patient_id", ()))
        != (after.default_authority, getattr(after, "split_lanes", 1), getattr(after, "patient_id", ()))
        for before, after in zip(old.channel, new.channel, strict=True)
    )
