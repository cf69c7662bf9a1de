"""auth-required-not-on-file."""

from __future__ import annotations

import msgspec
import pytest

from mappings.payer_facts import ServiceAnswer

REQUEST, EXPIRING = "auth-required-not-on-file", "auth-expiring-before-appointment"
UNITS, DAYS = "auth-units-exhausted", "continued-stay-review"
MRI = {"service": "70551", "reason": "MRI", "type": "IMG"}


@pytest.fixture
def insured(bench):
    """A patient whose payer requires an authorization for the service that he is booked for."""
    bench.hear(bench.event("patient.updated", "ADT^A31", "2026-07-01 08:00", coverages=bench.insurance()))
    rows = (ServiceAnswer(service_type="70551", authorization_required="Y", status="active"),)
    bench.know(bench.only("coverages"), services_json=msgspec.json.encode(rows).decode(), eligibility="active")
    return bench


def grant(bench, at: str = "2026-07-02 09:00", status: str = "certified", **facts: object) -> None:
    given = {"request_category": "HS", "service_type": "70551", "number": "A1", **facts}
    bench.hear(bench.decision(at, status, **given))


def test_booking_of_a_service_that_needs_one(insured) -> None:
    insured.hear(insured.visit("S12", "2026-07-01 09:00", "2026-07-20 10:00", **MRI))
    task = insured.task(REQUEST)
    assert (task.due_at, task.priority) == (insured.local("2026-07-07 23:59:59"), "routine")
    assert task.task_key == f"{REQUEST}|{task.appointment_id}|{task.coverage_id}"


def test_near_service_is_urgent_and_due_at_once(insured) -> None:
    insured.hear(insured.visit("S12", "2026-07-01 09:00", "2026-07-06 10:00", **MRI))
    task = insured.task(REQUEST)
    assert (task.due_at, task.priority) == (insured.local("2026-07-01 13:00"), "asap")


@pytest.mark.parametrize(
    ("status", "closed"), [("certified", "auto-resolved"), ("denied", "auto-resolved"), ("pended", "awaiting-payer")]
)
def test_answer_resolves_or_waits(insured, status: str, closed: str) -> None:
    insured.hear(insured.visit("S12", "2026-07-01 09:00", "2026-07-20 10:00", **MRI))
    grant(insured, status=status, effective_on="2026-07-01", expires_on="2026-08-01")
    assert insured.task(REQUEST).business_status == closed


def test_payer_list_and_other_services(make_bench) -> None:
    listed, free = make_bench(auth_payers=("AETNA",)), make_bench()
    for bench in (listed, free):
        bench.hear(bench.event("patient.updated", "ADT^A31", "2026-07-01 08:00", coverages=bench.insurance()))
        bench.hear(bench.visit("S12", "2026-07-01 09:00", "2026-07-20 10:00", **MRI))
    assert listed.task(REQUEST).open and free.tasks(REQUEST) == []


def test_cancel_takes_it_back_and_two_days_before_the_lead_is_told(insured) -> None:
    insured.hear(insured.visit("S12", "2026-07-01 09:00", "2026-07-20 10:00", **MRI))
    insured.wait("2026-07-16 09:00")
    assert insured.task(REQUEST).escalations == 1
    insured.hear(insured.visit("S15", "2026-07-16 10:00", "2026-07-20 10:00", **MRI))
    assert insured.task(REQUEST).business_status == "retracted"


def test_authorization_that_ended_is_missed_again_ten_business_days_before(insured) -> None:
    insured.hear(insured.visit("S12", "2026-07-01 09:00", "2026-08-20 10:00", **MRI))
    insured.act("cancel", insured.task(REQUEST), reason="asked by telephone")
    assert [t.kind for t in insured.timers() if t.rule_id == REQUEST] == ["lead"]
