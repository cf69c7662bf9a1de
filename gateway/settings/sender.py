"""What of an MLLP sender's settings does not fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.event_sinks import matches
from gateway.settings.channels import MllpListener
from gateway.settings.kinds import AnyChannel
from gateway.settings.sending import MllpSender
from mappings.outbound import TRIGGERS


def odd_sender(channel: MllpSender, channels: Mapping[str, AnyChannel]) -> Iterator[tuple[str, str, str]]:
    """(key, what, cure) of each error."""
    if bool(channel.forward) == bool(channel.events):
        cure = 'Name feeds (`forward = ["adt"]`), or events (`events = ["encounter.*"]`), not both.'
        yield "kind", "It must be said what this channel sends.", cure
    for name in channel.forward:
        if not isinstance(channels.get(name), MllpListener):
            yield "forward", "What is sent on must come in over an MLLP listener.", "Name channels of that kind."
    for given, needed in (("messages", "forward"), ("facilities", "events")):
        if getattr(channel, given) and not getattr(channel, needed):
            yield given, f"This narrows `{needed}`, which is not given.", f"Remove it, or give `{needed}`."
    if channel.connections > 1 and channel.forward and channel.order == "feed":
        cure = 'Set `connections = 1`, or `order = "patient"`.'
        yield "connections", "The order of a whole feed takes one connection.", cure
    if channel.events and channel.form == "built":
        for pattern in channel.events:
            if not any(matches((pattern,), type_) for type_ in TRIGGERS):
                cure = 'Take events of `patient`, `encounter` or `appointment`, or `form = "original"`.'
                yield "events", "There is no HL7 v2 message for some of these events.", cure
