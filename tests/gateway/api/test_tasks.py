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
    ],
)
async def test_tasks_are_filtered(
    client: httpx.AsyncClient, key: Any, store: Any, query: dict[str, str], found: list[str]
) -> None:
    um = make_task("tsk_um", "main", queue="um", due_at=NOON, rule_id="auth-denied")
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
