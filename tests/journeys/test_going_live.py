"""A channel in shadow, looked at, and then live: what is open gets its task, once, with its real due time."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from gateway.configuration import compute_configuration
from gateway.coordination.changes import Adopt
from gateway.settings.check import load
from gateway.shadow.opening import find_open
from gateway.shadow.replay import Period
from tests.support import hospital_messages as sent
from tests.support.configuration import Ground
from tests.support.played_gateway import Open, PlayedGateway

pytestmark = pytest.mark.journey

HOUR = timedelta(hours=1)
TASKS = "SELECT rule_id, due_at FROM tasks WHERE rule_id = 'discharge-contact-2bd' AND closed_at IS NULL"


def stage(played: PlayedGateway, before: str, after: str) -> None:
    text = played.config.read_text()
    assert before in text
    played.config.write_text(text.replace(before, after, 1))


async def found_open(played: PlayedGateway) -> list[Adopt]:
    gateway, now = played.gateway, played.clock() + timedelta(seconds=1)
    configuration = compute_configuration(gateway.settings, await gateway.store.salt())
    period = Period(since=now - timedelta(days=60), until=now, now=now)
    return await find_open(gateway.store, configuration, "adt", "ann", period)


async def test_what_is_open_when_a_channel_goes_live_gets_its_task_once(
    ground: Ground, open_gateway: Open, morning: datetime
) -> None:
    played = await open_gateway(ground)
    stage(played, 'name = "adt"\n', 'name = "adt"\nstage = "shadow"\n')
    assert await played.gateway.reload(load(played.config)) == []
    admitted = morning - 48 * HOUR
    for mrn in ("100", "101"):
        await played.accepted(
            "adt",
            sent.admit(mrn, f"V{mrn}", admitted, f"{mrn}-1"),
            sent.discharge(mrn, f"V{mrn}", admitted, morning, f"{mrn}-2"),
        )
    await played.accepted("adt", sent.cancel_discharge("101", "V101", admitted, morning + HOUR, "101-3"))
    assert await played.count("tasks") == 0 and await played.count("encounters") == 2
    assert await found_open(played) == [], "in shadow nothing is open"

    stage(played, 'stage = "shadow"', 'stage = "live"')
    assert await played.gateway.reload(load(played.config)) == []
    found = await found_open(played)
    body = {"actor": "ann", "patients": [_body(one) for one in found]}
    async with played.api() as api:
        went = (await api.post("/api/v1/channels/adt/go-live", json=body)).raise_for_status().json()
        assert went["opened"] == sum(len(one.tasks) for one in found) > 0 and went["unknown"] == 0
        again = (await api.post("/api/v1/channels/adt/go-live", json=body)).raise_for_status().json()
        assert again["opened"] == 0
    assert [one for one in await found_open(played) if one.tasks] == []

    calls = await played.rows(TASKS)
    assert len(calls) == 1, "the other discharge was cancelled"
    await played.pass_time(morning + 25 * HOUR)
    open_rules = {row.rule_id for row in await played.tasks() if row.open}
    assert "discharge-followup-unbooked" in open_rules, "the check that was waiting came too"
    assert "task.created" in await played.event_types()
    await played.assert_balanced()


def _body(found: Adopt) -> dict[str, object]:
    made: dict[str, object] = msgspec.to_builtins(found)
    return {name: made[name] for name in ("patient_id", "tasks", "timers")}
