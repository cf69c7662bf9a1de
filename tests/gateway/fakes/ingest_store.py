"""An in-memory store for the intake: it can be away, hang, refuse rows, and it remembers each commit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.store.ports import JournalEntry, Stored, StoreUnavailable


class IngestStore:
    def __init__(self) -> None:
        self.rows: list[JournalEntry] = []
        self.commits: list[int] = []
        self.seen: dict[bytes, int] = {}
        self.away = False
        self.refuse_body: bytes | None = None
        self.gate = asyncio.Event()  # clear: commits hang
        self.gate.set()
        self.calls = 0
        self.staged: dict[int, list[bytes]] = {}
        self.dropped: list[int] = []

    async def ingest(self, entries: Sequence[JournalEntry]) -> list[Stored]:
        self.calls += 1
        await asyncio.sleep(0)
        await self.gate.wait()
        if self.away:
            raise StoreUnavailable("away")
        self.commits.append(len(entries))
        return [self._store(entry) for entry in entries]

    async def begin_body(self) -> int:
        if self.away:
            raise StoreUnavailable("away")
        self.staged[len(self.staged) + 1] = []
        return len(self.staged)

    async def add_part(self, staged: int, number: int, part: bytes) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailable("away")
        assert number == len(self.staged[staged])
        self.staged[staged].append(part)

    async def drop_body(self, staged: int) -> None:
        self.dropped.append(staged)

    def _store(self, entry: JournalEntry) -> Stored:
        if self.refuse_body is not None and self.refuse_body in entry.body:
            return Stored(journal_id=0, error="refused")
        if entry.dedup_key is not None and entry.dedup_key in self.seen:
            first = self.seen[entry.dedup_key]
            return Stored(journal_id=first, duplicate_of=first)
        self.rows.append(entry)
        if entry.dedup_key is not None:
            self.seen[entry.dedup_key] = len(self.rows)
        return Stored(journal_id=len(self.rows))
