"""benefit-limit-near, high-patient-responsibility, auth-service-mismatch, appeal-deadline-approaching,
final-diagnosis-missing."""

from __future__ import annotations

import msgspec
import pytest

from mappings.events import Diagnosis
from mappings.payer_facts import Remaining

LIMIT, SHARE, MISMATCH = "benefit-limit-near", "high-patient-responsibility", "auth-service-mismatch"
APPEAL, CODING = "appeal-deadline-approaching", "final-diagnosis-missing"


@pytest.fixture
def desk(make_bench):
    bench = make_bench(enabled_rules=(LIMIT, SHARE, MISMATCH, APPEAL, CODING))
    bench.hear(bench.event("patient.updated", "ADT^A31", "2026-07-01 08:00", coverages=bench.insurance()))
    return bench


def answered(bench, at: str, *rows: Remaining) -> None:
    bench.know(bench.only("coverages"), remaining_json=msgspec.json.encode(rows).decode())
    bench.hear(bench.eligibility(at, "active", remaining=rows))


def test_two_visits_left_are_talked_about_until_the_new_year(desk) -> None:
    answered(desk, "2026-07-01 09:00", Remaining(code="F", service_types=("PT",), quantity="2", total_quantity="20"))
    assert desk.task(LIMIT).due_at == desk.local("2026-07-07 23:59:59")
    answered(desk, "2026-07-06 09:00", Remaining(code="F", service_types=("PT",), quantity="20", total_quantity="20"))
    assert desk.task(LIMIT).business_status == "auto-resolved"


def test_open_deductible_before_a_procedure(desk) -> None:
    answered(desk, "2026-07-01 09:00", Remaining(code="C", amount="2500"))
    desk.hear(desk.visit("S12", "2026-07-01 10:00", "2026-07-20 10:00", reason="PROC"))
    desk.hear(desk.visit("S12", "2026-07-01 11:00", "2026-07-21 10:00", "F2", reason="CHECK"))
    task = desk.task(SHARE)
    assert (task.due_at, task.priority) == (desk.local("2026-07-13 23:59:59"), "routine") and "2500" in task.reason


def test_booked_service_that_is_not_the_authorized_one(desk) -> None:
    desk.hear(desk.visit("S12", "2026-07-01 10:00", "2026-07-20 10:00", service="70551", reason="MRI"))
    desk.hear(
        desk.decision(
            "2026-07-01 11:00", "certified", request_category="HS", service_type="70551", number="A1",
            effective_on="2026-07-01", expires_on="2026-08-01",
        )
    )  # fmt: skip
    assert desk.tasks(MISMATCH) == []
    desk.hear(desk.visit("S13", "2026-07-02 10:00", "2026-07-21 10:00", service="70553", reason="MRI"))
    assert desk.task(MISMATCH).due_at == desk.local("2026-07-16 23:59:59")
    desk.hear(desk.visit("S14", "2026-07-02 11:00", "2026-07-21 10:00", service="70551", reason="MRI"))
    assert desk.task(MISMATCH).business_status == "auto-resolved"


def test_appeal_ten_and_three_days_before_its_deadline(desk) -> None:
    desk.hear(desk.admit("2026-07-01 09:00", coverages=desk.insurance()))
    desk.hear(desk.decision("2026-07-01 12:00", "denied", event_begins_on="2026-07-01"))
    desk.wait("2026-08-28 00:00")
    ten, three = desk.tasks(APPEAL)
    assert ten.task_key.endswith("|10") and three.task_key.endswith("|3") and three.priority == "stat"
    assert three.due_at == desk.local("2026-08-28 23:59:59")
    desk.hear(desk.decision("2026-08-28 09:00", "certified", event_begins_on="2026-07-01", number="A1"))
    assert all(t.business_status == "retracted" for t in desk.tasks(APPEAL))


def test_discharge_without_a_final_diagnosis(desk) -> None:
    desk.hear(desk.admit("2026-07-01 09:00"))
    desk.hear(desk.discharge("2026-07-02 14:10"))
    desk.wait("2026-07-09 00:00")
    assert desk.task(CODING).due_at == desk.local("2026-07-13 23:59:59")
    final = (Diagnosis(code="I50.9", system="I10", type="F"),)
    desk.hear(desk.update("2026-07-09 09:00", diagnoses=final, class_=None))
    assert desk.task(CODING).business_status == "auto-resolved"
