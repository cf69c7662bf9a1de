from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Table, func, select

from gateway.coordination.records import Merge, TaskChange, Transition
from gateway.store import schema as s
from gateway.store.bodies import open_body
from gateway.store.limits import PART
from gateway.store.ports import Reply, WriteRefused
from gateway.store.sqlite import SqliteStore
from tests.gateway.store.conftest import Clock
from tests.gateway.store.samples import (
    NOON,
    end,
    entry,
    event,
    new_work,
    parked,
    patient,
    rows,
    task,
    timer,
    write,
)


async def count(store: SqliteStore, table: Table) -> int:
    return int((await store.fetch(select(func.count().label("n")).select_from(table)))[0]["n"])


async def values(store: SqliteStore, table: Table, *names: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in await store.fetch(select(*(table.c[name] for name in names)))]


async def test_commit_state_is_inserted_then_replaced_by_key(store: SqliteStore) -> None:
    await write(store, rows=rows(patient("pat_1", family="Ex", restricted=True), task("tsk_1", "pat_1")))
    await write(store, rows=rows(patient("pat_1", revision=2, updated_at=NOON + timedelta(seconds=1, microseconds=5))))
    (row,) = await store.fetch(select(s.patients))
    assert (row["revision"], row["family"], row["restricted"]) == (2, None, False)
    assert row["updated_at"] == NOON + timedelta(seconds=1, microseconds=5)
    assert await count(store, s.tasks) == 1


async def test_commit_appends_history_with_several_changes_of_one_revision(store: SqliteStore) -> None:
    change = TaskChange(task_id="t", revision=1, facility_id="GH", at=NOON, actor="rule:r", change="opened")
    passed = Transition(
        transition_id="trn",
        facility_id="GH",
        patient_id="p",
        kind="encounter-status",
        aggregate="encounter",
        aggregate_id="e",
        message_id="m-1",
        event_id="evt",
        occurred_at=NOON,
        at=NOON,
    )
    merge = Merge(
        merge_id="mrg",
        facility_id="GH",
        survivor_id="a",
        prior_id="b",
        trigger="A40",
        message_id="m-1",
        moved_json="{}",
        at=NOON,
    )
    await write(store, appended=rows(change, change, passed, merge))
    assert [await count(store, table) for table in s.APPENDED_TABLES] == [2, 1, 1, 0]


async def test_commit_that_is_refused_leaves_nothing_and_names_no_value(store: SqliteStore) -> None:
    await store.ingest([entry()])
    await write(store, rows=rows(task("tsk_1", "pat_1", task_key="secret-key")))
    with pytest.raises(WriteRefused) as refused:
        await write(store, done=[1], ends=[end(1)], rows=rows(patient("p"), task("t2", "p", task_key="secret-key")))
    assert "secret" not in str(refused.value) and "tasks" in str(refused.value)
    assert [await count(store, table) for table in (s.patients, s.item_end, s.work)] == [0, 0, 1]


async def test_commit_done_work_goes_in_all_its_lanes(store: SqliteStore) -> None:
    await store.ingest([entry(lanes=(1, 2, 3)), entry()])
    await write(store, done=[1], ends=[end(1)])
    assert await values(store, s.work, "work_id") == [(2,)]
    assert await values(store, s.item_end, "journal_id", "item", "word") == [(1, 0, "processed")]


async def test_commit_second_end_of_an_item_changes_and_counts_nothing(store: SqliteStore) -> None:
    await store.ingest([entry()])
    await write(store, done=[1], ends=[end(1)])
    await write(store, ends=[end(1, "filtered"), end(1)])
    ledger = await store.ledger()
    assert ledger.balanced and ledger.channels["adt"].words["filtered"] == 0
    assert await values(store, s.item_end, "word") == [("processed",)]


async def test_commit_second_hop_replaces_the_first_and_goes_to_the_end(store: SqliteStore) -> None:
    await store.ingest([entry(kind="x12"), entry()])
    hops = [new_work(1, 0, lanes=(5,)), new_work(1, 1, lanes=(6, 7), payload=b"second")]
    await write(store, done=[1], new_work=hops, received={"adt": 1})
    session = await store.claim(10)
    assert session is not None
    async with session:
        found = [(i.journal_id, i.item, i.kind, i.lanes, i.body, i.source_kind) for i in session.items]
    assert found == [
        (2, 0, "read", (3,), b"MSH|one", "hl7v2"),
        (1, 0, "event", (5,), b"{}", "x12"),
        (1, 1, "event", (6, 7), b"second", "x12"),
    ]
    ledger = await store.ledger()
    assert ledger.balanced and ledger.channels["adt"].came == ledger.channels["adt"].open == 3


