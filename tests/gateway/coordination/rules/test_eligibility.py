"""eligibility-rejected: scenario 18 of domain reference 9."""

from __future__ import annotations

import msgspec
import pytest

from mappings.payer_facts import Rejection

ENDING, REJECTED, CHANGED = "coverage-ending-before-service", "eligibility-rejected", "coverage-changed"
OTHER, SELF_PAY = "other-payer-found", "self-pay-admission"


@pytest.fixture
def known(bench):
    bench.hear(bench.event("patient.updated", "ADT^A31", "2026-07-01 08:00", coverages=bench.insurance()))
    return bench


def reject(bench, at: str, reason: str, kind: str, follow_up: str = "C") -> None:
    aaa = (Rejection(reason=reason, loop="2100C", kind=kind, follow_up=follow_up, advice="Verify the card."),)
    bench.know(bench.only("coverages"), rejections_json=msgspec.json.encode(aaa).decode())
    bench.hear(bench.eligibility(at, "rejected", rejections=aaa))


@pytest.mark.parametrize(
    ("reason", "kind", "queue"),
    [("75", "not-found", "eligibility"), ("43", "provider", "integration"), ("AE", "auth", "authorization")],
)
def test_scenario_18_rejection_becomes_work_for_whoever_can_act(known, reason: str, kind: str, queue: str) -> None:
    reject(known, "2026-07-01 09:00", reason, kind)
    task = known.task(REJECTED)
    assert (task.queue, task.priority, task.due_at) == (queue, "routine", known.local("2026-07-06 23:59:59"))
    assert "Verify the card." in task.reason and task.task_key.split("|")[2:] == [reason, "d2026W27"]


def test_rejection_near_a_service_is_urgent_and_an_answer_resolves_it(known) -> None:
    known.hear(known.visit("S12", "2026-07-01 08:30", "2026-07-02 10:00"))
    reject(known, "2026-07-01 09:00", "75", "not-found")
    assert known.task(REJECTED).priority == "urgent"
    known.know(known.only("coverages"), rejections_json="[]")
    known.hear(known.eligibility("2026-07-01 12:00", "active"))
    assert known.task(REJECTED).business_status == "auto-resolved"


def test_payer_that_is_down_is_a_task_only_after_a_day(known) -> None:
    reject(known, "2026-07-01 09:00", "42", "outage", "R")
    assert known.tasks(REJECTED) == []
    known.wait("2026-07-02 08:59")
    assert known.tasks(REJECTED) == []
    known.wait("2026-07-02 09:00")
    assert known.task(REJECTED).open
