"""The batch half of a CORE endpoint: what waits for a partner, and his acknowledgements of what he picked up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from channels.core_answers import Outgoing, answer_with, receipt
from channels.core_broker import Broker
from channels.core_partners import CorePartner
from channels.core_ports import Book, Exchange, Made
from channels.ports import Delivery, Outcome
from parsers.core.envelope import Envelope
from parsers.core.payloads import use_of, value_of

ACKNOWLEDGEMENTS = ("TA1", "999", "997")


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


class Pickup:
    """What waits on one channel.  `key` everywhere: the dedup key of the PayloadID that a request names."""

    def __init__(self, channel: str, book: Book, broker: Broker) -> None:
        self._channel = channel
        self._book = book
        self._broker = broker

    async def acknowledgements(self, partner: CorePartner, envelope: Envelope, key: str) -> Outgoing:
        """TA1 or 999 of a submission: of the one whose PayloadID is given, else of the oldest not picked up."""
        submission = await self._book.find(key)
        if submission is None:
            submission = await self._book.unfetched_submission(self._channel, partner.name)
        replies: list[Made] = []
        if submission is not None and submission.request_journal_id:
            made = await self._book.replies_to(submission.request_journal_id)
            replies = [each for each in made if each.kind in ACKNOWLEDGEMENTS]
        use = use_of(envelope.get("PayloadType"), partner.expectations.payload_types) or ""
        wanted = [each for each in replies if (each.kind == "TA1") == use.endswith("TA1")]
        chosen = wanted or replies
        if submission is None or not chosen:
            return receipt(partner, "none:ack")
        await self._book.mark([submission], fetched=True)
        kind = "TA1" if chosen[0].kind == "TA1" else "999"
        body = b"".join(each.body for each in chosen if (each.kind == "TA1") == (kind == "TA1"))
        return Outgoing(payload_type=value_of(kind, partner.expectations.payload_types), payload=body)

    async def results(self, partner: CorePartner, envelope: Envelope, key: str) -> Outgoing:
        """The oldest document that waits for this partner, of the submission whose PayloadID is given if it is one."""
        for waiting in await self._waiting(partner, key):
            document = await self._body(waiting)
            if document is not None:
                await self._book.mark([waiting], fetched=True)
                return Outgoing(payload_type=envelope.get("PayloadType"), payload=document)
        return receipt(partner, "none:results")

    async def acknowledged(self, partner: CorePartner, key: str) -> None:
        """A partner's TA1 or 999 came to what he picked up: it waits no more."""
        waiting = await self._waiting(partner, key)
        await self._book.mark([each for each in waiting if each.fetched_at is not None], confirmed=True)

    async def replied(self, partner: CorePartner, journal_id: int) -> Outgoing | None:
        """The gateway's own TA1 or 999 to a journal row, when it is made."""
        replies = [each for each in await self._book.replies_to(journal_id) if each.kind in ACKNOWLEDGEMENTS]
        return answer_with(partner, replies[-1].body) if replies else None

    async def _waiting(self, partner: CorePartner, key: str) -> list[Exchange]:
        submission = await self._book.find(key)
        journal_id = submission.request_journal_id if submission is not None else None
        return await self._book.documents(self._channel, partner.name, journal_id)

    async def _body(self, waiting: Exchange) -> bytes | None:
        if waiting.answer_journal_id is not None:
            return await self._broker.results(waiting.answer_journal_id, waiting.request_journal_id)
        found = await self._book.reply(waiting.reply_id) if waiting.reply_id is not None else None
        return found[0] if found is not None else None
