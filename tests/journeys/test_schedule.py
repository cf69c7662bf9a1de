"""Time of a schedule from the socket to the worklists of those whom it concerns, on both stores."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from gateway.store.ports import FURTHER
from tests.journeys.test_replay import EVENTS, TASKS, replay
from tests.support import hospital_messages as sent
from tests.support.configuration import Ground
from tests.support.played_gateway import Open, PlayedGateway
from tests.support.waiting import until

pytestmark = pytest.mark.journey

HOUR = timedelta(hours=1)
OLGA, ROOM = "AIP|1||77^ONE^OLGA", "AIL|1||ROOM7^^^GENHOSP"
LOST, OFFER = "appointment-resource-lost", "waitlist-slot-opened"


async def states(played: PlayedGateway, rule: str) -> dict[str, list[str]]:
    """Number of the patient -> status of his tasks of the rule, oldest first."""
    found: dict[str, list[str]] = {}
    query = "SELECT p.mrn, t.status FROM tasks t JOIN patients p ON p.patient_id = t.patient_id WHERE t.rule_id = :rule"
    for mrn, status in await played.rows(f"{query} ORDER BY t.opened_at, t.task_key", rule=rule):
        found.setdefault(mrn, []).append(status)
    return found


async def test_block_reaches_every_patient_whose_visit_overlaps_and_freed_time_withdraws_it(
    played: PlayedGateway, morning: datetime
) -> None:
    day = morning + 120 * HOUR
    await played.client_send(
        "siu",
        sent.visit("S12", "100", "P1", day, morning, "C1"),
        sent.visit("S12", "101", "P2", day + HOUR, morning, "C2"),
        sent.visit("S12", "102", "P3", day + 3 * HOUR, morning, "C3"),
        sent.visit("S12", "103", "P4", day, morning, "C4", clinician="78"),
        sent.visit("S12", "104", "P5", day, morning, "C5"),
        sent.visit("S15", "104", "P5", day, morning + HOUR / 2, "C6"),
        sent.slot("S23", day, day + 2 * HOUR, morning + HOUR, "C7", OLGA, ROOM),
    )
    await played.settle()

    assert await states(played, LOST) == {"100": ["requested"], "101": ["requested"], "103": ["requested"]}
    await played.assert_balanced()
    assert (await played.event_types()).count("schedule.blocked") == 2

    await played.accepted("siu", sent.slot("S24", day, day + 2 * HOUR, morning + 2 * HOUR, "C8", OLGA, ROOM))
    assert await states(played, LOST) == {"100": ["cancelled"], "101": ["cancelled"], "103": ["cancelled"]}

    await played.accepted("siu", sent.slot("S23", day, day + HOUR, morning + 3 * HOUR, "C9", OLGA))
    assert await states(played, LOST) == {"100": ["cancelled", "requested"], "101": ["cancelled"], "103": ["cancelled"]}
    await played.assert_balanced()


async def test_replayed_blocks_double_nothing(played: PlayedGateway, morning: datetime) -> None:
    day = morning + 120 * HOUR
    await played.accepted(
        "siu",
        sent.visit("S12", "100", "P1", day, morning, "C1"),
        sent.visit("S12", "101", "P2", day + HOUR, morning, "C2"),
        sent.slot("S23", day, day + 2 * HOUR, morning + HOUR, "C3", OLGA),
        sent.slot("S24", day, day + HOUR / 2, morning + 2 * HOUR, "C4", OLGA),
    )
    ends = "SELECT journal_id, item, word FROM item_end ORDER BY journal_id, item"
    before = [await played.rows(query) for query in (ends, TASKS, EVENTS)]
    assert [row.item >= FURTHER for row in before[0]].count(True) == 5  # two slots, three times somebody heard of one
    async with played.api() as api:
        await replay(api, morning, apply=True, per_second=1000)

        async def over() -> bool:
            return bool((await api.get("/api/v1/replays")).json()["state"] == "done")

        await until(over)
    await played.settle()

    assert [await played.rows(query) for query in (ends, TASKS, EVENTS)] == before
    assert await states(played, LOST) == {"100": ["cancelled"], "101": ["requested"]}
    await played.assert_balanced()


async def test_time_that_is_given_up_or_opened_is_offered_to_who_waits(
    ground: Ground, open_gateway: Open, morning: datetime
) -> None:
    played = await open_gateway(ground, more=f'[coordination]\nenabled_rules = ["{OFFER}"]\n')
    day = morning + 120 * HOUR
    await played.accepted(
        "siu",
        sent.visit("S12", "100", "P1", day, morning, "C1"),
        sent.visit("S12", "100", "P9", day + 48 * HOUR, morning, "C2", status="Waitlist"),
        sent.visit("S12", "101", "P2", day + 24 * HOUR, morning, "C3", status="Waitlist"),
        sent.visit("S12", "102", "P3", day + 24 * HOUR, morning, "C4", status="Waitlist", clinician="78"),
        sent.visit("S15", "100", "P1", day, morning + HOUR, "C5"),
    )
    assert await states(played, OFFER) == {"101": ["requested"]}, "not to who gave it up"

    await played.accepted(
        "siu", sent.slot("S24", day, day + HOUR, morning + 2 * HOUR, "C6", "AIP|1||78^TWO^TOM"),
        sent.visit("S13", "101", "P2", day, morning + 3 * HOUR, "C7"),
    )  # fmt: skip
    assert await states(played, OFFER) == {"101": ["completed"], "102": ["requested"]}
    await played.assert_balanced()
