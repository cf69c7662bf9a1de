"""The few protocols that channels speak.  A channel knows bytes and peers; it knows no store, event, task or setting.

source       reads frames or files from a peer and hands each to `Intake.submit`
destination  takes rendered deliveries from the relay and says of each what became of it
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable


@dataclass(slots=True, frozen=True)
class Answer:
    """What the channel does for one inbound unit.

    `reply` goes to the peer as it is (None: nothing is sent).  `close`: end the connection after it.
    `accepted`: the unit is stored (a file may move to done/); False with `close`: our own outage, the peer sends again.
    `journal_id`: the row that holds it, 0 when there is none; of a copy `duplicate_of` is the row of the first.
    """

    reply: bytes | None = None
    close: bool = False
    accepted: bool = True
    sender: str = ""  # MSH-3|MSH-4 of a stored message: whom this connection speaks for
    journal_id: int = field(default=0, compare=False)
    duplicate_of: int | None = field(default=None, compare=False)


class BodyChanged(Exception):
    """A body is not what it was when it was announced: its file changed or went away.  It may come again."""


class BodySource(Protocol):
    """A body that is too large to be held (decision 8), read once and in order."""

    size: int

    def chunks(self) -> AsyncIterator[bytes]:
        """All of it, some 1 MiB at a time.  Raises BodyChanged, and what reading raises."""
        ...


HEAD = 128 << 10
"""Bytes with which a body begins that are held beside its source."""


@dataclass(slots=True)
class Inbound:
    """One frame or file as received, and where its answer goes.

    `answered` is called exactly once, in the event loop, after the commit that holds the bytes; for the frames of one
    connection in the order in which they were submitted.
    """

    channel: str
    peer: str  # "10.1.2.3:51234" or a file's name; never in logs above DEBUG when it is a file name
    received_at: datetime
    body: bytes
    answered: Callable[[Answer], None]
    broken: str | None = None  # framing said that this is no whole unit: truncated | oversize | noise
    kind: str = "hl7v2"  # hl7v2 | x12
    names: tuple[str, ...] = ()  # whom the peer's verified certificate names; () without mutual TLS
    source: BodySource | None = None  # of all of the body, of which `body` is the first `HEAD` bytes then
    identity: str = ""  # X12: the same content under another identity is no copy (decision 5: PayloadID in real time)


class Intake(Protocol):
    """Stores what a source received, then answers."""

    def submit(self, inbound: Inbound) -> None:
        """Take one unit.  Never raises and never blocks; the answer comes by `inbound.answered`."""
        ...

    @property
    def accepting(self) -> bool:
        """False while the store is away, the disk is short or the backlog is full: sources stop reading."""
        ...

    @property
    def full(self) -> bool:
        """True while there is no room even for one unit: the disk is short or the backlog is full."""
        ...

    def when_accepting(self, resume: Callable[[], None]) -> None:
        """Call `resume` once when `accepting` turns true again (at once when it is)."""
        ...


class Outcome(enum.Enum):
    """What became of one delivery."""

    CONFIRMED = "confirmed"
    RETURNED = "unrouted"  # the broker took it and no queue wanted it (decision 22)
    FAILED = "failed"  # nack or time-out: try again later
    REFUSED = "parked"  # the destination will never take it


@dataclass(slots=True, frozen=True)
class Postponed:
    """The destination refused a delivery for the `refusals`th time: as FAILED, and not again before `due`."""

    refusals: int
    due: datetime


Result = Outcome | Postponed


@dataclass(slots=True, frozen=True)
class Delivery:
    """One event or file for a destination.  `key` orders: deliveries of one key never overtake each other."""

    id: str  # event id or file name
    key: str
    routing_key: str
    body: bytes
    headers: dict[str, str]
    content_type: str = "application/json"
    refusals: int = 0  # so far, and when it was postponed to: as an earlier attempt's Postponed said
    due: datetime | None = None


class Destination(Protocol):
    """Takes batches; one result per delivery, in order.  Raises DeliveryError when it is away as a whole."""

    async def deliver(self, batch: Sequence[Delivery]) -> Sequence[Result]: ...

    async def close(self) -> None: ...


@runtime_checkable
class Stoppable(Protocol):
    """A destination that may stop by itself until a person lets it go on.  `stopped`: why, "" while it sends."""

    stopped: str

    def resume(self) -> None: ...


class DeliveryError(Exception):
    """The destination is away: nothing of the batch may be taken as delivered; try the whole batch again later."""
