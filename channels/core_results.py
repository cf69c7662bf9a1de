"""Batches that we gave to a payer: his acknowledgement and his results are asked for until they are there."""

from __future__ import annotations

import logging
from datetime import timedelta

from channels.core_calls import Calls
from channels.core_ports import DOCUMENT, Exchange, NotAsked
from parsers.core.envelope import ACK_RETRIEVAL, RESULTS_RETRIEVAL, Kind
from parsers.core.payloads import value_of

log = logging.getLogger(__name__)


class ResultsPoller(Calls):
    """A source of the gateway: what it fetches is taken in like a file from the payer."""

    async def look(self) -> bool:
        """Ask once for everything that is outstanding."""
        oldest = self.clock() - timedelta(seconds=self.settings.results_for)
        for submission in await self.book.open_submissions(self.settings.name):
            if submission.started_at < oldest:
                day = submission.started_at.date()
                log.error("channel %s: a batch of %s has no results", self.settings.name, day)
                await self.book.mark([submission], fetched=True, confirmed=True)
                continue
            try:
                await self._fetch(submission)
            except NotAsked:
                break  # said when it happened
        return False

    async def _fetch(self, submission: Exchange) -> None:
        if submission.fetched_at is None:
            for use in ("retrieval:999", "retrieval:TA1"):
                if await self._retrieve(ACK_RETRIEVAL, use, submission):
                    await self.book.mark([submission], fetched=True)
                    break
        results = "results:277" if "276" in submission.payload_type else "results:271"
        if await self._retrieve(RESULTS_RETRIEVAL, results, submission):
            await self.book.mark([submission], confirmed=True)

    async def _retrieve(self, kind: Kind, use: str, submission: Exchange) -> bool:
        payload_type = value_of(use, self.settings.server.payload_types)
        fields = self.line.fields(kind, payload_type, None, submission.payload_id)
        started = self.clock()
        envelope = await self.send(kind, fields, None)
        if not envelope.payload:
            return False
        made = self.exchange(kind, fields, None, submission.request_journal_id)
        made.started_at, made.answered_at, made.outcome = started, self.clock(), "Success"
        made.answer_journal_id = await self.store(envelope.payload, f"{kind.name}|{submission.payload_id}")
        await self.book.note(made)
        if kind is RESULTS_RETRIEVAL and submission.request_journal_id is not None:
            await self._hand_on(made, submission.request_journal_id)
        return True

    async def _hand_on(self, made: Exchange, origin: int) -> None:
        """Results of a batch that a partner gave us to pass on wait for him."""
        asked = await self.book.submission_of(origin)
        if asked is not None:
            waiting = self.exchange(RESULTS_RETRIEVAL, {}, None, origin)
            waiting.channel, waiting.partner, waiting.kind = asked.channel, asked.partner, DOCUMENT
            waiting.direction, waiting.answer_journal_id = "in", made.answer_journal_id
            waiting.dedup_key = f"document|{made.answer_journal_id}"
            await self.book.note(waiting)
