"""How MLLP channels are opened from their settings."""

from __future__ import annotations

from collections.abc import Sequence

from channels.mllp_answers import ConnectionAnswers
from channels.mllp_listener import MllpListener, MllpListenerSettings
from channels.mllp_sender import MllpSender, MllpSenderSettings
from channels.ports import Delivery, Destination
from channels.tls import Tls, TlsFiles
from gateway.compute.answering import AnswerRule
from gateway.event_messages import EventMessages, event_delivery
from gateway.event_sinks import EventSink
from gateway.forwarding import ForwardRule
from gateway.intake import IntakeFeed
from gateway.openings.kind import Source, Surroundings
from gateway.peers import make_peer
from gateway.relay import RelayTimes
from gateway.settings.channels import MllpListener as MllpListenerSection
from gateway.settings.kinds import AnyChannel
from gateway.settings.sending import MllpSender as MllpSenderSection
from gateway.settings.tls import ClientTlsSection
from gateway.store.ports import OutboxItem
from mappings.codes import EVENTS
from mappings.outbound import Addresses
from mappings.profile import FeedProfile

END_BLOCK = {"1C0D": b"\x1c\r", "1C": b"\x1c"}
HL7 = "x-application/hl7-v2+er7"


def listener_settings(channel: MllpListenerSection) -> MllpListenerSettings:
    return MllpListenerSettings(
        name=channel.name,
        host=channel.host,
        port=channel.port,
        max_frame=channel.max_frame,
        idle_timeout=channel.idle_timeout,
        frame_timeout=channel.frame_timeout,
        max_connections=channel.max_connections,
        max_connections_per_peer=channel.max_connections_per_peer,
        end=END_BLOCK[channel.end],
        max_unanswered=channel.max_unanswered,
    )


def listener_bound(channel: MllpListenerSection) -> object:
    return listener_settings(channel), channel.tls, channel.callback, channel.application_ack_hold


def open_listener(channel: MllpListenerSection, around: Surroundings) -> Source:
    tls = None
    if channel.tls is not None:
        files = TlsFiles(channel.tls.certificate, channel.tls.key, channel.tls.client_ca)
        tls = around.certificates.open(
            channel.name,
            files,
            server=True,
            warn_days=channel.tls.warn_days,
            handshake_timeout=channel.tls.handshake_timeout,
        )
    return MllpListener(listener_settings(channel), around.intake, clock=around.clock, tls=tls)


def listener_feed(channel: MllpListenerSection, profile: FeedProfile, version: int) -> IntakeFeed:
    return IntakeFeed(
        profile=profile,
        ack_mode=channel.ack_mode,
        unknown_event=channel.unknown_event,
        known_events=frozenset(EVENTS),
        versions=channel.versions,
        require_control_id=channel.require_control_id,
        sequence_numbers=channel.sequence_numbers,
        batch_answer=channel.batch_answer,
        on_store_timeout=channel.on_store_timeout,
        hold_seconds=channel.hold_seconds,
        config_version=version,
        split_lanes=channel.split_lanes if channel.split_lanes > 1 else 0,
        peers=tuple(make_peer(peer.address, peer.certificate, peer.senders) for peer in channel.peer),
    )


# -- the application acknowledgement -----------------------------------------------------------------------------------


def answer_rule(channel: MllpListenerSection) -> AnswerRule | None:
    """None where no message of the channel is ever answered twice."""
    if channel.ack_mode == "original" or channel.application_ack == "never":
        return None
    accept = channel.callback.accept_ack if channel.callback is not None else "NE"
    return AnswerRule(channel.ack_mode, channel.application_ack, accept)


def tell_answers(channel: MllpListenerSection) -> str:
    if channel.ack_mode == "original":
        return "one answer, AA or AR, to every message, whatever MSH-15 and MSH-16 say"
    empty = "AA or AR" if channel.ack_mode == "auto" else "CA, CE or CR"
    accept = f"MSH-15 and MSH-16 empty: {empty}; else by MSH-15: CA, CE or CR when stored"
    if channel.application_ack == "never":
        return f"{accept}; no second answer after processing"
    when = "by MSH-16" if channel.application_ack == "auto" else "always in enhanced mode"
    back = channel.callback
    way = f"over a connection to {back.host}:{back.port}" if back is not None else "over the message's connection"
    return f"{accept}; when processed, {when}: AA, AE or AR {way}"


