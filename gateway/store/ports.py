"""What the rest of the gateway may ask of a store.  Two stores speak it: `sqlite` and `postgres`.

The journey of one message, in store calls
    ingest          journal + work row (+ dedup key + ledger) in one synced commit, shared by many messages
    claim           the oldest pending work of the lanes that this worker holds
    Session.load    the state that a batch needs, with a fixed number of queries
    Session.commit  state, tasks, timers, events, outbox, ends; work rows go: one transaction
    outbox_claim / outbox_settle   what is still to be published, and what became of it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec


class StoreUnavailable(Exception):
    """The store is away or the disk is full: our own outage (decision 1).  The caller may try again."""


class UnsafeStore(Exception):
    """The store does not sync its commits: the gateway refuses to start on it (decision 30)."""


class SchemaMismatch(Exception):
    """The store's tables are of another version than this program: `baton migrate` brings them there."""


class WriteRefused(Exception):
    """The store refused a write by itself (a constraint, a value it cannot hold).  The text names table and constraint,
    never a value."""


class JournalEntry(msgspec.Struct, kw_only=True):
    """One received unit, before it is stored.  Text fields hold what the scan read, escaped so that any byte fits."""

    channel: str
    kind: str  # hl7v2 | x12
    facility_id: str
    peer: str
    received_at: datetime
    body: bytes  # empty when it is staged
    control_id: str = ""
    message_type: str = ""  # "ADT^A01", "271"
    sender: str = ""  # MSH-3|MSH-4, or ISA06
    further: tuple[bytes, ...] = ()  # X12: keys of the interchanges behind the first, to know their numbers by
    dedup_key: bytes | None = None  # gateway.admission.dedup_key; None: never a duplicate
    digest: bytes = b""  # SHA-256 of the body, where it was taken already
    lanes: tuple[int, ...] = ()  # empty: no work (rejected)
    rejected: str | None = None  # reason word: "no-header", "truncated" ...; ends the item at once
    acknowledgement: str = ""  # code answered: AA, CA, AR ...
    config_version: int = 0
    forward: tuple[tuple[str, str], ...] = ()  # (sink, ordering key): who else is sent this message
    sequence: int | None = None  # MSH-13, where the channel uses the sequence number protocol
    misfit: str = ""  # the code answered instead when that number is not the expected one
    staged: int = 0  # under which its parts are stored already; 0: `body` is all
    size: int = 0  # bytes of a staged body


class Stored(msgspec.Struct, kw_only=True):
    """What became of one entry.  `error` is set (and `journal_id` 0) only for a row that the store refused."""

    journal_id: int
    duplicate_of: int | None = None
    error: str | None = None
    same_id_as: int | None = None  # an earlier row of the sender with this control id and other content
    sequence: str = ""  # of its sequence number: a verdict of gateway.sequencing, or copy | repeat-differs
    expected: int | None = None  # MSA-4


class WorkItem(msgspec.Struct, kw_only=True, array_like=True):
    """One claimed piece of work.  kind: `read` (a journal body), `event` (hop 2: `payload` is the event),
    `timer` (payload: timer id)."""

    work_id: int
    journal_id: int
    item: int
    kind: str
    lanes: tuple[int, ...]
    channel: str
    source_kind: str  # hl7v2 | x12
    received_at: datetime
    attempts: int
    config_version: int
    control_id: str
    body: bytes  # journal body, or the payload of an event / timer row; of a body in parts, how far it was read
    replayed: bool = False
    repeated: bool = False  # X12: an earlier interchange of this sender has its control number and other content
    size: int = 0  # bytes of a body in parts, which is read part by part; 0: `body` is all


class Progress(msgspec.Struct, kw_only=True, array_like=True):
    """A body in parts was read up to `cursor`, and the rest is still to be read: the work row keeps its place."""

    work_id: int
    cursor: bytes


FURTHER = 1 << 30
"""Items from here on are no part of their message: work in other scopes that came of it.  A replay of the message takes
them back, for it sends them out anew."""


class NewWork(msgspec.Struct, kw_only=True, array_like=True):
    """Work that a commit adds (hop 2, retry, timer).  Gets a new work_id: it goes to the end of its lanes.

    `further`: an item of its own (FURTHER), counted as received; its number is the first from `item` on that its
    message has not got."""

    journal_id: int
    item: int
    kind: str
    lanes: tuple[int, ...]
    payload: bytes
    received_at: datetime
    channel: str
    replayed: bool = False  # as the work that it comes from (decision 23)
    further: bool = False


