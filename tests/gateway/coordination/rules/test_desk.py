"""What is overdue goes to the lead, whatever the rule's own escalation, where the site wants that (6.3)."""

from __future__ import annotations

from typing import Any

import pytest


def went_home(bench: Any) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.discharge("2026-07-02 14:10"))


@pytest.mark.parametrize(("enabled", "escalations"), [((), 1), (("task-overdue-escalate",), 2)])
def test_call_that_nobody_made_goes_to_the_lead_one_business_day_after_it_was_due(
    make_bench: Any, enabled: tuple[str, ...], escalations: int
) -> None:
    bench = make_bench(enabled_rules=enabled)
    went_home(bench)
    bench.wait("2026-07-08 23:59")  # due 07-07, with a step of its own at noon
    assert bench.task("discharge-contact-2bd").escalations == 1
    bench.wait("2026-07-09 00:01")
    assert bench.task("discharge-contact-2bd").escalations == escalations


def test_switched_off_by_name_it_does_nothing(make_bench: Any) -> None:
    bench = make_bench(enabled_rules=("task-overdue-escalate",), disabled_rules=("task-overdue-escalate",))
    went_home(bench)
    bench.wait("2026-07-20 00:00")
    assert bench.task("discharge-contact-2bd").escalations == 1
