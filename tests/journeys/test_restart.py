"""Stop, let a day pass, start: timers wait for what the senders queued meanwhile (decision 17)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.support import hospital_messages as sent
from tests.support.played_gateway import PlayedGateway

pytestmark = pytest.mark.journey

HOUR = timedelta(hours=1)
UNBOOKED = "discharge-followup-unbooked"


@pytest.fixture
async def discharged(played: PlayedGateway, morning: datetime) -> PlayedGateway:
    """A patient went home at `morning`, the gateway stopped an hour later and starts 25 hours after that."""
    admitted = morning - 48 * HOUR
    await played.accepted(
        "adt", sent.admit("100", "V100", admitted, "C1"), sent.discharge("100", "V100", admitted, morning, "C2")
    )
    await played.pass_time(morning + HOUR)
    await played.stop()
    played.clock.move_to(morning + 26 * HOUR)
    await played.start()
    return played


async def test_a_booking_that_was_queued_at_the_sender_keeps_the_task_away(
    discharged: PlayedGateway, morning: datetime
) -> None:
    assert await discharged.gateway.scheduler.tick() == 0
    assert UNBOOKED not in await discharged.task_states("100")

    booked_at = morning + 5 * HOUR
    await discharged.accepted("siu", sent.book("100", "P1", morning + 72 * HOUR, booked_at, "C3"))
    now = discharged.clock()
    await discharged.accepted("adt", sent.register("200", now, "C4"))  # the feed has caught up
    await discharged.gateway.scheduler.tick()
    await discharged.settle()

    assert await discharged.count("timer_queued") == 0
    assert await discharged.count("timers", "rule_id = :rule", rule=UNBOOKED) == 0  # it fired and found the booking
    assert UNBOOKED not in await discharged.task_states("100")
    await discharged.assert_balanced()


async def test_without_the_booking_the_task_comes_when_the_hold_ran_out_and_says_so(
    discharged: PlayedGateway, morning: datetime
) -> None:
    await discharged.accepted("adt", sent.register("200", morning + 2 * HOUR, "C3"))  # of yesterday: not caught up
    assert await discharged.gateway.scheduler.tick() == 0

    discharged.clock.move_to(morning + 26 * HOUR + timedelta(minutes=16))
    await discharged.gateway.scheduler.tick()
    await discharged.settle()

    assert (await discharged.task_states("100"))[UNBOOKED] == "requested"
    (task,) = await discharged.rows("SELECT late FROM tasks WHERE rule_id = :rule", rule=UNBOOKED)
    assert task.late


async def test_a_task_that_was_open_keeps_its_steps_over_the_restart(
    discharged: PlayedGateway, morning: datetime
) -> None:
    assert (await discharged.task_states("100"))["discharge-contact-2bd"] == "requested"

    discharged.clock.move_to(morning + 28 * HOUR + timedelta(minutes=1))  # the longest hold is over
    assert await discharged.gateway.scheduler.tick() > 0
    await discharged.settle()
    await discharged.pass_time(morning + 5 * 24 * HOUR)

    (task,) = await discharged.rows("SELECT overdue, escalations FROM tasks WHERE rule_id = 'discharge-contact-2bd'")
    assert task.overdue and task.escalations > 0
