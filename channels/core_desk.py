"""What a CORE endpoint does with an envelope that was checked: store first, then answer.

Real time: passed on to the payer's channel behind us and answered with what he says, or with our own AAA when he does
not in time; without such a channel, with the TA1 or 999 of the gateway.  Batch: a receipt, and retrieval of what was
made of it.  PayloadID is the key: the same request again gets the stored answer again (decision 5).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from channels.core_answers import Outgoing, Unavailable, answer_with, receipt
from channels.core_broker import Broker
from channels.core_partners import CorePartner
from channels.core_pickup import Mailbox, Pickup
from channels.core_ports import TIMED_OUT, Asked, Asker, Book, Exchange, NotAsked
from channels.offering import offer
from channels.ports import Intake
from parsers.core.checking import SUCCESS, EnvelopeError
from parsers.core.envelope import ACK_RETRIEVAL, REAL_TIME, RESULTS_ACK, SUBMIT, Envelope, Kind
from parsers.core.payloads import kind_of, use_of
from parsers.core.refusal import NO_ANSWER, UNABLE, unable_to_answer
from parsers.x12.header import find_headers
from parsers.x12.interchange import read_interchanges
from parsers.x12.readdressing import Route

log = logging.getLogger(__name__)

_LOOK = 0.5  # seconds between two looks for an answer of the pipeline when nothing wakes us
_NO_X12 = Outgoing(EnvelopeError("PayloadIllegal", "Payload is no X12 interchange."))


class Desk:
    """One endpoint's business.  `answer_seconds`: until a real-time answer must be there; the rest as of Broker."""

    def __init__(
        self,
        name: str,
        intake: Intake,
        book: Book,
        askers: Mapping[str, Asker],
        *,
        routes: Mapping[str, Sequence[Route]] = MappingProxyType({}),
        clock: Callable[[], datetime],
        answer_seconds: float = 20.0,
    ) -> None:
        self.name = name
        self.mailbox = Mailbox()
        self._intake = intake
        self._book = book
        self._broker = Broker(book, askers, routes)
        self._pickup = Pickup(name, book, self._broker)
        self._clock = clock
        self._answer_seconds = answer_seconds
        self._open: dict[str, asyncio.Future[Outgoing]] = {}
        self._late: set[asyncio.Task[Asked]] = set()

    async def handle(self, partner: CorePartner, envelope: Envelope, peer: str) -> Outgoing:
        """Answer one checked request.  Raises Unavailable."""
        kind = kind_of(envelope, partner.expectations.payload_types)
        assert kind is not None
        if kind in (REAL_TIME, SUBMIT):
            return await self._once(partner, envelope, kind, peer)
        if kind is RESULTS_ACK:
            return await self._take_acknowledgement(partner, envelope, peer)
        pick = self._pickup.acknowledgements if kind is ACK_RETRIEVAL else self._pickup.results
        return await pick(partner, envelope, self._key(partner, envelope))

    async def refuse(self, partner: CorePartner, envelope: Envelope, error: EnvelopeError) -> None:
        """Keep that a request was refused by its envelope."""
        await self._book.note(self._exchange(partner, envelope, self._clock(), error.code))

    def now(self) -> datetime:
        return self._clock()

    async def close(self) -> None:
        """Let go of requests whose answer comes late."""
        for task in list(self._late):
            task.cancel()
        if self._late:
            await asyncio.wait(self._late)

    # -- documents that come in ------------------------------------------------------------------------------------

    async def _once(self, partner: CorePartner, envelope: Envelope, kind: Kind, peer: str) -> Outgoing:
        """One PayloadID is worked on once at a time; a copy waits for the same answer."""
        key = self._key(partner, envelope)
        running = self._open.get(key)
        if running is not None:
            return await asyncio.shield(running)
        future: asyncio.Future[Outgoing] = asyncio.get_running_loop().create_future()
        self._open[key] = future
        try:
            made = await self._take(partner, envelope, kind, key, peer)
            future.set_result(made)
            return made
        except BaseException as problem:
            future.set_exception(problem if isinstance(problem, Unavailable) else Unavailable())
            future.exception()  # nobody may be waiting
            raise
        finally:
            del self._open[key]

    async def _take(self, partner: CorePartner, envelope: Envelope, kind: Kind, key: str, peer: str) -> Outgoing:
        started = self._clock()
        deadline = asyncio.get_running_loop().time() + self._answer_seconds
        document = envelope.payload or b""
        digest = hashlib.sha256(document).digest()
        known = await self._book.find(key)
        if known is not None and known.digest != digest:
            return Outgoing(EnvelopeError("PayloadIDIllegal", "This PayloadID was used for another payload."))
        if known is not None:
            again = await self._stored(partner, known, kind, document)
            if again is not None:
                return again
        journal_id, copy = await self._store(document, f"{partner.name}@{peer}", key)
        if journal_id == 0:
            return _NO_X12
        made = self._exchange(partner, envelope, started, SUCCESS)
        made.dedup_key, made.digest, made.request_journal_id = key, digest, journal_id
        made.control_number = _control_number(document)
        if kind is SUBMIT:
            outgoing = await self._pass_on(partner, envelope, journal_id)
        else:
            before = (
                await self._real_answer(partner, journal_id, document) if copy else None
            )  # we ended before this was noted
            outgoing = before or await self._answer(partner, envelope, made, deadline)
        made.answered_at = self._clock()
        await self._book.note(made)
        return outgoing

    async def _pass_on(self, partner: CorePartner, envelope: Envelope, journal_id: int) -> Outgoing:
        """A batch goes to the channel behind us, if there is one, before its exchange is noted: once in any case."""
        channel = partner.relay_of(envelope.get("ReceiverID"))
        document = envelope.payload or b""
        if channel is not None and not await self._broker.submit(channel, partner, document, journal_id):
            return Outgoing(EnvelopeError("PayloadIllegal", "Payload cannot be passed on with these separators."))
        return receipt(partner, "receipt")

    async def _store(self, document: bytes, peer: str, identity: str) -> tuple[int, bool]:
        """(journal row that holds a document, whether it was there before); 0 when it was refused for good."""
        if not self._intake.accepting:
            raise Unavailable
        answer = await offer(self._intake, self.name, peer, self._clock(), document, identity=identity)
        if not answer.accepted and answer.close:
            raise Unavailable
        if not answer.accepted:
            return 0, False
        return answer.duplicate_of or answer.journal_id, answer.duplicate_of is not None

    async def _stored(self, partner: CorePartner, known: Exchange, kind: Kind, document: bytes) -> Outgoing | None:
        """The answer that a request got before; None: it is to be worked on again."""
        if kind is SUBMIT:
            return receipt(partner, "receipt") if known.answered_at is not None else None
        journal_id = known.request_journal_id or 0
        real = await self._real_answer(partner, journal_id, document)
        if real is not None:
            return real
        replies = await self._book.replies_to(journal_id)
        return answer_with(partner, replies[-1].body) if replies and known.outcome else None

    async def _real_answer(self, partner: CorePartner, journal_id: int, document: bytes) -> Outgoing | None:
        """What the channel behind us answered to a request, also when that came too late."""
        real = await self._broker.answered(journal_id, document)
        return answer_with(partner, real) if real is not None else None

    # -- real time -------------------------------------------------------------------------------------------------

    async def _answer(self, partner: CorePartner, envelope: Envelope, made: Exchange, deadline: float) -> Outgoing:
        document = envelope.payload or b""
        channel = partner.relay_of(envelope.get("ReceiverID"))
        interchange = next(read_interchanges(document), None)
        if channel is None or not self._broker.serves(channel) or interchange is None or interchange.error:
            return await self._own_answer(partner, made, deadline)
        task: asyncio.Task[Asked] = asyncio.create_task(
            self._broker.ask(channel, partner, document, made.request_journal_id or 0)
        )
        self._late.add(task)
        task.add_done_callback(self._finish_late)
        done, _ = await asyncio.wait({task}, timeout=max(0.0, deadline - asyncio.get_running_loop().time()))
        if not done:
            log.warning("channel %s: no answer of %s in time; it is still waited for", self.name, channel)
            return await self._refusal(partner, made, document, NO_ANSWER)
        problem = task.exception()
        if problem is not None:
            code = problem.code if isinstance(problem, NotAsked) else type(problem).__name__
            log.warning("channel %s: %s was not asked: %s", self.name, channel, code)
            return await self._refusal(partner, made, document, UNABLE)
        asked = task.result()
        made.answer_journal_id = asked.journal_id
        if asked.document is None:
            return receipt(partner, "confirmed")
        return answer_with(partner, asked.document)

    def _finish_late(self, task: asyncio.Task[Asked]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # said above, or too late for anybody

    async def _own_answer(self, partner: CorePartner, made: Exchange, deadline: float) -> Outgoing:
        """The TA1 or 999 that the gateway makes of it."""
        journal_id = made.request_journal_id or 0
        if made.payload_type and (use_of(made.payload_type, partner.expectations.payload_types) or "") in (
            "999",
            "TA1",
        ):
            return receipt(partner, "confirmed")  # an acknowledgement is never acknowledged
        loop = asyncio.get_running_loop()
        while True:
            made_of_it = await self._pickup.replied(partner, journal_id)
            if made_of_it is not None:
                return made_of_it
            left = deadline - loop.time()
            if left <= 0:
                made.outcome = TIMED_OUT
                return Outgoing(EnvelopeError("Receiver", "No answer could be made in time; it is stored."))
            await self.mailbox.wait(min(left, _LOOK))

    async def _refusal(self, partner: CorePartner, made: Exchange, document: bytes, reason: str) -> Outgoing:
        """The X12 way to say that no answer came: AAA 42 or 80, resubmit later."""
        made.outcome = TIMED_OUT if reason == NO_ANSWER else "Receiver"
        body = unable_to_answer(document, reason, self._clock())
        if body is None:
            return Outgoing(EnvelopeError("Receiver", "The receiver could not be asked; send again later."))
        header = next(find_headers(document[:65536]), None)
        address = header.sender if header is not None else partner.name
        kind = "271" if b"HB" in body[:200] else "278"
        journal_id = made.request_journal_id or 0
        return answer_with(partner, await self._book.keep_answer(self.name, address, journal_id, kind, body))

    # -- batch -----------------------------------------------------------------------------------------------------

    async def _take_acknowledgement(self, partner: CorePartner, envelope: Envelope, peer: str) -> Outgoing:
        """The partner's TA1 or 999 to results that he picked up."""
        key = self._key(partner, envelope)
        journal_row, _ = await self._store(envelope.payload or b"", f"{partner.name}@{peer}", f"ack|{key}")
        if journal_row == 0:
            return _NO_X12
        await self._pickup.acknowledged(partner, key)
        return receipt(partner, "confirmed")

    # -- pieces ----------------------------------------------------------------------------------------------------

    def _key(self, partner: CorePartner, envelope: Envelope) -> str:
        payload_id = envelope.get("PayloadID").strip("{}").replace("-", "").lower()
        return f"in|{self.name}|{partner.name}|{payload_id}"

    def _exchange(self, partner: CorePartner, envelope: Envelope, started: datetime, outcome: str) -> Exchange:
        kind = kind_of(envelope, partner.expectations.payload_types)
        return Exchange(
            channel=self.name,
            partner=partner.name,
            direction="in",
            kind=kind.name if kind is not None else "",
            form=envelope.form,
            payload_type=envelope.get("PayloadType")[:100],
            payload_id=envelope.get("PayloadID")[:50],
            started_at=started,
            answered_at=self._clock(),
            outcome=outcome,
        )


def _control_number(document: bytes) -> str:
    header = next(find_headers(document[:65536]), None)
    return header.control_number[:20] if header is not None else ""