async def test_commit_second_hop_that_is_pending_is_not_added_again(store: SqliteStore) -> None:
    await write(store, new_work=[new_work(1, 1)])
    await write(store, new_work=[new_work(1, 1, lanes=(5, 6)), new_work(1, 2)])
    assert await values(store, s.work, "item", "lane") == [(1, 5), (2, 5)]


async def test_commit_item_of_a_rerun_that_ended_before_is_not_parked(store: SqliteStore) -> None:
    await store.ingest([entry()])
    await write(store, done=[1], ends=[end(1)])
    await write(store, parked=[parked(1)])
    assert await count(store, s.parked) == 0 and (await store.ledger()).balanced


# -- parked ------------------------------------------------------------------------------------------------------------


async def test_commit_parked_item_is_kept_with_its_keys_and_counted(store: SqliteStore) -> None:
    await store.ingest([entry()])
    item = parked(1, match_keys=("member:M", "trace:T"), payload=b"p", kind="event")
    await write(store, done=[1], parked=[item], ends=[end(1, "parked")])
    assert await values(store, s.parked, "journal_id", "reason", "payload") == [(1, "no-patient-id", b"p")]
    assert await count(store, s.match_key) == 2
    ledger = await store.ledger()
    assert ledger.balanced and ledger.channels["adt"].words["parked"] == 1


async def test_commit_key_that_appears_makes_its_parked_answers_work_again(store: SqliteStore) -> None:
    await store.ingest([entry(), entry(), entry()])
    waiting = [
        parked(1, match_keys=("member:M", "trace:T"), payload=b"one", kind="event", lanes=(4, 9)),
        parked(2, match_keys=("trace:T",), payload=b"two", kind="event"),
        parked(3, match_keys=("trace:other",), kind="event"),
    ]
    await write(store, done=[1, 2, 3], parked=waiting)
    await write(store, appeared=["trace:T", "member:M", "member:nobody"])
    session = await store.claim(10)
    assert session is not None
    async with session:
        found = [(i.journal_id, i.kind, i.body, i.lanes, i.replayed) for i in session.items]
    assert found == [(1, "event", b"one", (4, 9), True), (2, "event", b"two", (3,), True)]
    ledger = await store.ledger()
    assert ledger.balanced and (ledger.channels["adt"].words["parked"], ledger.channels["adt"].open) == (1, 2)
    assert await count(store, s.match_key) == 1
    assert {row[0] for row in await values(store, s.parked_history, "resolution")} == {"retried"}


async def test_parked_item_is_retried_by_a_person_once(store: SqliteStore) -> None:
    await store.ingest([entry(b"raw")])
    await write(store, done=[1], parked=[parked(1)])
    assert await store.retry_parked(1, "jdoe", "mapping fixed") is True
    assert await store.retry_parked(1, "jdoe") is False
    session = await store.claim(1)
    assert session is not None
    async with session:
        assert [(i.body, i.attempts, i.replayed) for i in session.items] == [(b"raw", 0, True)]
    await write(store, done=[session.items[0].work_id], ends=[end(1)])
    ledger = await store.ledger()
    assert ledger.balanced and ledger.channels["adt"].words["processed"] == 1
    assert await values(store, s.parked_history, "actor", "why", "reason") == [
        ("jdoe", "mapping fixed", "no-patient-id")
    ]


async def test_parked_item_that_is_discarded_ends_as_filtered(store: SqliteStore) -> None:
    await store.ingest([entry()])
    await write(store, done=[1], parked=[parked(1, match_keys=("trace:T",))])
    assert await store.discard_parked(1, "jdoe", "test message") is True
    assert await values(store, s.item_end, "word", "reason") == [("filtered", "discarded")]
    ledger = await store.ledger()
    assert ledger.balanced and ledger.channels["adt"].words == {
        "processed": 0,
        "filtered": 1,
        "duplicate": 0,
        "rejected": 0,
        "parked": 0,
    }
    assert await count(store, s.match_key) == 0


