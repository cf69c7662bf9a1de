"""The worklist over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from gateway.store.ports import WriteSet
from tests.gateway.api.fake_gateway import NOON, make_task, values, write


async def test_tasks_are_paged_in_due_order_without_gaps(client: httpx.AsyncClient, key: Any, store: Any) -> None:
    rows = [values(make_task(f"tsk_{n}", "main", due_at=NOON + timedelta(hours=n % 3))) for n in range(7)]
    await write(store, WriteSet(rows={"tasks": rows}))
    headers, seen, cursor = await key("tasks:read"), [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/api/v1/tasks", params=query, headers=headers)).json()
        seen += [(task["due_at"], task["task_id"]) for task in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == sorted(seen) and len(seen) == len(set(seen)) == 9


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"queue": "um"}, ["tsk_um"]),
        ({"status": "open", "queue": "um"}, ["tsk_um"]),
        ({"status": "completed"}, ["tsk_done"]),
        ({"due_before": "2026-03-02T13:00:00Z"}, ["tsk_um"]),
        ({"patient": "pat_x"}, ["tsk_done"]),
        ({"facility": "north"}, ["tsk_north"]),
        ({"rule": "auth-denied"}, ["tsk_um"]),
        ({"queue": "none"}, []),
        ({"owner": "asmith"}, ["tsk_um"]),
        ({"unowned": "false"}, ["tsk_um"]),
        ({"type": "appeal"}, ["tsk_um"]),
        ({"priority": "stat"}, ["tsk_um"]),
        ({"overdue": "true"}, ["tsk_um"]),
        ({"escalated": "true"}, ["tsk_um"]),
        ({"team": "t1"}, ["tsk_um"]),
        ({"due_within": "1"}, ["tsk_um"]),
    ],
)
async def test_tasks_are_filtered(
    client: httpx.AsyncClient, key: Any, store: Any, query: dict[str, str], found: list[str]
) -> None:
    more = {"owner": "asmith", "type": "appeal", "priority": "stat", "overdue": True, "escalations": 1, "team": "t1"}
    um = make_task("tsk_um", "main", queue="um", due_at=NOON, rule_id="auth-denied", **more)
    done = make_task("tsk_done", "main", status="completed", closed_at=NOON, closed_by="x", patient_id="pat_x")
    await write(store, WriteSet(rows={"tasks": [values(um), values(done)]}))
    page = (await client.get("/api/v1/tasks", params=query, headers=await key("tasks:read"))).json()
    assert [task["task_id"] for task in page["items"]] == found


async def test_task_shows_evidence_history_and_revision(client: httpx.AsyncClient, key: Any) -> None:
    headers = await key("tasks:read", "tasks:write")
    body = {"actor": "jdoe", "revision": 1}
    assert (await client.post("/api/v1/tasks/tsk_main/claim", json=body, headers=headers)).status_code == 200
    answer = await client.get("/api/v1/tasks/tsk_main", headers=headers)
    task = answer.json()
    assert answer.headers["etag"] == '"2"' and task["owner"] == "jdoe"
    assert task["evidence"] == [{"message_id": "m-1", "location": "PV1^1^45"}]
    assert [change["change"] for change in task["history"]] == ["claimed"]


@pytest.mark.parametrize(
    ("verb", "body", "headers", "status"),
    [
        ("claim", {"actor": "jdoe", "revision": 1}, {}, 200),
        ("claim", {"actor": "jdoe"}, {"If-Match": '"1"'}, 200),
        ("complete", {"actor": "jdoe", "reason": "reached", "outcome": "reached"}, {"If-Match": 'W/"1"'}, 200),
        ("claim", {"actor": "jdoe"}, {}, 428),
        ("claim", {"actor": "jdoe", "revision": 7}, {}, 409),
        ("claim", {"actor": "jdoe"}, {"If-Match": '"7"'}, 412),
        ("claim", {"revision": 1}, {}, 422),
        ("claim", {"actor": "", "revision": 1}, {}, 422),
        ("claim", {"actor": "jdoe", "revision": 1, "other": 1}, {}, 422),
        ("cancel", {"actor": "jdoe", "revision": 1}, {}, 422),
        ("cancel", {"actor": "jdoe", "revision": 1, "reason": "twice", "error": True}, {}, 200),
        ("start", {"actor": "jdoe", "revision": 1}, {}, 200),
        ("wait", {"actor": "jdoe", "revision": 1, "waiting_on": "payer"}, {}, 200),
        ("wait", {"actor": "jdoe", "revision": 1, "waiting_on": "nobody"}, {}, 422),
        ("snooze", {"actor": "jdoe", "revision": 1, "until": "2026-03-03T09:00:00Z"}, {}, 200),
        ("snooze", {"actor": "jdoe", "revision": 1, "until": "2026-03-03T09:00:00"}, {}, 422),
        ("decline", {"actor": "jdoe", "revision": 1}, {}, 422),
        ("decline", {"actor": "jdoe", "revision": 1, "reason": "leave"}, {}, 200),
        ("note", {"actor": "jdoe", "reason": "call after 5"}, {}, 200),
        ("note", {"actor": "jdoe"}, {}, 422),
        ("attempt", {"actor": "jdoe", "channel": "phone", "outcome": "no-answer"}, {}, 200),
        ("attempt", {"actor": "jdoe", "channel": "owl", "outcome": "no-answer"}, {}, 422),
        ("checklist", {"actor": "jdoe", "revision": 1, "add": ["walker"], "done": ["1"]}, {}, 200),
        ("checklist", {"actor": "jdoe", "add": ["walker"]}, {}, 428),
        ("place", {"actor": "jdoe", "revision": 1}, {}, 404),
        ("reassign", {"actor": "jdoe", "revision": 1}, {}, 422),
        ("reassign", {"actor": "jdoe", "revision": 1, "queue": "um"}, {}, 200),
    ],
)
async def test_task_act_answers(
    client: httpx.AsyncClient, key: Any, verb: str, body: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    headers = headers | await key("tasks:write")
    answer = await client.post(f"/api/v1/tasks/tsk_main/{verb}", json=body, headers=headers)
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"


async def test_task_act_carries_actor_reason_and_revision(client: httpx.AsyncClient, key: Any, gateway: Any) -> None:
    body = {"actor": "jdoe", "revision": 1, "reason": "by phone", "outcome": "reached"}
    await client.post("/api/v1/tasks/tsk_main/complete", json=body, headers=await key("tasks:write"))
    (command,) = gateway.commands
    assert (command.name, command.actor, command.revision) == ("complete", "jdoe", 1)
    assert (command.reason, command.outcome) == ("by phone", "reached")


async def test_same_idempotency_key_is_answered_and_not_done_again(
    client: httpx.AsyncClient, key: Any, gateway: Any
) -> None:
    headers = await key("tasks:write") | {"Idempotency-Key": "a-key-of-mine"}
    body = {"actor": "jdoe", "revision": 1}
    first = await client.post("/api/v1/tasks/tsk_main/claim", json=body, headers=headers)
    again = await client.post("/api/v1/tasks/tsk_main/claim", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["idempotency-replayed"] == "true" and again.json()["revision"] == 2
    assert "idempotency-replayed" not in first.headers
    assert len(gateway.commands) == 1


async def test_idempotency_key_of_another_request_is_refused(client: httpx.AsyncClient, key: Any, gateway: Any) -> None:
    headers = await key("tasks:write") | {"Idempotency-Key": "a-key-of-mine"}
    body = {"actor": "jdoe", "revision": 1}
    await client.post("/api/v1/tasks/tsk_main/claim", json=body, headers=headers)
    other = await client.post("/api/v1/tasks/tsk_main/start", json=body, headers=headers)
    assert other.status_code == 422 and other.json()["type"] == "/problems/key-reused"
    assert len(gateway.commands) == 1


async def test_idempotency_key_belongs_to_its_api_key(client: httpx.AsyncClient, key: Any, gateway: Any) -> None:
    once = {"Idempotency-Key": "a-key-of-mine"}
    note = {"actor": "jdoe", "reason": "call after 5"}
    for _ in range(2):
        headers = await key("tasks:write") | once
        assert (await client.post("/api/v1/tasks/tsk_main/note", json=note, headers=headers)).status_code == 200
    assert len(gateway.commands) == 2


async def test_refused_act_leaves_its_idempotency_key_free(client: httpx.AsyncClient, key: Any) -> None:
    headers = await key("tasks:write") | {"Idempotency-Key": "a-key-of-mine"}
    body = {"actor": "jdoe", "revision": 7}
    for _ in range(2):
        answer = await client.post("/api/v1/tasks/tsk_main/claim", json=body, headers=headers)
        assert answer.status_code == 409


async def test_bulk_claim_answers_for_each_task(client: httpx.AsyncClient, key: Any) -> None:
    headers = await key("tasks:write", facilities=("main",))
    tasks = [{"task_id": "tsk_main"}, {"task_id": "tsk_north"}, {"task_id": "tsk_main", "revision": 9}]
    answer = await client.post("/api/v1/tasks/_claim", json={"actor": "jdoe", "tasks": tasks}, headers=headers)
    items = answer.json()["items"]
    assert [(one["task_id"], one["done"]) for one in items] == [
        ("tsk_main", True), ("tsk_north", False), ("tsk_main", False),
    ]  # fmt: skip
    assert items[0]["task"]["owner"] == "jdoe" and items[1]["problem"] == "there is no such task"


async def test_next_tasks_of_a_queue_are_claimed_by_priority_then_due_time(
    client: httpx.AsyncClient, key: Any, store: Any
) -> None:
    rows = [
        make_task("tsk_late", "main", queue="um", due_at=NOON + timedelta(hours=9)),
        make_task("tsk_soon", "main", queue="um", due_at=NOON),
        make_task("tsk_stat", "main", queue="um", due_at=NOON + timedelta(hours=20), priority="stat"),
        make_task("tsk_had", "main", queue="um", due_at=NOON, owner="asmith"),
    ]
    await write(store, WriteSet(rows={"tasks": [values(row) for row in rows]}))
    body = {"actor": "jdoe", "queue": "um", "count": 2}
    answer = await client.post("/api/v1/tasks/_claim", json=body, headers=await key("tasks:write"))
    assert [one["task_id"] for one in answer.json()["items"]] == ["tsk_stat", "tsk_soon"]
    both = await client.post("/api/v1/tasks/_claim", json={"actor": "jdoe"}, headers=await key("tasks:write"))
    assert both.status_code == 422


async def test_counts_are_by_queue_and_of_what_the_key_may_see(client: httpx.AsyncClient, key: Any, store: Any) -> None:
    rows = [
        make_task("tsk_a", "main", queue="um", due_at=NOON - timedelta(hours=1), priority="stat", owner="jdoe"),
        make_task("tsk_b", "main", queue="um", due_at=NOON + timedelta(hours=3), status="on-hold"),
        make_task("tsk_c", "main", queue="um", closed_at=NOON, closed_by="x", status="completed"),
        make_task("tsk_d", "north", queue="um"),
    ]
    await write(store, WriteSet(rows={"tasks": [values(row) for row in rows]}))
    headers = await key("tasks:read", facilities=("main",))
    found = {row["queue"]: row for row in (await client.get("/api/v1/tasks/_counts", headers=headers)).json()}
    um = found["um"]
    assert (um["open"], um["unowned"], um["on_hold"], um["overdue"], um["due_soon"]) == (2, 1, 1, 1, 1)
    assert (um["stat"], um["routine"], found["transitions"]["open"]) == (1, 1, 1)


async def test_saved_filter_is_used_and_forgotten(client: httpx.AsyncClient, key: Any, store: Any) -> None:
    um = make_task("tsk_um", "main", queue="um", priority="stat")
    await write(store, WriteSet(rows={"tasks": [values(um), values(make_task("tsk_um2", "main", queue="um"))]}))
    headers = await key("tasks:read", "tasks:write")
    body = {"actor": "jdoe", "filter": {"queue": "um", "due_within": 72}}
    saved = await client.put("/api/v1/filters/mine", json=body, headers=headers)
    assert saved.json()["items"][0]["filter"] == {"queue": "um", "due_within": 72}
    query = {"filter": "mine", "actor": "jdoe", "priority": "stat"}
    page = (await client.get("/api/v1/tasks", params=query, headers=headers)).json()
    assert [task["task_id"] for task in page["items"]] == ["tsk_um"]
    assert (await client.get("/api/v1/tasks", params={"filter": "mine"}, headers=headers)).status_code == 422
    others = {"filter": "mine", "actor": "asmith"}
    assert (await client.get("/api/v1/tasks", params=others, headers=headers)).status_code == 404
    gone = await client.delete("/api/v1/filters/mine", params={"actor": "jdoe"}, headers=headers)
    assert gone.json()["items"] == []
    again = await client.delete("/api/v1/filters/mine", params={"actor": "jdoe"}, headers=headers)
    assert again.status_code == 404
