"""A payer's or clearinghouse's CORE endpoint: what we send goes there, what comes back goes to the intake.

Real time: one request, one answer in the same connection, stored before the request counts as delivered.  Batch: a
submission; its acknowledgement and results are fetched by `channels.core_results`, and the results acknowledged with
our own 999.  A request is not sent again before `resend_seconds`, nor more than `tries` times; then it is set aside for
a person.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import NAMESPACE_OID, uuid5

from channels.core_calls import Calls
from channels.core_http import NO_CONNECTION, TIME_OUT
from channels.core_ports import BATCH, Asked, NotAsked
from channels.ports import Delivery, Outcome
from parsers.core.envelope import REAL_TIME, RESULTS_ACK, RESULTS_RETRIEVAL, SUBMIT
from parsers.core.payloads import use_of_document, value_of
from parsers.x12.interchange import read_interchanges

log = logging.getLogger(__name__)

_REPLY = re.compile(r"\br-(\d+)")
_REAL_TIME_USES = frozenset({"270", "276", "278"})
_AWAY = (NO_CONNECTION, "no-answer", "not-stored", "UnAuthorized", "http-", "token-")
"""Codes that say nothing about the request: it is kept however long that lasts."""


@dataclass(slots=True)
class _Tries:
    """Of one delivery.  `answered`: the other side had it and said no; `not_before` on the loop's clock."""

    count: int = 0
    answered: int = 0
    not_before: float = 0.0


class CoreClient:
    """`channels.ports.Destination` of one channel, and `channels.core_ports.Asker`."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self._book = calls.book
        self._tries: dict[str, _Tries] = {}

    # -- asking in real time ---------------------------------------------------------------------------------------

    async def ask(self, document: bytes, request_journal_id: int | None = None, origin: str = "") -> Asked:
        """Send one request, store the answer, give both.  Raises NotAsked.

        `origin`: what tells this request from others; one that is sent again, also after a restart, has its PayloadID
        again, so that a payer who had it answers it once."""
        calls = self.calls
        use = use_of_document(document) or "270"
        payload_id = self._payload_id(origin or f"m-{request_journal_id}", document)
        payload_type = value_of(use, calls.settings.server.payload_types)
        fields = calls.line.fields(REAL_TIME, payload_type, document, payload_id)
        made = calls.exchange(REAL_TIME, fields, document, request_journal_id)
        try:
            envelope = await calls.send(REAL_TIME, fields, document)
        except NotAsked as problem:
            made.outcome, made.answered_at = problem.code, calls.clock()
            await self._book.note(made)
            raise
        if envelope.payload:
            made.answer_journal_id = await calls.store(envelope.payload, f"rt|{fields['PayloadID']}")
        made.outcome, made.answered_at = "Success", calls.clock()
        await self._book.note(made)
        return Asked(envelope.payload, made.answer_journal_id)

    # -- the outbox ------------------------------------------------------------------------------------------------

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
        await self.calls.close()
        await self.calls.line.close()

    async def _deliver(self, delivery: Delivery) -> Outcome:
        settings = self.calls.settings
        tries = self._tries.get(delivery.id) or _Tries()
        now = asyncio.get_running_loop().time()
        if now < tries.not_before:
            return Outcome.FAILED
        try:
            await self._pass_on(delivery, f"{delivery.id}/{tries.answered}")
        except NotAsked as problem:
            away = problem.code.startswith(_AWAY)
            if not problem.later and not away:
                self._tries.pop(delivery.id, None)
                return Outcome.REFUSED
            tries.count += 0 if away else 1
            tries.answered += 0 if away or problem.code == TIME_OUT else 1
            if tries.count >= settings.tries:
                self._tries.pop(delivery.id, None)
                log.error("channel %s: a document is set aside after %d tries", settings.name, tries.count)
                return Outcome.REFUSED
            never_sent = problem.code == NO_CONNECTION  # the relay's own pauses are enough
            tries.not_before = now if never_sent else now + settings.resend_seconds
            self._tries[delivery.id] = tries
            return Outcome.FAILED
        self._tries.pop(delivery.id, None)
        return Outcome.CONFIRMED

    async def _pass_on(self, delivery: Delivery, origin: str) -> None:
        use = use_of_document(delivery.body) or ""
        found = _REPLY.search(delivery.id)
        reply = await self._book.reply(int(found[1])) if found else None
        answers = reply[1] if reply is not None and reply[1] else None
        if use in ("999", "TA1", "997"):
            await self._acknowledge(delivery.body, answers)
        elif self._in_real_time(use, delivery):
            await self.ask(delivery.body, answers, origin)
        else:
            await self._submit(delivery.body, answers, origin)

    def _in_real_time(self, use: str, delivery: Delivery) -> bool:
        mode = self.calls.settings.mode
        if delivery.id.startswith(f"{BATCH}-") or mode != "auto":
            return mode == "real-time"
        sets = sum(len(group.sets) for each in read_interchanges(delivery.body) for group in each.groups)
        return use in _REAL_TIME_USES and sets == 1

    async def _submit(self, document: bytes, journal_id: int | None, origin: str) -> None:
        calls = self.calls
        own = calls.settings.server.payload_types
        use = use_of_document(document) or "270"
        payload_type = own.get(f"batch:{use}") or value_of(use, own)
        fields = calls.line.fields(SUBMIT, payload_type, document, self._payload_id(origin, document))
        made = calls.exchange(SUBMIT, fields, document, journal_id)
        envelope = await calls.send(SUBMIT, fields, document)
        made.payload_id = envelope.get("PayloadID")[:50] or made.payload_id  # by which its results are fetched
        made.outcome, made.answered_at = "Success", calls.clock()
        await self._book.note(made)

    def _payload_id(self, origin: str, document: bytes) -> str:
        digest = hashlib.sha256(document).hexdigest()
        return str(uuid5(NAMESPACE_OID, f"{self.calls.settings.name}|{origin}|{digest}"))

    async def _acknowledge(self, document: bytes, answers: int | None) -> None:
        """Our TA1 or 999 to results that we fetched; in real time nothing is acknowledged."""
        brought = await self._book.answer_of(answers) if answers is not None else None
        if brought is None or brought.kind != RESULTS_RETRIEVAL.name:
            return
        calls = self.calls
        use = "ack:TA1" if use_of_document(document) == "TA1" else "ack:999"
        fields = calls.line.fields(RESULTS_ACK, value_of(use, calls.settings.server.payload_types), document)
        await calls.send(RESULTS_ACK, fields, document)
