"""auth-expiring-before-appointment, auth-units-exhausted, continued-stay-review: scenario 21 of domain reference 9."""

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


def test_scenario_21_end_before_the_visit_and_the_visit_moved_earlier(insured) -> None:
    insured.hear(insured.visit("S12", "2026-07-01 09:00", "2026-07-20 10:00", **MRI))
    grant(insured, effective_on="2026-07-01", expires_on="2026-07-17")
    task = insured.task(EXPIRING)
    assert (task.due_at, task.priority) == (insured.local("2026-07-08 23:59:59"), "urgent")
    insured.hear(insured.visit("S13", "2026-07-03 09:00", "2026-07-16 10:00", **MRI))
    assert insured.task(EXPIRING).business_status == "auto-resolved"


def test_new_end_resolves(insured) -> None:
    insured.hear(insured.visit("S12", "2026-07-01 09:00", "2026-07-20 10:00", **MRI))
    grant(insured, effective_on="2026-07-01", expires_on="2026-07-17")
    grant(insured, "2026-07-06 09:00", effective_on="2026-07-01", expires_on="2026-08-17")
    assert insured.task(EXPIRING).business_status == "auto-resolved"


def test_more_visits_than_units_and_units_raised(insured) -> None:
    grant(insured, effective_on="2026-07-01", expires_on="2026-12-31", quantity="2", unit="VS")
    insured.know(insured.only("authorizations"), quantity="2", unit="VS")
    for number, day in enumerate(("13", "20", "27"), 1):
        insured.hear(insured.visit("S12", f"2026-07-03 09:0{number}", f"2026-07-{day} 10:00", f"F{number}", **MRI))
    task = insured.task(UNITS)
    assert task.task_key.endswith("|v2") and task.due_at == insured.local("2026-07-22 23:59:59")
    insured.hear(insured.visit("S15", "2026-07-06 09:00", "2026-07-27 10:00", "F3", **MRI))
    assert insured.task(UNITS).business_status == "auto-resolved"


def test_one_planned_visit_under_one_unit_is_enough(insured) -> None:
    grant(insured, effective_on="2026-07-01", expires_on="2026-12-31", quantity="1", unit="VS")
    insured.know(insured.only("authorizations"), quantity="1", unit="VS")
    insured.hear(insured.visit("S12", "2026-07-03 09:00", "2026-07-20 10:00", "F1", **MRI))
    assert insured.tasks(UNITS) == []


def test_certified_days_that_end_tomorrow(bench) -> None:
    bench.hear(bench.admit("2026-07-01 09:00", coverages=bench.insurance()))
    bench.hear(
        bench.decision(
            "2026-07-01 12:00", "certified", event_begins_on="2026-07-01", number="A1", expires_on="2026-07-03"
        )
    )
    bench.wait("2026-07-02 23:00")
    assert bench.tasks(DAYS) == []
    bench.wait("2026-07-03 00:00")
    task = bench.task(DAYS)
    assert (task.due_at, task.priority) == (bench.local("2026-07-03 19:59:59"), "asap")
    bench.hear(
        bench.decision(
            "2026-07-03 12:00", "certified", event_begins_on="2026-07-01", number="A1", expires_on="2026-07-06"
        )
    )
    assert bench.task(DAYS).business_status == "auto-resolved"


def test_discharge_ends_the_days(bench) -> None:
    bench.hear(bench.admit("2026-07-01 09:00", coverages=bench.insurance()))
    bench.hear(
        bench.decision(
            "2026-07-01 12:00", "certified", event_begins_on="2026-07-01", number="A1", expires_on="2026-07-03"
        )
    )
    bench.wait("2026-07-03 01:00")
    bench.hear(bench.discharge("2026-07-03 14:00"))
    assert bench.task(DAYS).business_status == "auto-resolved"
