from __future__ import annotations

import base64
import json
from datetime import timedelta

import msgspec
import pytest

from gateway.coordination.records import EncounterLocation, TaskChange, Transition
from gateway.store import access
from gateway.store import queries as q
from gateway.store.limits import PART
from gateway.store.paging import BadCursor, Facilities
from gateway.store.sqlite import SqliteStore
from tests.gateway.store.conftest import Clock
from tests.gateway.store.samples import (
    NOON,
    encounter,
    end,
    entry,
    event,
    identifier,
    new_work,
    parked,
    patient,
    rows,
    task,
    write,
)

ALL = None
WEST = frozenset({"WEST"})


async def journal_ids(store: SqliteStore, facilities: Facilities = ALL, **chosen: object) -> list[int]:
    found, _ = await q.messages(store, facilities, q.MessageFilter(**chosen), None, 100)  # type: ignore[arg-type]
    return [row["journal_id"] for row in found]


async def test_messages_are_listed_newest_first_by_every_filter(store: SqliteStore) -> None:
    await store.ingest(
        [
            entry(channel="siu", message_type="SIU^S12"),
            entry(message_type="ADT^A01", received_at=NOON + timedelta(hours=1)),
            entry(facility_id="WEST", received_at=NOON + timedelta(hours=2)),
        ]
    )
    await write(store, done=[2], ends=[end(2, "filtered")])
    assert await journal_ids(store) == [3, 2, 1]
    assert await journal_ids(store, channel="siu") == await journal_ids(store, message_type="SIU^S12") == [1]
    assert await journal_ids(store, end="filtered") == [2]
    assert await journal_ids(store, received_after=NOON + timedelta(hours=1)) == [3, 2]
    assert await journal_ids(store, received_before=NOON + timedelta(hours=1)) == [1]
    assert await journal_ids(store, WEST) == [3]
    assert await journal_ids(store, frozenset()) == []


