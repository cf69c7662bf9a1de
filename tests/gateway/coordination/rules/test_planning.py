"""discharge-pending and expected-discharge-approaching."""

from __future__ import annotations

import pytest

PENDING, EXPECTED = "discharge-pending", "expected-discharge-approaching"


def test_announced_discharge_without_a_date_is_due_in_the_afternoon(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.announce("A16", "2026-07-01 10:00"))
    task = bench.task(PENDING)
    assert (task.due_at, task.priority) == (bench.local("2026-07-01 15:00"), "urgent")
    assert task.task_key.endswith("|v2026-07-01")


def test_due_time_in_the_past_is_four_hours_and_one_priority_up(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.announce("A16", "2026-07-01 16:00"))
    task = bench.task(PENDING)
    assert (task.due_at, task.priority) == (bench.local("2026-07-01 20:00"), "asap")


def test_expected_discharge_opens_the_checklist_a_day_before(bench) -> None:
    expected = bench.local("2026-07-03 14:00")
    bench.hear(bench.admit("2026-06-29 09:00", expected_discharge_at=expected, expected_disposition="01"))
    bench.wait("2026-07-02 13:00")
    assert bench.tasks(PENDING) == []
    bench.wait("2026-07-02 14:00")
    assert bench.task(PENDING).due_at == bench.local("2026-07-03 10:00")


def test_small_move_moves_the_due_time_and_a_large_one_takes_it_back(bench) -> None:
    bench.hear(bench.admit("2026-07-02 09:00", expected_discharge_at=bench.local("2026-07-03 08:00")))
    bench.hear(bench.update("2026-07-02 10:00", expected_discharge_at=bench.local("2026-07-03 09:00")))
    assert bench.task(PENDING).due_at == bench.local("2026-07-03 05:00")
    bench.hear(bench.update("2026-07-02 11:00", expected_discharge_at=bench.local("2026-07-06 09:00")))
    assert bench.task(PENDING).business_status == "retracted"


@pytest.mark.parametrize(("trigger", "status"), [("A25", "retracted"), ("A03", "auto-resolved")])
def test_checklist_ends_with_the_announcement_or_the_discharge(bench, trigger: str, status: str) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.announce("A16", "2026-07-01 10:00"))
    done = bench.discharge("2026-07-01 13:00") if trigger == "A03" else bench.announce("A25", "2026-07-01 12:00")
    bench.hear(done)
    assert bench.task(PENDING).business_status == status


def test_cancelled_announcement_opens_nothing_by_the_date_that_still_stands(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.announce("A16", "2026-07-01 10:00", expected_discharge_at=bench.local("2026-07-02 09:00")))
    bench.hear(bench.announce("A25", "2026-07-01 12:00"))
    assert [task.business_status for task in bench.tasks(PENDING)] == ["retracted"]


def test_disposition_is_asked_for_three_days_before(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00", expected_discharge_at=bench.local("2026-07-03 14:00")))
    bench.wait("2026-06-30 14:00")
    task = bench.task(EXPECTED)
    assert (task.due_at, task.priority) == (bench.local("2026-07-02 14:00"), "routine")
    bench.hear(bench.update("2026-07-01 09:00", expected_disposition="01"))
    assert bench.task(EXPECTED).business_status == "auto-resolved"


def test_changed_date_takes_it_back_and_opens_for_the_new_one(bench) -> None:
    bench.hear(bench.admit("2026-06-30 09:00", expected_discharge_at=bench.local("2026-07-02 14:00")))
    bench.hear(bench.update("2026-06-30 10:00", expected_discharge_at=bench.local("2026-07-03 08:00")))
    assert [t.business_status for t in bench.tasks(EXPECTED)] == ["retracted", None]