class ItemEnd(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """One item's end (decision 7): processed | filtered | duplicate | rejected | parked."""

    journal_id: int
    item: int
    end: str
    reason: str | None = None
    channel: str = ""


class Parked(msgspec.Struct, kw_only=True, array_like=True):
    """An item that needs a person: why, where it failed, and what a retry runs again."""

    journal_id: int
    item: int
    channel: str
    facility_id: str
    stage: str  # parse | map | match | decide | order | compute
    reason: str  # "no-patient-id", "unmatched", "worker-killed" ...
    detail: str  # for a person; never a value of the message
    attempts: int
    kind: str  # what a retry enqueues: read | event
    lanes: tuple[int, ...]
    payload: bytes = b""
    match_keys: tuple[str, ...] = ()  # "member:<id>", "trace:<id>": retried when one of these appears (decision 10)


class EventRow(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """One published event.  `body` is the CloudEvent as JSON, full payload."""

    event_id: str
    type: str
    facility_id: str
    patient_id: str
    aggregate: str
    aggregate_id: str
    revision: int
    journal_id: int
    item: int
    lane: int
    routing_key: str
    occurred_at: datetime
    recorded_at: datetime
    emitted_at: datetime
    restricted: bool
    body: bytes


class Reply(msgspec.Struct, kw_only=True, array_like=True):
    """An interchange of ours (an answer or a request): `body` with slots `{ISA13}`, `{GS06}` and `{ST02}`, which the
    commit fills with the next number of `partner`'s stored sequence and keeps beside it; delivered by `channel`."""

    journal_id: int
    channel: str
    partner: str
    kind: str  # TA1 | 999 | 997, or ST01 of a request
    body: bytes
    facility_id: str
    inquiry_id: str | None = None  # of a request of ours that is followed
    once: bool = False  # a body without slots, of which each journal row and kind has one, whatever is run again


class PayerWord(msgspec.Struct, kw_only=True, array_like=True):
    """What the newest answers of a payer say about the payer itself: `down` (42, 80), in so many answers, or not."""

    payer_id: str
    down: bool
    answers: int = 1


class WriteSet(msgspec.Struct, kw_only=True):
    """Everything one commit writes.

    `rows`: table name -> rows in column order, upserted by primary key (tables of `scope.STATE`).
    `appended`: table name -> rows of the append-only tables (transitions, task_changes, merges).
    `appeared`: match keys now known; parked answers waiting for one of them become work again.
    """

    rows: dict[str, list[list[Any]]] = msgspec.field(default_factory=dict)
    deleted_timers: list[str] = msgspec.field(default_factory=list)
    appended: dict[str, list[list[Any]]] = msgspec.field(default_factory=dict)
    events: list[EventRow] = msgspec.field(default_factory=list)
    done: list[int] = msgspec.field(default_factory=list)  # work ids
    progress: list[Progress] = msgspec.field(default_factory=list)
    ends: list[ItemEnd] = msgspec.field(default_factory=list)
    parked: list[Parked] = msgspec.field(default_factory=list)
    new_work: list[NewWork] = msgspec.field(default_factory=list)
    replies: list[Reply] = msgspec.field(default_factory=list)
    received: dict[str, int] = msgspec.field(default_factory=dict)  # channel -> further items found by reading
    appeared: list[str] = msgspec.field(default_factory=list)
    payers: list[PayerWord] = msgspec.field(default_factory=list)


class ScheduleQuery(msgspec.Struct, kw_only=True):
    """Whose visits a slot of a schedule may concern: at one facility those booked between `earliest` and `end` that
    last into `start`, and those on the waiting list, each with one of the resources named ("AIP:77").  Exact but for
    the resources: a visit that had one and lost it is found too."""

    work_id: int
    journal_id: int
    channel: str
    facility_id: str
    earliest: datetime
    start: datetime
    end: datetime
    booked: list[str]
    waiting: list[str]
    after: str = ""  # only patients whose id is greater


PATIENTS_AT_ONCE = 500
"""Most patients that one ScheduleQuery gives, in the order of their ids."""


class UsedNumber(msgspec.Struct, kw_only=True, array_like=True):
    """Whether the control number of an interchange, the `place`th of its body, was used before; `key` as in
    `limits.number_key`."""

    journal_id: int
    place: int
    key: bytes


class LoadRequest(msgspec.Struct, kw_only=True):
    """What a batch concerns."""

    identifiers: list[tuple[str, str]] = msgspec.field(default_factory=list)  # (authority, value)
    patient_ids: list[str] = msgspec.field(default_factory=list)
    members: list[str] = msgspec.field(default_factory=list)  # member ids of payers' answers
    traces: list[str] = msgspec.field(default_factory=list)  # traces, authorization and tracking numbers
    timers: list[str] = msgspec.field(default_factory=list)  # timer ids that fired
    controls: list[tuple[str, str]] = msgspec.field(default_factory=list)  # (partner, control number) of ours
    schedule: list[ScheduleQuery] = msgspec.field(default_factory=list)
    numbers: list[UsedNumber] = msgspec.field(default_factory=list)


class Loaded(msgspec.Struct, kw_only=True):
    """Rows as the database gives them, in column order: they decode into the records without being touched here.

    `identifiers`: rows of patient_identifiers that match; patients are loaded transitively through `merged_into`.
    `rows`: table name -> rows, for every patient that any key of the request resolves to.  Beside the tables
    `schedule`: (work id, patient id, lanes_json) of whom a ScheduleQuery finds, and `behind`: work ids of those queries
    whose channel still has messages to read that came before theirs: what these book is not to be seen yet; `used`:
    (journal id, place) of the interchanges whose numbers were used before.
    """

    rows: dict[str, list[Any]] = msgspec.field(default_factory=dict)
    lanes: dict[str, tuple[int, ...]] = msgspec.field(default_factory=dict)  # patient_id -> lanes (from lanes_json)


class Session(Protocol):
    """One claimed batch.  On PostgreSQL an open transaction that holds the lanes' locks; on SQLite the lane lock of the
    process.  Use `async with`; leaving without `commit` rolls back and frees the lanes."""

    items: Sequence[WorkItem]
    lanes: frozenset[int]  # held; empty on SQLite: all
    keeps_lanes: bool  # after a commit too: what `ahead` showed may then be committed next, without a new claim

    async def load(self, request: LoadRequest) -> Loaded: ...

    async def commit(self, writes: WriteSet) -> None: ...

    async def ahead(self, after: int, limit: int) -> Sequence[WorkItem]:
        """The work behind `after`, a work id, in the lanes held: seen, not claimed."""
        ...

    async def __aenter__(self) -> Session: ...

    async def __aexit__(self, *exc: object) -> None: ...


class OutboxItem(msgspec.Struct, kw_only=True, array_like=True):
    """One pending delivery: an event (sink `bus`) or a reply file (sink = channel name)."""

    sink: str
    sequence: int
    event_id: str
    key: str  # ordering key: patient id, or the partner
    routing_key: str
    type: str
    facility_id: str
    body: bytes
    restricted: bool = False
    peer: str = ""  # of an acknowledgement: who sent the message (journal.peer), and for whom (journal.sender)
    sender: str = ""
    refusals: int = 0  # by the endpoint of a webhook, and when it is tried again
    due_at: datetime | None = None


class Store(Protocol):
    """A durable store.  Every method may raise StoreUnavailable."""

    @property
    def last_write_ms(self) -> float:
        """How long the newest write of a session kept every other writer waiting, without its sync, which a small one
        needs as well; 0 where writers do not wait for each other."""
        ...

    async def open(self) -> None:
        """Connect, check that commits are synced (else UnsafeStore), check the schema version."""
        ...

    async def close(self) -> None: ...

    async def maintain(self) -> list[str]:
        """Housekeeping that must not be forgotten; what is wrong inside the store, in words for a person."""
        ...

    async def ingest(self, entries: Sequence[JournalEntry]) -> list[Stored]:
        """Store a batch in one synced commit; returns when it is durable.  One bad row never fails its neighbours."""
        ...

    async def claim(
        self, limit: int, *, only_lanes: frozenset[int] | None = None, up_to: int | None = None
    ) -> Session | None:
        """Claim up to `limit` items in work_id order; None when there is none to be had now.

        `only_lanes` with `up_to`: lock exactly these lanes, waiting, in ascending order, and drain them up to and past
        work id `up_to` (rule 3 of the merge protocol)."""
        ...

    async def claim_patient(self, patient_id: str, further: frozenset[int] = frozenset()) -> Session:
        """An empty session that holds the lanes of one patient (of all that were merged into him), for a command."""
        ...

    async def hold(self, lanes: frozenset[int]) -> Session:
        """A session without items that holds these lanes, waiting for them."""
        ...

    async def body_part(self, journal_id: int, number: int) -> bytes | None:
        """One part of a body, counted from 0; None behind the last.  Of one that is not kept in parts it is all."""
        ...

    async def patient_lanes(self, patient_id: str) -> frozenset[int]: ...

    async def failed_attempt(self, work_ids: Sequence[int]) -> None:
        """Commit one more attempt for these items, before they are tried again."""
        ...

    async def due_timers(self, now: datetime, limit: int, horizons: Mapping[str, datetime]) -> int:
        """Turn due timers into work at the end of their lanes (decision 17); returns how many.

        `horizons`: of these channels only timers with `fire_at` up to the moment given (their feeds are catching up).
        Never those whose lane still has work received before they fire."""
        ...

    async def fact(self, name: str) -> str | None:
        """A fact of the installation: `last_alive` ..."""
        ...

    async def set_fact(self, name: str, value: str) -> None: ...

    async def salt(self) -> bytes:
        """Secret of this installation, made once."""
        ...

    async def outbox_claim(self, sink: str, limit: int) -> list[OutboxItem]:
        """Pending deliveries of one sink in commit order; the caller is the only relay of that sink (lock)."""
        ...

    async def outbox_settle(self, sink: str, outcomes: Sequence[tuple[int, str]]) -> None:
        """(sequence, confirmed | unrouted | parked): the row goes, the ledger counts it."""
        ...

    async def outbox_postpone(self, sink: str, postponed: Sequence[tuple[int, int, datetime]]) -> None:
        """(sequence, how often it was refused and when it is due): kept with the row, over a restart."""
        ...
