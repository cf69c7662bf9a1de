"""followup-no-show: rule 4 of domain reference 6.2."""

from __future__ import annotations

import msgspec
import pytest

RULE = "followup-no-show"


@pytest.fixture
def booked(bench):
    """Discharged on Thursday 2 July, follow-up booked for Tuesday 7 July 10:00."""
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.discharge("2026-07-02 14:10"))
    bench.hear(bench.visit("S12", "2026-07-02 15:00", "2026-07-07 10:00"))
    return bench


@pytest.mark.parametrize(
    ("told", "due"), [("2026-07-07 11:00", "2026-07-07 23:59:59"), ("2026-07-07 15:30", "2026-07-08 23:59:59")]
)
def test_missed_follow_up_opens_a_task_for_the_same_business_day(booked, told: str, due: str) -> None:
    booked.hear(booked.visit("S26", told, "2026-07-07 10:00"))
    task = booked.task(RULE)
    assert task.due_at == booked.local(due)
    assert (task.type, task.priority, task.queue) == ("outreach", "asap", "transitions")
    assert task.task_key == f"{RULE}|{task.appointment_id}|v20260707T1400Z.0"


def test_a_visit_that_follows_no_discharge_is_not_this_rules(bench) -> None:
    bench.hear(bench.visit("S12", "2026-07-02 15:00", "2026-07-07 10:00"))
    bench.hear(bench.visit("S26", "2026-07-07 11:00", "2026-07-07 10:00"))
    assert bench.tasks(RULE) == []


def test_a_later_follow_up_is_not_the_one_that_counts(booked) -> None:
    booked.hear(booked.visit("S12", "2026-07-02 16:00", "2026-07-10 10:00", "F2"))
    booked.hear(booked.visit("S14", "2026-07-07 11:00", "2026-07-07 10:00", status="fulfilled"))
    booked.hear(booked.visit("S26", "2026-07-10 11:00", "2026-07-10 10:00", "F2"))
    assert booked.tasks(RULE) == []


def test_late_arrival_retracts(booked) -> None:
    booked.hear(booked.visit("S26", "2026-07-07 10:30", "2026-07-07 10:00"))
    booked.hear(booked.visit("S14", "2026-07-07 10:50", "2026-07-07 10:00", status="arrived"))
    assert (booked.task(RULE).status, booked.task(RULE).business_status) == ("cancelled", "retracted")


def test_the_same_visit_booked_again_resolves_and_a_second_no_show_is_a_new_task(booked) -> None:
    booked.hear(booked.visit("S26", "2026-07-07 11:00", "2026-07-07 10:00"))
    booked.hear(booked.visit("S13", "2026-07-07 14:00", "2026-07-09 10:00"))
    assert booked.task(RULE).business_status == "auto-resolved"
    booked.hear(booked.visit("S26", "2026-07-09 11:00", "2026-07-09 10:00"))
    assert [t.open for t in booked.tasks(RULE)] == [False, True]


def test_another_booking_in_the_window_resolves(booked) -> None:
    booked.hear(booked.visit("S26", "2026-07-07 11:00", "2026-07-07 10:00"))
    booked.hear(booked.visit("S12", "2026-07-07 14:00", "2026-07-20 10:00", "F2"))
    assert booked.task(RULE).status == "completed"


def test_a_booking_outside_the_window_does_not_resolve(booked) -> None:
    booked.hear(booked.visit("S26", "2026-07-07 11:00", "2026-07-07 10:00"))
    booked.hear(booked.visit("S12", "2026-07-07 14:00", "2026-09-20 10:00", "F2"))
    assert booked.task(RULE).open


def test_deleted_appointment_is_an_error(booked) -> None:
    booked.hear(booked.visit("S26", "2026-07-07 11:00", "2026-07-07 10:00"))
    booked.hear(booked.visit("S17", "2026-07-07 12:00", None))
    assert booked.task(RULE).status == "entered-in-error"


def test_missed_follow_up_unattended_is_overdue_and_told_to_the_lead(booked) -> None:
    booked.hear(booked.visit("S26", "2026-07-07 11:00", "2026-07-07 10:00"))
    booked.wait("2026-07-08 00:00")
    assert (booked.task(RULE).overdue, booked.task(RULE).priority) == (True, "stat")
    booked.wait("2026-07-09 00:00")
    assert booked.task(RULE).escalations == 1


def test_a_booking_made_before_the_no_show_does_not_resolve(booked) -> None:
    booked.hear(booked.visit("S12", "2026-07-02 16:00", "2026-07-10 10:00", "F2"))
    booked.hear(booked.visit("S26", "2026-07-07 11:00", "2026-07-07 10:00"))
    booked.hear(booked.visit("S14", "2026-07-07 12:00", "2026-07-10 10:00", "F2", status="booked", type="HFU"))
    assert booked.task(RULE).open


def test_stat_task_is_told_to_the_lead_once(booked) -> None:
    booked.hear(booked.visit("S26", "2026-07-07 11:00", "2026-07-07 10:00"))
    task = booked.task(RULE)
    booked.subject.tasks[task.task_id] = msgspec.structs.replace(task, priority="stat")
    booked.wait("2026-07-20 00:00")
    assert booked.task(RULE).escalations == 1
