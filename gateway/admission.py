"""What a received unit is, before anything is stored: its journal entry and the code that it will be answered with.

Only bounded looks: the header scan of an HL7 message, the fixed positions of an ISA segment.  Nothing here raises on
content, and no value of a message leaves but into the entry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b, sha256
from itertools import islice

from channels.ports import Inbound
from gateway.forwarding import ForwardRule, forwards
from gateway.lanes import feed_lane, lanes_of, payer_lane
from gateway.peers import Peer, refuse_sender, senders_of
from gateway.store.limits import CONTENT, number_key
from gateway.store.ports import JournalEntry
from mappings.profile import FeedProfile
from mappings.x12_duplicates import MOST_NUMBERS
from parsers.hl7v2.acknowledgement import AckError, answer_code
from parsers.hl7v2.header import Header, scan_header
from parsers.hl7v2.sequence import LINK_ONLY, read_sequence_number
from parsers.x12.header import find_headers

LARGE_BODY = 1 << 20  # bytes; hashed apart from the event loop
_TEXT_LIMIT = 200  # characters of a header value that the journal's columns keep
_ISA_WITHIN = 1 << 16  # bytes in which the first ISA must stand
_BATCH_LOOK = 65536
_BATCHED_MESSAGE = re.compile(rb"[\r\n]MSH")


@dataclass(slots=True, frozen=True)
class IntakeFeed:
    """How one channel's units are judged and answered."""

    profile: FeedProfile
    ack_mode: str = "auto"  # auto | original | enhanced (decision 3)
    unknown_event: str = "accept"  # accept | reject
    known_events: frozenset[str] = field(default_factory=frozenset)  # "ADT^A01"; asked only for `reject`
    versions: tuple[str, ...] = ()  # of MSH-12; empty: any
    require_control_id: bool = False
    sequence_numbers: bool = False  # MSH-13 is held against the last one of its sender
    batch_answer: str = "one"  # one | each
    on_store_timeout: str = "close"  # close | nak | hold (decision 1)
    hold_seconds: float = 10.0
    config_version: int = 0
    split_lanes: int = 0
    forward: tuple[ForwardRule, ...] = ()  # who else is sent its messages
    peers: tuple[Peer, ...] = ()  # who may send, each for its own senders; (): anybody for anybody

    @property
    def channel(self) -> str:
        return self.profile.channel


@dataclass(slots=True)
class Admission:
    """One unit on its way into the journal."""

    entry: JournalEntry
    header: Header | None = None  # None: not HL7, nothing is sent back
    code: str | None = None  # acknowledgement code; None: nothing is sent
    answer: bytes | None = None  # made before the commit: of a batch whose messages are each answered
    error: AckError | None = None
    close: bool = False


def admit(inbound: Inbound, feed: IntakeFeed) -> Admission:
    """Judge one unit by its framing and its header (decisions 2-6)."""
    if inbound.kind == "x12":
        return _admit_interchange(inbound, feed)
    header = scan_header(inbound.body)
    entry = _entry(inbound, feed)
    entry.control_id = journal_text(header.control_id)
    entry.message_type = journal_text(header.message_code + b"^" + header.trigger_event).strip("^")
    entry.sender = journal_text(header.sending_application + b"|" + header.sending_facility)
    admission = Admission(entry=entry, header=header)
    number = read_sequence_number(header.sequence_number) if feed.sequence_numbers else None
    refusal = _broken(inbound, header) if inbound.broken else _refusal(header, feed, number)
    refusal = refusal or _foreign(inbound, header, feed)
    if refusal is None:
        facility = header.sending_facility.partition(header.separators.component or b"^")[0]
        entry.facility_id, _ = feed.profile.facility_of(journal_text(facility))
        entry.lanes = _lanes(inbound.body, header, feed)
        if inbound.source is None and len(inbound.body) <= LARGE_BODY:
            entry.dedup_key = dedup_key(entry, header)
        entry.sequence = number
        if number is not None:
            entry.misfit = answer_code(header, feed.ack_mode, "refuse") or ""
        if feed.forward and number not in LINK_ONLY:
            entry.forward = forwards(feed.forward, feed.channel, entry.message_type, header)
        admission.code = answer_code(header, feed.ack_mode, "accept")
    else:
        entry.rejected, admission.error = refusal
        admission.close = inbound.broken in ("oversize", "noise")
        if inbound.broken is None or (inbound.broken != "noise" and header.readable):
            admission.code = answer_code(header, feed.ack_mode, _verdict(admission.error))
    entry.acknowledgement = admission.code or ""
    return admission


def dedup_key(entry: JournalEntry, header: Header | None, identity: str = "") -> bytes:
    """Decision 5: channel, MSH-3, MSH-4, MSH-10 and the SHA-256 of the bytes as received, which the entry keeps.

    8 bytes for channel and sender, the control id as it is and a NUL, 16 bytes for the content.  So a control id that
    came with other content is next to it, and those of one sender, which mostly count upwards, go into one page of the
    index instead of a page each.

    For X12 the channel and the content, and what the envelope around it calls it."""
    parts = [entry.channel.encode()]
    if identity:
        parts.append(identity.encode())
    if header is not None:
        parts += (header.sending_application, header.sending_facility, header.control_id)
    entry.digest = entry.digest or sha256(entry.body).digest()
    parts.append(entry.digest)
    content = blake2b(b"\0".join(parts), digest_size=CONTENT).digest()
    return number_key(entry.channel, entry.sender, entry.control_id) + content


def outage_code(header: Header, feed: IntakeFeed) -> str | None:
    """The code of `on_store_timeout = "nak"`: AR or CE, never AE (decision 1)."""
    return answer_code(header, feed.ack_mode, "refuse")


