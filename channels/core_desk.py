"""What a CORE endpoint does with an envelope that was checked: store first, then answer.

Real time: passed on to the payer's channel behind us and answered with what he says, or with our own AAA when he does
not in time; without such a channel, with the TA1 or 999 of the gateway.  Batch: a receipt, and retrieval of what was
made of it.  PayloadID is the key: the same request again gets the stored answer again (decision 5).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from channels.core_partners import CorePartner
from channels.core_ports import BATCH, TIMED_OUT, Asked, Asker, Book, Exchange, Made, NotAsked
from channels.ports import Answer, Delivery, Inbound, Intake, Outcome
from parsers.core.checking import NONE, SUCCESS, EnvelopeError
from parsers.core.envelope import ACK_RETRIEVAL, REAL_TIME, RESULTS_ACK, SUBMIT, Envelope, Kind
from parsers.core.payloads import kind_of, use_of, use_of_document, value_of
from parsers.core.refusal import NO_ANSWER, UNABLE, unable_to_answer
from parsers.x12.header import find_headers
from parsers.x12.interchange import read_interchanges

log = logging.getLogger(__name__)

_LOOK = 0.5  # seconds between two looks for an answer of the pipeline when nothing wakes us
_ACKNOWLEDGEMENTS = ("TA1", "999", "997")


class Unavailable(Exception):
    """Our own outage: nothing was promised, the partner sends again."""


@dataclass(slots=True, frozen=True)
class Outgoing:
    """What goes back: an error, or a document (or none) under a payload type."""

    error: EnvelopeError | None = None
    payload_type: str = ""
    payload: bytes | None = None


class Mailbox:
    """`channels.ports.Destination` of an endpoint: answers stay in the store until they are fetched."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    async def deliver(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Everything is delivered by being there; who waits looks again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        return [Outcome.CONFIRMED] * len(batch)

    async def wait(self, seconds: float) -> None:
        """Until something new is there, or `seconds` are over."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def close(self) -> None:
        """Nothing is kept open."""


class Desk:
    """One endpoint's business.  `askers` by channel name; `answer_seconds`: until a real-time answer must be there."""

    def __init__(
        self,
        name: str,
        intake: Intake,
        book: Book,
        askers: Mapping[str, Asker],
        *,
        clock: Callable[[], datetime],
        answer_seconds: float = 20.0,
    ) -> None:
        self.name = name
        self.mailbox = Mailbox()
        self._intake = intake
        self._book = book
        self._askers = askers
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
        return await (self._acknowledgements if kind is ACK_RETRIEVAL else self._results)(partner, envelope)

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
            again = await self._stored(partner, known, kind)
            if again is not None:
                return again
        journal_id, copy = await self._store(document, f"{partner.name}@{peer}", key)
        if journal_id == 0:
            return Outgoing(EnvelopeError("PayloadIllegal", "Payload is no X12 interchange."))
        made = self._exchange(partner, envelope, started, SUCCESS)
        made.dedup_key, made.digest, made.request_journal_id = key, digest, journal_id
        made.control_number = _control_number(document)
        if kind is SUBMIT:
            outgoing = await self._pass_on(partner, envelope, journal_id)
        else:
            before = await self._real_answer(partner, journal_id) if copy else None  # we ended before this was noted
            outgoing = before or await self._answer(partner, envelope, made, deadline)
        made.answered_at = self._clock()
        await self._book.note(made)
        return outgoing

    async def _pass_on(self, partner: CorePartner, envelope: Envelope, journal_id: int) -> Outgoing:
        """A batch goes to the channel behind us, if there is one, before its exchange is noted: once in any case."""
        channel = partner.relay_of(envelope.get("ReceiverID"))
        if channel is not None:
            await self._book.pass_on(channel, partner.name, journal_id, BATCH, envelope.payload or b"")
        return self._receipt(partner, "receipt")

    async def _store(self, document: bytes, peer: str, identity: str) -> tuple[int, bool]:
        """(journal row that holds a document, whether it was there before); 0 when it was refused for good."""
        if not self._intake.accepting:
            raise Unavailable
        stored: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def answered(answer: Answer) -> None:
            if not stored.done():
                stored.set_result(answer)

        inbound = Inbound(self.name, peer, self._clock(), document, answered, kind="x12", identity=identity)
        self._intake.submit(inbound)
        answer = await stored
        if not answer.accepted and answer.close:
            raise Unavailable
        if not answer.accepted:
            return 0, False
        return answer.duplicate_of or answer.journal_id, answer.duplicate_of is not None

    async def _stored(self, partner: CorePartner, known: Exchange, kind: Kind) -> Outgoing | None:
        """The answer that a request got before; None: it is to be worked on again."""
        if kind is SUBMIT:
            return self._receipt(partner, "receipt") if known.answered_at is not None else None
        journal_id = known.request_journal_id or 0
        real = await self._real_answer(partner, journal_id)
        if real is not None:
            return real
        replies = await self._book.replies_to(journal_id)
        return self._document(partner, replies[-1].body) if replies and known.outcome else None

    async def _real_answer(self, partner: CorePartner, journal_id: int) -> Outgoing | None:
        """What the channel behind us answered to a request, also when that came too late."""
        real = await self._book.answered(journal_id)
        if real is None or real.answer_journal_id is None:
            return None
        document = await self._book.body(real.answer_journal_id)
        return self._document(partner, document) if document is not None else None

    # -- real time -------------------------------------------------------------------------------------------------

    async def _answer(self, partner: CorePartner, envelope: Envelope, made: Exchange, deadline: float) -> Outgoing:
        document = envelope.payload or b""
        channel = partner.relay_of(envelope.get("ReceiverID"))
        asker = self._askers.get(channel) if channel else None
        interchange = next(read_interchanges(document), None)
        if asker is None or interchange is None or interchange.error:
            return await self._own_answer(partner, made, deadline)
        task: asyncio.Task[Asked] = asyncio.create_task(_quiet(asker.ask(document, made.request_journal_id)))
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
            return self._receipt(partner, "confirmed")
        return self._document(partner, asked.document)

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
            return self._receipt(partner, "confirmed")  # an acknowledgement is never acknowledged
        loop = asyncio.get_running_loop()
        while True:
            replies = [each for each in await self._book.replies_to(journal_id) if each.kind in _ACKNOWLEDGEMENTS]
            if replies:
                return self._document(partner, replies[-1].body)
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
        return self._document(partner, await self._book.keep_answer(self.name, address, journal_id, kind, body))

    # -- batch -----------------------------------------------------------------------------------------------------

    async def _acknowledgements(self, partner: CorePartner, envelope: Envelope) -> Outgoing:
        """TA1 or 999 of a submission: of the one whose PayloadID is given, else of the oldest not picked up."""
        submission = await self._book.find(self._key(partner, envelope))
        if submission is None:
            submission = await self._book.unfetched_submission(self.name, partner.name)
        replies: list[Made] = []
        if submission is not None and submission.request_journal_id:
            made = await self._book.replies_to(submission.request_journal_id)
            replies = [each for each in made if each.kind in _ACKNOWLEDGEMENTS]
        use = use_of(envelope.get("PayloadType"), partner.expectations.payload_types) or ""
        wanted = [each for each in replies if (each.kind == "TA1") == use.endswith("TA1")]
        chosen = wanted or replies
        if submission is None or not chosen:
            return Outgoing(payload_type=value_of("none:ack", partner.expectations.payload_types))
        await self._book.mark([submission], fetched=True)
        kind = "TA1" if chosen[0].kind == "TA1" else "999"
        body = b"".join(each.body for each in chosen if (each.kind == "TA1") == (kind == "TA1"))
        return Outgoing(payload_type=value_of(kind, partner.expectations.payload_types), payload=body)

    async def _results(self, partner: CorePartner, envelope: Envelope) -> Outgoing:
        """The oldest document that waits for this partner, of the submission whose PayloadID is given if it is one."""
        submission = await self._book.find(self._key(partner, envelope))
        journal_id = submission.request_journal_id if submission is not None else None
        for waiting in await self._book.documents(self.name, partner.name, journal_id):
            document = await self._body(waiting)
            if document is not None:
                await self._book.mark([waiting], fetched=True)
                return Outgoing(payload_type=envelope.get("PayloadType"), payload=document)
        return Outgoing(payload_type=value_of("none:results", partner.expectations.payload_types))

    async def _take_acknowledgement(self, partner: CorePartner, envelope: Envelope, peer: str) -> Outgoing:
        """The partner's TA1 or 999 to results that he picked up."""
        key = self._key(partner, envelope)
        journal_row, _ = await self._store(envelope.payload or b"", f"{partner.name}@{peer}", f"ack|{key}")
        if journal_row == 0:
            return Outgoing(EnvelopeError("PayloadIllegal", "Payload is no X12 interchange."))
        submission = await self._book.find(key)
        journal_id = submission.request_journal_id if submission is not None else None
        waiting = await self._book.documents(self.name, partner.name, journal_id)
        await self._book.mark([each for each in waiting if each.fetched_at is not None], confirmed=True)
        return self._receipt(partner, "confirmed")

    async def _body(self, waiting: Exchange) -> bytes | None:
        if waiting.answer_journal_id is not None:
            return await self._book.body(waiting.answer_journal_id)
        found = await self._book.reply(waiting.reply_id) if waiting.reply_id is not None else None
        return found[0] if found is not None else None

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

    @staticmethod
    def _receipt(partner: CorePartner, use: str) -> Outgoing:
        return Outgoing(payload_type=value_of(use, partner.expectations.payload_types))

    @staticmethod
    def _document(partner: CorePartner, document: bytes) -> Outgoing:
        use = use_of_document(document) or "999"
        try:
            payload_type = value_of(use, partner.expectations.payload_types)
        except KeyError:  # something else that a payer sent: named as the nearest that we know
            payload_type = value_of("271", partner.expectations.payload_types)
        return Outgoing(payload_type=payload_type, payload=document)


def response_fields(envelope: Envelope, outgoing: Outgoing, now: datetime) -> dict[str, str]:
    """The fields of a response: addresses exchanged, PayloadID echoed, our time."""
    error = outgoing.error
    return {
        "PayloadType": outgoing.payload_type if error is None else value_of("error"),
        "ProcessingMode": envelope.get("ProcessingMode"),
        "PayloadID": envelope.get("PayloadID")[:50],
        "TimeStamp": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "SenderID": envelope.get("ReceiverID")[:50],
        "ReceiverID": envelope.get("SenderID")[:50],
        "CORERuleVersion": "2.2.0",
        "ErrorCode": error.code if error is not None else SUCCESS,
        "ErrorMessage": error.text if error is not None else NONE,
    }


async def _quiet(asking: Coroutine[Any, Any, Asked]) -> Asked:
    return await asking


def _control_number(document: bytes) -> str:
    header = next(find_headers(document[:65536]), None)
    return header.control_number[:20] if header is not None else ""