async def test_pages_follow_their_cursors_without_gap_or_repeat(store: SqliteStore) -> None:
    await write(store, rows=rows(*(task(f"t{n}", "p", due_at=NOON + timedelta(hours=n // 3)) for n in range(10))))
    seen: list[str] = []
    cursor = None
    for _ in range(4):
        found, cursor = await q.list_tasks(store, ALL, q.TaskFilter(), cursor, 3)
        seen += [row["task_id"] for row in found]
    assert seen == [f"t{n}" for n in range(10)] and cursor is None


def _cursor(values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    ["", "!", "AAAA", _cursor([]), _cursor([1]), _cursor("ab"), _cursor([None, "t"]), _cursor(["x", "t"]), "é"],
)
async def test_cursor_that_is_none_of_ours_is_refused(store: SqliteStore, cursor: str) -> None:
    with pytest.raises(BadCursor):
        await q.list_tasks(store, ALL, q.TaskFilter(), cursor, 3)


async def test_message_body_is_whole_for_parts_and_copies(store: SqliteStore) -> None:
    big = b"x" * (PART + 5)
    await store.ingest([entry(big, dedup_key=b"k"), entry(big, dedup_key=b"k"), entry(b"small")])
    bodies = [await q.message_body(store, ALL, n) for n in (1, 2, 3, 4)]
    assert [await body.read() if body else None for body in bodies] == [big, big, b"small", None]
    assert [body.size for body in bodies if body] == [len(big), len(big), 5]
    assert await q.message_body(store, WEST, 1) is None


async def test_trace_shows_all_that_came_of_a_message(store: SqliteStore) -> None:
    await store.ingest([entry()])
    change = Transition(
        transition_id="trn",
        facility_id="GH",
        patient_id="pat_1",
        kind="encounter-status",
        aggregate="encounter",
        aggregate_id="enc_1",
        message_id="m-1",
        event_id="e1",
        occurred_at=NOON,
        at=NOON,
    )
    await write(
        store,
        done=[1],
        rows=rows(task("tsk_1", "pat_1"), task("tsk_2", "pat_1")),
        events=[event("e1"), event("e2", type="task.created", aggregate="task", aggregate_id="tsk_1")],
        appended=rows(change),
        ends=[end(1, item=1)],
        parked=[parked(1, 2)],
        new_work=[new_work(1, 3)],
        received={"adt": 2},
    )
    trace = await q.message_trace(store, ALL, 1)
    assert trace is not None
    assert trace["message"]["journal_id"] == 1 and "body" not in trace["message"]
    assert [(row["item"], row["end"]) for row in trace["ends"]] == [(1, "processed"), (2, "parked")]
    assert {name: len(found) for name, found in trace.items() if name not in ("message", "more")} == {
        "ends": 2,
        "pending": 1,
        "parked": 1,
        "events": 2,
        "transitions": 1,
        "tasks": 1,
    }
    assert trace["tasks"][0]["task_id"] == "tsk_1"
    assert await q.message_trace(store, WEST, 1) is None
    assert await q.message_trace(store, ALL, 99) is None


async def test_parked_items_are_listed_oldest_first_and_found_by_id(store: SqliteStore) -> None:
    await store.ingest([entry(), entry(), entry()])
    waiting = [parked(1), parked(2, reason="unmatched"), parked(3, facility_id="WEST")]
    await write(store, done=[1, 2, 3], parked=waiting)
    found, _ = await q.parked_items(store, ALL, q.ParkedFilter(), None, 10)
    assert [row["journal_id"] for row in found] == [1, 2, 3] and "payload" not in found[0]
    found, _ = await q.parked_items(store, ALL, q.ParkedFilter(reason="unmatched"), None, 10)
    assert [row["parked_id"] for row in found] == [2]
    assert await q.parked_item(store, WEST, 1) is None
    assert (await q.parked_item(store, WEST, 3) or {})["reason"] == "no-patient-id"


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, ["soon", "late", "done", "west"]),
        ({"queue": "um"}, ["soon", "late", "west"]),
        ({"status": "open"}, ["soon", "late", "west"]),
        ({"status": "completed"}, ["done"]),
        ({"due_before": NOON + timedelta(hours=1)}, ["soon"]),
        ({"patient_id": "pat_2"}, ["late"]),
        ({"facility": "WEST"}, ["west"]),
        ({"rule_id": "readmission-30d"}, ["west"]),
    ],
)
async def test_tasks_are_filtered(store: SqliteStore, chosen: dict[str, object], expected: list[str]) -> None:
    hour = timedelta(hours=1)
    worklist = [
        task("soon", "pat_1"),
        task("late", "pat_2", due_at=NOON + hour),
        task("done", "pat_1", due_at=NOON + 2 * hour, status="completed", closed_at=NOON, queue="care"),
        task("west", "pat_1", due_at=NOON + 3 * hour, facility_id="WEST", rule_id="readmission-30d"),
    ]
    await write(store, rows=rows(*worklist))
    found, _ = await q.list_tasks(store, ALL, q.TaskFilter(**chosen), None, 10)  # type: ignore[arg-type]
    assert [row["task_id"] for row in found] == expected


async def test_task_history_is_in_order_and_hidden_from_other_facilities(store: SqliteStore) -> None:
    opened = TaskChange(task_id="t", revision=1, facility_id="GH", at=NOON, actor="rule:r", change="opened")
    claimed = msgspec.structs.replace(opened, revision=2, actor="jdoe", change="claimed")
    await write(store, rows=rows(task("t", "p")), appended=rows(claimed, opened))
    assert [row["change"] for row in await q.task_history(store, ALL, "t")] == ["opened", "claimed"]
    assert await q.task_history(store, WEST, "t") == []
    assert await q.task(store, WEST, "t") is None and (await q.task(store, ALL, "t") or {})["due_at"] == NOON


async def test_patient_state_holds_what_the_reader_may_see(store: SqliteStore) -> None:
    place = EncounterLocation(encounter_id="enc_1", facility_id="GH", sequence=1, message_id="m-1", bed="4")
    stays = [encounter("enc_1", "pat_1"), encounter("enc_2", "pat_1", facility_id="WEST"), encounter("enc_3", "pat_2")]
    await write(store, rows=rows(patient("pat_1"), identifier("A", "pat_1"), place, *stays, task("t", "pat_1")))
    found = await q.patient_state(store, frozenset({"GH"}), "pat_1")
    assert found is not None
    assert [row["encounter_id"] for row in found["encounters"]] == ["enc_1"]
    sizes = {name: len(listed) for name, listed in found.items() if name not in ("patient", "encounters")}
    assert sizes == {"identifiers": 1, "locations": 1, "appointments": 0, "coverages": 0, "authorizations": 0} | {
        "tasks": 1,
        "timeline": 0,
    }
    assert await q.patient_state(store, WEST, "pat_1") is None


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"identifier": "A"}, ["pat_1"]),
        ({"identifier": "A", "authority": "GH"}, ["pat_1"]),
        ({"identifier": "A", "authority": "OTHER"}, []),
        ({"identifier": "%"}, []),
        ({"family": "éXAMPLE", "birth_date": "1950-01-31"}, ["pat_1", "pat_2"]),
        ({"family": "EXAMPLE", "birth_date": "1950-02-01"}, []),
        ({"family": "Éxample"}, []),
        ({"identifier": "A", "family": "other", "birth_date": "1950-01-31"}, []),
    ],
)
async def test_patients_are_searched(store: SqliteStore, asked: dict[str, str], expected: list[str]) -> None:
    named = {"family": "Éxample", "birth_date": "1950-01-31"}
    await write(store, rows=rows(patient("pat_1", **named), patient("pat_2", **named), identifier("A", "pat_1")))
    assert [row["patient_id"] for row in await q.search_patients(store, ALL, **asked)] == expected
    assert await q.search_patients(store, WEST, **asked) == []


