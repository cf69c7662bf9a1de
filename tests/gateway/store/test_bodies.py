"""Large bodies on both stores: staged before their message is committed, read part by part, half ones removed."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import func, select

from gateway.store import bodies
from gateway.store import schema as s
from gateway.store.limits import PART
from gateway.store.ports import JournalEntry, Progress, Stored
from gateway.store.sqlite import SqliteStore
from tests.gateway.store.conftest import Clock
from tests.gateway.store.samples import end, entry, write

BODY = bytes(range(256)) * (2 * PART // 256) + b"the end"
DIGEST = hashlib.sha256(BODY).digest()


async def stage(store: SqliteStore, body: bytes = BODY) -> int:
    number = await store.begin_body()
    for part, start in enumerate(range(0, len(body), PART)):
        await store.add_part(number, part, body[start : start + PART])
    return number


def staged_entry(number: int, **changes: Any) -> JournalEntry:
    return entry(b"", staged=number, size=len(BODY), digest=DIGEST, dedup_key=b"k" * 24, **changes)


async def take_in(store: SqliteStore) -> Stored:
    (stored,) = await store.ingest([staged_entry(await stage(store))])
    return stored


async def how_many(store: SqliteStore, table: Any) -> int:
    return int((await store.fetch(select(func.count().label("n")).select_from(table)))[0]["n"])


async def test_staged_body_is_seen_when_its_message_is_committed_and_read_back_whole(store: SqliteStore) -> None:
    number = await stage(store)
    assert await bodies.open_body(store, number) is None and await store.claim(1) is None
    assert (await store.ledger()).channels == {}
    (stored, small) = await store.ingest([staged_entry(number), entry(b"small")])
    found = await bodies.open_body(store, stored.journal_id)
    assert found is not None and found.size == len(BODY)
    assert [len(chunk) async for chunk in found.chunks()] == [PART, PART, 7]
    assert await found.read() == BODY
    assert await how_many(store, s.staged_body) == 0 and await how_many(store, s.journal_part) == 3
    session = await store.claim(5)
    assert session is not None
    async with session:
        assert [(item.journal_id, item.body, item.size) for item in session.items] == [
            (stored.journal_id, b"", len(BODY)),
            (small.journal_id, b"small", 0),
        ]
    assert (await store.ledger()).balanced


async def test_staged_copy_is_a_duplicate_and_its_parts_go(store: SqliteStore) -> None:
    first = await take_in(store)
    number = await stage(store)
    (copy,) = await store.ingest([staged_entry(number)])
    assert copy.duplicate_of == first.journal_id
    await store.drop_body(number)
    assert await how_many(store, s.journal_part) == 3 and await how_many(store, s.staged_body) == 0
    found = await bodies.open_body(store, copy.journal_id)
    assert found is not None and await found.read() == BODY


async def test_rejected_staged_body_is_kept(store: SqliteStore) -> None:
    number = await stage(store)
    refused = entry(b"", staged=number, size=len(BODY), digest=DIGEST, rejected="no-header", lanes=())
    (stored,) = await store.ingest([refused])
    found = await bodies.open_body(store, stored.journal_id)
    assert found is not None and await found.read() == BODY
    assert (await store.ledger()).channels["adt"].words["rejected"] == 1


async def test_what_was_staged_and_never_committed_is_removed(store: SqliteStore, clock: Clock) -> None:
    kept = await take_in(store)
    await stage(store)
    await store.maintain()
    assert await how_many(store, s.journal_part) == 6  # it may still be coming
    clock.advance(days=2)
    await store.maintain()
    assert await how_many(store, s.journal_part) == 3 and await how_many(store, s.staged_body) == 0
    found = await bodies.open_body(store, kept.journal_id)
    assert found is not None and await found.read() == BODY


async def test_body_read_in_part_keeps_its_place_and_says_how_far(store: SqliteStore) -> None:
    first = await take_in(store)
    await store.ingest([entry(b"behind it")])
    session = await store.claim(5)
    assert session is not None
    work_id = session.items[0].work_id
    await session.__aexit__()
    await store.failed_attempt([work_id])
    await write(
        store,
        progress=[Progress(work_id=work_id, cursor=b"2,2,0")],
        ends=[end(first.journal_id, item=0), end(first.journal_id, item=1)],
        received={"adt": 2},
    )
    session = await store.claim(5)
    assert session is not None
    async with session:
        found = [(item.work_id, item.body, item.attempts) for item in session.items]
        assert found[0] == (work_id, b"2,2,0", 0) and len(found) == 2
    book = await store.ledger()
    assert book.balanced and (book.channels["adt"].came, book.channels["adt"].open) == (4, 2)
