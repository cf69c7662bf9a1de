from __future__ import annotations

import asyncio
import subprocess
import sys

import msgspec
import pytest

from gateway.coordination.records import Authorization, Coverage, Patient, Task
from gateway.store.limits import CLAIM_BYTES, WHOLE
from gateway.store.ports import LoadRequest, StoreUnavailable
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite_statements import CLAIM
from tests.gateway.store.conftest import Clock, only_sqlite
from tests.gateway.store.samples import (
    NOON,
    encounter,
    entry,
    identifier,
    new_work,
    patient,
    rows,
    task,
    timer,
    write,
)


async def claimed(store: SqliteStore, limit: int = 100) -> list[tuple[int, str, tuple[int, ...]]]:
    session = await store.claim(limit)
    if session is None:
        return []
    async with session:
        return [(item.journal_id, item.kind, item.lanes) for item in session.items]


async def test_claim_gives_items_once_in_order_of_receipt_with_all_their_lanes(store: SqliteStore) -> None:
    await store.ingest([entry(lanes=(8, 2)), entry(lanes=(1,)), entry(lanes=(2,))])
    assert await claimed(store) == [(1, "read", (2, 8)), (2, "read", (1,)), (3, "read", (2,))]
    assert await claimed(store, 2) == [(1, "read", (2, 8)), (2, "read", (1,))]


async def test_claim_item_carries_what_the_pipeline_needs(store: SqliteStore) -> None:
    await store.ingest([entry(b"body", config_version=7, control_id="X1")])
    session = await store.claim(1)
    assert session is not None
    async with session:
        (item,) = session.items
    assert (item.body, item.config_version, item.control_id, item.source_kind) == (b"body", 7, "X1", "hl7v2")
    assert (item.received_at, item.attempts, item.replayed, item.channel) == (NOON, 0, False, "adt")


async def test_claim_with_nothing_pending_gives_none_and_frees_the_lanes(store: SqliteStore) -> None:
    assert await store.claim(5) is None
    assert await store.claim(5) is None


@only_sqlite
async def test_claim_waits_for_the_session_before_it(store: SqliteStore) -> None:
    await store.ingest([entry()])
    session = await store.claim(1)
    assert session is not None
    second = asyncio.create_task(store.claim(1))
    async with session:
        await asyncio.sleep(0.05)
        assert not second.done()
    later = await second
    assert later is not None
    await later.__aexit__()


