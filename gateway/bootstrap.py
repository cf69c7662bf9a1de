"""The composition root: the only place that joins settings, store, channels, pipeline, relay and API."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from gateway.api.keys import ensure_admin_key
from gateway.api.ports import ChannelStatus, Facts
from gateway.api.server import ApiServer
from gateway.certificates import Certificates
from gateway.clock import Clock, system_clock
from gateway.compute.answering import ApplicationAnswers, Outcome
from gateway.compute.process import ComputeProcess
from gateway.compute.protocol import Configure, Decided
from gateway.configuration import compute_configuration
from gateway.coordination.changes import Adopt, Ask, Command, Link, Undo
from gateway.desk import DeskClerk
from gateway.intake import GroupCommitIntake, IntakeFeed
from gateway.openings.kinds import answer_rules, event_sinks, feeds_of, kind_of
from gateway.openings.mllp import message_sinks
from gateway.openings.open_channels import OpenChannels
from gateway.pipeline import Pipeline, PipelineSettings
from gateway.replayer import Replayer
from gateway.scheduler import Scheduler, SchedulerSettings
from gateway.settings import Settings
from gateway.settings.kinds import AnyChannel
from gateway.status import STORE_AWAY, Status
from gateway.store import inquiries
from gateway.store.opening import bus_sinks, open_store
from gateway.store.ports import Reply, StoreUnavailable, WorkItem, WriteSet
from gateway.store.progress import pending
from gateway.telemetry import Metrics
from gateway.watch import Watch
from gateway.webhooks import Webhooks
from parsers.x12.acknowledgement import number_interchange

log = logging.getLogger(__name__)

SWITCH_SECONDS = 0.001
"""After which a thread that reckons hands the interpreter to one that waits.  By itself it is five times as long, and
the event loop waits with every acknowledgement."""


class Gateway:
    """One running gateway.  `start` returns when it takes messages; `stop` drains."""

    def __init__(self, settings: Settings, *, clock: Clock = system_clock, packages: Sequence[str] = ()) -> None:
        self.settings = settings
        self.clock = clock
        self._packages = list(packages)
        self.store = open_store(settings, clock, event_sinks(settings), number_interchange)
        self.store.message_sinks = message_sinks(settings.channel)
        self.metrics = Metrics()
        self.open = OpenChannels(settings, self.store, clock)
        self.sources, self.ports, self.relays = self.open.sources, self.open.ports, self.open.relays
        self.ready = False
        self._reloading = asyncio.Lock()
        self._events = asyncio.Event()
        self._disk_checked = (0.0, False)
        self._backlog = 0

    # -- starting ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the store, start the compute process, pipeline, relays, timers, then the channels."""
        sys.setswitchinterval(SWITCH_SECONDS)
        await self.store.open()
        salt = await self.store.salt()
        self.compute = ComputeProcess(
            self.configuration(self.settings, salt),
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
            lambda: self._backlog,
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
        self.open.start_relays(self.intake)
        self.webhooks = Webhooks(self)
        await self.webhooks.start()
        self.pipeline.start()
        await self.scheduler.start()
        self.status = Status(self)
        self.watch = Watch(self)
        await ensure_admin_key(self.store, self.settings.gateway.data_dir, self.clock())
        await self._note_configuration(self.settings)
        await self.open.start_sources()
        self.replayer = Replayer(self.store, self.feeds, self.wake)
        self.api = ApiServer(self)
        await self.api.start()
        self.watch.start()
        self.desk = DeskClerk(self)
        self.desk.start()
        self.ready = True

    def configuration(self, settings: Settings, salt: bytes) -> Configure:
        made = compute_configuration(settings, salt, self._packages)
        made.answering = answer_rules([channel for channel in settings.channel if channel.enabled])
        return made

    def feeds(self) -> dict[str, IntakeFeed]:
        return feeds_of(self.settings)

    def _scheduler_settings(self) -> SchedulerSettings:
        return SchedulerSettings(
            catch_up=timedelta(minutes=self.settings.scheduler.catch_up_minutes),
            catch_up_longest=timedelta(hours=self.settings.scheduler.catch_up_max_hours),
            quiet={c.name: timedelta(seconds=c.quiet_after) for c in self.settings.channel if c.quiet_after},
        )

    async def _note_configuration(self, settings: Settings) -> None:
        digest = hashlib.sha256(settings.model_dump_json().encode()).hexdigest()
        await self.store.note_configuration(settings.version, digest)

    async def reload(self, settings: Settings) -> list[str]:
        """Apply new settings all or nothing, between two batches (decision 28); why not, when that cannot be.  Raises
        StoreUnavailable, and has changed nothing then.

        A channel that is bound or connected otherwise is drained and opened anew; the others go on.
        """
        async with self._reloading:
            if refusals := [*needs_restart(self.settings, settings), *await self._held_by_work(settings)]:
                return refusals
            salt = await self.store.salt()
            change = await self.open.prepare(settings)
            if isinstance(change, str):
                return [change]
            try:
                await self._note_configuration(settings)
            except StoreUnavailable:
                await self.open.abandon(change)
                raise
            async with self.pipeline.between_batches():
                await self.compute.configure(self.configuration(settings, salt))
                self.settings = settings
                self.intake.configure(self.feeds())
                self.scheduler.configure(self._scheduler_settings(), tuple(self.feeds()))
                self.store.message_sinks = message_sinks(settings.channel)
                self.webhooks.follow((*bus_sinks(settings), *event_sinks(settings)))
            await self.open.apply(change)
        await asyncio.to_thread(self.certificates.refresh)
        log.warning("settings of version %d applied", settings.version)
        return []

    async def _held_by_work(self, new: Settings) -> list[str]:
        """What only empty lanes allow: a channel that goes, or keys of patients and lanes that change."""
        waiting = {name: each.open for name, each in (await self.store.ledger()).channels.items()}
        kept = {channel.name for channel in new.channel}
        held = [
            f"channel {channel.name} has {waiting[channel.name]} messages in work: set `enabled = false` until none is"
            for channel in self.settings.channel
            if channel.name not in kept and waiting.get(channel.name)
        ]
        if moves_lanes(self.settings, new) and (await pending(self.store)).work:
            held.append("a lane function or patient key changes: drain the channels first (baton channels drain)")
        return held

    @property
    def certificates(self) -> Certificates:
        return self.open.certificates

    # -- stopping ------------------------------------------------------------------------------------------------------

    async def stop(self, timeout: float = 15.0) -> None:
        """Drain: no new peers, answer what was taken in, finish the batch in hand, then close."""
        self.ready = False
        deadline = time.monotonic() + timeout
        await self.open.drain_sources(max(0.5, timeout - 5))
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
        await self.open.stop_relays()
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
            self.open.wake()
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
        facts = await self.status.facts()
        if STORE_AWAY not in facts.reasons:
            self._backlog = facts.in_flight  # what others put in or take out of the same store is not counted here
        return facts

    async def channels(self) -> list[ChannelStatus]:
        return await self.status.channels()

    def channel_state(self, name: str) -> str:
        channel = self.settings.find_channel(name)
        return "disabled" if channel is None or not channel.enabled else self.open.states.get(name, "stopped")

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
        self.open.valve(name).pause()
        await self.open.steered(name, "paused", actor)

    async def resume_channel(self, name: str, actor: str) -> None:
        self.open.valve(name).resume()
        await self.open.steered(name, "running", actor)

    async def drain_channel(self, name: str, actor: str) -> None:
        """Stop reading, and what is stored is finished by the pipeline; a channel that only sends empties its queue."""
        self.open.drain(name)
        await self.open.steered(name, "draining", actor)

    def wake(self) -> None:
        self.pipeline.wake()
        self.open.wake()

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
    return found


def moves_lanes(old: Settings, new: Settings) -> bool:
    """True when pending work would be in other lanes, or of other patients, under the new settings."""
    after = {channel.name: _lane_keys(channel) for channel in new.channel}
    return any(after.get(channel.name, _lane_keys(channel)) != _lane_keys(channel) for channel in old.channel)


def _lane_keys(channel: AnyChannel) -> tuple[object, ...]:
    return channel.default_authority, getattr(channel, "split_lanes", 1), getattr(channel, "patient_id", ())
