"""med-reconciliation-30d, discharge-to-facility-handoff, discharge-home-health, ama-discharge."""

from __future__ import annotations

import pytest

RECONCILIATION, HANDOFF = "med-reconciliation-30d", "discharge-to-facility-handoff"
HOME_HEALTH, AMA = "discharge-home-health", "ama-discharge"


def leave(
    bench, at: str = "2026-07-02 14:10", disposition: str = "01", category: str = "home", **facts: object
) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.discharge(at, disposition=disposition, category=category, **facts))


def test_reconciliation_is_due_thirty_days_after_the_discharge(bench) -> None:
    leave(bench)
    task = bench.task(RECONCILIATION)
    assert task.due_at == bench.local("2026-08-01 23:59:59")
    assert (task.type, task.priority, task.queue) == ("review", "routine", "transitions")
    assert task.task_key == f"{RECONCILIATION}|{task.encounter_id}|dis1"


@pytest.mark.parametrize("ended_by", ["A13", "disposition", "death"])
def test_reconciliation_ends_with_its_discharge(bench, ended_by: str) -> None:
    leave(bench)
    if ended_by == "A13":
        bench.hear(bench.cancel_discharge("2026-07-02 16:00"))
    else:
        code, category = ("03", "snf") if ended_by == "disposition" else ("20", "expired")
        bench.hear(
            bench.discharge("2026-07-02 14:10", disposition=code, category=category, recorded="2026-07-02 18:00")
        )
    assert bench.task(RECONCILIATION).business_status == "retracted"


def test_hand_off_is_due_the_same_day_and_follows_the_destination(bench) -> None:
    leave(bench, disposition="03", category="snf")
    (first,) = bench.tasks(HANDOFF)
    assert (first.due_at, first.priority) == (bench.local("2026-07-02 23:59:59"), "asap")
    bench.hear(bench.discharge("2026-07-02 14:10", disposition="62", category="rehab", recorded="2026-07-02 18:00"))
    assert [(t.open, t.task_key.split("|")[-1]) for t in bench.tasks(HANDOFF)] == [(False, "vsnf"), (True, "vrehab")]


def test_announced_hand_off_is_the_one_of_the_discharge(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.announce("A16", "2026-07-01 10:00", expected_disposition="03"))
    task = bench.task(HANDOFF)
    assert task.task_key.split("|")[2:] == ["dis1", "vsnf"]
    bench.hear(bench.discharge("2026-07-02 14:10", disposition="03", category="snf"))
    assert [t.task_id for t in bench.tasks(HANDOFF)] == [task.task_id] and bench.task(HANDOFF).open


def test_cancelled_announcement_takes_the_hand_off_back(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.announce("A16", "2026-07-01 10:00", expected_disposition="03"))
    bench.hear(bench.announce("A25", "2026-07-01 12:00"))
    assert bench.task(HANDOFF).business_status == "retracted"


def test_home_health_is_confirmed_within_a_business_day(bench) -> None:
    leave(bench, disposition="06", category="home-health")
    assert bench.task(HOME_HEALTH).due_at == bench.local("2026-07-06 23:59:59")
    bench.hear(bench.discharge("2026-07-02 14:10", recorded="2026-07-02 18:00"))
    assert bench.task(HOME_HEALTH).business_status == "retracted"


def test_expected_home_health_opens_before_the_discharge(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.update("2026-06-30 09:00", expected_disposition="06"))
    assert bench.task(HOME_HEALTH).task_key.endswith("|dis1")
    bench.hear(bench.update("2026-06-30 15:00", expected_disposition="01"))
    assert bench.task(HOME_HEALTH).business_status == "retracted"


def test_against_advice_is_four_hours_and_at_once_for_the_lead(bench) -> None:
    leave(bench, disposition="07", category="ama")
    task = bench.task(AMA)
    assert (task.priority, task.due_at) == ("stat", bench.local("2026-07-02 18:10"))
    bench.wait("2026-07-02 19:00")
    assert (bench.task(AMA).overdue, bench.task(AMA).escalations) == (True, 1)


def test_return_within_a_day_takes_the_outreach_back(bench) -> None:
    leave(bench, disposition="07", category="ama")
    bench.hear(bench.register("2026-07-03 10:00", "V2"))
    assert bench.task(AMA).business_status == "retracted"


def test_newborn_has_no_departure_tasks(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00", newborn=True))
    bench.hear(bench.discharge("2026-07-02 14:10", disposition="03", category="snf"))
    assert bench.open_rules() <= {"self-pay-admission"}


def test_correction_of_a_stay_that_ended_long_ago_opens_nothing(bench) -> None:
    leave(bench)
    late = bench.discharge("2026-07-02 14:10", disposition="03", category="snf", recorded="2026-10-01 09:00")
    told = {one.rule_id: one.because for one in bench.ask(late)}
    assert bench.tasks(HANDOFF) == [] and told[HANDOFF] == "the stay ended more than 85 days ago"
