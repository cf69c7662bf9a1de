"""Asking a payer over CORE: the question of an API call goes out in real time, the answer is in the state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from channels.core_endpoint import CoreEndpoint
from gateway.payer.endpoint import open_payer
from gateway.payer.scenario import Member, Scenario
from tests.journeys.test_asking import ask, inquiry
from tests.support import hospital_messages as sent
from tests.support.configuration import Ground
from tests.support.played_gateway import Open
from tests.support.simulated_payer import PARTNER
from tests.support.waiting import until

pytestmark = pytest.mark.journey

CHANNEL = """
[[channel]]
name = "bigpayer"
kind = "core-client"
url = "http://127.0.0.1:{port}/core"
form = "{form}"
mode = "{mode}"
sender_id = "BATON"
receiver_id = "BIGPAYER"
poll_seconds = 0.05
default_facility = "general-hospital"
default_authority = "GENHOSP"
"""


@pytest.fixture
async def payer(morning: datetime) -> AsyncIterator[CoreEndpoint]:
    scenario = Scenario(member=(Member(id="MBR100", eligibility=("active",)),))
    endpoint, _ = open_payer(scenario, 0, lambda: morning)
    yield endpoint
    await endpoint.drain(2)


@pytest.mark.parametrize(("form", "mode"), [("soap", "auto"), ("mime", "batch")])
async def test_eligibility_asked_over_core_is_answered_and_known(
    ground: Ground, open_gateway: Open, morning: datetime, payer: CoreEndpoint, form: str, mode: str
) -> None:
    port = await payer.start()
    channel = CHANNEL.format(port=port, form=form, mode=mode)
    played = await open_gateway(ground, more=PARTNER.replace('channel = "payers"', 'channel = "bigpayer"') + channel)
    await played.accepted("adt", sent.admit("100", "V100", morning, "C1"))
    asked = await ask(played, "eligibility-requests")
    assert asked["inquiry"]["status"] in ("sent", "answered")

    async def answered() -> bool:
        return (await inquiry(played))[0] == "answered"

    await until(answered)
    await played.settle()
    assert (await inquiry(played))[2] == "active"
    ((eligibility, plan),) = await played.rows("SELECT eligibility, plan_name FROM coverages")
    assert (eligibility, plan) == ("active", "GOLD PLAN")
    kinds = {row[0] for row in await played.rows("SELECT kind FROM exchange WHERE outcome = 'Success'")}
    assert kinds == ({"real-time"} if mode == "auto" else {"submit", "ack-retrieval", "results-retrieval"})
    await played.assert_balanced()
