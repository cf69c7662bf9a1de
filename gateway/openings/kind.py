"""What a kind of channel is to the gateway, and what it is given to open its channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from channels.ports import Delivery, Destination
from gateway.certificates import Certificates
from gateway.clock import Clock
from gateway.compute.answering import AnswerRule
from gateway.event_sinks import EventSink
from gateway.intake import GroupCommitIntake, IntakeFeed
from gateway.relay import RelayTimes
from gateway.settings import Settings
from gateway.store.core_store import CoreStore
from gateway.store.ports import OutboxItem
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
    opened: dict[str, Any]  # by channel: what one half of a kind made for its other half, or for other channels


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
    times        of the relay to the destination, where they are not those of the bus
    patience     seconds that one round of deliveries may take, for a destination that waits for peers
    """

    bound: Callable[[Any], object]
    source: Callable[[Any, Surroundings], Source] | None = None
    destination: Callable[[Any, Surroundings], Destination] | None = None
    feed: Callable[[Any, FeedProfile, int], IntakeFeed] = _plain_feed
    events: Callable[[Any], EventSink | None] = lambda channel: None
    answering: Callable[[Any], AnswerRule | None] = lambda channel: None
    answers: Callable[[Any], str] = lambda channel: ""
    render: Callable[[OutboxItem], Delivery] | None = None
    times: Callable[[Any], RelayTimes] | None = None
    patience: Callable[[Any], float] = lambda channel: RelayTimes().delivery
