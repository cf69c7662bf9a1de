"""followup-outside-window and followup-not-completed."""

from __future__ import annotations

OUTSIDE, UNBOOKED, NOT_COMPLETED = "followup-outside-window", "discharge-followup-unbooked", "followup-not-completed"


def home(bench, **facts: object) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.discharge("2026-07-02 14:10", **facts))


def test_booking_after_the_window_is_this_rule_and_not_the_missing_one(bench) -> None:
    home(bench)
    bench.hear(bench.visit("S12", "2026-07-02 16:00", "2026-07-20 10:00"))
    bench.wait("2026-07-05 00:00")
    task = bench.task(OUTSIDE)
    assert (task.due_at, task.queue) == (bench.local("2026-07-06 23:59:59"), "scheduling")
    assert task.task_key.endswith("|dis1|v20260720T1400Z")
    assert bench.tasks(UNBOOKED) == []


def test_high_risk_patient_has_seven_days(bench) -> None:
    home(bench, readmission=True)
    bench.hear(bench.visit("S12", "2026-07-02 16:00", "2026-07-13 10:00"))
    assert bench.task(OUTSIDE).open


def test_moving_the_visit_inside_resolves_and_elsewhere_outside_opens_anew(bench) -> None:
    home(bench)
    bench.hear(bench.visit("S12", "2026-07-02 16:00", "2026-07-20 10:00"))
    bench.hear(bench.visit("S13", "2026-07-03 09:00", "2026-07-24 10:00"))
    bench.hear(bench.visit("S13", "2026-07-03 11:00", "2026-07-14 10:00"))
    assert [t.business_status for t in bench.tasks(OUTSIDE)] == ["retracted", "auto-resolved"]


def test_readmission_takes_it_back(bench) -> None:
    home(bench)
    bench.hear(bench.visit("S12", "2026-07-02 16:00", "2026-07-20 10:00"))
    bench.hear(bench.admit("2026-07-03 09:00", "V2"))
    assert bench.task(OUTSIDE).business_status == "retracted"


def test_visit_not_kept_is_asked_for_after_the_window_and_after_25_days(bench) -> None:
    home(bench)
    bench.wait("2026-07-18 00:00")
    task = bench.task(NOT_COMPLETED)
    assert task.due_at == bench.local("2026-07-20 23:59:59")
    bench.wait("2026-07-29 00:00")
    assert [t.task_key.split("|")[-1] for t in bench.tasks(NOT_COMPLETED)] == ["first", "25"]


def test_kept_visit_needs_nothing_and_a_later_one_resolves(make_bench) -> None:
    kept, late = make_bench(), make_bench()
    for bench in (kept, late):
        home(bench)
        bench.hear(bench.visit("S12", "2026-07-02 16:00", "2026-07-10 10:00"))
    kept.hear(kept.visit("S14", "2026-07-10 10:05", "2026-07-10 10:00", status="arrived"))
    for bench in (kept, late):
        bench.wait("2026-07-17 10:00")
    assert kept.tasks(NOT_COMPLETED) == [] and late.task(NOT_COMPLETED).open
    late.hear(late.visit("S12", "2026-07-17 11:00", "2026-07-20 10:00", "F2"))
    late.hear(late.visit("S14", "2026-07-20 10:05", "2026-07-20 10:00", "F2", status="fulfilled"))
    assert late.task(NOT_COMPLETED).business_status == "auto-resolved"


def test_cancelled_discharge_leaves_no_check(bench) -> None:
    home(bench)
    bench.hear(bench.cancel_discharge("2026-07-02 16:00"))
    assert [t for t in bench.timers() if t.rule_id == NOT_COMPLETED] == []
