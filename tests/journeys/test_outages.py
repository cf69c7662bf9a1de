"""The broker is away, the store is away: nothing is lost, nothing is promised that is not kept."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from pathlib import Path

import pytest

from channels.mllp_client import MllpClient, PeerLost
from tests.support import hospital_messages as sent
from tests.support.bus_witness import BusWitness
from tests.support.configuration import Ground
from tests.support.grounds import PRODUCTION, make_ground
from tests.support.ledger_client import make_message
from tests.support.played_gateway import Open, PlayedGateway
from tests.support.postgres_server import PostgresServer
from tests.support.rabbitmq_server import RabbitServer
from tests.support.waiting import until

pytestmark = pytest.mark.journey

IN_FLIGHT = 0.2
"""Seconds for answers whose commit had come back before the server went, and that were still on their way."""

PATIENTS, STEPS = 5, 12


@pytest.fixture
def production(request: pytest.FixtureRequest, tmp_path: Path) -> Ground:
    return make_ground(request, PRODUCTION, tmp_path)


async def test_intake_goes_on_while_the_broker_is_away_and_the_backlog_drains_in_order(
    production: Ground, rabbitmq_server: RabbitServer, open_gateway: Open, morning: datetime
) -> None:
    played = await open_gateway(production)
    messages = [make_message(f"K{key}", step, morning) for step in range(STEPS) for key in range(PATIENTS)]
    third = len(messages) // 3
    await played.accepted("adt", *(each.body for each in messages[:third]))

    await asyncio.to_thread(rabbitmq_server.stop)
    for each in messages[third : 2 * third]:
        assert (await played.send("adt", each.body)).code == "AA"
    await until(lambda: played.gateway.bus_state() == "away")
    await asyncio.to_thread(rabbitmq_server.start)
    await played.accepted("adt", *(each.body for each in messages[2 * third :]))

    witness = BusWitness(production.bus_url, production.exchange, production.queue)
    await witness.start()
    await witness.quiet()
    await witness.stop()
    events = await played.rows("SELECT event_id, patient_id FROM events ORDER BY tx, seq")
    seen = list(dict.fromkeys(each.event_id for each in witness.seen))
    assert sorted(seen) == sorted(event.event_id for event in events)
    place = {event_id: index for index, event_id in enumerate(seen)}
    for patient in {event.patient_id for event in events}:
        places = [place[event.event_id] for event in events if event.patient_id == patient]
        assert places == sorted(places)
    await played.assert_balanced()


class PersistentSender:
    """Sends one message after another until each is answered; notes when each AA came."""

    def __init__(self, played: PlayedGateway, name: str, morning: datetime) -> None:
        self._client: MllpClient = played.client("adt", timeout=8.0)
        self._name = name
        self._morning = morning
        self.answered: list[float] = []
        self.unanswered = 0
        self.codes: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            number = len(self.answered)
            body = sent.register(f"{self._name}N{number}", self._morning, f"{self._name}C{number}")
            try:
                reply = await self._client.send(body)
            except PeerLost:
                self.unanswered += 1
                await asyncio.sleep(0.02)
                continue
            self.codes.add(reply.code)
            self.answered.append(time.monotonic())
        await self._client.close()


@pytest.mark.parametrize("how", ["fast", "crash"])
async def test_nothing_is_answered_while_the_store_is_away_and_all_is_well_after(
    production: Ground, postgres_server: PostgresServer, open_gateway: Open, morning: datetime, how: str
) -> None:
    played = await open_gateway(production, hold_seconds=1.0)
    senders = [PersistentSender(played, f"S{number}", morning) for number in range(6)]
    over = asyncio.Event()
    tasks = [asyncio.create_task(sender.run(over)) for sender in senders]
    await until(lambda: all(len(sender.answered) > 5 for sender in senders))

    await asyncio.to_thread(postgres_server.kill if how == "crash" else postgres_server.stop)
    gone = time.monotonic() + IN_FLIGHT
    await until(lambda: all(sender.unanswered for sender in senders))  # held, then closed without an answer
    back = time.monotonic()
    await asyncio.to_thread(postgres_server.start)
    await until(lambda: all(sender.answered[-1] > back for sender in senders))
    over.set()
    await asyncio.gather(*tasks)
    await played.settle()

    assert not [at for sender in senders for at in sender.answered if gone < at < back]
    assert {code for sender in senders for code in sender.codes} == {"AA"}
    acknowledged = sum(len(sender.answered) for sender in senders)
    assert await played.count("item_end", "word = 'processed'") == acknowledged
    assert await played.count("patients") == acknowledged
    await played.assert_balanced()
