"""A team at its worklist over HTTP, on both stores: placed, worked on, covered while away, handed back, withdrawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support import hospital_messages as sent
from tests.support.configuration import Ground
from tests.support.played_gateway import Open, PlayedGateway

pytestmark = pytest.mark.journey

HOUR = timedelta(hours=1)
CALL = "discharge-contact-2bd"

STAFF = """
[people]
fallback = "everybody"
desk_seconds = 300
[[team]]
id = "transitions"
queues = ["transitions"]
members = ["ann", "bob"]
lead = "liz"
assign = "balance"
[[team]]
id = "everybody"
members = ["zoe"]
[[coordinator]]
id = "bob"
capacity = 1
"""


@pytest.fixture
async def team(ground: Ground, open_gateway: Open) -> PlayedGateway:
    return await open_gateway(ground, more=STAFF)


@pytest.fixture
async def api(team: PlayedGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with team.api() as client:
        yield client


async def went_home(played: PlayedGateway, mrn: str, morning: datetime) -> None:
    admitted = morning - 48 * HOUR
    await played.accepted(
        "adt",
        sent.admit(mrn, f"V{mrn}", admitted, f"{mrn}-1"),
        sent.discharge(mrn, f"V{mrn}", admitted, morning, f"{mrn}-2"),
    )
    await played.gateway.desk.tick()


async def calls(api: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    found = await api.get("/api/v1/tasks", params={"rule": CALL, **query})
    return list(found.raise_for_status().json()["items"])


async def in_queue(api: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Open tasks of the team's queue, the earliest due first."""
    found = await api.get("/api/v1/tasks", params={"queue": "transitions", "status": "open"})
    return list(found.raise_for_status().json()["items"])


async def act(api: httpx.AsyncClient, task: dict[str, Any], verb: str, actor: str, **body: Any) -> dict[str, Any]:
    fresh = (await api.get(f"/api/v1/tasks/{task['task_id']}")).json()
    answer = await api.post(
        f"/api/v1/tasks/{task['task_id']}/{verb}",
        json={"actor": actor, **body},
        headers={"If-Match": f'"{fresh["revision"]}"'},
    )
    return dict(answer.raise_for_status().json())


async def sections(api: httpx.AsyncClient, person: str) -> dict[str, list[str]]:
    made = (await api.get(f"/api/v1/people/{person}/digest")).raise_for_status().json()
    return {one["name"]: [task["task_id"] for task in one["tasks"]] for one in made["sections"]}


async def test_tasks_are_spread_over_the_team_and_come_back_after_an_absence(
    team: PlayedGateway, api: httpx.AsyncClient, morning: datetime
) -> None:
    for mrn in ("100", "101", "102"):
        await went_home(team, mrn, morning)
    held = Counter(task["owner"] for task in await in_queue(api))
    assert held["bob"] == 1, "bob has room for one"
    assert set(held) == {"ann", "bob"}
    assert await team.count("digests", "person = 'bob'") == 1, "made once, at the first look after seven"
    absence = {"actor": "liz", "person": "ann", "substitute": "zoe", "ends_at": (morning + 8 * HOUR).isoformat()}
    entered = await api.post("/api/v1/absences", json=absence)
    assert entered.status_code == 201
    await team.gateway.desk.tick()
    covered = [task for task in await in_queue(api) if task["owner"] == "zoe"]
    assert len(covered) == held["ann"] and {task["covering_for"] for task in covered} == {"ann"}
    assert set((await sections(api, "zoe"))["covering"]) >= {task["task_id"] for task in covered}

    done, left, *_ = covered
    await act(api, done, "complete", "zoe", outcome="reached")
    await team.pass_time(morning + 9 * HOUR)
    await team.gateway.desk.tick()
    back = (await api.get(f"/api/v1/tasks/{left['task_id']}")).json()
    assert (back["owner"], back["covering_for"]) == ("ann", None)
    assert [one["reason"] for one in back["history"] if one["change"] == "placed"][-1] == "handed back to ann"
    hers = await sections(api, "ann")
    assert left["task_id"] in hers["handed-back"] and hers["while-away"] == [done["task_id"]]


