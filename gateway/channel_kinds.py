"""Each kind of channel: how its source and its destination are opened from its settings.

A new kind is a section in `gateway.settings_channels`, a module in `channels`, and one entry of KINDS here (or of a
module of its own that KINDS names).  Nothing else of the gateway knows kinds by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from channels.file_drop import FileDestination, FileDrop, FileDropSettings
from channels.ports import Delivery, Destination
from gateway import mllp_opening
from gateway.certificates import Certificates
from gateway.clock import Clock
from gateway.compute.answering import AnswerRule
from gateway.intake import GroupCommitIntake, IntakeFeed
from gateway.settings import Settings
from gateway.settings_channels import AnyChannel
from gateway.settings_channels import FileDrop as FileDropSection
from gateway.store.core_store import CoreStore
from gateway.store.ports import OutboxItem
from gateway.store.sinks import EventSink
from mappings.profile import FeedProfile


class Source(Protocol):
    """What the gateway asks of everything that takes messages in."""

    async def start(self) -> int | None:
        """Take messages; the bound TCP port of a listener.  Raises OSError when that cannot be."""
        ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    async def drain(self, timeout: float = 15.0) -> None: ...

    @property
    def connections(self) -> int:
        """Peers that are connected now; 0 where that means nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of the running gateway a channel may be given."""

    settings: Settings
    store: CoreStore
    intake: GroupCommitIntake
    clock: Clock
    certificates: Certificates
    sources: Mapping[str, Source]  # those that are open by now, by channel


def _plain_feed(channel: Any, profile: FeedProfile, version: int) -> IntakeFeed:
    return IntakeFeed(profile=profile, config_version=version)


@dataclass(frozen=True, slots=True)
class ChannelKind:
    """One kind.  The first argument of each function is the channel's own section of the settings.

    bound        what of the settings only a restart can apply: compared for equality on a reload
    source       opens what takes messages in; None for a kind that only sends
    destination  opens what takes the outbox rows of the sink named like the channel; None for a kind that only receives
    events       which events the channel is sent, for a kind that is sent events; the sink has the channel's name
    feed         how intake judges and answers its units
    answers      the same in words, for people
    render       how the outbox rows of the sink become deliveries, where they are neither events nor files
    answering    how processed messages are answered, for a kind that can; None: never
    """

    bound: Callable[[Any], object]
    source: Callable[[Any, Surroundings], Source] | None = None
    destination: Callable[[Any, Surroundings], Destination] | None = None
    feed: Callable[[Any, FeedProfile, int], IntakeFeed] = _plain_feed
    events: Callable[[Any], EventSink] | None = None
    answering: Callable[[Any], AnswerRule | None] = lambda channel: None
    answers: Callable[[Any], str] = lambda channel: ""
    render: Callable[[OutboxItem], Delivery] | None = None


def kind_of(channel: AnyChannel) -> ChannelKind:
    return KINDS[channel.kind]


def event_sinks(settings: Settings) -> tuple[EventSink, ...]:
    """The channels that are sent events, and which."""
    open_ones = ((channel, kind_of(channel)) for channel in settings.channel if channel.enabled)
    return tuple(kind.events(channel) for channel, kind in open_ones if kind.events)


def answer_rules(channels: Sequence[AnyChannel]) -> dict[str, AnswerRule]:
    """The channels whose messages may be answered once more when they were processed, and how."""
    rules = {channel.name: kind_of(channel).answering(channel) for channel in channels}
    return {name: rule for name, rule in rules.items() if rule is not None}


# -- file-drop ---------------------------------------------------------------------------------------------------------


def drop_settings(channel: FileDropSection) -> FileDropSettings:
    return FileDropSettings(
        name=channel.name,
        folder=Path(channel.folder),
        out=Path(channel.out),
        poll_seconds=channel.poll_seconds,
        stable_seconds=channel.stable_seconds,
        max_file=channel.max_file,
    )


def _file_drop(channel: FileDropSection, around: Surroundings) -> Source:
    return FileDrop(drop_settings(channel), around.intake, clock=around.clock)


def _file_destination(channel: FileDropSection, around: Surroundings) -> Destination:
    return FileDestination(Path(channel.out))


KINDS: dict[str, ChannelKind] = {
    "mllp-listener": ChannelKind(
        bound=mllp_opening.listener_bound,
        source=mllp_opening.open_listener,
        destination=mllp_opening.open_answers,
        feed=mllp_opening.listener_feed,
        answering=mllp_opening.answer_rule,
        answers=mllp_opening.tell_answers,
        render=mllp_opening.answer_delivery,
    ),
    "webhook": ChannelKind(bound=lambda section: section),  # opened by gateway.webhooks, with those of the API
    "file-drop": ChannelKind(bound=drop_settings, source=_file_drop, destination=_file_destination),
}
