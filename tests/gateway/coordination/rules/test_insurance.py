"""coverage-ending-before-service, coverage-changed, other-payer-found, self-pay-admission: scenario 12."""

from __future__ import annotations

import msgspec
import pytest

from mappings.payer_facts import OtherPayer

ENDING, REJECTED, CHANGED = "coverage-ending-before-service", "eligibility-rejected", "coverage-changed"
OTHER, SELF_PAY = "other-payer-found", "self-pay-admission"


@pytest.fixture
def known(bench):
    bench.hear(bench.event("patient.updated", "ADT^A31", "2026-07-01 08:00", coverages=bench.insurance()))
    return bench


def person_update(bench, at: str, coverages):
    return bench.event("patient.updated", "ADT^A31", at, coverages=coverages)


def test_coverage_that_ends_before_the_visit_is_verified_nearer_to_it(known) -> None:
    known.hear(known.eligibility("2026-07-01 09:00", "active", ends_on="2026-07-15"))
    known.know(known.only("coverages"), answer_ends_on="2026-07-15")
    known.hear(known.visit("S12", "2026-07-01 10:00", "2026-07-20 10:00"))
    task = known.task(ENDING)
    assert (task.due_at, task.priority) == (known.local("2026-07-15 23:59:59"), "routine")
    known.know(known.only("coverages"), answer_ends_on="2026-12-31")
    known.hear(known.eligibility("2026-07-02 09:00", "active", ends_on="2026-12-31"))
    assert known.task(ENDING).business_status == "auto-resolved"


def test_scenario_12_new_payer_with_an_appointment_ahead(known) -> None:
    known.hear(known.visit("S12", "2026-07-01 08:30", "2026-07-06 10:00"))
    known.hear(
        known.decision("2026-07-01 09:00", "certified", request_category="HS", number="A1", effective_on="2026-07-01")
    )
    known.hear(person_update(known, "2026-07-01 12:00", known.insurance("CIGNA")))
    task = known.task(CHANGED)
    assert (task.due_at, task.priority) == (known.local("2026-07-02 23:59:59"), "urgent")
    assert known.only("authorizations").needs_recheck
    kinds = [row.kind for row in known.changes[-1].transitions]
    assert "authorization-needs-recheck" in kinds


def test_change_taken_back_within_the_hour_leaves_nothing(known) -> None:
    known.hear(known.visit("S12", "2026-07-01 08:30", "2026-07-06 10:00"))
    known.hear(person_update(known, "2026-07-01 12:00", known.insurance("CIGNA")))
    known.hear(person_update(known, "2026-07-01 12:40", known.insurance()))
    assert [t.business_status for t in known.tasks(CHANGED)] == ["retracted"]


def test_change_without_anything_that_depends_on_it_is_no_work(known) -> None:
    known.hear(person_update(known, "2026-07-01 12:00", known.insurance("CIGNA")))
    assert known.tasks(CHANGED) == []


def test_further_payer_is_coordinated_until_registration_names_it(known) -> None:
    others = (OtherPayer(payer_id="MCARE", order="primary"),)
    known.know(known.only("coverages"), other_payers_json=msgspec.json.encode(others).decode())
    known.hear(known.eligibility("2026-07-01 09:00", "active", other_payers=others))
    task = known.task(OTHER)
    assert task.due_at == known.local("2026-07-07 23:59:59") and task.task_key.endswith("|MCARE")
    both = (*known.insurance(), *known.insurance("MCARE", priority=2))
    known.hear(person_update(known, "2026-07-01 12:00", both))
    assert known.task(OTHER).business_status == "auto-resolved"


def test_no_coverage_four_hours_after_the_admission(bench) -> None:
    bench.hear(bench.admit("2026-07-01 09:00"))
    bench.wait("2026-07-01 12:59")
    assert bench.tasks(SELF_PAY) == []
    bench.wait("2026-07-01 13:00")
    assert (bench.task(SELF_PAY).due_at, bench.task(SELF_PAY).queue) == (
        bench.local("2026-07-02 23:59:59"),
        "social-work",
    )
    bench.hear(bench.update("2026-07-01 15:00", coverages=bench.insurance()))
    assert bench.task(SELF_PAY).business_status == "auto-resolved"


def test_self_pay_is_said_at_once_and_insurance_in_time_needs_nothing(make_bench) -> None:
    declared, insured = make_bench(), make_bench()
    declared.hear(declared.admit("2026-07-01 09:00", self_pay=True))
    insured.hear(insured.admit("2026-07-01 09:00"))
    insured.hear(insured.update("2026-07-01 11:00", coverages=insured.insurance()))
    insured.wait("2026-07-01 14:00")
    assert declared.task(SELF_PAY).open and insured.tasks(SELF_PAY) == []


def test_an_insurance_that_returns_after_another_one_is_a_change_again(known) -> None:
    known.hear(known.visit("S12", "2026-07-01 08:30", "2026-09-06 10:00"))
    for day, payer in (("02", "CIGNA"), ("06", "AETNA"), ("08", "CIGNA")):
        known.hear(person_update(known, f"2026-07-{day} 12:00", known.insurance(payer)))
        for task in known.tasks(CHANGED):
            if task.open:
                known.act("complete", task, outcome="done")
    first, second, third = (task.task_key.rpartition("|v")[2] for task in known.tasks(CHANGED))
    assert first != second and third == f"{first}.2"
