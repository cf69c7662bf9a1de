"""obs-48h-status and level-of-care-changed: scenario 8 of domain reference 9."""

from __future__ import annotations

MESSAGE, MOON, REVIEW, LEVEL = "medicare-notice-im", "obs-24h-moon", "obs-48h-status", "level-of-care-changed"


def observe(bench, at: str = "2026-10-31 22:00", coverages=None) -> None:
    bench.hear(bench.register(at, class_="observation", coverages=coverages))


def test_second_midnight_closes_the_first_review(bench) -> None:
    observe(bench)
    bench.wait("2026-11-02 00:00")
    first, second = bench.tasks(REVIEW)
    assert (first.business_status, second.priority) == ("auto-resolved", "asap")
    assert second.task_key.endswith("|48")


def test_ordinary_admission_from_the_emergency_department_is_no_change_of_level(bench) -> None:
    bench.hear(bench.register("2026-07-02 09:00", coverages=bench.insurance()))
    bench.hear(bench.admit("2026-07-02 12:00", trigger="ADT^A06"))
    assert bench.tasks(LEVEL) == []


def test_change_taken_back_within_two_hours_leaves_nothing(bench) -> None:
    bench.hear(bench.admit("2026-07-02 09:00", coverages=bench.insurance()))
    bench.hear(bench.convert("2026-07-02 12:00", "observation", trigger="ADT^A07"))
    bench.hear(bench.admit("2026-07-02 13:30", trigger="ADT^A06"))
    (task,) = bench.tasks(LEVEL)
    assert task.business_status == "retracted"


def test_admission_review_does_not_fit_observation_but_fits_inpatient(make_bench) -> None:
    down, up = make_bench(), make_bench()
    down.hear(down.admit("2026-07-02 09:00", coverages=down.insurance()))
    down.hear(down.convert("2026-07-02 12:00", "observation", trigger="ADT^A07"))
    observe(up, "2026-07-02 06:00", coverages=up.insurance())
    up.hear(up.admit("2026-07-02 12:00", trigger="ADT^A06"))
    for bench in (down, up):
        bench.hear(bench.decision("2026-07-02 15:00", "certified", event_begins_on="2026-07-02", number="A1"))
    assert (down.task(LEVEL).open, up.task(LEVEL).business_status) == (True, "auto-resolved")
