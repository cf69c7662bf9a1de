"""What the gateway and its compute process say to each other: MessagePack, one request, one response.

A batch is spoken of twice.  `Read` turns stored bytes into events and names the keys whose state is needed; `Decide`
brings that state and gets back everything to write.  The readings of a batch stay in the compute process in between.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.compute.answering import AnswerRule
from gateway.coordination.changes import Adopt, Ask, Command, CoordinationSettings, Link, Silence, Undo
from gateway.coordination.records import (
    Appointment,
    Authorization,
    Coverage,
    Encounter,
    EncounterLocation,
    Inquiry,
    Patient,
    PatientIdentifier,
    Task,
    Timer,
)
from gateway.store.ports import LoadRequest, WorkItem, WriteSet
from mappings.events import CanonicalEvent
from mappings.profile import FeedProfile

EVENT_ENCODER = msgspec.msgpack.Encoder()
EVENT_DECODER = msgspec.msgpack.Decoder(CanonicalEvent)
"""An event as the payload of a second hop."""


class Configure(msgspec.Struct, kw_only=True, tag="configure"):
    """Sent once after start and after each reload (decision 28)."""

    profiles: dict[str, FeedProfile]
    coordination: dict[str, CoordinationSettings]  # by channel; "" for timers and commands
    gap_policy: dict[str, str]  # channel -> gap | block
    salt: bytes
    version: int
    answering: dict[str, AnswerRule] = msgspec.field(default_factory=dict)  # channels that may answer twice
    packages: list[str] = msgspec.field(default_factory=list)  # modules to import: the tests' poison
    site_rules: str = ""  # file or folder of a site's own rules


class Read(msgspec.Struct, kw_only=True, tag="read"):
    """`group`: of a body in parts so many items at most."""

    items: list[WorkItem]
    group: int = 256


class NeedPart(msgspec.Struct, kw_only=True, tag="need-part"):
    """The reading cannot go on without this part of a body; it waits for a `Part`."""

    journal_id: int
    part: int


class Part(msgspec.Struct, kw_only=True, tag="part"):
    """Empty: there is none."""

    body: bytes


class ItemKeys(msgspec.Struct, kw_only=True, array_like=True):
    """What one item needs loaded, in the order of the request."""

    work_id: int
    identifiers: list[tuple[str, str]] = msgspec.field(default_factory=list)


class ReadDone(msgspec.Struct, kw_only=True, tag="read-done"):
    request: LoadRequest
    keys: list[ItemKeys]


class StateRows(msgspec.Struct, kw_only=True):
    """Rows as the store gave them; decoding makes records of them."""

    patients: list[Patient] = msgspec.field(default_factory=list)
    patient_identifiers: list[PatientIdentifier] = msgspec.field(default_factory=list)
    encounters: list[Encounter] = msgspec.field(default_factory=list)
    encounter_locations: list[EncounterLocation] = msgspec.field(default_factory=list)
    appointments: list[Appointment] = msgspec.field(default_factory=list)
    coverages: list[Coverage] = msgspec.field(default_factory=list)
    authorizations: list[Authorization] = msgspec.field(default_factory=list)
    tasks: list[Task] = msgspec.field(default_factory=list)
    timers: list[Timer] = msgspec.field(default_factory=list)
    inquiries: list[Inquiry] = msgspec.field(default_factory=list)
    used: list[tuple[int, int]] = msgspec.field(default_factory=list)  # journal id, place of an interchange
    sent: list[tuple[str, int, str, str]] = msgspec.field(default_factory=list)  # partner, number, inquiry, patient
    schedule: list[tuple[int, str, str]] = msgspec.field(default_factory=list)  # work, patient, lanes_json
    behind: list[int] = msgspec.field(default_factory=list)  # work whose schedule query came too early


class Decide(msgspec.Struct, kw_only=True, tag="decide"):
    """`count`: decide only the first so many items of the batch that was read.  `follows`: upon what the decisions
    before this request left, which `rows` need not show yet."""

    count: int
    rows: StateRows
    now: datetime
    follows: bool = False


class Act(msgspec.Struct, kw_only=True, tag="act"):
    """A person's command on one task, or what the gateway itself noticed: no reading before it."""

    command: Command | Ask | Adopt | Undo | Link | Silence
    rows: StateRows
    now: datetime


class ItemDone(msgspec.Struct, kw_only=True, array_like=True):
    work_id: int
    outcome: str
    reason: str | None = None


class Decided(msgspec.Struct, kw_only=True, tag="decided"):
    """`done` covers the items whose effects are in `writes`; an item that raised ends the batch before it and is parked
    with it, the rest is to be claimed again."""

    writes: WriteSet
    done: list[ItemDone]
    recorded: dict[str, datetime] = msgspec.field(default_factory=dict)  # channel -> newest recorded_at decided
    rule_failures: list[tuple[str, str]] = msgspec.field(default_factory=list)


class Refused(msgspec.Struct, kw_only=True, tag="refused"):
    """The request itself failed: a defect of ours.  `error` is a class name and a place, never a value."""

    error: str


Request = Configure | Read | Part | Decide | Act


class Configured(msgspec.Struct, kw_only=True, tag="configured"):
    """`faults`: site rules that were left out, and why."""

    version: int
    faults: list[str] = msgspec.field(default_factory=list)


Answer = ReadDone | NeedPart | Decided | Refused | Configured