def _verdict(error: AckError | None) -> str:
    """CR is for MSH-9, -11 and -12; what else is refused in enhanced mode is CE (table 0008)."""
    of_the_header = error is not None and error.location.startswith(("MSH^1^9", "MSH^1^11", "MSH^1^12"))
    return "reject" if of_the_header else "refuse"


def journal_text(value: bytes) -> str:
    """A header value as text that any store takes: no NUL, no undecodable byte, bounded."""
    text = value[: _TEXT_LIMIT * 4].decode("utf-8", "backslashreplace")[:_TEXT_LIMIT]
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")[:_TEXT_LIMIT]


def _entry(inbound: Inbound, feed: IntakeFeed) -> JournalEntry:
    return JournalEntry(
        channel=inbound.channel,
        kind=inbound.kind,
        facility_id=feed.profile.default_facility,
        peer=_peer_text(inbound.peer, inbound.names[:1]),
        received_at=inbound.received_at,
        body=inbound.body,
        config_version=feed.config_version,
    )


@lru_cache(maxsize=4096)
def _peer_text(peer: str, names: tuple[str, ...]) -> str:
    return journal_text(" ".join((peer, *names)).encode("utf-8", "backslashreplace"))


def _lanes(body: bytes, header: Header, feed: IntakeFeed) -> tuple[int, ...]:
    """Of a batch: the feed's lane and those of its first message, so that what comes later waits behind it."""
    if not header.batch:
        return lanes_of(header, feed.profile, feed.split_lanes)
    found = _BATCHED_MESSAGE.search(body, 0, _BATCH_LOOK)
    if found is None:
        return (feed_lane(feed.channel),)
    first = scan_header(body[found.end() - 3 : found.end() + _BATCH_LOOK])
    return tuple(sorted({feed_lane(feed.channel), *lanes_of(first, feed.profile, feed.split_lanes)}))


def _broken(inbound: Inbound, header: Header) -> tuple[str, AckError | None]:
    if inbound.broken == "oversize" and header.readable:
        return "oversize", AckError(code="207", location="", text="the message is larger than this channel accepts")
    if inbound.broken == "truncated" and header.readable:
        return "truncated", AckError(code="207", location="", text="the message ends before its end block")
    return str(inbound.broken), None


def _refusal(header: Header, feed: IntakeFeed, number: int | None) -> tuple[str, AckError] | None:
    """`number`: the sequence number, where they are in use; of one that is about the link MSH-9 need not be there."""
    if not header.readable:
        return header.reason or "no-header", AckError(code="100", location="", text="no readable MSH segment")
    if header.batch:  # FHS and BHS have no type and no version, and need no control id
        return None
    about_the_link = number in LINK_ONLY
    if not header.message_code and not about_the_link:
        return "no-message-type", AckError(code="101", location="MSH^1^9", text="message type missing")
    if feed.require_control_id and not header.control_id:
        return "no-control-id", AckError(code="101", location="MSH^1^10", text="MSH-10 is required")
    if feed.versions and journal_text(header.version) not in feed.versions:
        return "version", AckError(code="203", location="MSH^1^12", text="unsupported version")
    if feed.unknown_event == "reject" and not about_the_link:
        return _event_refusal(header, feed)
    return None


def _foreign(inbound: Inbound, header: Header, feed: IntakeFeed) -> tuple[str, AckError] | None:
    """A peer speaks for a sender that is not his: of every message of the unit."""
    if not feed.peers:
        return None
    for sender in senders_of(inbound.body, header):
        reason = refuse_sender(feed.peers, inbound.peer, inbound.names, sender)
        if reason is not None:
            text = "this peer may not send for this application and facility"
            return reason, AckError(code="103", location="MSH^1^3", text=text)
    return None


def _event_refusal(header: Header, feed: IntakeFeed) -> tuple[str, AckError] | None:
    code = journal_text(header.message_code)
    if f"{code}^{journal_text(header.trigger_event)}" in feed.known_events:
        return None
    if any(event.startswith(f"{code}^") for event in feed.known_events):
        return "unknown-event", AckError(code="201", location="MSH^1^9^1^2", text="unsupported event")
    return "unknown-event", AckError(code="200", location="MSH^1^9^1^1", text="unsupported message type")


def _admit_interchange(inbound: Inbound, feed: IntakeFeed) -> Admission:
    """Whatever has an ISA is taken in: the reader finds it wherever it stands, and answers a broken one with a TA1."""
    entry = _entry(inbound, feed)
    header = next(find_headers(inbound.body[:_ISA_WITHIN]), None)
    if inbound.broken or header is None:
        entry.rejected = inbound.broken or "no-interchange"
        return Admission(entry=entry)
    entry.sender = journal_text(header.sender.encode("utf-8", "surrogateescape"))
    entry.control_id = journal_text(header.control_number.encode("utf-8", "surrogateescape"))
    entry.message_type = _transaction_set(inbound.body[:2048], inbound.body[header.start + 3 : header.start + 4])
    entry.lanes = (payer_lane(header.sender),)
    if inbound.source is None and len(inbound.body) <= LARGE_BODY:
        entry.dedup_key = dedup_key(entry, None, inbound.identity)
        if feed.profile.unique_control_numbers:
            entry.further = tuple(
                number_key(entry.channel, one.sender, one.control_number) + entry.digest[:CONTENT]
                for one in islice(find_headers(inbound.body), 1, MOST_NUMBERS)
            )
    return Admission(entry=entry)


def _transaction_set(start: bytes, element_separator: bytes) -> str:
    """ST01 of the first transaction set, for lists; empty when it is not near the start."""
    _, found, rest = start.partition(b"ST" + element_separator)
    return journal_text(rest[:3]) if found and rest[:3].isdigit() else ""
