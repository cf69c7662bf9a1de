"""`channels.core_ports.Book` over the store."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, fields
from datetime import datetime

from channels.core_ports import BATCH, Exchange, Made, Passage
from gateway.clock import Clock
from gateway.store import exchanges
from gateway.store.core_store import CoreStore
from gateway.store.paging import Row
from parsers.x12.acknowledgement import number_interchange

_NAMES = [field.name for field in fields(Exchange)]


class CoreBook:
    """`facility`: whose answers are kept here."""

    def __init__(self, store: CoreStore, clock: Clock, facility: str) -> None:
        self._store = store
        self._clock = clock
        self._facility = facility

    async def note(self, exchange: Exchange) -> int:
        values = asdict(exchange)
        values.pop("exchange_id")
        exchange.exchange_id = await exchanges.note(self._store, values)
        return exchange.exchange_id

    async def find(self, dedup_key: str) -> Exchange | None:
        return _read(await exchanges.one(self._store, dedup_key=dedup_key))

    async def answer_of(self, journal_id: int) -> Exchange | None:
        return _read(await exchanges.one(self._store, answer_journal_id=journal_id, direction="out"))

    async def answered(self, journal_id: int) -> Exchange | None:
        return _read(
            await exchanges.one(self._store, request_journal_id=journal_id, direction="out", outcome="Success")
        )

    async def submission_of(self, journal_id: int) -> Exchange | None:
        return _read(await exchanges.one(self._store, request_journal_id=journal_id, direction="in", kind="submit"))

    async def open_submissions(self, channel: str) -> list[Exchange]:
        return [_exchange(row) for row in await exchanges.open_submissions(self._store, channel)]

    async def unfetched_submission(self, channel: str, partner: str) -> Exchange | None:
        return _read(await exchanges.unfetched_submission(self._store, channel, partner))

    async def documents(self, channel: str, partner: str, journal_id: int | None) -> list[Exchange]:
        return [_exchange(row) for row in await exchanges.documents(self._store, channel, partner, journal_id)]

    async def mark(self, noted: list[Exchange], *, fetched: bool = False, confirmed: bool = False) -> None:
        now = self._clock()
        wanted = {"fetched_at": now} if fetched else {}
        wanted |= {"confirmed_at": now} if confirmed else {}
        if noted:
            await exchanges.mark(self._store, [each.exchange_id for each in noted], **wanted)

    async def replies_to(self, journal_id: int) -> list[Made]:
        rows = await exchanges.replies_to(self._store, journal_id)
        return [Made(row["reply_id"], row["kind"], bytes(row["body"]), row["created_at"]) for row in rows]

    async def reply(self, reply_id: int) -> tuple[bytes, int] | None:
        return await exchanges.reply(self._store, reply_id)

    async def relay(self, passage: Passage) -> bytes:
        known = await exchanges.passed_on(self._store, passage.journal_id, passage.channel)
        if known is not None:
            return known
        number = 0
        if passage.numbers:
            number = await exchanges.take_numbers(self._store, passage.address, passage.numbers)
        body = await asyncio.to_thread(passage.make, number)  # a large one takes its time
        values = self._reply(passage.channel, passage.address or passage.partner, passage.journal_id, passage.kind)
        queue = passage.partner if passage.kind == BATCH else None
        await exchanges.pass_on(self._store, values | {"control_number": number, "body": body}, queue)
        return body

    async def relayed_as(self, journal_id: int) -> int | None:
        return await exchanges.relayed_as(self._store, journal_id)

    async def body(self, journal_id: int) -> bytes | None:
        return await exchanges.body_of(self._store, journal_id)

    async def last_open(self, channel: str) -> datetime | None:
        found = await self._store.fact(f"core-open:{channel}")
        return datetime.fromisoformat(found) if found else None

    async def set_open(self, channel: str, moment: datetime) -> None:
        await self._store.set_fact(f"core-open:{channel}", moment.isoformat())

    async def keep_answer(self, channel: str, partner: str, journal_id: int, kind: str, body: bytes) -> bytes:
        values = self._reply(channel, partner, journal_id, kind)
        return await exchanges.keep_answer(self._store, values, lambda number: number_interchange(body, number))

    def _reply(self, channel: str, partner: str, journal_id: int, kind: str) -> Row:
        return {
            "journal_id": journal_id,
            "channel": channel,
            "partner": partner,
            "kind": kind,
            "facility_id": self._facility,
            "created_at": self._clock(),
        }


def _exchange(row: Row) -> Exchange:
    return Exchange(**{name: row[name] for name in _NAMES})


def _read(row: Row | None) -> Exchange | None:
    return _exchange(row) if row is not None else None
