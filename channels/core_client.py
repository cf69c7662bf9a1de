"""A payer's or clearinghouse's CORE endpoint: what we send goes there, what comes back goes to the intake.

Real time: one request, one answer in the same connection, stored before the request counts as delivered.  Batch: a
submission, then its acknowledgement and its results are fetched, and the results acknowledged with our own 999.  A
request is not sent again before `resend_seconds`, nor more than `tries` times; then it is set aside for a person.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from channels.core_http import NO_CONNECTION, CoreLine, CoreServer
from channels.core_ports import BATCH, DOCUMENT, Asked, Book, Exchange, NotAsked
from channels.polling import PollingSource
from channels.ports import Delivery, Intake, Outcome
from channels.tls import Tls
from parsers.core.envelope import ACK_RETRIEVAL, REAL_TIME, RESULTS_ACK, RESULTS_RETRIEVAL, SUBMIT, Envelope, Kind
from parsers.core.payloads import use_of_document, value_of
from parsers.x12.header import find_headers
from parsers.x12.interchange import read_interchanges

log = logging.getLogger(__name__)

_AT_ONCE = 8
_REPLY = re.compile(r"\br-(\d+)")
_REAL_TIME_USES = frozenset({"270", "276", "278"})
_AWAY = (NO_CONNECTION, "no-answer", "not-stored", "UnAuthorized", "http-")
"""Codes that say nothing about the request: it is kept however long that lasts."""


@dataclass(slots=True, frozen=True, kw_only=True)
class CoreClientSettings:
    """One channel.  Times in seconds.  mode: real-time | batch | auto (an interchange with one set goes in real time).

    `resend_seconds`: before a request may be sent again; `tries`: after so many it is set aside.  `results_for`: how
    long results of a batch are asked for."""

    name: str
    server: CoreServer
    mode: str = "auto"
    resend_seconds: float = 90.0
    tries: int = 5
    poll_seconds: float = 300.0
    results_for: float = 4 * 86400.0


class CoreClient(PollingSource):
    """`channels.ports.Destination` of one channel, and its source: results are polled for.

    Counters: `asked`, `answered`, `failed`; `trouble`: why nothing gets through now, or None.
    """

    CANNOT = "a request failed"
    CAN_AGAIN = "answers again"

    def __init__(
        self,
        settings: CoreClientSettings,
        intake: Intake,
        book: Book,
        clock: Callable[[], datetime],
        *,
        tls: Tls | None = None,
    ) -> None:
        super().__init__(settings.name, intake, settings.poll_seconds, clock)
        self.settings = settings
        self.asked = 0
        self.answered = 0
        self.failed = 0
        self._book = book
        self._line = CoreLine(settings.server, clock, tls)
        self._tries: dict[str, tuple[int, float]] = {}  # delivery -> how often, not again before
        self._limit = asyncio.Semaphore(_AT_ONCE)

    # -- asking in real time (channels.core_ports.Asker) -----------------------------------------------------------

    async def ask(self, document: bytes, request_journal_id: int | None = None) -> Asked:
        """Send one request, store the answer, give both.  Raises NotAsked."""
        server = self.settings.server
        use = use_of_document(document) or "270"
        fields = self._line.fields(REAL_TIME, value_of(use, server.payload_types), document)
        made = self._exchange(REAL_TIME, fields, document, request_journal_id)
        try:
            envelope = await self._send(REAL_TIME, fields, document)
        except NotAsked as problem:
            made.outcome, made.answered_at = problem.code, self._clock()
            await self._book.note(made)
            raise
        if envelope.payload:
            made.answer_journal_id = await self._store(envelope.payload, f"rt|{fields['PayloadID']}")
        made.outcome, made.answered_at = "Success", self._clock()
        await self._book.note(made)
        return Asked(envelope.payload, made.answer_journal_id)

    async def _send(self, kind: Kind, fields: dict[str, str], payload: bytes | None) -> Envelope:
        async with self._limit:
            self.asked += 1
            try:
                envelope = await self._line.send(kind, fields, payload)
            except NotAsked as problem:
                self.failed += 1
                self._begin_trouble(problem.code)
                raise
        self.answered += 1
        self._end_trouble()
        return envelope

    async def _store(self, document: bytes, identity: str) -> int | None:
        """The journal row of what came back.  Raises NotAsked when the store is away: the request is asked again."""
        answer = await self._offer(self.settings.name, document, "x12", identity)
        if not answer.accepted and answer.close:
            raise NotAsked("not-stored", "the answer could not be stored", later=True)
        return answer.duplicate_of or answer.journal_id or None

    # -- the outbox (channels.ports.Destination) -------------------------------------------------------------------

    async def deliver(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Send documents, those of one partner in order; one that fails holds back what follows of that partner."""
        outcomes: dict[str, Outcome] = {}

        async def one_partner(deliveries: list[Delivery]) -> None:
            for delivery in deliveries:
                outcomes[delivery.id] = await self._deliver(delivery)
                if outcomes[delivery.id] is Outcome.FAILED:
                    return

        ordered = sorted(batch, key=lambda each: each.key)
        async with asyncio.TaskGroup() as group:
            for _, deliveries in groupby(ordered, key=lambda each: each.key):
                group.create_task(one_partner(list(deliveries)))
        return [outcomes.get(delivery.id, Outcome.FAILED) for delivery in batch]

    async def close(self) -> None:
        await super().close()
        await self._line.close()

    async def _deliver(self, delivery: Delivery) -> Outcome:
        count, not_before = self._tries.get(delivery.id, (0, 0.0))
        now = asyncio.get_running_loop().time()
        if now < not_before:
            return Outcome.FAILED
        try:
            await self._pass_on(delivery)
        except NotAsked as problem:
            away = problem.code.startswith(_AWAY)
            if not problem.later and not away:
                self._tries.pop(delivery.id, None)
                return Outcome.REFUSED
            count += 0 if away else 1
            if count >= self.settings.tries:
                self._tries.pop(delivery.id, None)
                log.error("channel %s: a document is set aside after %d tries", self.settings.name, count)
                return Outcome.REFUSED
            never_sent = problem.code == NO_CONNECTION  # the relay's own pauses are enough
            self._tries[delivery.id] = (count, now if never_sent else now + self.settings.resend_seconds)
            return Outcome.FAILED
        self._tries.pop(delivery.id, None)
        return Outcome.CONFIRMED

    async def _pass_on(self, delivery: Delivery) -> None:
        use = use_of_document(delivery.body) or ""
        found = _REPLY.search(delivery.id)
        reply = await self._book.reply(int(found[1])) if found else None
        answers = reply[1] if reply is not None and reply[1] else None
        if use in ("999", "TA1", "997"):
            await self._acknowledge(delivery.body, answers)
        elif self._in_real_time(use, delivery):
            await self.ask(delivery.body, answers)
        else:
            await self._submit(delivery.body, answers)

    def _in_real_time(self, use: str, delivery: Delivery) -> bool:
        if delivery.id.startswith(f"{BATCH}-") or self.settings.mode != "auto":
            return self.settings.mode == "real-time"
        sets = sum(len(group.sets) for each in read_interchanges(delivery.body) for group in each.groups)
        return use in _REAL_TIME_USES and sets == 1

    async def _submit(self, document: bytes, journal_id: int | None) -> None:
        server = self.settings.server
        use = use_of_document(document) or "270"
        payload_type = server.payload_types.get(f"batch:{use}") or value_of(use, server.payload_types)
        fields = self._line.fields(SUBMIT, payload_type, document)
        made = self._exchange(SUBMIT, fields, document, journal_id)
        await self._send(SUBMIT, fields, document)
        made.outcome, made.answered_at = "Success", self._clock()
        await self._book.note(made)

    async def _acknowledge(self, document: bytes, answers: int | None) -> None:
        """Our TA1 or 999 to results that we fetched; in real time nothing is acknowledged."""
        brought = await self._book.answer_of(answers) if answers is not None else None
        if brought is None or brought.kind != RESULTS_RETRIEVAL.name:
            return
        use = "ack:TA1" if use_of_document(document) == "TA1" else "ack:999"
        fields = self._line.fields(RESULTS_ACK, value_of(use, self.settings.server.payload_types), document)
        await self._send(RESULTS_ACK, fields, document)

    # -- polling (a source of the gateway) -------------------------------------------------------------------------

    async def look(self) -> bool:
        await self.fetch()
        return False

    async def fetch(self) -> int:
        """Ask once for everything that is outstanding; how many documents came."""
        came = 0
        oldest = self._clock() - timedelta(seconds=self.settings.results_for)
        for submission in await self._book.open_submissions(self.settings.name):
            if submission.started_at < oldest:
                log.error("channel %s: a batch of %s has no results", self.settings.name, submission.started_at.date())
                await self._book.mark([submission], fetched=True, confirmed=True)
                continue
            try:
                came += await self._fetch(submission)
            except NotAsked:
                return came  # said when it happened
        return came

    async def _fetch(self, submission: Exchange) -> int:
        came = 0
        if submission.fetched_at is None:
            for use in ("retrieval:999", "retrieval:TA1"):
                if await self._retrieve(ACK_RETRIEVAL, use, submission):
                    await self._book.mark([submission], fetched=True)
                    came += 1
                    break
        results = "results:277" if "276" in submission.payload_type else "results:271"
        if await self._retrieve(RESULTS_RETRIEVAL, results, submission):
            await self._book.mark([submission], confirmed=True)
            came += 1
        return came

    async def _retrieve(self, kind: Kind, use: str, submission: Exchange) -> bool:
        payload_type = value_of(use, self.settings.server.payload_types)
        fields = self._line.fields(kind, payload_type, None, submission.payload_id)
        started = self._clock()
        envelope = await self._send(kind, fields, None)
        if not envelope.payload:
            return False
        made = self._exchange(kind, fields, None, submission.request_journal_id)
        made.started_at, made.answered_at, made.outcome = started, self._clock(), "Success"
        made.answer_journal_id = await self._store(envelope.payload, f"{kind.name}|{submission.payload_id}")
        await self._book.note(made)
        origin = submission.request_journal_id
        if kind is RESULTS_RETRIEVAL and origin is not None:
            await self._hand_on(made, origin)
        return True

    async def _hand_on(self, made: Exchange, origin: int) -> None:
        """Results of a batch that a partner gave us to pass on wait for him."""
        asked = await self._book.submission_of(origin)
        if asked is not None:
            waiting = self._exchange(RESULTS_RETRIEVAL, {}, None, origin)
            waiting.channel, waiting.partner, waiting.kind = asked.channel, asked.partner, DOCUMENT
            waiting.direction, waiting.answer_journal_id = "in", made.answer_journal_id
            waiting.dedup_key = f"document|{made.answer_journal_id}"
            await self._book.note(waiting)

    def _exchange(
        self, kind: Kind, fields: dict[str, str], document: bytes | None, request_journal_id: int | None
    ) -> Exchange:
        header = next(find_headers(document[:65536]), None) if document is not None else None
        return Exchange(
            channel=self.settings.name,
            partner=self.settings.name,
            direction="out",
            kind=kind.name,
            form=self.settings.server.form,
            payload_type=fields.get("PayloadType", ""),
            payload_id=fields.get("PayloadID", ""),
            started_at=self._clock(),
            digest=hashlib.sha256(document).digest() if document is not None else None,
            control_number=header.control_number[:20] if header is not None else "",
            request_journal_id=request_journal_id,
        )
