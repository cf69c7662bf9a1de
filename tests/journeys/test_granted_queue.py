"""Restricted patients on the bus: whole for a queue with the grant, minimal for every other."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest

from tests.support import canaries
from tests.support.bus_witness import BusWitness
from tests.support.configuration import Ground
from tests.support.grounds import PRODUCTION
from tests.support.played_gateway import Open
from tests.support.waiting import until

pytestmark = [pytest.mark.journey, pytest.mark.parametrize("ground", [PRODUCTION], indirect=True)]

GRANTED = '[[bus.queue]]\nname = "{queue}.granted"\nbindings = ["#"]\nrestricted = true\n'


async def test_granted_queue_gets_the_whole_event_and_the_others_its_minimal_form(
    ground: Ground, open_gateway: Open, morning: datetime
) -> None:
    played = await open_gateway(ground, more=GRANTED.format(queue=ground.queue))
    plain = BusWitness(ground.bus_url, ground.exchange, ground.queue)
    granted = BusWitness(ground.bus_url, f"{ground.exchange}.granted", f"{ground.queue}.granted")
    for witness in (plain, granted):
        await witness.start()
    await played.accepted("adt", *canaries.restricted(morning)[:2])
    count = await played.count("events")
    await until(lambda: len(plain.seen) >= count and len(granted.seen) >= count)
    assert {each.event_id for each in plain.seen} == {each.event_id for each in granted.seen}
    assert not any(canaries.SHUT.encode() in each.body for each in plain.seen)
    assert any(canaries.SHUT.encode() in each.body for each in granted.seen)
    minimal = [msgspec.json.decode(each.body)["data"] for each in plain.seen]
    assert all(data["privacy"] == "restricted" and "patient" not in data for data in minimal)
    await played.assert_balanced()
    for witness in (plain, granted):
        await witness.stop()
