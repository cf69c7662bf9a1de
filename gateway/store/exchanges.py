"""Requests over CAQH CORE and their answers: what was asked when, what came back, what waits for a partner (Core)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, text, update

from gateway.store.bodies import open_body
from gateway.store.core_store import CoreStore
from gateway.store.delivery import PASSED_ON
from gateway.store.ledger import SINK, Counts
from gateway.store.paging import Row
from gateway.store.parking import add_counts
from gateway.store.schema import exchange, outbox, replies
from gateway.store.statements import conflict_insert

DOCUMENT = "document"
"""Kind of a row that stands for something a partner may pick up."""

MOST_NUMBERS = 999_999_999
_NEXT_NUMBER = text(
    "INSERT INTO control_number (partner, kind, value) VALUES (:partner, 'interchange', :count) "
    "ON CONFLICT (partner, kind) "
    "DO UPDATE SET value = (control_number.value + :count - 1) % 999999999 + 1 RETURNING value"
)


async def note(store: CoreStore, values: Row) -> int:
    """Keep one exchange; one with the same `dedup_key` is replaced.  Returns its id."""

    def write(connection: Connection) -> int:
        new = conflict_insert(exchange, connection.dialect.name).values(**values)
        replaced = {name: new.excluded[name] for name in values if name != "dedup_key"}
        kept = new.on_conflict_do_update(index_elements=[exchange.c.dedup_key], set_=replaced)
        return int(connection.execute(kept.returning(exchange.c.exchange_id)).scalar_one())

    return await store.execute_write(write)


async def one(store: CoreStore, **wanted: Any) -> Row | None:
    """The newest exchange with these values."""
    query = select(exchange).where(*(exchange.c[name] == value for name, value in wanted.items()))
    rows = await store.fetch(query.order_by(exchange.c.exchange_id.desc()).limit(1))
    return rows[0] if rows else None


async def open_submissions(store: CoreStore, channel: str) -> list[Row]:
    """Batches that we sent, without acknowledgement or results, the oldest first."""
    query = select(exchange).where(exchange.c.channel == channel, exchange.c.kind == "submit")
    query = query.where(exchange.c.direction == "out", exchange.c.confirmed_at.is_(None))
    return await store.fetch(query.order_by(exchange.c.exchange_id).limit(1000))


async def documents(store: CoreStore, channel: str, partner: str, journal_id: int | None) -> list[Row]:
    """What waits for a partner, the oldest first; `journal_id`: only what came of this submission.

    What was picked up and not acknowledged waits still."""
    query = select(exchange).where(exchange.c.channel == channel, exchange.c.partner == partner)
    query = query.where(exchange.c.kind == DOCUMENT, exchange.c.confirmed_at.is_(None))
    if journal_id is not None:
        query = query.where(exchange.c.request_journal_id == journal_id)
    return await store.fetch(query.order_by(exchange.c.fetched_at.is_not(None), exchange.c.exchange_id).limit(100))


async def unfetched_submission(store: CoreStore, channel: str, partner: str) -> Row | None:
    """The oldest submission of a partner whose acknowledgement was made and not picked up."""
    same = replies.c.journal_id == exchange.c.request_journal_id
    answered = select(replies.c.journal_id).where(same, replies.c.kind.in_(("TA1", "999", "997"))).exists()
    query = select(exchange).where(exchange.c.channel == channel, exchange.c.partner == partner, answered)
    query = query.where(exchange.c.kind == "submit", exchange.c.fetched_at.is_(None))
    rows = await store.fetch(query.order_by(exchange.c.exchange_id).limit(1))
    return rows[0] if rows else None


async def mark(store: CoreStore, exchange_ids: Sequence[int], **moments: datetime) -> None:
    """Set `fetched_at` or `confirmed_at` of these rows."""
    chosen = update(exchange).where(exchange.c.exchange_id.in_(exchange_ids)).values(**moments)
    await store.execute_write(lambda connection: connection.execute(chosen))


async def replies_to(store: CoreStore, journal_id: int) -> list[Row]:
    """TA1, 999 and our own answers to a stored interchange: kind, body, created_at, the oldest first."""
    query = select(replies.c.reply_id, replies.c.kind, replies.c.body, replies.c.created_at)
    query = query.where(replies.c.journal_id == journal_id, replies.c.kind.not_in(PASSED_ON))
    return await store.fetch(query.order_by(replies.c.reply_id))


async def reply(store: CoreStore, reply_id: int) -> tuple[bytes, int] | None:
    """(body, journal row that it answers) of something that we sent."""
    rows = await store.fetch(select(replies.c.body, replies.c.journal_id).where(replies.c.reply_id == reply_id))
    return (bytes(rows[0]["body"]), rows[0]["journal_id"]) if rows else None


async def body_of(store: CoreStore, journal_id: int) -> bytes | None:
    """The bytes of a journal row, of a duplicate those of the first copy; None when they are past retention."""
    found = await open_body(store, journal_id)
    return await found.read() if found is not None else None


async def keep_answer(store: CoreStore, values: Row, numbered: Any) -> bytes:
    """An answer that we made ourselves, under the partner's next control number.

    `values`: columns of `replies` but for number and body; `numbered(number)` gives the body.  Returns the body."""

    def write(connection: Connection) -> bytes:
        number = _next_number(connection, values["partner"])
        body: bytes = numbered(number)
        connection.execute(insert(replies).values(**values, control_number=number, body=body))
        return body

    return await store.execute_write(write)


async def downs(store: CoreStore, channels: Sequence[str], start: datetime, stop: datetime) -> list[Row]:
    """When these endpoints could not be called, in a span of time."""
    query = select(exchange).where(exchange.c.kind == "down", exchange.c.channel.in_(channels))
    query = query.where(exchange.c.answered_at > start, exchange.c.started_at < stop)
    return await store.fetch(query.order_by(exchange.c.started_at))


async def acknowledged(store: CoreStore, partner: str, start: datetime, stop: datetime) -> dict[int, datetime]:
    """Journal row of each submission of a partner -> when its first TA1 or 999 was made."""
    mine = select(exchange.c.request_journal_id).where(exchange.c.partner == partner, exchange.c.kind == "submit")
    mine = mine.where(exchange.c.started_at >= start, exchange.c.started_at < stop)
    query = select(replies.c.journal_id, replies.c.created_at).where(replies.c.journal_id.in_(mine))
    rows = await store.fetch(
        query.where(replies.c.kind.in_(("TA1", "999", "997"))).order_by(replies.c.created_at.desc())
    )
    return {row["journal_id"]: row["created_at"] for row in rows}


async def passed_on(store: CoreStore, journal_id: int, channel: str) -> bytes | None:
    """What a document was passed on as; None: it was not."""
    query = select(replies.c.body).where(replies.c.journal_id == journal_id, replies.c.channel == channel)
    rows = await store.fetch(query.where(replies.c.kind.in_(PASSED_ON)))
    return bytes(rows[0]["body"]) if rows else None


async def take_numbers(store: CoreStore, partner: str, count: int) -> int:
    """The first of so many control numbers in a row; after 999999999 comes 1."""
    last = await store.execute_write(lambda connection: _next_number(connection, partner, count))
    return (last - count) % MOST_NUMBERS + 1


async def pass_on(store: CoreStore, values: Row, queue: str | None) -> None:
    """Keep what a document is passed on as, once for each journal row and channel; `values`: of `replies`.

    `queue`: put it into the outbox of that channel, under this key."""

    def write(connection: Connection) -> None:
        same = (replies.c.journal_id == values["journal_id"], replies.c.channel == values["channel"])
        known = select(replies.c.reply_id).where(*same, replies.c.kind.in_(PASSED_ON))
        if connection.execute(known).first() is not None:
            return
        sequence = connection.execute(insert(replies).values(**values).returning(replies.c.reply_id)).scalar_one()
        if queue is not None:
            now, channel = values["created_at"], values["channel"]
            row = {"sink": channel, "sequence": sequence, "key": queue, "lane": 0}
            connection.execute(insert(outbox).values(**row, facility_id=values["facility_id"], queued_at=now))
            add_counts(connection, Counts({(SINK + channel, "committed"): 1}), now)

    await store.execute_write(write)


async def relayed_as(store: CoreStore, journal_id: int) -> int | None:
    """The first control number that a document was passed on with; None: it kept its own."""
    query = select(replies.c.control_number).where(replies.c.journal_id == journal_id)
    rows = await store.fetch(query.where(replies.c.kind.in_(PASSED_ON), replies.c.control_number > 0))
    return int(rows[0]["control_number"]) if rows else None


async def between(store: CoreStore, partner: str, start: datetime, stop: datetime) -> list[Row]:
    """Every exchange of a partner that began in a span of time, the oldest first."""
    query = select(exchange).where(exchange.c.partner == partner)
    query = query.where(exchange.c.started_at >= start, exchange.c.started_at < stop)
    return await store.fetch(query.order_by(exchange.c.started_at))


def _next_number(connection: Connection, partner: str, count: int = 1) -> int:
    """The last of the next `count`."""
    return int(connection.execute(_NEXT_NUMBER, {"partner": partner, "count": count}).scalar_one())
