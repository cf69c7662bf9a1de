"""One sender's bytes never cost another sender anything (decision 6)."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from tests.support import hospital_messages as sent
from tests.support.played_gateway import PlayedGateway

pytestmark = pytest.mark.journey

GOOD = 127


async def test_127_good_senders_and_one_with_nuls_are_all_answered(played: PlayedGateway, morning: datetime) -> None:
    bodies = [sent.register(f"G{number}", morning, f"C{number}") for number in range(GOOD)]
    odd = sent.register("BAD", morning, "C\x00BAD").replace(b"SAMPLE^PAT", b"SA\x00MPLE^P\xff\xfeAT\x00")
    clients = [played.client("adt") for _ in range(GOOD + 1)]
    await asyncio.gather(*(client.connect() for client in clients))

    for _ in range(3):  # again: copies and the odd one share commits too
        replies = await asyncio.gather(
            *(client.send(body) for client, body in zip(clients, [*bodies, odd], strict=True))
        )
        assert [reply.code for reply in replies] == ["AA"] * (GOOD + 1)
    await asyncio.gather(*(client.close() for client in clients))
    await played.settle()

    assert await played.count("item_end", "word = 'processed'") >= GOOD
    assert await played.count("item_end", "word = 'duplicate'") == 2 * (GOOD + 1)
    assert await played.count("patient_identifiers", "value LIKE 'G%'") == GOOD
    assert played.gateway.intake.largest_commit > 1
    await played.assert_balanced()


async def test_both_equations_of_the_ledger_hold_at_every_moment_under_load(
    played: PlayedGateway, morning: datetime
) -> None:
    async def send(name: str) -> None:
        client = played.client("adt")
        for number in range(60):
            body = sent.admit(f"{name}P{number // 2}", f"{name}V{number // 2}", morning, f"{name}C{number // 2}")
            assert (await client.send(body)).code == "AA"  # every second one is a copy
        await client.close()

    sending = asyncio.gather(*(send(f"S{number}") for number in range(6)))
    looks = []
    async with played.api() as api:
        while not sending.done() or await played.gateway.unsettled():
            looks.append((await api.get("/api/v1/ledger")).raise_for_status().json())
        await sending
        looks.append((await api.get("/api/v1/ledger")).raise_for_status().json())  # when all is done

    assert [look for look in looks if not look["balanced"]] == []
    assert len(looks) > 1
    assert looks[-1]["channels"]["adt"]["came"] == 360
    await played.assert_balanced()
