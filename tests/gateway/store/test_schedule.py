"""Whom a slot of a schedule may concern, on both stores; further items of a message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from gateway.coordination import records
from gateway.coordination.transitions.keyed_set import KeyedSet, encoded_set
from gateway.store.ports import FURTHER, PATIENTS_AT_ONCE, LoadRequest, ScheduleQuery, WriteSet
from tests.gateway.store.samples import NOON, end, entry, new_work, patient, rows, write

HOUR = timedelta(hours=1)


def visit(number: int, *names: str, **changes: Any) -> records.Appointment:
    held = KeyedSet()
    for name in names or ("AIP:77",):
        held.tell(name, {"kind": name[:3]}, NOON)
    values: dict[str, Any] = {"appointment_id": f"apt_{number:04d}", "patient_id": f"pat_{number:04d}", "revision": 1}
    values |= {"facility_id": "GH", "status": "booked", "start_at": NOON, "end_at": NOON + HOUR, "recorded_at": NOON}
    values |= {"resources_json": encoded_set(held), "created_at": NOON, "updated_at": NOON}
    return records.Appointment(**values | changes)


def query(**changes: Any) -> ScheduleQuery:
    values: dict[str, Any] = {"work_id": 9, "journal_id": 9, "channel": "adt", "facility_id": "GH"}
    values |= {"earliest": NOON - 24 * HOUR, "start": NOON, "end": NOON + HOUR, "booked": ["AIP:77"], "waiting": []}
    return ScheduleQuery(**values | changes)


async def concerned(store, asked: ScheduleQuery) -> list[int]:
    async with await store.claim_patient("") as session:
        loaded = await session.load(LoadRequest(schedule=[asked]))
        assert loaded.rows["behind"] == []
        assert {(row[0], row[2]) for row in loaded.rows["schedule"]} <= {(9, "[3]")}
        return [int(row[1].removeprefix("pat_")) for row in loaded.rows["schedule"]]


async def hold(store, *visits: records.Appointment) -> None:
    people = (patient(patient_id) for patient_id in sorted({one.patient_id for one in visits}))
    await write(store, rows=rows(*people, *visits))


async def test_booked_visits_that_overlap_and_name_the_resource_are_found(store) -> None:
    await hold(
        store,
        visit(1),
        visit(2, start_at=NOON - HOUR / 2, end_at=NOON + HOUR / 2),
        visit(3, start_at=NOON - HOUR, end_at=NOON),
        visit(4, start_at=NOON + HOUR, end_at=NOON + 2 * HOUR),
        visit(5, status="cancelled"),
        visit(6, facility_id="TC"),
        visit(7, "AIP:7", "AIL:R_2"),
        visit(8, end_at=None),
        visit(9, status="waitlist"),
        visit(10, patient_id="pat_0001"),
    )
    assert await concerned(store, query()) == [1, 2, 8]
    assert await concerned(store, query(booked=["AIL:R_2"])) == [7]
    assert await concerned(store, query(booked=["AIL:RX2"])) == []
    assert await concerned(store, query(booked=["AIP:%"])) == []
    assert await concerned(store, query(booked=[], waiting=["AIP:77"])) == [9]
    assert await concerned(store, query(waiting=["AIP:77"], after="pat_0001")) == [2, 8, 9]
    first = datetime(1, 1, 1, tzinfo=UTC)
    assert await concerned(store, query(earliest=first, start=first, end=first)) == []


async def test_wide_block_is_given_a_page_at_a_time(store) -> None:
    await hold(store, *(visit(number) for number in range(PATIENTS_AT_ONCE + 1)))
    first = await concerned(store, query())
    assert first == list(range(PATIENTS_AT_ONCE))
    assert await concerned(store, query(after=f"pat_{first[-1]:04d}")) == [PATIENTS_AT_ONCE]


@pytest.mark.parametrize(("channel", "waits"), [("adt", True), ("siu", False)])
async def test_slot_waits_until_what_came_before_it_on_its_channel_is_read(store, channel: str, waits: bool) -> None:
    (earlier,) = await store.ingest([entry(channel=channel)])
    asked = query(work_id=earlier.journal_id + 2, journal_id=earlier.journal_id + 1)
    async with await store.claim_patient("") as session:
        loaded = await session.load(LoadRequest(schedule=[asked]))
    assert loaded.rows["behind"] == [asked.work_id] * waits


async def test_further_items_get_numbers_of_their_own_and_count_as_received(store) -> None:
    (stored,) = await store.ingest([entry()])
    made = [new_work(stored.journal_id, FURTHER + 5, further=True, payload=body) for body in (b"a", b"b")]
    async with await store.claim(10) as session:
        work = session.items[0].work_id
        await session.commit(WriteSet(done=[work], ends=[end(stored.journal_id)], new_work=made))
    async with await store.claim(10) as session:
        assert [(item.item - FURTHER, item.body) for item in session.items] == [(5, b"a"), (6, b"b")]
        done = session.items[0]
        again = msgspec.structs.replace(made[0], payload=b"c")
        ends = [end(stored.journal_id, item=done.item)]
        await session.commit(WriteSet(done=[done.work_id], ends=ends, new_work=[again]))
    async with await store.claim(10) as session:
        assert [(item.item - FURTHER, item.body) for item in session.items] == [(6, b"b"), (7, b"c")]
    balance = (await store.ledger()).channels["adt"]
    assert balance.balanced and (balance.came, balance.open) == (4, 2)
