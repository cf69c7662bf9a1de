"""Between a partner and the payer behind us: passed on as it came or under our own address, the answer as if asked.

Which of both is the partner's setting.  Under our own address a document has control numbers of our sequence at that
payer, the same again when it is passed on again; its answer gets the partner's addresses and numbers back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from channels.core_partners import CorePartner
from channels.core_ports import BATCH, RELAYED, Asked, Asker, Book, NotAsked, Passage
from parsers.x12.header import find_headers
from parsers.x12.readdressing import Route, addressable, back, forward, numbers_wanted


class Broker:
    """`askers` by channel name; `routes`: how we are known at the partners of each channel."""

    def __init__(self, book: Book, askers: Mapping[str, Asker], routes: Mapping[str, Sequence[Route]]) -> None:
        self._book = book
        self._askers = askers
        self._routes = routes

    def serves(self, channel: str | None) -> bool:
        """Whether requests can be passed on there in real time."""
        return channel in self._askers

    async def ask(self, channel: str, partner: CorePartner, document: bytes, journal_id: int) -> Asked:
        """Ask in real time; the answer as the partner is to have it.  Raises NotAsked."""
        passage = await asyncio.to_thread(self._passage, channel, partner, document, journal_id, RELAYED)
        if passage is None:
            raise NotAsked("unaddressable", "the document cannot have our addresses", later=False)
        if not passage.numbers:
            return await self._askers[channel].ask(document, journal_id)
        sent = await self._book.relay(passage)
        asked = await self._askers[channel].ask(sent, journal_id)
        return Asked(await self._restored(asked.document, journal_id, document), asked.journal_id)

    async def answered(self, journal_id: int, document: bytes) -> bytes | None:
        """What was answered to a request that was passed on, also when that came too late."""
        real = await self._book.answered(journal_id)
        if real is None or real.answer_journal_id is None:
            return None
        return await self._restored(await self._book.body(real.answer_journal_id), journal_id, document)

    async def submit(self, channel: str, partner: CorePartner, document: bytes, journal_id: int) -> bool:
        """Queue a batch, once; False: it cannot have our addresses."""
        passage = await asyncio.to_thread(self._passage, channel, partner, document, journal_id, BATCH)
        if passage is not None:
            await self._book.relay(passage)
        return passage is not None

    async def results(self, answer_journal_id: int, journal_id: int | None) -> bytes | None:
        """What came to a batch that was passed on."""
        body = await self._book.body(answer_journal_id)
        document = await self._book.body(journal_id) if journal_id is not None else None
        return await self._restored(body, journal_id or 0, document or b"")

    async def _restored(self, answer: bytes | None, journal_id: int, document: bytes) -> bytes | None:
        first = await self._book.relayed_as(journal_id) if answer is not None else None
        if answer is None or first is None or not document:
            return answer
        return await asyncio.to_thread(back, answer, document, first)

    def _passage(
        self, channel: str, partner: CorePartner, document: bytes, journal_id: int, kind: str
    ) -> Passage | None:
        routes = self._routes.get(channel, ()) if partner.relay_as == "gateway" else ()
        header = next(find_headers(document), None)
        if not routes or header is None:
            return Passage(
                channel=channel, partner=partner.name, journal_id=journal_id, kind=kind, make=lambda first: document
            )
        route = next((each for each in routes if each.receiver.id == header.receiver), routes[0])
        if not addressable(document, route):
            return None
        return Passage(
            channel=channel,
            partner=partner.name,
            journal_id=journal_id,
            kind=kind,
            make=lambda first: forward(document, route, first),
            address=route.receiver.id,
            numbers=numbers_wanted(document),
        )
