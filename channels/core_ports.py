"""What the CORE channels speak to: the book of exchanges, and who asks a payer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

TIMED_OUT = "TimedOut"
"""Outcome of a real-time request that got our own answer because the payer's did not come in time."""

BATCH = "batch"
"""Kind of a document that is passed on as the batch that it came as; its delivery's id begins so."""

RELAYED = "relayed"
"""Kind of a real-time request as it was passed on under our own address."""

DOWN = "down"
"""Kind and outcome of a row that says from when to when an endpoint could not be called."""

DOCUMENT = "document"
"""Kind of an exchange row that stands for something a partner may pick up."""


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request and its answer.

    direction: in (a partner asked us) | out (we asked).  kind: real-time | submit | ack-retrieval |
    results-retrieval | results-ack | document.  outcome: Success, an error code, `TimedOut`, or empty while it is open.
    `fetched_at`, `confirmed_at`: of a submission, its acknowledgement and its results were picked up; of a document, it
    was picked up and acknowledged.
    """

    channel: str
    partner: str
    direction: str
    kind: str
    form: str
    payload_type: str
    payload_id: str
    started_at: datetime
    outcome: str = ""
    answered_at: datetime | None = None
    dedup_key: str | None = None
    digest: bytes | None = None
    control_number: str = ""
    request_journal_id: int | None = None
    answer_journal_id: int | None = None
    reply_id: int | None = None
    fetched_at: datetime | None = None
    confirmed_at: datetime | None = None
    exchange_id: int = 0


@dataclass(slots=True, frozen=True)
class Made:
    """An answer to a stored interchange.  kind: TA1 | 999 | 997 | 271 | 278."""

    reply_id: int
    kind: str
    body: bytes
    created_at: datetime


@dataclass(slots=True, frozen=True, kw_only=True)
class Passage:
    """A document to be passed on.  kind: BATCH (queued) | RELAYED (sent at once).

    `numbers`: how many control numbers in a row of our sequence at `address` it wants; `make` gives the document from
    the first of them (0 where none is wanted)."""

    channel: str
    partner: str
    journal_id: int
    kind: str
    make: Callable[[int], bytes]
    address: str = ""
    numbers: int = 0


class Book(Protocol):
    """Keeps exchanges and finds documents.  Every method may raise when the store is away."""

    async def note(self, exchange: Exchange) -> int:
        """Keep it; one of the same `dedup_key` is replaced.  Its id."""
        ...

    async def find(self, dedup_key: str) -> Exchange | None: ...

    async def answer_of(self, journal_id: int) -> Exchange | None:
        """The exchange that brought this journal row as its answer."""
        ...

    async def answered(self, journal_id: int) -> Exchange | None:
        """The exchange of ours that passed this journal row on and got an answer."""
        ...

    async def submission_of(self, journal_id: int) -> Exchange | None:
        """The submission of a partner that this journal row holds."""
        ...

    async def open_submissions(self, channel: str) -> list[Exchange]:
        """Batches that we sent and whose acknowledgement or results have not come."""
        ...

    async def unfetched_submission(self, channel: str, partner: str) -> Exchange | None: ...

    async def documents(self, channel: str, partner: str, journal_id: int | None) -> list[Exchange]:
        """What waits for a partner, the oldest first."""
        ...

    async def mark(self, exchanges: list[Exchange], *, fetched: bool = False, confirmed: bool = False) -> None: ...

    async def replies_to(self, journal_id: int) -> list[Made]: ...

    async def reply(self, reply_id: int) -> tuple[bytes, int] | None:
        """(body, journal row that it answers)."""
        ...

    async def relay(self, passage: Passage) -> bytes:
        """Keep what a stored document is passed on as, and queue a batch: once for its journal row and channel.

        Gives that document, the same when it is passed on again."""
        ...

    async def relayed_as(self, journal_id: int) -> int | None:
        """The first control number that it was passed on with, where it got others."""
        ...

    async def body(self, journal_id: int) -> bytes | None: ...

    async def last_open(self, channel: str) -> datetime | None:
        """When this endpoint was last known to answer calls."""
        ...

    async def set_open(self, channel: str, moment: datetime) -> None: ...

    async def keep_answer(self, channel: str, partner: str, journal_id: int, kind: str, body: bytes) -> bytes:
        """Keep an answer that we made, with control numbers in its slots; the body with them."""
        ...


class NotAsked(Exception):
    """No answer came.  `later`: it may another time; `code`: the other side's error code, or ours."""

    def __init__(self, code: str, text: str, *, later: bool) -> None:
        super().__init__(text)
        self.code = code
        self.later = later


@dataclass(slots=True, frozen=True)
class Asked:
    """A payer's answer, stored.  `document` None: he confirmed the receipt and sent nothing."""

    document: bytes | None
    journal_id: int | None


class Asker(Protocol):
    """Passes a request on in real time and stores what comes back.  Raises NotAsked."""

    async def ask(self, document: bytes, request_journal_id: int | None = None) -> Asked: ...
