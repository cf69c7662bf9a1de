"""Out of PostgreSQL: the event log in commit order, and one relay per sink."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.event_sinks import BUS
from gateway.store.ports import EventRow, WriteSet
from gateway.store.postgres import PostgresStore
from gateway.store.postgres_commit import CommitWriter
from gateway.store.postgres_session import PostgresSession
from tests.gateway.store.conftest import Clock
from tests.gateway.store.samples import event, write
from tests.support.postgres_server import PostgresServer


@pytest.fixture
async def stores(postgres_store_url: str, clock: Clock) -> AsyncIterator[list[PostgresStore]]:
    found = [PostgresStore(postgres_store_url, clock=clock) for _ in range(2)]
    for store in found:
        await store.open()
    yield found
    for store in found:
        await store.close()


async def read(store: PostgresStore, after: str | None) -> tuple[list[str], str]:
    found, position = await store.read_events(after, 100)
    return [row.event_id for _, row in found], position


@pytest.mark.parametrize("slow_begins_first", [True, False])
async def test_reader_never_passes_an_event_whose_transaction_is_open(
    stores: list[PostgresStore], slow_begins_first: bool
) -> None:
    """Decision 21: nothing missing, nothing twice."""
    writer, reader = stores
    await write(writer, events=[event("before")])
    seen, position = await read(reader, None)
    lane = frozenset({1})
    async with await writer.hold(lane) as slow:
        assert slow._connection is not None
        if slow_begins_first:
            await slow._connection.raw.execute("SELECT pg_current_xact_id()")
        else:
            await write(reader, events=[event("between")])
        await _insert(slow, event("slow"))
        await write(reader, events=[event("fast")])
        found, position = await read(reader, position)
        seen += found
        again, position = await read(reader, position)
        seen += again
        assert "slow" not in seen and "fast" not in seen
        await slow.commit(WriteSet())
    found, position = await read(reader, position)
    seen += found
    assert sorted(seen) == sorted({"before", "slow", "fast", *([] if slow_begins_first else ["between"])})
    assert await read(reader, position) == ([], position)


async def _insert(session: PostgresSession, row: EventRow) -> None:
    """Write an event in the session's transaction and leave it open."""
    assert session._connection is not None
    writer = CommitWriter(session._connection, row.emitted_at, (BUS,), 1)
    await writer.write(WriteSet(events=[row]), {})


async def test_relay_of_a_sink_is_one_process_until_it_ends(stores: list[PostgresStore]) -> None:
    first, second = stores
    await write(first, events=[event("e1")])
    assert len(await first.outbox_claim("bus", 5)) == 1
    assert await second.outbox_claim("bus", 5) == []
    assert await second.outbox_claim("other-sink", 5) == []
    assert len(await first.outbox_claim("bus", 5)) == 1
    await first.close()
    assert [item.event_id for item in await second.outbox_claim("bus", 5)] == ["e1"]


async def test_relay_whose_connection_was_cut_gives_the_sink_away(
    stores: list[PostgresStore], postgres_server: PostgresServer
) -> None:
    first, second = stores
    await write(first, events=[event("e1")])
    assert len(await first.outbox_claim("bus", 5)) == 1
    postgres_server.execute(
        "select pg_terminate_backend(pid, 5000) from (select distinct pid from pg_locks where locktype = 'advisory') p"
    )
    assert len(await second.outbox_claim("bus", 5)) == 1
    assert await first.outbox_claim("bus", 5) == []


async def test_one_process_relays_many_sinks_over_one_connection(stores: list[PostgresStore]) -> None:
    first, second = stores
    names = [f"file-{n}" for n in range(20)]
    for name in names:
        assert await first.outbox_claim(name, 5) == []
    assert [await second.outbox_claim(name, 5) for name in names] == [[]] * 20
    assert first._sink_locks._held == set(names) and not second._sink_locks._held
