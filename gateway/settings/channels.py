"""Settings of one channel: how to listen, how to answer, how to read what arrives."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from gateway.settings.feed import FeedSection
from gateway.settings.section import Name as Name
from gateway.settings.section import Section as Section  # for the other modules of settings
from gateway.settings.tls import CallbackSection, ListenerTlsSection, PeerSection

MIB = 1024 * 1024


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("unknown time zone: use a name of the IANA table such as America/New_York") from None
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]
Port = Annotated[int, Field(ge=0, le=65535)]
EventPattern = Annotated[str, Field(pattern=r"^(\*|[a-z][a-z0-9-]*\.(\*|[a-z][a-z0-9-]*))$")]


def _known_network(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise ValueError("not a network: write 10.20.0.0/16 or a single address") from None
    return text


Network = Annotated[str, AfterValidator(_known_network)]


class ChannelSection(Section):
    """What every kind of channel has."""

    name: Name = Field(description="Name in events, logs, metrics and URLs: a-z, 0-9 and hyphen.")
    enabled: bool = Field(default=True, description="`false` keeps the channel configured and closed.")
    stage: Literal["load", "shadow", "live"] = Field(
        default="live",
        description="`load` keeps state and makes no tasks, for a first fill; so does `shadow`, whose tasks are "
        "computed and shown apart by `baton shadow`; `live` acts.",
    )
    gap_policy: Literal["gap", "block"] = Field(
        default="gap",
        description="After a parked message: `gap` lets the patient's later messages go on, `block` holds them.",
    )
    quiet_after: int = Field(
        default=0, ge=0, description="Seconds without a message before the feed is noticed; 0: never."
    )
    zone: Zone = Field(default="America/New_York", description="Time zone of times that carry no offset.")
    default_facility: str = Field(default="main", description="Facility of messages that name none of ours.")
    default_authority: str = Field(
        default="", description="Authority of identifiers without CX.4; empty: the channel's name."
    )
    trusted_links: tuple[str, ...] = Field(
        default=(), description="Authorities whose identifiers may name a patient of another authority."
    )

    def completed(self, root: str) -> Self:
        """This section with what depends on the data folder filled in."""
        return self

    def claims(self) -> list[tuple[str, object]]:
        """(key, value) that no other channel may have too."""
        return [("name", self.name)]

    def folders(self) -> list[tuple[str, str]]:
        """(key, folder) that must be writable."""
        return []


class MllpListener(FeedSection, ChannelSection):
    """HL7 v2 over MLLP: we listen, hospital engines connect."""

    kind: Literal["mllp-listener"] = Field(description="Selects this kind of channel.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: Port = Field(default=2575, description="TCP port; 0 takes a free one.")
    allow_plaintext: bool = Field(
        default=False, description="Must be `true` to listen off loopback without TLS: patient data in the clear."
    )
    tls: ListenerTlsSection | None = Field(default=None, description="Listen with TLS; without it in the clear.")
    peer: tuple[PeerSection, ...] = Field(
        default=(), description="Peers that may send, each for its own senders; empty: any peer for any sender."
    )
    max_frame: int = Field(default=16 * MIB, ge=1024, description="Largest frame in bytes; over it: AR, then close.")
    idle_timeout: float = Field(default=3600.0, ge=0, description="Seconds a peer may stay silent; 0: for ever.")
    frame_timeout: float = Field(default=30.0, gt=0, description="Seconds from the first byte of a frame to its last.")
    max_connections: int = Field(default=2000, ge=1, description="Open connections in all.")
    max_connections_per_peer: int = Field(default=256, ge=1, description="Open connections per peer address.")
    max_unanswered: int = Field(
        default=64, ge=1, description="Frames of one connection that may wait for their answer before reading pauses."
    )
    end: Literal["1C0D", "1C"] = Field(
        default="1C0D", description="End of a frame; `1C` for senders that never send 0D."
    )
    ack_mode: Literal["auto", "original", "enhanced"] = Field(
        default="auto",
        description="Which acknowledgement codes: by MSH-15 and MSH-16, always AA/AE/AR, or always CA/CE/CR.",
    )
    application_ack: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="In enhanced mode, a second answer after processing: by MSH-16, to every message, or never.",
    )
    application_ack_hold: float = Field(
        default=300.0, ge=0, description="Seconds that such an answer waits for a connection of its sender."
    )
    callback: CallbackSection | None = Field(
        default=None, description="Send application acknowledgements there; without it, on the message's connection."
    )
    unknown_event: Literal["accept", "reject"] = Field(
        default="accept", description="An event without a mapping: store and answer AA, or answer AR 201."
    )
    versions: tuple[str, ...] = Field(default=(), description="Accepted values of MSH-12; empty: any.")
    require_control_id: bool = Field(default=False, description="Answer AR 101 when MSH-10 is empty.")
    sequence_numbers: bool = Field(
        default=False,
        description="Use the sequence number protocol (MSH-13, MSA-4): each sender's numbers must be without a gap.",
    )
    batch_answer: Literal["one", "each"] = Field(
        default="one",
        description="A frame with a batch (FHS, BHS): one answer to the frame, or a batch with one for each message.",
    )
    on_store_timeout: Literal["close", "nak", "hold"] = Field(
        default="close",
        description="After `hold_seconds` without the store: close, answer AR or CE 207, or keep waiting.",
    )
    hold_seconds: float = Field(
        default=10.0, gt=0, description="How long an answer is kept back while the store is away."
    )
    split_lanes: int = Field(
        default=1, ge=1, le=1024, description="Lanes per assigning authority; more than 1 splits by patient."
    )

    def claims(self) -> list[tuple[str, object]]:
        return [*super().claims(), *([("port", self.port)] if self.port and self.enabled else [])]


class FileDrop(ChannelSection):
    """X12 (or HL7 batch) files from a folder."""

    kind: Literal["file-drop"] = Field(description="Selects this kind of channel.")
    folder: str = Field(default="", description="Folder to read; empty: `<data_dir>/<name>/in`.")
    out: str = Field(default="", description="Folder for answers (TA1, 999); empty: `<data_dir>/<name>/out`.")
    poll_seconds: float = Field(default=2.0, gt=0, description="Seconds between two looks at the folder.")
    notify: bool = Field(
        default=True,
        description="Look at once when the system tells of a new file (inotify); the looks go on beside it.",
    )
    stable_seconds: float = Field(default=2.0, ge=0, description="Seconds for which a file must not have changed.")
    max_file: int = Field(default=256 * MIB, ge=1024, description="Largest file in bytes.")
    usage: tuple[str, ...] = Field(
        default=("P",), description="Accepted values of ISA15; others are filtered as test messages."
    )
    payer_zone: Zone = Field(default="America/New_York", description="Time zone of X12 times.")
    unique_control_numbers: bool = Field(
        default=True,
        description="A sender's ISA13 again with other content is judged by the partner's `policy.duplicates`.",
    )

    def completed(self, root: str) -> Self:
        given = {"folder": self.folder or f"{root}/{self.name}/in", "out": self.out or f"{root}/{self.name}/out"}
        return self.model_copy(update=given)

    def claims(self) -> list[tuple[str, object]]:
        return [*super().claims(), ("folder", self.folder)]

    def folders(self) -> list[tuple[str, str]]:
        return [("folder", self.folder), ("out", self.out)]


class Webhook(ChannelSection):
    """Events, posted to an address as they happen."""

    kind: Literal["webhook"] = Field(description="Selects this kind of channel.")
    default_facility: str = Field(
        default="", description="Facility whose keys may see and pause it; empty: only keys of all facilities."
    )
    url: str = Field(max_length=2000, description="Where to post: `https://...`; no user, password or fragment.")
    types: tuple[EventPattern, ...] = Field(
        default=(), description="Event types: `task.created`, a family `task.*`; empty: all."
    )
    facilities: tuple[str, ...] = Field(default=(), description="Only events of these facilities; empty: all.")
    payload: Literal["reference", "full"] = Field(
        default="reference", description="Only our ids, or the whole event with patient data."
    )
    format: Literal["event", "fhir-notification"] = Field(
        default="event", description="CloudEvents, or Da Vinci unsolicited notifications (admit, discharge) in FHIR R4."
    )
    restricted: bool = Field(
        default=False, description="May see restricted patients in full; else their events are id, type and due time."
    )