async def test_parked_item_that_is_edited_is_read_from_a_new_row_linked_to_the_old(store: SqliteStore) -> None:
    await store.ingest([entry(b"old", lanes=(4,), control_id="C")])
    await write(store, done=[1], parked=[parked(1, lanes=(4,))])
    new_id = await store.edit_parked(1, b"new", "jdoe", "PID-3 was empty")
    assert await store.edit_parked(1, b"new", "jdoe", "again") is None
    session = await store.claim(5)
    assert session is not None
    async with session:
        assert [(i.journal_id, i.body, i.lanes, i.kind) for i in session.items] == [(new_id, b"new", (4,), "read")]
    edited = await values(store, s.journal, "body", "replay_of", "edited_by", "edit_reason", "control_id", "size")
    assert edited == [(b"old", None, None, None, "C", 3), (b"new", 1, "jdoe", "PID-3 was empty", "C", 3)]
    ledger = await store.ledger()
    assert ledger.balanced and ledger.channels["adt"].came == 2


async def test_edited_body_over_one_part_is_stored_in_parts(store: SqliteStore) -> None:
    await store.ingest([entry()])
    await write(store, done=[1], parked=[parked(1)])
    body = b"y" * (PART + 1)
    await store.edit_parked(1, body, "jdoe", "why")
    assert await count(store, s.journal_part) == 2
    session = await store.claim(1)
    assert session is not None
    async with session:
        assert session.items[0].size == len(body)
        found = await open_body(store, session.items[0].journal_id)
        assert found is not None and await found.read() == body


# -- timers ------------------------------------------------------------------------------------------------------------


async def test_due_timer_becomes_work_in_its_lane_once(store: SqliteStore, clock: Clock) -> None:
    await write(store, rows=rows(timer("t1", lane=6), timer("later", fire_at=NOON + timedelta(hours=1))))
    assert await store.due_timers(NOON, 10, {}) == 1
    assert await store.due_timers(NOON, 10, {}) == 0
    session = await store.claim(5)
    assert session is not None
    async with session:
        ((item),) = session.items
    assert (item.kind, item.body, item.lanes, item.channel, item.journal_id) == ("timer", b"t1", (6,), "adt", 0)
    assert (await store.ledger()).balanced


async def test_fired_timer_goes_with_the_commit_that_decided_it(store: SqliteStore) -> None:
    await write(store, rows=rows(timer("t1")))
    await store.due_timers(NOON, 10, {})
    await write(store, done=[1], deleted_timers=["t1"])
    assert [await count(store, table) for table in (s.timers, s.timer_queued, s.work)] == [0, 0, 0]


async def test_timer_set_anew_does_not_fire_by_what_was_queued_before(store: SqliteStore) -> None:
    await write(store, rows=rows(timer("t1"), timer("t2")))
    assert await store.due_timers(NOON, 10, {}) == 2
    await write(store, rows=rows(timer("t1", fire_at=NOON + timedelta(hours=1))), deleted_timers=["t2"])
    assert await count(store, s.work) == 0
    assert await store.due_timers(NOON, 10, {}) == 0
    assert await store.due_timers(NOON + timedelta(hours=1), 10, {}) == 1


@pytest.mark.parametrize(
    ("pending", "fires"),
    [
        ({"lanes": (3,)}, 0),
        ({"lanes": (2, 3)}, 0),
        ({"lanes": (4,)}, 1),
        ({"lanes": (3,), "received_at": NOON + timedelta(seconds=1)}, 1),
        ({"lanes": (99,), "kind": "x12"}, 0),
        ({"lanes": (99,), "kind": "x12", "received_at": NOON + timedelta(seconds=1)}, 1),
    ],
)
async def test_timer_waits_for_work_received_before_it(
    store: SqliteStore, pending: dict[str, object], fires: int
) -> None:
    await store.ingest([entry(**pending)])
    await write(store, rows=rows(timer("t1", lane=3)))
    assert await store.due_timers(NOON + timedelta(hours=1), 10, {}) == fires


