"""medicare-notice-im, obs-24h-moon, obs-48h-status, level-of-care-changed: scenario 8 of domain reference 9."""

from __future__ import annotations

import msgspec
import pytest

MESSAGE, MOON, REVIEW, LEVEL = "medicare-notice-im", "obs-24h-moon", "obs-48h-status", "level-of-care-changed"


def medicare(bench):
    return bench.insurance("CMS", plan_type="MA")


def test_medicare_inpatient_is_owed_the_message_within_two_days(bench) -> None:
    bench.hear(bench.admit("2026-07-02 09:00", coverages=medicare(bench)))
    task = bench.task(MESSAGE)
    assert (task.due_at, task.type) == (bench.local("2026-07-04 23:59:59"), "notice")
    assert task.task_key.endswith("|first")


def test_plan_named_later_opens_it_and_another_payer_does_not(make_bench) -> None:
    late, other = make_bench(), make_bench()
    for bench in (late, other):
        bench.hear(bench.admit("2026-07-02 09:00"))
    late.hear(late.update("2026-07-02 12:00", coverages=medicare(late)))
    other.hear(other.update("2026-07-02 12:00", coverages=other.insurance()))
    assert late.task(MESSAGE).open and other.tasks(MESSAGE) == []


def test_second_copy_before_a_discharge_after_more_than_two_days(bench) -> None:
    bench.hear(bench.admit("2026-07-02 09:00", coverages=medicare(bench)))
    bench.act("complete", bench.task(MESSAGE), outcome="done")
    bench.hear(bench.update("2026-07-05 09:00", expected_discharge_at=bench.local("2026-07-06 15:00")))
    _, second = bench.tasks(MESSAGE)
    assert second.task_key.endswith("|followup") and second.due_at == bench.local("2026-07-06 11:00")


def test_status_change_to_observation_takes_the_message_back(bench) -> None:
    bench.hear(bench.admit("2026-07-02 09:00", coverages=medicare(bench)))
    bench.hear(bench.convert("2026-07-02 15:00", "observation", trigger="ADT^A07"))
    assert bench.task(MESSAGE).business_status == "retracted"


def observe(bench, at: str = "2026-10-31 22:00", coverages=None) -> None:
    bench.hear(bench.register(at, class_="observation", coverages=coverages))


def test_observation_over_the_clock_change_counts_elapsed_hours(bench) -> None:
    observe(bench, coverages=medicare(bench))
    bench.wait("2026-11-01 16:59")
    assert bench.tasks(MOON) == []
    bench.wait("2026-11-01 17:00")
    assert bench.task(MOON).due_at == bench.local("2026-11-02 09:00")
    assert bench.tasks(REVIEW) == []
    bench.wait("2026-11-01 21:00")
    (review,) = bench.tasks(REVIEW)
    assert (review.priority, review.due_at) == ("routine", bench.local("2026-11-02 01:00"))


@pytest.mark.parametrize(("at", "kept"), [("2026-11-01 19:00", False), ("2026-11-01 22:00", True)])
def test_notice_is_owed_once_the_24th_hour_has_passed(bench, at: str, kept: bool) -> None:
    observe(bench, coverages=medicare(bench))
    bench.hear(bench.admit(at, trigger="ADT^A06"))
    assert bench.task(MOON).open is kept
    assert all(t.business_status == "auto-resolved" for t in bench.tasks(REVIEW))
    assert bench.task(LEVEL).due_at == bench.local("2026-11-02 23:59:59")


def test_check_that_runs_late_judges_its_own_moment(make_bench) -> None:
    for at, opens in (("2026-11-01 19:00", False), ("2026-11-01 22:00", True)):
        bench = make_bench()
        observe(bench, coverages=medicare(bench))
        checks = [t for t in bench.timers() if t.rule_id == MOON]
        bench.now = bench.local(at)
        bench._decide(bench.admit(at, trigger="ADT^A06"))
        (timer,) = checks
        bench.subject.timers.setdefault(timer.timer_id, timer)
        bench.subject.timers[timer.timer_id] = timer
        bench.fire(msgspec.structs.replace(timer))
        assert any(t.open for t in bench.tasks(MOON)) is opens


def test_no_moon_without_medicare(bench) -> None:
    observe(bench, coverages=bench.insurance())
    bench.wait("2026-11-01 20:00")
    assert bench.tasks(MOON) == []
