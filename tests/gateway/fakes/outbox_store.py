"""An in-memory outbox."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gateway.store.ports import OutboxItem, StoreUnavailable


class OutboxStore:
    def __init__(self, *keys: str) -> None:
        self.pending: dict[int, OutboxItem] = {}
        self.settled: list[tuple[int, str]] = []
        self.away = False
        for key in keys:
            self.add(key)

    def add(self, key: str) -> None:
        n = len(self.pending) + len(self.settled) + 1
        self.pending[n] = OutboxItem(
            sink="bus",
            sequence=n,
            event_id=f"e{n}",
            key=key,
            routing_key="adt.admitted.general",
            type="adt.admitted",
            facility_id="general",
            body=b"{}",
        )

    async def outbox_claim(self, sink: str, limit: int) -> list[OutboxItem]:
        if self.away:
            raise StoreUnavailable("away")
        return list(self.pending.values())[:limit]

    async def outbox_postpone(self, sink: str, postponed: Sequence[tuple[int, int, datetime]]) -> None:
        for sequence, refusals, due in postponed:
            item = self.pending[sequence]
            item.refusals, item.due_at = refusals, due

    async def outbox_settle(self, sink: str, outcomes: Sequence[tuple[int, str]]) -> None:
        if self.away:
            raise StoreUnavailable("away")
        for sequence, word in outcomes:
            del self.pending[sequence]
            self.settled.append((sequence, word))
