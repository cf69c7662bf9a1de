"""Bodies go with whole partitions of the journal; what else its rows say stays (decision 26)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, text

from gateway.store import postgres_retention
from gateway.store import schema as s
from gateway.store.limits import PART
from gateway.store.postgres import PostgresStore
from gateway.store.postgres_partitions import SIZE
from gateway.store.pruning import Pruned, Retention
from tests.gateway.store.conftest import Clock
from tests.gateway.store.samples import NOON, end, entry, parked, write

LATER = NOON + timedelta(days=91)
OLD = 6
"""Rows of the first partition."""


@pytest.fixture
async def aged(postgres_store_url: str, clock: Clock) -> AsyncIterator[PostgresStore]:
    """A store whose first partition is closed and holds `OLD` finished rows, one of them in parts; one row is newer."""
    store = PostgresStore(postgres_store_url, clock=clock)
    await store.open()
    await store.execute_write(lambda core: core.execute(text(f"SELECT setval('arrival', {SIZE - OLD - 1})")))
    bodies = [b"MSH|%d" % n for n in range(OLD - 1)] + [b"x" * (PART + 1)]
    stored = await store.ingest([entry(body, dedup_key=b"%016d" % n) for n, body in enumerate(bodies)])
    stored += await store.ingest([entry(b"MSH|new", received_at=LATER)])
    assert [one.journal_id for one in stored] == [*range(SIZE - OLD, SIZE), SIZE]
    ids = [one.journal_id for one in stored]
    await write(store, done=ids, ends=[end(n) for n in ids])
    yield store
    await store.close()


async def kept(store: PostgresStore) -> tuple[int, list[int]]:
    """(rows of the journal, ids of those with a body in place)."""
    (rows,) = await store.fetch(select(func.count().label("n")).select_from(s.journal))
    full = await store.fetch(select(s.journal.c.journal_id).where(s.journal.c.body.is_not(None)).order_by("journal_id"))
    return rows["n"], [row["journal_id"] for row in full]


async def file_of_first(store: PostgresStore) -> int:
    def find(core: Connection) -> Any:
        return core.execute(text("SELECT relfilenode FROM pg_class WHERE relname = 'journal_000000'")).scalar()

    return int(await store.read(find))


async def test_prune_exchanges_a_finished_partition_and_keeps_its_rows(aged: PostgresStore) -> None:
    before = await file_of_first(aged)
    assert await aged.prune(LATER, Retention(seen=timedelta(days=999)), dry_run=True) == Pruned(
        bodies=OLD, partitions=1
    )
    assert await file_of_first(aged) == before and (await kept(aged))[1] == [*range(SIZE - OLD, SIZE - 1), SIZE]
    assert await aged.prune(LATER, Retention(seen=timedelta(days=999))) == Pruned(bodies=OLD, partitions=1)
    assert await file_of_first(aged) != before
    assert await kept(aged) == (OLD + 1, [SIZE])
    assert await aged.fetch(select(s.journal_part)) == []
    assert await aged.prune(LATER, Retention(seen=timedelta(days=999))) == Pruned()


async def test_exchanged_partition_is_one_of_the_journal_like_any_other(aged: PostgresStore) -> None:
    whole = s.journal.c
    query = select(whole.journal_id, whole.control_id, whole.digest, whole.size).order_by(whole.journal_id)
    rows = await aged.fetch(query)
    await aged.prune(LATER, Retention())
    assert await aged.fetch(query) == rows

    def shape(core: Connection) -> list[Any]:
        found = text(
            "SELECT relname, (SELECT count(*) FROM pg_index WHERE indrelid = c.oid), (SELECT count(*) FROM pg_constraint "
            "WHERE conrelid = c.oid AND contype = 'c'), pg_get_expr(relpartbound, c.oid) FROM pg_class c "
            "WHERE relispartition AND relkind = 'r' AND relname LIKE 'journal%' ORDER BY 1"
        )
        return [tuple(row) for row in core.execute(found)]

    found = await aged.read(shape)
    assert found[0] == ("journal_000000", 2, 0, f"FOR VALUES FROM ('0') TO ('{SIZE}')")
    assert {row[1:3] for row in found} == {(2, 0)} and not any("bare" in row[0] for row in found)


@pytest.mark.parametrize("what", ["work", "parked", "undelivered"])
async def test_partition_that_something_pending_needs_stays_and_gives_the_others_row_by_row(
    aged: PostgresStore, what: str
) -> None:
    first = SIZE - OLD
    if what == "work":
        await aged.execute_write(
            lambda core: core.execute(
                s.work.insert().values(
                    work_id=first, lane=1, journal_id=first, item=0, kind="read", channel="adt", source_kind="hl7v2",
                    received_at=NOON, attempts=0, replayed=True,
                )
            )
        )  # fmt: skip
    elif what == "parked":
        await write(aged, parked=[parked(first, 1)])
    else:
        row = {"sink": "adt", "sequence": first, "key": "k", "lane": 0, "facility_id": "GH", "queued_at": NOON}
        await aged.execute_write(
            lambda core: core.execute(s.undelivered.insert().values(**row, outcome="parked", settled_at=NOON))
        )
    before = await file_of_first(aged)
    assert await aged.prune(LATER, Retention(seen=timedelta(days=999))) == Pruned(bodies=OLD - 1)
    assert await file_of_first(aged) == before
    assert await kept(aged) == (OLD + 1, [first, SIZE])


async def test_partition_with_one_row_that_is_not_old_is_left(aged: PostgresStore) -> None:
    """The newest number is old, but one before it is not: a clock was set back."""
    await aged.execute_write(
        lambda core: core.execute(
            s.journal.update().where(s.journal.c.journal_id == SIZE - 3).values(received_at=LATER)
        )
    )
    assert (await aged.prune(LATER, Retention())).partitions == 0
    assert SIZE - 3 in (await kept(aged))[1]


async def test_copy_goes_on_where_it_was_left_and_two_processes_exchange_once(
    aged: PostgresStore, postgres_store_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_retention, "CHUNK", 2)
    other = PostgresStore(postgres_store_url, clock=clock)
    await other.open()
    done = await asyncio.gather(*(store.prune(LATER, Retention()) for store in (aged, other)))
    assert sum(one.partitions for one in done) == 1
    assert await kept(aged) == (OLD + 1, [SIZE])
    await other.close()


async def test_partition_whose_lock_is_not_to_be_had_waits_for_the_next_run(
    aged: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_retention, "ATTEMPTS", 1)
    async with aged._pool.transaction() as reader:
        await reader.raw.execute("SELECT count(*) FROM journal")
        assert (await aged.prune(LATER, Retention())).partitions == 0
    assert (await kept(aged))[0] == OLD + 1
    await aged.ingest([entry(b"MSH|goes on")])
    assert (await aged.prune(LATER, Retention())).partitions == 1
