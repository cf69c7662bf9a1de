"""Figures for outcomes over HTTP: of the facilities that a key may see, as JSON and as CSV."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from gateway.coordination.records import Appointment, Authorization, Encounter
from gateway.store.ports import WriteSet
from tests.gateway.api.fake_gateway import CANARY, NOON, make_task, values, write

DAY = timedelta(days=1)


async def fill(store: Any) -> None:
    common: dict[str, Any] = {"revision": 1, "recorded_at": NOON, "created_at": NOON, "updated_at": NOON}
    rows: dict[str, list[Any]] = {"tasks": [], "encounters": [], "appointments": [], "authorizations": []}
    for facility_id in ("main", "north"):
        who = {"facility_id": facility_id, "patient_id": f"pat_{facility_id}", **common}
        left = {"inpatient_at": NOON - 9 * DAY, "discharged_at": NOON - 5 * DAY, "disposition_category": "home"}
        rows["encounters"].append(Encounter(encounter_id=f"enc_{facility_id}", status="discharged", **left, **who))
        rows["appointments"].append(
            Appointment(appointment_id=f"apt_{facility_id}", status="noshow", start_at=NOON - DAY, **who)
        )
        decided = {"source": "278", "status": "denied", "requested_at": NOON - 2 * DAY, "decided_at": NOON - DAY}
        rows["authorizations"].append(Authorization(authorization_id=f"aut_{facility_id}", **decided, **who))
        rows["tasks"].append(
            make_task(
                f"tsk_call_{facility_id}", facility_id, encounter_id=f"enc_{facility_id}", status="completed",
                business_status="reached", opened_at=NOON - 5 * DAY, closed_at=NOON - 4 * DAY, closed_by="ann",
            )
        )  # fmt: skip
    await write(store, WriteSet(rows={name: [values(row) for row in held] for name, held in rows.items()}))


async def test_figures_are_of_what_the_key_may_see(client: httpx.AsyncClient, key: Any, store: Any) -> None:
    await fill(store)
    answer = await client.get("/api/v1/outcomes", headers=await key("tasks:read", facilities=("main",)))
    figures = {(row["measure"], row["of"], row["name"]): (row["value"], row["cases"]) for row in answer.json()["items"]}
    assert figures["time-to-contact", "all", "hours-median"] == (24.0, 1)
    assert figures["follow-up", "all", "booked-within-7-days"] == (0.0, 1)
    assert figures["no-show", "all", "rate"] == (1.0, 1)
    assert figures["readmission", "all", "within-30-days"] == (0.0, 1)
    assert figures["authorization", "all", "standard-hours-median"] == (24.0, 1)
    assert figures["open-tasks", "transitions", "under-1-day"] == (1, 1)
    assert "north" not in answer.text and CANARY not in answer.text and "pat_" not in answer.text
    whole = (await client.get("/api/v1/outcomes", headers=await key("tasks:read"))).json()["items"]
    assert {row["cases"] for row in whole if row["measure"] == "no-show" and row["of"] == "all"} == {2}


async def test_figures_come_as_csv_when_asked(client: httpx.AsyncClient, key: Any, store: Any) -> None:
    await fill(store)
    headers = await key("tasks:read") | {"Accept": "text/csv"}
    answer = await client.get("/api/v1/outcomes", headers=headers)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.splitlines()[0] == "measure,of,name,value,cases"
    assert "no-show,all,rate,1.0,2" in answer.text


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2026-03-03T00:00:00Z"},
        {"since": "2024-01-01T00:00:00Z"},
        {"since": "0001-01-01T00:00:00Z", "until": "0001-01-02T00:00:00Z"},
        {"until": "0001-01-01T00:00:00Z"},
        {"since": "9999-12-01T00:00:00Z", "until": "9999-12-31T00:00:00Z"},
    ],
)
async def test_period_that_cannot_be_reckoned_with_answers_422(
    client: httpx.AsyncClient, key: Any, query: dict[str, str]
) -> None:
    answer = await client.get("/api/v1/outcomes", params=query, headers=await key("tasks:read"))
    assert answer.status_code == 422
