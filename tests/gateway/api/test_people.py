"""Teams, absences, digests and fatigue over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from gateway.coordination.records import Patient
from gateway.settings import Settings
from gateway.store import digests
from gateway.store.ports import WriteSet
from tests.gateway.api.fake_gateway import NOON, make_task, values, write

TEAMS = {
    "people": {"fallback": "everybody"},
    "team": [
        {"id": "transitions", "queues": ["transitions"], "members": ["ann", "bob"], "lead": "liz"},
        {"id": "everybody", "members": ["zoe"]},
    ],
}


async def tasks(store: Any, *rows: Any) -> None:
    await write(store, WriteSet(rows={"tasks": [values(row) for row in rows]}))


async def test_people_show_who_is_here_and_what_has_no_team(
    client: httpx.AsyncClient, key: Any, gateway: Any, store: Any
) -> None:
    gateway.settings = Settings(**TEAMS)
    headers = await key("tasks:read", "tasks:write", facilities=("main",))
    await tasks(store, make_task("tsk_1", "main", owner="ann"), make_task("tsk_2", "main", queue="um"))
    away = {"actor": "liz", "person": "ann", "substitute": "bob"}
    assert (await client.post("/api/v1/absences", json=away, headers=headers)).status_code == 201
    view = (await client.get("/api/v1/people", headers=headers)).json()
    ann, bob = view["teams"][0]["members"]
    assert (ann["here"], ann["substitute"], ann["open"]) == (False, "bob", 1)
    assert (bob["here"], bob["substitute"], bob["open"]) == (True, None, 0)
    assert view["uncovered"] == [{"queue": "um", "facility_id": "main", "open": 1, "unowned": 1, "team": "everybody"}]


async def test_absence_is_entered_listed_and_ended(client: httpx.AsyncClient, key: Any) -> None:
    headers = await key("tasks:read", "tasks:write")
    entered = (await client.post("/api/v1/absences", json={"actor": "liz", "person": "ann"}, headers=headers)).json()
    assert entered["begins_at"] == "2026-03-02T12:00:00Z" and entered["ends_at"] is None
    listed = (await client.get("/api/v1/absences", params={"person": "ann"}, headers=headers)).json()["items"]
    assert [row["absence_id"] for row in listed] == [entered["absence_id"]]
    path = f"/api/v1/absences/{entered['absence_id']}/end"
    ended = await client.post(path, json={"actor": "liz"}, headers=headers)
    assert ended.json()["ends_at"] == "2026-03-02T12:00:00Z"
    assert (await client.post(path, json={"actor": "liz"}, headers=headers)).status_code == 404


@pytest.mark.parametrize("wrong", [{"ends_at": "2026-03-02T11:00:00Z"}, {"substitute": "ann"}, {"person": ""}])
async def test_absence_that_makes_no_sense_is_refused(client: httpx.AsyncClient, key: Any, wrong: Any) -> None:
    given = {"actor": "liz", "person": "ann"} | wrong
    answer = await client.post("/api/v1/absences", json=given, headers=await key("tasks:write"))
    assert answer.status_code == 422


async def test_digest_shows_only_facilities_of_the_key(client: httpx.AsyncClient, key: Any, store: Any) -> None:
    past = NOON - timedelta(hours=1)
    rows = [make_task(f"tsk_{name}9", name, owner="ann", due_at=past) for name in ("main", "north")]
    await tasks(store, *rows, make_task("tsk_soon", "main", owner="ann", due_at=NOON + timedelta(hours=2)))
    headers = await key("tasks:read", facilities=("main",))
    made = (await client.get("/api/v1/people/ann/digest", headers=headers)).json()
    found = {one["name"]: [task["task_id"] for task in one["tasks"]] for one in made["sections"]}
    assert found == {"overdue": ["tsk_main9"], "due-today": ["tsk_soon"]}


async def test_digest_says_of_restricted_patients_only_what_is_due(
    client: httpx.AsyncClient, key: Any, store: Any
) -> None:
    who = {"revision": 1, "authority": "HOSP", "mrn": "R1", "created_at": NOON, "updated_at": NOON}
    patient = Patient(patient_id="pat_r", facility_id="main", restricted=True, **who)
    row = make_task("tsk_r", "main", owner="ann", due_at=NOON - timedelta(hours=1), patient_id="pat_r")
    await write(store, WriteSet(rows={"patients": [values(patient)], "tasks": [values(row)]}))
    for scopes, title in ((("tasks:read",), "restricted"), (("tasks:read", "restricted:read"), row.title)):
        made = (await client.get("/api/v1/people/ann/digest", headers=await key(*scopes))).json()
        assert [task["title"] for task in made["sections"][0]["tasks"]] == [title]


async def test_lead_finds_what_escalated_in_the_digest(
    client: httpx.AsyncClient, key: Any, gateway: Any, store: Any
) -> None:
    gateway.settings = Settings(**TEAMS)
    await tasks(store, make_task("tsk_e", "main", escalations=1), make_task("tsk_u", "main", queue="um", escalations=1))
    made = (await client.get("/api/v1/people/liz/digest", headers=await key("tasks:read"))).json()
    assert [(one["name"], [t["task_id"] for t in one["tasks"]]) for one in made["sections"]] == [
        ("escalated", ["tsk_e"])
    ]


async def test_digest_of_a_day_is_kept_as_it_was(client: httpx.AsyncClient, key: Any, store: Any) -> None:
    people = Settings(**TEAMS).staff  # type: ignore[arg-type]
    await tasks(store, make_task("tsk_a", "main", owner="ann", due_at=NOON))
    assert await digests.make_digest(store, people, "ann", NOON.date(), NOON)
    await tasks(store, make_task("tsk_a", "main", owner="bob", due_at=NOON))
    assert not await digests.make_digest(store, people, "ann", NOON.date(), NOON)
    headers = await key("tasks:read")
    kept = (await client.get("/api/v1/people/ann/digest", params={"day": "2026-03-02"}, headers=headers)).json()
    assert kept["sections"][0]["tasks"][0]["task_id"] == "tsk_a"
    other = await client.get("/api/v1/people/ann/digest", params={"day": "2026-03-01"}, headers=headers)
    assert other.status_code == 404


async def test_fatigue_counts_what_became_of_each_rules_tasks(client: httpx.AsyncClient, key: Any, store: Any) -> None:
    def ended(name: str, status: str, business: str, owner: str | None = None) -> Any:
        more = {"status": status, "business_status": business, "closed_at": NOON, "closed_by": "x", "owner": owner}
        return make_task(f"tsk_{name}", "main", rule_id="r", opened_at=NOON - timedelta(days=1), **more)

    await tasks(
        store,
        ended("a", "completed", "reached", "ann"),
        ended("b", "completed", "no-action", "ann"),
        ended("c", "cancelled", "cancelled", "bob"),
        ended("d", "completed", "auto-resolved"),
        ended("e", "cancelled", "retracted", "bob"),
        make_task("tsk_f", "main", rule_id="r", opened_at=NOON - timedelta(days=1)),
        make_task("tsk_old", "main", rule_id="r", opened_at=NOON - timedelta(days=40)),
    )
    rows = (await client.get("/api/v1/fatigue", headers=await key("tasks:read"))).json()["items"]
    (figures,) = [row for row in rows if row["rule"] == "r"]
    assert figures == {
        "rule": "r", "raised": 6, "open": 1, "done": 1, "resolved": 1, "withdrawn": 1, "no_action": 2, "untouched": 1,
        "no_action_share": 0.4, "per_person": 0.1,
    }  # fmt: skip


async def test_fatigue_before_all_time_answers_422(client: httpx.AsyncClient, key: Any) -> None:
    query = {"until": "0001-01-01T00:00:00Z"}
    answer = await client.get("/api/v1/fatigue", params=query, headers=await key("tasks:read"))
    assert answer.status_code == 422
