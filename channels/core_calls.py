"""One payer as we call him: requests that are bounded in number, what comes back stored, each exchange noted."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from channels.core_http import CoreLine, CoreServer
from channels.core_ports import Book, Exchange, NotAsked
from channels.polling import PollingSource
from channels.ports import Intake
from channels.tls import Tls
from parsers.core.envelope import Envelope, Kind
from parsers.x12.header import find_headers


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


class Calls(PollingSource):
    """What sending and fetching share.  `trouble`: why nothing gets through now, or None."""

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
        self.book = book
        self.clock = clock
        self.line = CoreLine(settings.server, clock, tls)
        self._limit = asyncio.Semaphore(settings.server.at_once)

    async def send(self, kind: Kind, fields: dict[str, str], payload: bytes | None) -> Envelope:
        """The response to one request.  Raises NotAsked."""
        async with self._limit:
            try:
                envelope = await self.line.send(kind, fields, payload)
            except NotAsked as problem:
                self._begin_trouble(problem.code)
                raise
        self._end_trouble()
        return envelope

    async def store(self, document: bytes, identity: str) -> int | None:
        """The journal row of what came back.  Raises NotAsked when the store is away: the request is asked again."""
        answer = await self._offer(self.settings.name, document, "x12", identity)
        if not answer.accepted and answer.close:
            raise NotAsked("not-stored", "the answer could not be stored", later=True)
        return answer.duplicate_of or answer.journal_id or None

    def exchange(
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
            started_at=self.clock(),
            digest=hashlib.sha256(document).digest() if document is not None else None,
            control_number=header.control_number[:20] if header is not None else "",
            request_journal_id=request_journal_id,
        )