async def test_timer_of_a_feed_that_catches_up_fires_up_to_its_horizon(store: SqliteStore) -> None:
    await write(
        store, rows=rows(timer("t1"), timer("t2", fire_at=NOON + timedelta(minutes=5)), timer("o", channel="b"))
    )
    later = NOON + timedelta(hours=1)
    assert await store.due_timers(later, 10, {"adt": NOON - timedelta(minutes=1)}) == 1
    assert await store.due_timers(later, 10, {"adt": NOON}) == 1
    assert await store.due_timers(later, 10, {}) == 1


async def test_blocked_timers_do_not_take_the_places_of_free_ones(store: SqliteStore) -> None:
    await store.ingest([entry(lanes=(3,))])
    await write(store, rows=rows(*(timer(f"t{n}") for n in range(5)), timer("free", lane=8)))
    assert await store.due_timers(NOON, 1, {}) == 1


# -- replies and the outbox --------------------------------------------------------------------------------------------


def reply(partner: str = "PAYER") -> Reply:
    body = b"ISA*{ISA13}~GS*{GS06}~"
    return Reply(journal_id=1, channel="x12-in", partner=partner, kind="999", body=body, facility_id="GH")


async def test_replies_take_control_numbers_of_their_partner_in_order(store: SqliteStore) -> None:
    await write(store, replies=[reply(), reply("OTHER"), reply()])
    await write(store, replies=[reply()])
    found = await store.outbox_claim("x12-in", 10)
    assert [(item.key, item.body) for item in found] == [
        ("PAYER", b"ISA*000000001~GS*1~"),
        ("OTHER", b"ISA*000000001~GS*1~"),
        ("PAYER", b"ISA*000000002~GS*2~"),
        ("PAYER", b"ISA*000000003~GS*3~"),
    ]
    await store.outbox_settle("x12-in", [(item.sequence, "confirmed") for item in found])
    assert await store.outbox_claim("x12-in", 10) == []
    assert (await store.ledger()).sinks["x12-in"].words["confirmed"] == 4


async def test_store_without_numbering_sends_nothing_to_partners(tmp_path: Path, migrated: bytes) -> None:
    (tmp_path / "baton.db").write_bytes(migrated)
    store = SqliteStore(tmp_path / "baton.db", clock=lambda: NOON)
    await store.open()
    with pytest.raises(WriteRefused):
        await write(store, replies=[reply()])
    assert await values(store, s.replies, "reply_id") == []
    await store.close()


async def test_events_are_pending_for_the_bus_in_order_until_settled(store: SqliteStore) -> None:
    await write(store, events=[event("e1"), event("e2", patient_id="pat_2"), event("e3")])
    found = await store.outbox_claim("bus", 2)
    assert [(item.event_id, item.key, item.sequence) for item in found] == [("e1", "pat_1", 1), ("e2", "pat_2", 2)]
    await store.outbox_settle("bus", [(1, "confirmed"), (2, "unrouted"), (3, "failed")])
    await store.outbox_settle("bus", [(1, "confirmed")])
    assert [item.event_id for item in await store.outbox_claim("bus", 5)] == ["e3"]
    sink = (await store.ledger()).sinks["bus"]
    assert sink.balanced and (sink.came, sink.words, sink.open) == (
        3,
        {"confirmed": 1, "unrouted": 1, "parked": 0},
        1,
    )
    assert await values(store, s.undelivered, "sequence", "outcome") == [(2, "unrouted")]


async def test_unrouted_events_are_published_again_in_their_old_order(store: SqliteStore) -> None:
    await write(store, events=[event("e1"), event("e2"), event("e3")])
    await store.outbox_settle("bus", [(1, "unrouted"), (2, "parked"), (3, "confirmed")])
    assert await store.publish_again("bus") == 2 and await store.publish_again("bus") == 0
    await write(store, events=[event("e4")])
    assert [item.event_id for item in await store.outbox_claim("bus", 5)] == ["e1", "e2", "e4"]
    sink = (await store.ledger()).sinks["bus"]
    assert sink.balanced and sink.words == {"confirmed": 1, "unrouted": 0, "parked": 0}


async def test_event_of_a_rerun_is_published_once(store: SqliteStore) -> None:
    await write(store, events=[event("e1")])
    await write(store, events=[event("e1", body=b"other"), event("e2")])
    assert [item.event_id for item in await store.outbox_claim("bus", 5)] == ["e1", "e2"]
    assert (await store.ledger()).sinks["bus"].balanced
