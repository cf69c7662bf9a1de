"""Going live over HTTP: only for a live channel, only what this version can read."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from gateway.settings import Settings
from tests.gateway.api.fake_gateway import make_task

PATH = "/api/v1/channels/adt/go-live"


async def test_channel_that_is_not_live_answers_409(client: httpx.AsyncClient, key: Any, gateway: Any) -> None:
    channel = {"name": "adt", "kind": "mllp-listener", "stage": "shadow"}
    gateway.settings = Settings(channel=[channel])  # type: ignore[arg-type]
    answer = await client.post(PATH, json={"actor": "ann", "patients": []}, headers=await key("channels:write"))
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-live")


@pytest.mark.parametrize("tasks", [[["not", "a", "task"]], [[1]], None])
async def test_task_that_is_none_of_this_version_answers_422(client: httpx.AsyncClient, key: Any, tasks: Any) -> None:
    if tasks is None:  # whole, but of a rule that nobody knows
        tasks = [msgspec.to_builtins(make_task("tsk_x", "main", rule_id="no-such-rule"))]
    patient = {"patient_id": "pat_main", "tasks": tasks, "timers": []}
    answer = await client.post(PATH, json={"actor": "ann", "patients": [patient]}, headers=await key("channels:write"))
    assert answer.status_code == 422