async def test_channel_facts_say_last_times_and_the_oldest_pending(store: SqliteStore, clock: Clock) -> None:
    await store.ingest([entry(), entry(received_at=NOON + timedelta(minutes=1))])
    at = clock.advance(seconds=5)
    await write(store, done=[1], ends=[end(1)])
    assert await q.channel_facts(store) == {
        "adt": {
            "last_received_at": NOON,
            "last_processed_at": at,
            "oldest_pending_at": NOON + timedelta(minutes=1),
        }
    }


async def test_key_is_found_by_its_hash_until_it_is_revoked(store: SqliteStore) -> None:
    key = access.ApiKey(key_id="k1", name="n", hash="h", scopes=("tasks:read",), facilities=("*",), created_at=NOON)
    await access.create_key(store, key)
    assert await access.find_key(store, "h") == key and await access.find_key(store, "x") is None
    assert await access.revoke_key(store, "k1", NOON) is True and await access.revoke_key(store, "k1", NOON) is False
    assert [found.revoked_at for found in await access.keys(store)] == [NOON]


async def test_audit_rows_are_newest_first_and_filtered(store: SqliteStore) -> None:
    for action, facility in (("patient.read", "GH"), ("body.read", "WEST"), ("patient.search", None)):
        await access.add_audit(
            store, access.NewAudit(at=NOON, action=action, object="o", facility_id=facility, actor="jdoe")
        )
    found, _ = await access.audit_rows(store, ALL, access.AuditFilter(actor="jdoe"), None, 10)
    assert [row["action"] for row in found] == ["patient.search", "body.read", "patient.read"]
    found, _ = await access.audit_rows(store, WEST, access.AuditFilter(), None, 10)
    assert [row["action"] for row in found] == ["body.read"]
    found, _ = await access.audit_rows(store, ALL, access.AuditFilter(action="patient.read"), None, 10)
    assert len(found) == 1


async def test_salt_is_made_once_and_facts_are_replaced(store: SqliteStore) -> None:
    salt = await store.salt()
    assert len(salt) == 32 and await store.salt() == salt
    assert await store.fact("last_alive") is None
    await store.set_fact("last_alive", "a")
    await store.set_fact("last_alive", "b")
    assert await store.fact("last_alive") == "b"
