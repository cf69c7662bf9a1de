"""A feed that falls silent is somebody's work until it speaks again, on both stores."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from gateway.silence import Silences
from tests.support import hospital_messages as sent
from tests.support.configuration import Ground
from tests.support.played_gateway import Open, PlayedGateway

pytestmark = pytest.mark.journey

MINUTE = timedelta(minutes=1)
FEED = """
[[channel]]
name = "ward"
kind = "mllp-listener"
port = 0
default_facility = "general-hospital"
default_authority = "GENHOSP"
quiet_after = 900
[coordination]
enabled_rules = ["feed-silent"]
"""


async def silences(played: PlayedGateway) -> list[tuple[str, bool]]:
    return [(task.status, task.overdue) for task in await played.tasks() if task.rule_id == "feed-silent"]


async def speak(played: PlayedGateway, control_id: str) -> None:
    await played.accepted("ward", sent.admit("100", "V100", played.clock(), control_id))


async def listen(played: PlayedGateway, *ears: Silences) -> None:
    """Each gateway looks, all at the same time."""
    await asyncio.gather(*(ear.look() for ear in ears or (played.gateway.watch.silences,)))
    await played.settle()


async def test_silent_feed_is_one_task_until_it_speaks(ground: Ground, open_gateway: Open, morning: datetime) -> None:
    played = await open_gateway(ground, more=FEED)
    ears = [Silences(played.gateway) for _ in range(2)]  # as of two gateways on one store
    await listen(played, *ears)
    await played.pass_time(morning + 60 * MINUTE)
    await listen(played, *ears)
    assert await silences(played) == []  # a channel that never spoke

    await speak(played, "C1")
    await played.pass_time(morning + 75 * MINUTE)
    await listen(played, *ears)
    assert await silences(played) == []
    await played.pass_time(morning + 76 * MINUTE)
    await listen(played, *ears)
    assert await silences(played) == [("requested", False)]

    async with played.api() as api:
        (task,) = (await api.get("/api/v1/tasks", params={"queue": "integration"})).raise_for_status().json()["items"]
        history = (await api.get(f"/api/v1/tasks/{task['task_id']}")).raise_for_status().json()
    assert task["title"] == "Check interface" and "ward has received nothing" in task["reason"]
    assert [one["location"] for one in history["evidence"]] == ["last message", "quiet_after"]

    await played.pass_time(morning + 138 * MINUTE)  # past its hour
    assert await silences(played) == [("requested", True)]
    await speak(played, "C2")
    await listen(played, *ears)
    assert await silences(played) == [("completed", True)]
    types = await played.event_types()
    assert [types.count(f"task.{word}") for word in ("escalated", "completed")] == [1, 1]
    await played.assert_balanced()


async def test_time_in_which_nothing_could_be_heard_is_no_silence(
    ground: Ground, open_gateway: Open, morning: datetime
) -> None:
    played = await open_gateway(ground, more=FEED)
    await speak(played, "C1")
    await played.stop()
    played.clock.move_to(morning + 60 * MINUTE)
    await played.start()
    await listen(played)
    assert await silences(played) == []

    await played.gateway.pause_channel("ward", "test")
    await played.pass_time(morning + 120 * MINUTE)
    await listen(played)
    await played.gateway.resume_channel("ward", "test")
    await listen(played)
    assert await silences(played) == []
    await played.pass_time(morning + 136 * MINUTE)
    await listen(played)
    assert await silences(played) == [("requested", False)]

    await played.stop()
    await played.start()
    await listen(played)
    await played.pass_time(morning + 160 * MINUTE)
    await listen(played)
    assert await silences(played) == [("requested", False)]  # the same silence
