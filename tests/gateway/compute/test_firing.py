"""A message fires first what came due before it was recorded: through the real steps, on a clock of the test."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support import hospital_messages as sent
from tests.support.local_pipeline import NOW, LocalPipeline

HOUR = timedelta(hours=1)


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.mark.parametrize(("recorded", "opens"), [(30, True), (20, False)])
async def test_message_recorded_after_the_check_fires_it_and_one_from_before_does_not(
    tmp_path: Path, recorded: int, opens: bool
) -> None:
    clock = Clock()
    local = LocalPipeline(tmp_path, clock=clock)
    await local.store.open()
    try:
        admitted = NOW - 48 * HOUR
        await local.send(sent.admit("1", "V1", admitted, "C1"), sent.discharge("1", "V1", admitted, NOW, "C2"))
        clock.now = NOW + 40 * HOUR  # the check of a booking was due after 24 hours, and nothing has fired
        await local.send(sent.register("1", NOW + recorded * HOUR, "C3"))
        tasks = {row[0]: row for row in await local.rows("tasks", "rule_id", "due_at", "late")}
        assert ("discharge-followup-unbooked" in tasks) is opens
        if opens:
            assert tasks["discharge-followup-unbooked"][2] == 1, "the task says that it was checked late"
            left = await local.rows("timers", "kind", "rule_id", "task_id")
            assert [row for row in left if row[1] == "discharge-followup-unbooked" and row[2] is None] == []
    finally:
        await local.store.close()
