"""The server goes, comes back, or is not safe to use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from gateway.store import access
from gateway.store.ports import LoadRequest, SchemaMismatch, StoreUnavailable, UnsafeStore, WriteSet
from gateway.store.postgres import PostgresStore
from tests.gateway.store.conftest import Clock
from tests.gateway.store.samples import entry, event, write
from tests.support.postgres_server import PostgresServer


@pytest.fixture
async def store(postgres_store_url: str, clock: Clock) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(postgres_store_url, clock=clock)
    await store.open()
    yield store
    await store.close()


async def test_store_works_again_after_the_server_was_away(
    store: PostgresStore, postgres_server: PostgresServer
) -> None:
    await store.ingest([entry()])
    await write(store, events=[event("e1")])
    await asyncio.gather(*(store.ledger() for _ in range(6)))  # several connections in the pool
    assert len(await store.outbox_claim("bus", 5)) == 1
    session = await store.claim(5)
    assert session is not None
    postgres_server.stop()
    with pytest.raises(StoreUnavailable):
        async with session:
            await session.commit(WriteSet(done=[1]))
    away: list[Coroutine[Any, Any, object]] = [
        store.ingest([entry()]),
        store.claim(5),
        store.ledger(),
        store.outbox_claim("bus", 5),
    ]
    away += [store.failed_attempt([1]), store.read_events(None, 5), store.hold(frozenset({1}))]
    for call in away:
        with pytest.raises(StoreUnavailable):
            await call
    postgres_server.start()
    assert (await store.ingest([entry()]))[0].journal_id > 1
    again = await store.claim(5)
    assert again is not None
    async with again:
        assert again.items[0].journal_id == 1
        await again.load(LoadRequest(patient_ids=["pat_1"]))
    assert [item.event_id for item in await store.outbox_claim("bus", 5)] == ["e1"]
    assert (await store.ledger()).balanced


async def test_reader_who_is_cancelled_leaves_no_transaction_to_the_next(store: PostgresStore, clock: Clock) -> None:
    for turns in range(60):  # cancelled a little later each time: also while its BEGIN is on its way
        reading = asyncio.create_task(store.ledger())
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await access.add_audit(store, access.NewAudit(at=clock(), action="test", object=str(turns), actor="jdoe"))
    rows, _ = await access.audit_rows(store, None, access.AuditFilter(), None, 100)
    assert len(rows) == 60


async def test_session_whose_server_crashed_leaves_nothing_of_its_commit(
    store: PostgresStore, postgres_server: PostgresServer
) -> None:
    await store.ingest([entry()])
    session = await store.claim(5)
    assert session is not None
    postgres_server.stop(immediate=True)
    with pytest.raises(StoreUnavailable):
        async with session:
            await session.load(LoadRequest(patient_ids=["pat_1"]))
    postgres_server.start()
    ledger = await store.ledger()
    assert ledger.balanced and ledger.channels["adt"].open == 1


@pytest.mark.parametrize("setting", ["synchronous_commit = off", "synchronous_commit = local"])
async def test_database_that_does_not_sync_is_refused(
    postgres_store_url: str, postgres_server: PostgresServer, clock: Clock, setting: str
) -> None:
    name = postgres_store_url.rpartition("/")[2]
    postgres_server.execute(f'alter database "{name}" set {setting}')
    with pytest.raises(UnsafeStore, match="synchronous_commit="):
        await PostgresStore(postgres_store_url, clock=clock).open()


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
async def test_server_that_does_not_sync_is_refused(
    postgres_store_url: str, postgres_server: PostgresServer, clock: Clock, setting: str
) -> None:
    postgres_server.execute(f"alter system set {setting} = off")
    postgres_server.execute("select pg_reload_conf()")
    try:
        with pytest.raises(UnsafeStore, match=f"{setting}=off"):
            await PostgresStore(postgres_store_url, clock=clock).open()
    finally:
        postgres_server.execute(f"alter system reset {setting}")
        postgres_server.execute("select pg_reload_conf()")


async def test_connection_opened_later_is_asked_as_well(
    store: PostgresStore, postgres_store_url: str, postgres_server: PostgresServer
) -> None:
    name = postgres_store_url.rpartition("/")[2]
    postgres_server.execute(f'alter database "{name}" set synchronous_commit = off')
    postgres_server.restart()
    await asyncio.sleep(0.1)  # the loop hears that the old connections ended
    with pytest.raises(UnsafeStore):
        await store.ingest([entry()])


async def test_database_without_tables_is_refused_with_the_way_out(postgres_database: str, clock: Clock) -> None:
    with pytest.raises(SchemaMismatch, match="baton migrate"):
        await PostgresStore(postgres_database, clock=clock).open()


async def test_database_that_does_not_exist_is_unavailable(postgres_url: str, clock: Clock) -> None:
    with pytest.raises(StoreUnavailable, match="3D000"):
        await PostgresStore(postgres_url + "_nowhere", clock=clock).open()
