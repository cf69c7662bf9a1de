"""Stored traffic once more through a running gateway: in order, between live traffic, and nothing happens twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support import hospital_messages as sent
from tests.support.played_gateway import PlayedGateway
from tests.support.waiting import until

pytestmark = pytest.mark.journey

HOUR = timedelta(hours=1)
ENDS = "SELECT journal_id, item, word FROM item_end ORDER BY journal_id, item"
TASKS = "SELECT task_key, status, revision, due_at FROM tasks ORDER BY task_key"
EVENTS = "SELECT event_id FROM events ORDER BY seq"


async def replay(api: httpx.AsyncClient, morning: datetime, **more: Any) -> dict[str, Any]:
    given = {"actor": "ann", "reason": "a mapping changed", "since": (morning - HOUR).isoformat(), **more}
    answer = await api.post("/api/v1/replays", json=given)
    return dict(answer.raise_for_status().json())


async def test_replayed_traffic_changes_nothing_that_was_right(played: PlayedGateway, morning: datetime) -> None:
    admitted = morning - 48 * HOUR
    for mrn in ("100", "101", "102"):
        await played.accepted(
            "adt",
            sent.admit(mrn, f"V{mrn}", admitted, f"{mrn}-1"),
            sent.discharge(mrn, f"V{mrn}", admitted, morning, f"{mrn}-2"),
        )
    await played.accepted("adt", sent.cancel_discharge("102", "V102", admitted, morning + HOUR, "102-3"))
    await played.pass_time(morning + HOUR)
    ends, tasks, events = [await played.rows(query) for query in (ENDS, TASKS, EVENTS)]
    async with played.api() as api:
        planned = await replay(api, morning)
        assert planned["replay"] is None and sum(row["count"] for row in planned["held"]) == 7
        assert (await api.get("/api/v1/replays")).status_code == 404, "a dry run begins nothing"
        begun = await replay(api, morning, apply=True, per_second=1000)
        assert begun["replay"]["actor"] == "ann"

        async def over() -> bool:
            return bool((await api.get("/api/v1/replays")).json()["state"] == "done")

        await until(over)
        state = (await api.get("/api/v1/replays")).json()
        assert (state["total"], state["done"], state["items"]) == (7, 7, 7)
    await played.settle()

    assert await played.rows(ENDS) == ends
    assert await played.rows(TASKS) == tasks
    assert await played.rows(EVENTS) == events
    await played.assert_balanced()
