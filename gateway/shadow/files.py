"""Files as messages of a shadow run: each HL7 v2 message and X12 interchange at the time that it says itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from gateway.shadow.engine import Message
from mappings import registry
from mappings.profile import FeedProfile
from parsers.errors import ParseError
from parsers.hl7v2.batch import split_batch
from parsers.standard import sniff


def messages_of(bodies: Iterable[bytes], profile: FeedProfile, now: datetime) -> list[Message]:
    """In the order of their own times; what says no time keeps the one of the message before it."""
    found: list[Message] = []
    at: datetime | None = None
    for number, (kind, body) in enumerate(_units(bodies), 1):
        at = _recorded_at(kind, body, profile, now) or at or now
        found.append(Message(journal_id=number, channel=profile.channel, kind=kind, received_at=at, body=body))
    return sorted(found, key=lambda message: message.received_at)


def _units(bodies: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    for body in bodies:
        kind = sniff(body)
        if kind == "hl7v2":
            yield from ((kind, raw) for raw in split_batch(body).messages)
        elif kind == "x12":
            yield kind, body


def _recorded_at(kind: str, body: bytes, profile: FeedProfile, now: datetime) -> datetime | None:
    try:
        reading = registry.read(kind, body, profile, now)
    except ParseError:
        return None
    return next((event.recorded_at for part in reading.items for event in part.events), None)
