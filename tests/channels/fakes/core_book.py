"""An in-memory book of exchanges."""

from __future__ import annotations

from datetime import UTC, datetime

from channels.core_ports import BATCH, Exchange, Made, Passage


class FakeBook:
    def __init__(self) -> None:
        self.noted: list[Exchange] = []
        self.made: dict[int, list[Made]] = {}
        self.bodies: dict[int, bytes] = {}
        self.passed_on: list[tuple[str, int]] = []
        self.away = False

    async def note(self, exchange: Exchange) -> int:
        if self.away:
            raise RuntimeError("the store is away")
        self.noted = [e for e in self.noted if exchange.dedup_key is None or e.dedup_key != exchange.dedup_key]
        self.noted.append(exchange)
        exchange.exchange_id = len(self.noted)
        return exchange.exchange_id

    async def find(self, dedup_key: str) -> Exchange | None:
        return next((each for each in self.noted if each.dedup_key == dedup_key), None)

    async def answered(self, journal_id: int) -> Exchange | None:
        return next((e for e in self.noted if e.direction == "out" and e.request_journal_id == journal_id), None)

    async def replies_to(self, journal_id: int) -> list[Made]:
        return self.made.get(journal_id, [])

    async def body(self, journal_id: int) -> bytes | None:
        return self.bodies.get(journal_id)

    async def relay(self, passage: Passage) -> bytes:
        if passage.kind == BATCH and (passage.channel, passage.journal_id) not in self.passed_on:
            self.passed_on.append((passage.channel, passage.journal_id))
        return passage.make(passage.numbers)

    async def relayed_as(self, journal_id: int) -> int | None:
        return None

    async def keep_answer(self, channel: str, partner: str, journal_id: int, kind: str, body: bytes) -> bytes:
        self.made.setdefault(journal_id, []).append(Made(1, kind, body, datetime(2026, 3, 2, tzinfo=UTC)))
        return body
