from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select, text

from gateway.store import schema as s
from gateway.store.postgres import PostgresStore
from tests.gateway.store.conftest import Clock
from tests.gateway.store.samples import entry


@pytest.fixture
async def stores(postgres_store_url: str, clock: Clock) -> AsyncIterator[list[PostgresStore]]:
    found = [PostgresStore(postgres_store_url, clock=clock) for _ in range(2)]
    for store in found:
        await store.open()
    yield found
    for store in found:
        await store.close()


@pytest.mark.parametrize("bad", [{"sender": "A\x00B"}, {"peer": "\udcff"}, {"config_version": 2**40}])
async def test_one_bad_row_among_127_good_ones_is_refused_alone(
    stores: list[PostgresStore], bad: dict[str, object]
) -> None:
    good = [entry(b"MSH|%d" % n, dedup_key=b"%016d" % n) for n in range(127)]
    stored = await stores[0].ingest([*good[:60], entry(b"MSH|bad", **bad), *good[60:]])
    refused = stored.pop(60)
    assert (refused.journal_id, bool(refused.error)) == (0, True)
    assert refused.error is not None and "A\x00B" not in refused.error and "\udcff" not in refused.error
    assert [one.error for one in stored] == [None] * 127
    assert [one.journal_id for one in stored] == sorted(one.journal_id for one in stored)
    ledger = await stores[0].ledger()
    assert ledger.balanced and ledger.channels["adt"].came == 127


async def test_same_unit_taken_in_by_two_processes_at_once_is_stored_once(stores: list[PostgresStore]) -> None:
    batch = [entry(b"MSH|%d" % n, dedup_key=b"%016d" % n) for n in range(40)]
    results = await asyncio.gather(*(stores[turn % 2].ingest(batch[:: 1 - 2 * (turn % 2)]) for turn in range(8)))
    firsts = {one.journal_id for result in results for one in result if one.duplicate_of is None}
    copies = [one for result in results for one in result if one.duplicate_of is not None]
    assert (len(firsts), len(copies)) == (40, 280)
    assert {one.duplicate_of for one in copies} <= firsts
    kept = await stores[0].fetch(select(s.journal.c.journal_id, s.journal.c.duplicate_of))
    assert {row["journal_id"] for row in kept if row["duplicate_of"] is None} == firsts
    assert all(row["duplicate_of"] is None or row["duplicate_of"] in firsts for row in kept)
    ends = await stores[0].fetch(select(s.item_end.c.reason))
    assert {row["reason"] for row in ends} <= {f"m-{journal_id}" for journal_id in firsts}
    assert (await stores[0].ledger()).balanced


async def test_copy_that_waited_for_another_process_is_named_after_its_original(stores: list[PostgresStore]) -> None:
    """The first copy is written, not committed, when the second comes: the second must wait, and then know its name."""
    async with stores[0]._pool.transaction() as connection:
        await connection.raw.execute("INSERT INTO seen VALUES ($1, 77, now())", b"k" * 16)
        second = asyncio.create_task(stores[1].ingest([entry(dedup_key=b"k" * 16)]))
        await asyncio.sleep(0.1)
        assert not second.done()
    (copy,) = await second
    assert copy.duplicate_of == 77
    (row,) = await stores[0].fetch(select(s.journal.c.duplicate_of))
    assert row["duplicate_of"] == 77


async def test_ingest_is_one_statement_in_one_commit(stores: list[PostgresStore]) -> None:
    await stores[0].ingest([entry(lanes=(1, 2)), entry(rejected="no-header", lanes=())])
    made = await stores[0].read(
        lambda core: core.execute(
            text(
                "SELECT count(DISTINCT x) FROM (SELECT xmin::text x FROM journal UNION ALL SELECT xmin::text FROM work "
                "UNION ALL SELECT xmin::text FROM item_end UNION ALL SELECT xmin::text FROM ledger) rows"
            )
        ).scalar()
    )
    assert made == 1