def open_answers(channel: MllpListenerSection, around: Surroundings) -> Destination:
    """Over a call-back connection where one is configured, else over the connection of the message."""
    if channel.callback is None:
        return ConnectionAnswers(lambda: _listener_of(channel.name, around), channel.application_ack_hold)
    back = channel.callback
    settings = MllpSenderSettings(
        back.host, back.port, timeout=back.timeout, original=False, server_name=back.tls.server_name if back.tls else ""
    )
    return MllpSender(settings, client_tls(f"{channel.name}/callback", back.tls, around))


def _listener_of(name: str, around: Surroundings) -> MllpListener | None:
    source = around.sources.get(name)
    return source if isinstance(source, MllpListener) else None


def client_tls(owner: str, section: ClientTlsSection | None, around: Surroundings) -> Tls | None:
    if section is None:
        return None
    files = TlsFiles(section.certificate, section.key, section.ca)
    return around.certificates.open(owner, files, server=False, warn_days=section.warn_days)


def answer_delivery(item: OutboxItem) -> Delivery:
    """An application acknowledgement, and whose message it answers."""
    return Delivery(item.event_id, item.key, "", item.body, {"peer": item.peer, "sender": item.sender}, HL7)


# -- mllp-sender -------------------------------------------------------------------------------------------------------


def sender_settings(channel: MllpSenderSection) -> MllpSenderSettings:
    return MllpSenderSettings(
        host=channel.host,
        port=channel.port,
        timeout=channel.timeout,
        connections=channel.connections,
        actions=channel.reactions.model_dump(),
        attempts=channel.attempts,
        match=channel.match_control_id,
        original=channel.acknowledgement == "original",
        server_name=channel.tls.server_name if channel.tls else "",
    )


def open_sender(channel: MllpSenderSection, around: Surroundings) -> Destination:
    sender = MllpSender(sender_settings(channel), client_tls(channel.name, channel.tls, around))
    if channel.forward:
        return sender
    addresses = Addresses(
        channel.sending_application,
        channel.sending_facility,
        channel.receiving_application,
        channel.receiving_facility,
        channel.processing_id,
    )
    original = channel.form == "original"
    return EventMessages(sender, around.store, addresses, original=original, restricted=channel.restricted)


def sender_events(channel: MllpSenderSection) -> EventSink | None:
    """None for a channel that is sent messages."""
    if channel.forward:
        return None
    return EventSink(
        channel.name, channel.events, frozenset(channel.facilities) if channel.facilities else None, channel.restricted
    )


def sender_render(item: OutboxItem) -> Delivery:
    """A message of the journal, which has no routing key, or an event."""
    return event_delivery(item) if item.routing_key else Delivery(item.event_id, item.key, "", item.body, {}, HL7)


def sender_times(channel: MllpSenderSection) -> RelayTimes:
    """Rounds are short, so that little is sent again after a crash; and may last as long as their answers take."""
    batch = 16 * channel.connections
    return RelayTimes(batch=batch, first_retry=1.0, last_retry=60.0, delivery=16 * 2 * channel.timeout + 30.0)


def forward_rules(channels: Sequence[AnyChannel]) -> dict[str, tuple[ForwardRule, ...]]:
    """Listener -> who is sent its messages."""
    rules: dict[str, tuple[ForwardRule, ...]] = {}
    for channel in channels:
        if isinstance(channel, MllpSenderSection) and channel.enabled:
            rule = ForwardRule(channel.name, channel.messages, channel.order == "patient")
            for feed in channel.forward:
                rules[feed] = (*rules.get(feed, ()), rule)
    return rules


def message_sinks(channels: Sequence[AnyChannel]) -> frozenset[str]:
    """The channels that are sent messages of the journal."""
    return frozenset(one.name for one in channels if isinstance(one, MllpSenderSection) and one.forward)
