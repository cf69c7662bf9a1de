"""What a decision costs does not grow with what a patient has open: counted in calls, not in time."""

from __future__ import annotations

import sys
from datetime import timedelta

import pytest

from tests.gateway.coordination.rules.conftest import Bench

MESSAGES = ("update", "visit", "eligibility")


def calls_of(items: int, message: str) -> int:
    """Function calls of one decision about a patient with so many open tasks and booked visits beside what it is
    about."""
    bench = Bench()
    bench.hear(bench.admit("2026-03-01 09:00", coverages=bench.insurance()))
    bench.hear(bench.discharge("2026-03-02 09:00"))
    bench.hear(bench.visit("S12", "2026-03-02 10:00", "2026-06-20 10:00", service="CARD", reason="CHECK"))
    task, visit = bench.task("discharge-contact-2bd"), bench.only("appointments")
    for number in range(items):
        bench.know(
            task, task_id=f"tsk_{number}", task_key=f"{task.rule_id}|enc_{number}|dis1", encounter_id=f"enc_{number}"
        )
        start = visit.start_at + timedelta(hours=number)
        bench.know(visit, appointment_id=f"apt_{number}", filler_id=f"X{number}", service=f"S{number}", start_at=start)
    event = {
        "update": lambda: bench.update("2026-03-03 10:00", hospital_service="MED"),
        "visit": lambda: bench.visit("S13", "2026-03-03 10:00", "2026-07-01 10:00", service="CARD", reason="CHECK"),
        "eligibility": lambda: bench.eligibility("2026-03-03 10:00", "active"),
    }[message]()
    count = 0

    def counting(frame: object, kind: str, argument: object) -> None:
        nonlocal count
        count += kind == "call"

    sys.setprofile(counting)
    try:
        bench._decide(event)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("message", MESSAGES)
def test_two_hundred_open_items_cost_less_than_twice_as_much_as_one(message: str) -> None:
    one, twenty, many = (calls_of(items, message) for items in (1, 20, 200))
    assert one > 50, "nothing was counted"
    assert twenty <= 2 * one and many <= 2 * one, (one, twenty, many)
