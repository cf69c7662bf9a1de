"""Each kind of channel: how its source and its destination are opened from its settings.

A new kind is a section in `gateway.settings.channels`, a module in `channels`, and one entry of KINDS here (or of a
module of its own that KINDS names).  Nothing else of the gateway knows kinds by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from channels.file_drop import FileDestination, FileDrop, FileDropSettings
from channels.ports import Destination
from gateway.compute.answering import AnswerRule
from gateway.event_sinks import EventSink
from gateway.intake import IntakeFeed
from gateway.openings import mllp
from gateway.openings.core import core_kinds
from gateway.openings.kind import ChannelKind, Source, Surroundings
from gateway.openings.sftp import sftp_kind
from gateway.settings import Settings
from gateway.settings.channels import FileDrop as FileDropSection
from gateway.settings.kinds import AnyChannel


def kind_of(channel: AnyChannel) -> ChannelKind:
    return KINDS[channel.kind]


def event_sinks(settings: Settings) -> tuple[EventSink, ...]:
    """The channels that are sent events, and which."""
    open_ones = ((channel, kind_of(channel)) for channel in settings.channel if channel.enabled)
    return tuple(sink for channel, kind in open_ones if (sink := kind.events(channel)) is not None)


def feeds_of(settings: Settings) -> dict[str, IntakeFeed]:
    """How intake judges and answers the units of each channel, and who else is sent them."""
    forwarded = mllp.forward_rules(settings.channel)
    feeds: dict[str, IntakeFeed] = {}
    for channel in settings.channel:
        feed = kind_of(channel).feed(channel, settings.profile(channel.name), settings.version)
        feeds[channel.name] = replace(feed, forward=forwarded.get(channel.name, ()))
    return feeds


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
        notify=channel.notify,
    )


def _file_drop(channel: FileDropSection, around: Surroundings) -> Source:
    return FileDrop(drop_settings(channel), around.intake, clock=around.clock)


def _file_destination(channel: FileDropSection, around: Surroundings) -> Destination:
    return FileDestination(Path(channel.out))


KINDS: dict[str, ChannelKind] = {
    "mllp-listener": ChannelKind(
        bound=mllp.listener_bound,
        source=mllp.open_listener,
        destination=mllp.open_answers,
        feed=mllp.listener_feed,
        answering=mllp.answer_rule,
        answers=mllp.tell_answers,
        render=mllp.answer_delivery,
    ),
    "webhook": ChannelKind(bound=lambda section: section),  # opened by gateway.webhooks, with those of the API
    "mllp-sender": ChannelKind(
        bound=lambda section: section,
        destination=mllp.open_sender,
        events=mllp.sender_events,
        render=mllp.sender_render,
        times=mllp.sender_times,
    ),
    "file-drop": ChannelKind(bound=drop_settings, source=_file_drop, destination=_file_destination),
    "sftp": sftp_kind(),
    **core_kinds(),
}