async def test_work_on_a_task_is_told_in_its_history_and_resolves_it(
    team: PlayedGateway, api: httpx.AsyncClient, morning: datetime
) -> None:
    await went_home(team, "100", morning)
    (task,) = await calls(api)
    who = task["owner"]
    await act(api, task, "start", who)
    await act(api, task, "checklist", who, add=["ask about medicines"])
    snoozed = await act(api, task, "snooze", who, until=(morning + 3 * HOUR).isoformat())
    assert (snoozed["status"], snoozed["business_status"]) == ("on-hold", "snoozed")
    await team.pass_time(morning + 4 * HOUR)
    for outcome in ("no-answer", "left-message"):
        once = {"Idempotency-Key": f"attempt-{outcome}"}
        body = {"actor": who, "channel": "phone", "outcome": outcome}
        for _ in range(2):  # the client repeats what it got no answer to
            answer = await api.post(f"/api/v1/tasks/{task['task_id']}/attempt", json=body, headers=once)
            assert answer.status_code == 200
    ended = answer.json()
    assert (ended["status"], ended["business_status"], ended["attempts"]) == ("completed", "unable-to-reach", 2)
    assert [one["change"] for one in ended["history"]] == [
        "opened", "placed", "started", "checklist", "snoozed", "woken", "attempted", "attempted",
    ]  # fmt: skip
    assert [one["detail"] for one in ended["history"]][-1] == {"channel": "phone", "outcome": "left-message"}
    await team.assert_balanced()

    figures = (await api.get("/api/v1/outcomes")).raise_for_status().json()["items"]
    assert ("time-to-contact", "unable-to-reach", 1.0) in {
        (row["measure"], row["name"], row["value"]) for row in figures
    }
    tired = (await api.get("/api/v1/fatigue")).raise_for_status().json()["items"]
    assert {row["rule"]: row["done"] for row in tired}[CALL] == 1
    counts = (await api.get("/api/v1/tasks/_counts")).raise_for_status().json()
    assert sum(row["open"] for row in counts) == len([row for row in await team.tasks() if row.open])
    await team.gateway.desk.tick()
    metrics = (await api.get("/metrics")).raise_for_status().text
    assert 'baton_tasks_open{how="open",queue="transitions"}' in metrics and "baton_outcome{" in metrics


async def test_withdrawn_task_tells_its_owner(team: PlayedGateway, api: httpx.AsyncClient, morning: datetime) -> None:
    await went_home(team, "100", morning)
    (task,) = await calls(api)
    admitted = morning - 48 * HOUR
    await team.accepted("adt", sent.cancel_discharge("100", "V100", admitted, morning + HOUR, "100-3"))
    gone = (await api.get(f"/api/v1/tasks/{task['task_id']}")).json()
    assert (gone["status"], gone["business_status"]) == ("cancelled", "retracted")
    assert gone["history"][-1]["reason"].startswith(f"For {task['owner']}, who held it: ")
    assert (await sections(api, task["owner"]))["withdrawn"] == [task["task_id"]]

    team.clock.move_to(morning + 2 * HOUR)
    query = {"day": morning.date().isoformat(), "rule": CALL}
    answer = await api.get(f"/api/v1/patients/{gone['patient_id']}/why-not", params=query)
    told = answer.raise_for_status().json()["told"]
    assert [one["message_type"] for one in told if one["message_type"]] == ["ADT^A01", "ADT^A03", "ADT^A13"]
    assert {rule["rule_id"] for one in told for rule in one["rules"]} == {CALL}
    changed = (await api.get(f"/api/v1/patients/{gone['patient_id']}/transitions")).raise_for_status().json()["items"]
    assert "discharge-cancelled" in {row["kind"] for row in changed}
