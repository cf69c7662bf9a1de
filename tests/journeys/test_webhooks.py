"""A webhook of the settings, from a hospital's socket to an endpoint that comes and goes, on both stores."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.support import hospital_messages as sent
from tests.support.configuration import Ground
from tests.support.played_gateway import Open
from tests.support.waiting import until
from tests.support.webhook_receiver import Receiver, receiving

pytestmark = pytest.mark.journey

CHANNEL = """
[webhooks]
allow = ["127.0.0.1"]
[[channel]]
name = "care-app"
kind = "webhook"
url = "{url}"
types = ["encounter.*", "task.created"]
payload = "full"
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def types(receiver: Receiver) -> list[str]:
    return [json.loads(body)["type"] for _, _, body in receiver.requests]


async def test_events_reach_the_endpoint_in_order_after_it_was_away_and_over_a_restart(
    ground: Ground, open_gateway: Open, receiver: Receiver, morning: datetime
) -> None:
    receiver.answers = [503]
    played = await open_gateway(ground, more=CHANNEL.format(url=receiver.url))
    await played.send("adt", sent.admit("100", "V100", morning, "C1"))
    await until(lambda: bool(receiver.requests))
    await until(lambda: "care-app" in played.gateway.webhooks.notices)
    refused = len(receiver.requests)
    assert types(receiver)[0] == "encounter.admitted" and played.gateway.channel_state("care-app") == "running"

    await played.stop()
    receiver.answers = [204]
    await played.start()
    await until(lambda: "task.created" in types(receiver)[refused:])
    await played.settle()

    taken = types(receiver)[refused:]
    assert taken[0] == "encounter.admitted" and set(taken) == {"encounter.admitted", "task.created"}
    assert played.gateway.webhooks.notices == {}
    await played.assert_balanced()


async def test_paused_webhook_sends_nothing_until_it_is_resumed(
    ground: Ground, open_gateway: Open, receiver: Receiver, morning: datetime
) -> None:
    played = await open_gateway(ground, more=CHANNEL.format(url=receiver.url))
    async with played.api() as api:
        act = {"actor": "jdoe"}
        (await api.post("/api/v1/channels/care-app/pause", json=act)).raise_for_status()
        await played.send("adt", sent.admit("100", "V100", morning, "C1"))
        await until(lambda: played.count("events"))
        (row,) = (await api.get("/api/v1/webhooks")).raise_for_status().json()["items"]
        assert row["origin"] == "settings" and receiver.requests == []
        (await api.post("/api/v1/channels/care-app/resume", json=act)).raise_for_status()
    await played.settle()
    assert types(receiver)[0] == "encounter.admitted"