async def test_claim_stops_before_bodies_that_do_not_fit_but_always_takes_one(store: SqliteStore) -> None:
    many = [entry(b"x" * WHOLE)] * (CLAIM_BYTES // WHOLE - 1)
    await store.ingest([*many, entry(b"x" * (WHOLE - 10)), entry(b"0123456789"), entry(b"y")])
    session = await store.claim(100)
    assert session is not None
    async with session:
        assert [len(item.body) for item in session.items] == [WHOLE] * len(many) + [WHOLE - 10, 10]


@only_sqlite
async def test_claim_is_one_pass_over_the_key_without_a_sort(store: SqliteStore) -> None:
    plan = await store.reading(
        lambda c: c.raw.execute("EXPLAIN QUERY PLAN " + CLAIM.text, CLAIM.arguments(limit=5)).fetchall()
    )
    assert not [row for row in plan if "TEMP B-TREE" in row[3]]


async def test_failed_attempt_is_seen_by_the_next_claim(store: SqliteStore) -> None:
    await store.ingest([entry(lanes=(1, 2)), entry()])
    await store.failed_attempt([1])
    session = await store.claim(10)
    assert session is not None
    async with session:
        assert [item.attempts for item in session.items] == [1, 0]


@only_sqlite
async def test_claim_by_a_second_process_on_the_same_store_is_refused(store: SqliteStore) -> None:
    assert await store.claim(1) is None
    code = (
        "import asyncio, datetime, sys\n"
        "from gateway.store.sqlite import SqliteStore\n"
        "from gateway.store.ports import StoreUnavailable\n"
        "async def main():\n"
        "    store = SqliteStore(sys.argv[1], clock=lambda: datetime.datetime.now(datetime.UTC))\n"
        "    await store.open()\n"
        "    try:\n"
        "        await store.claim(1)\n"
        "    except StoreUnavailable:\n"
        "        print('refused')\n"
        "    await store.close()\n"
        "asyncio.run(main())\n"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code, str(store.path)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "refused", done.stderr
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.claim(1)


# -- load --------------------------------------------------------------------------------------------------------------


async def loaded(store: SqliteStore, **request: object) -> dict[str, list[object]]:
    async with await store.claim_patient("") as session:
        found = await session.load(LoadRequest(**request))  # type: ignore[arg-type]
    return found.rows


async def test_load_gives_rows_that_decode_into_the_records_written(store: SqliteStore) -> None:
    first = patient("pat_1", restricted=True, birth_date="1950-01-31", deceased_at=NOON)
    await write(store, rows=rows(first, identifier("A1", "pat_1"), task("tsk_1", "pat_1", late=True)))
    found = await loaded(store, identifiers=[("GH", "A1")])
    again = msgspec.convert(msgspec.msgpack.decode(msgspec.msgpack.encode(found["patients"])), list[Patient])
    assert again == [first]
    assert msgspec.convert(found["tasks"], list[Task])[0].late is True


async def test_load_without_any_known_key_is_empty(store: SqliteStore) -> None:
    assert not any((await loaded(store, identifiers=[("GH", "nobody")], members=["m"], traces=["t"])).values())
    assert not any((await loaded(store)).values())


async def test_load_finds_patients_by_every_kind_of_key(store: SqliteStore) -> None:
    stamps = {"recorded_at": NOON, "created_at": NOON, "updated_at": NOON, "facility_id": "GH", "revision": 1}
    asked = {"source": "278", "status": "pended", **stamps}
    await write(
        store,
        rows=rows(
            *(patient(f"pat_{n}") for n in range(1, 8)),
            identifier("A1", "pat_1"),
            Coverage(coverage_id="cov", patient_id="pat_2", member_id="M1", **stamps),
            Authorization(authorization_id="a3", patient_id="pat_3", trace="T3", **asked),
            Authorization(authorization_id="a4", patient_id="pat_4", number="N4", **asked),
            Authorization(authorization_id="a5", patient_id="pat_5", tracking_number="K5", **asked),
            timer("tmr", patient_id="pat_6"),
        ),
    )
    request = {"identifiers": [("GH", "A1")], "members": ["M1"], "traces": ["T3", "N4", "K5"]}
    found = await loaded(store, **request, timers=["tmr"], patient_ids=["pat_7"])
    assert [row[0] for row in found["patients"]] == [f"pat_{n}" for n in range(1, 8)]  # type: ignore[index]
    assert [len(found[name]) for name in ("coverages", "authorizations", "timers")] == [1, 3, 1]


async def test_load_follows_a_merge_to_the_survivor(store: SqliteStore) -> None:
    chain = [
        patient("pat_a", merged_into="pat_b"),
        patient("pat_b", merged_into="pat_c"),
        patient("pat_c", lanes_json="[3, 9]"),
        identifier("A", "pat_a"),
    ]
    await write(store, rows=rows(*chain))
    async with await store.claim_patient("") as session:
        found = await session.load(LoadRequest(identifiers=[("GH", "A")]))
    assert {row[0] for row in found.rows["patients"]} == {"pat_a", "pat_b", "pat_c"}
    assert found.lanes["pat_c"] == (3, 9)


async def test_load_with_merges_in_a_circle_ends(store: SqliteStore) -> None:
    circle = [patient("pat_a", merged_into="pat_b"), patient("pat_b", merged_into="pat_a")]
    await write(store, rows=rows(*circle))
    assert len((await loaded(store, patient_ids=["pat_a"]))["patients"]) == 2


async def test_load_leaves_out_tasks_closed_long_ago_of_stays_that_ended(store: SqliteStore, clock: Clock) -> None:
    await write(
        store,
        rows=rows(
            patient("pat_1"),
            encounter("enc_open", "pat_1"),
            encounter("enc_done", "pat_1", discharged_at=NOON),
            task("tsk_open", "pat_1"),
            task("tsk_old", "pat_1", closed_at=NOON, encounter_id="enc_done"),
            task("tsk_stay", "pat_1", closed_at=NOON, encounter_id="enc_open"),
            task("tsk_cover", "pat_1", closed_at=NOON, coverage_id="cov_1"),
            task("tsk_answer", "pat_1", closed_at=NOON, encounter_id="enc_done", authorization_id="aut_1"),
        ),
    )
    assert len((await loaded(store, patient_ids=["pat_1"]))["tasks"]) == 5
    clock.advance(days=90, seconds=1)
    found = (await loaded(store, patient_ids=["pat_1"]))["tasks"]
    assert {row[0] for row in found} == {"tsk_open", "tsk_stay", "tsk_cover", "tsk_answer"}  # type: ignore[index]


async def test_load_sees_what_the_session_before_committed_though_its_caller_was_cancelled(store: SqliteStore) -> None:
    await store.ingest([entry()])

    async def commit() -> None:
        await write(store, rows=rows(patient("pat_1")), new_work=[new_work(1, 1)])

    caller = asyncio.create_task(commit())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    before = await loaded(store, patient_ids=["pat_1"])
    await asyncio.sleep(0.1)
    assert await loaded(store, patient_ids=["pat_1"]) == before


@only_sqlite
async def test_patient_is_claimed_for_a_command_while_nobody_else_works(store: SqliteStore) -> None:
    await write(store, rows=rows(patient("pat_1", lanes_json="[3, 9]")))
    assert await store.patient_lanes("pat_1") == {3, 9} and await store.patient_lanes("nobody") == set()
    await store.ingest([entry()])
    async with await store.claim_patient("pat_1") as session:
        claim = asyncio.create_task(store.claim(1))
        await asyncio.sleep(0.05)
        assert not claim.done() and list(session.items) == []
    later = await claim
    assert later is not None
    await later.__aexit__()
