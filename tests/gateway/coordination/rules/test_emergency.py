"""ed-frequent-use: scenario 9 of domain reference 9."""

from __future__ import annotations

MISSED, CANCELLED, RESOURCE = "appointment-no-show", "appointment-cancelled-no-rebook", "appointment-resource-lost"
FREQUENT, CONFLICT = "ed-frequent-use", "identity-conflict"
CLINIC = {"service": "CARD", "reason": "CHECK", "type": "NEW"}


def test_scenario_9_fourth_visit_in_a_year_asks_once_in_90_days(bench) -> None:
    for number, day in enumerate(("2025-09-01", "2025-12-01", "2026-03-01", "2026-06-01"), 1):
        bench.hear(bench.register(f"{day} 09:00", f"V{number}"))
    task = bench.task(FREQUENT)
    assert task.priority == "urgent" and task.due_at == bench.local("2026-06-03 23:59:59")
    bench.hear(bench.register("2026-07-01 09:00", "V5"))
    assert len(bench.tasks(FREQUENT)) == 1
    bench.hear(bench.register("2026-09-10 09:00", "V6"))
    assert len(bench.tasks(FREQUENT)) == 2


def test_return_within_72_hours_is_asap_and_taken_back_with_the_visit(bench) -> None:
    bench.hear(bench.register("2026-07-01 09:00", "V1"))
    bench.hear(bench.register("2026-07-03 09:00", "V2"))
    task = bench.task(FREQUENT)
    assert task.priority == "asap" and "72h" in task.task_key
    bench.hear(bench.cancel_admit("2026-07-03 10:00", "V2"))
    assert bench.task(FREQUENT).business_status == "retracted"
