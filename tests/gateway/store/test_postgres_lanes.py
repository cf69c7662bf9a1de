"""Several workers on PostgreSQL: who gets which lanes, and when they are free again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.coordination.records import Coverage
from gateway.store.ports import LoadRequest, StoreUnavailable, WriteSet
from gateway.store.postgres import PostgresStore
from gateway.store.postgres_floor import RESCAN, Floor
from gateway.store.postgres_session import PostgresSession
from tests.gateway.store.conftest import Clock
from tests.gateway.store.samples import NOON, end, entry, new_work, parked, patient, rows, write
from tests.support.postgres_server import PostgresServer


@pytest.fixture
async def stores(postgres_store_url: str, clock: Clock) -> AsyncIterator[list[PostgresStore]]:
    """Three processes, as far as PostgreSQL can tell."""
    found = [PostgresStore(postgres_store_url, clock=clock, claim_lanes=2) for _ in range(3)]
    for store in found:
        await store.open()
    yield found
    for store in found:
        await store.close()


async def claimed(store: PostgresStore, limit: int = 100) -> PostgresSession:
    session = await store.claim(limit)
    assert session is not None
    return session


def ids(session: PostgresSession) -> list[int]:
    return [item.journal_id for item in session.items]


async def test_two_workers_share_the_lanes(stores: list[PostgresStore]) -> None:
    first, second, third = stores
    await first.ingest([entry(lanes=(lane,)) for lane in (1, 2, 3, 4, 1, 3)])
    async with await claimed(first) as one, await claimed(second) as two:
        assert (ids(one), ids(two)) == ([1, 2, 5], [3, 4, 6])
        assert await third.claim(100) is None
    async with await claimed(third) as again:
        assert ids(again) == [1, 2, 5]


async def test_worker_looks_past_a_long_backlog_of_a_lane_that_another_holds(stores: list[PostgresStore]) -> None:
    first, second, _ = stores
    await first.ingest([entry(lanes=(1,)) for _ in range(50)] + [entry(lanes=(2,))])
    async with await claimed(first, 1), await claimed(second, 1) as two:
        assert ids(two) == [51]


async def test_lanes_of_a_rolled_back_session_are_claimed_again_from_their_oldest_item(
    stores: list[PostgresStore],
) -> None:
    """Another worker that saw only newer work meanwhile must not begin behind what came back."""
    first, second, _ = stores
    await first.ingest([entry(lanes=(1,)), entry(lanes=(2,)), entry(lanes=(1,))])
    async with await claimed(first) as one:
        assert ids(one) == [1, 2, 3]
        await second.ingest([entry(lanes=(3,))])
        async with await claimed(second) as two:
            assert ids(two) == [4]
            await two.commit(WriteSet(done=[4]))
    async with await claimed(second) as again:
        assert ids(again) == [1, 2, 3]


async def test_work_committed_late_under_a_low_id_is_not_overtaken_in_its_lane(stores: list[PostgresStore]) -> None:
    """Ids are taken before commit: what was the oldest when we looked is no bound for what comes."""
    store, other, _ = stores
    async with other._pool.transaction() as late:
        await late.raw.execute(
            "INSERT INTO work (work_id, lane, journal_id, item, kind, channel, source_kind, received_at, attempts, "
            "replayed) VALUES (nextval('arrival'), 3, 1, 0, 'read', 'adt', 'hl7v2', now(), 0, false)"
        )
        await store.ingest([entry(lanes=(9,))])
        async with await claimed(store) as session:
            assert ids(session) == [2]
            await session.commit(WriteSet(done=[2]))
    await store.ingest([entry(lanes=(3,))])
    async with await claimed(store) as session:
        assert ids(session) == [1, 3]


def test_floor_rises_only_to_what_was_the_oldest_in_a_whole_span() -> None:
    floor = Floor()
    seen = [(100.0, 50, 0), (130.0, 70, 0), (155.0, 60, 0), (161.0, 90, 0), (165.0, 120, 50), (222.0, 130, 50)]
    for now, oldest, begins in seen:
        assert floor.at(now) in (begins, 0)
        assert floor.at(now + 0.1) == begins
        floor.saw(now, oldest)
    assert floor.at(223.0) == 90


def test_floor_falls_to_older_work_that_a_rescan_finds() -> None:
    floor = Floor()
    for now, oldest in ((100.0, 50), (161.0, 60)):
        floor.at(now)
        floor.saw(now, oldest)
    assert floor.at(170.0) == 50
    assert floor.at(170.0 + RESCAN) == 0
    floor.saw(170.0 + RESCAN, 7)
    assert floor.at(171.0 + RESCAN) == 7


async def test_item_of_two_lanes_is_claimed_with_exactly_these(stores: list[PostgresStore]) -> None:
    first, second, _ = stores
    await first.ingest([entry(lanes=(8,)), entry(lanes=(8, 9)), entry(lanes=(9,)), entry(lanes=(7,))])
    async with await claimed(first) as one:
        assert (set(one.lanes), ids(one)) == ({8, 9}, [1, 2, 3])
    async with await second.hold(frozenset({9})):
        async with await claimed(first) as one:
            assert (set(one.lanes), ids(one)) == ({8}, [1])
            await one.commit(WriteSet(done=[1]))
        waiting = asyncio.create_task(claimed(first))
        await asyncio.sleep(0.1)
        assert not waiting.done()
    async with await waiting as one:
        assert (set(one.lanes), ids(one)) == ({8, 9}, [2, 3])


async def test_only_lanes_waits_for_them_and_drains_in_order(stores: list[PostgresStore]) -> None:
    first, second, _ = stores
    await first.ingest([entry(lanes=(1,)), entry(lanes=(2,)), entry(lanes=(3,)), entry(lanes=(1, 2))])
    async with await first.hold(frozenset({2})):
        waiting = asyncio.create_task(second.claim(10, only_lanes=frozenset({1, 2}), up_to=4))
        await asyncio.sleep(0.1)
        assert not waiting.done()
    session = await waiting
    assert session is not None
    async with session:
        assert ids(session) == [1, 2, 4]


async def test_load_sees_what_the_last_holder_of_the_lanes_committed(stores: list[PostgresStore]) -> None:
    first, second, _ = stores
    async with await first.hold(frozenset({3})) as holder:
        waiting = asyncio.create_task(second.hold(frozenset({3})))
        await asyncio.sleep(0.05)
        await holder.commit(WriteSet(rows=rows(patient("pat_1", family="New"))))
    async with await waiting as session:
        loaded = await session.load(LoadRequest(patient_ids=["pat_1"]))
    assert loaded.lanes == {"pat_1": (3,)}


async def test_session_that_is_cancelled_frees_its_lanes(stores: list[PostgresStore]) -> None:
    first, second, _ = stores
    await first.ingest([entry()])

    async def hang() -> None:
        async with await claimed(first) as session:
            assert session._connection is not None
            await session._connection.raw.execute("SELECT pg_sleep(60)")

    worker = asyncio.create_task(hang())
    await asyncio.sleep(0.2)
    assert await second.claim(5) is None
    worker.cancel()
    await asyncio.wait([worker])
    async with await claimed(second) as session:
        assert ids(session) == [1]


async def test_connection_that_is_lost_frees_its_lanes_at_once(
    stores: list[PostgresStore], postgres_server: PostgresServer
) -> None:
    first, second, _ = stores
    await first.ingest([entry()])
    with pytest.raises(StoreUnavailable):
        async with await claimed(first) as session:
            assert session._connection is not None
            postgres_server.execute(f"select pg_terminate_backend({session._connection.raw.get_server_pid()}, 5000)")
            async with await claimed(second) as other:
                assert ids(other) == [1]
            await session.commit(WriteSet(done=[1]))
    async with await claimed(first) as session:
        assert ids(session) == [1]


async def test_command_gets_lanes_that_a_merge_added_while_it_waited(stores: list[PostgresStore]) -> None:
    first, second, _ = stores
    await write(first, rows=rows(patient("pat_1", lanes_json="[3]")))
    async with await first.hold(frozenset({3, 4})) as merging:
        waiting = asyncio.create_task(second.claim_patient("pat_1"))
        await asyncio.sleep(0.1)
        await merging.commit(WriteSet(rows=rows(patient("pat_1", lanes_json="[3, 4]"))))
    async with await waiting as session:
        assert session.lanes == {3, 4}


async def test_answer_parked_while_its_coverage_is_written_is_tried_again(stores: list[PostgresStore]) -> None:
    """Neither transaction sees what the other writes; the parked one must not wait for a key that is there already."""
    first, second, _ = stores
    await first.ingest([entry(lanes=(1,)), entry(lanes=(2,))])
    hop = parked(1, match_keys=("member:M1", "trace:T"), kind="event", payload=b"answer", lanes=(1,))
    async with await first.hold(frozenset({1})) as answer, await second.hold(frozenset({2})) as visit:
        assert not (await answer.load(LoadRequest(members=["M1"]))).rows["patients"]
        coverage = _coverage("cov_1", "pat_1", "M1")
        await visit.commit(
            WriteSet(done=[2], ends=[end(2)], rows=rows(patient("pat_1"), coverage), appeared=["member:M1"])
        )
        await answer.commit(WriteSet(done=[1], parked=[hop]))
    async with await claimed(first) as session:
        assert [(item.kind, item.body) for item in session.items] == [("event", b"answer")]
    assert (await first.ledger()).balanced


async def test_answer_whose_member_was_known_when_it_was_parked_stays(stores: list[PostgresStore]) -> None:
    store = stores[0]
    await store.ingest([entry(lanes=(1,))])
    await write(store, rows=rows(patient("pat_1"), _coverage("cov_1", "pat_1", "M1")))
    async with await store.hold(frozenset({1})) as session:
        await session.load(LoadRequest(members=["M1"]))
        await session.commit(WriteSet(done=[1], parked=[parked(1, match_keys=("member:M1",))]))
    assert await store.claim(5) is None


async def test_load_sees_one_moment_though_a_merge_commits_in_between(stores: list[PostgresStore]) -> None:
    first, second, _ = stores
    await write(first, rows=rows(patient("pat_a"), patient("pat_b"), _coverage("cov", "pat_a", "M")))
    async with await first.hold(frozenset({9})) as reader:
        async with reader._pool.transaction(snapshot=True) as connection:
            await connection.raw.fetch("SELECT 1")
            moved = [patient("pat_a", merged_into="pat_b"), _coverage("cov", "pat_b", "M")]
            await write(second, rows=rows(*moved))
            assert await connection.raw.fetchval("SELECT patient_id FROM coverages") == "pat_a"
        loaded = await reader.load(LoadRequest(members=["M"]))
    assert {row[0] for row in loaded.rows["patients"]} == {"pat_b"}


async def test_work_of_a_new_hop_goes_behind_what_is_pending(stores: list[PostgresStore]) -> None:
    store = stores[0]
    await store.ingest([entry(lanes=(1,)), entry(lanes=(5,))])
    async with await store.claim(1) or pytest.fail() as session:
        await session.commit(WriteSet(done=[1], new_work=[new_work(1, 0, lanes=(5,))]))
    async with await claimed(store) as session:
        assert [(item.journal_id, item.kind) for item in session.items] == [(2, "read"), (1, "event")]


def _coverage(coverage_id: str, patient_id: str, member_id: str) -> Coverage:
    stamps: dict[str, Any] = {
        "recorded_at": NOON,
        "created_at": NOON,
        "updated_at": NOON,
        "facility_id": "GH",
        "revision": 1,
    }
    return Coverage(coverage_id=coverage_id, patient_id=patient_id, member_id=member_id, **stamps)
