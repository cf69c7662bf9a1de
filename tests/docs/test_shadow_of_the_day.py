"""The day that everything happens on, played live and then as a shadow: the same tasks, to the last."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.clock import system_clock
from gateway.configuration import compute_configuration
from gateway.shadow.explain import explain, gather
from gateway.shadow.replay import Period, replay
from gateway.store.opening import open_store
from tests.docs.played_day import PlayedDay


def period(day: PlayedDay) -> Period:
    end = max(event.emitted_at for event in day.events)
    return Period(since=end - timedelta(days=30), until=end, now=end)


async def test_shadow_of_stored_traffic_makes_the_tasks_that_the_store_holds(day: PlayedDay) -> None:
    store = open_store(day.settings, system_clock)
    await store.open()
    try:
        done: list[tuple[int, int]] = []
        configuration = compute_configuration(day.settings, await store.salt())
        result = await replay(store, None, configuration, period(day), lambda so_far, of: done.append((so_far, of)))
    finally:
        await store.close()
    difference = result.difference
    assert [task.task_key for task in (*difference.new, *difference.gone)] == []
    assert [(one.after.task_key, one.fields) for one in difference.changed] == []
    assert difference.same > 40 and result.figures.failures == {}
    assert done[-1][0] == done[-1][1] == result.figures.messages


@pytest.mark.parametrize("rule", ["readmission-30d", None])
async def test_why_not_tells_what_stopped_a_rule_on_each_message_of_the_day(day: PlayedDay, rule: str | None) -> None:
    store = open_store(day.settings, system_clock)
    await store.open()
    try:
        end = max(event.emitted_at for event in day.events)
        patient_id = next(event.patient_id for event in day.events if event.type == "encounter.transferred")
        since = end - timedelta(days=20)
        evidence = await gather(store, patient_id, since, end)
        found = explain(compute_configuration(day.settings, await store.salt()), evidence, since, end, rule)
    finally:
        await store.close()
    messages = [told for told in found.told if told.timer is None and told.matched]
    assert messages and all(told.ends for told in messages)
    assert any(told.transitions for told in messages)
    if rule is not None:
        assert {one.rule_id for told in found.told for one in told.rules} == {rule}
        assert rule in found.says
    else:
        assert len({one.rule_id for told in messages for one in told.rules}) > 20
