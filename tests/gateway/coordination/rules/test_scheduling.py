"""referral-without-appointment, appointment-unconfirmed-pending, appointment-outcome-unknown, duplicate-service-booked."""

from __future__ import annotations

import pytest

from mappings.events import Person

REFERRAL, UNCONFIRMED = "referral-without-appointment", "appointment-unconfirmed-pending"
OUTCOME, DUPLICATE = "appointment-outcome-unknown", "duplicate-service-booked"
CARD = {"service": "CARD", "reason": "CHECK", "type": "NEW"}


@pytest.fixture
def desk(make_bench):
    return make_bench(enabled_rules=(REFERRAL, UNCONFIRMED, OUTCOME, DUPLICATE))


def test_certified_referral_without_a_booking(desk) -> None:
    desk.hear(desk.event("patient.updated", "ADT^A31", "2026-07-01 08:00", coverages=desk.insurance()))
    desk.hear(desk.decision("2026-07-01 09:00", "certified", request_category="SC", service_type="CARD", number="R1"))
    desk.wait("2026-07-10 00:00")
    task = desk.task(REFERRAL)
    assert task.due_at == desk.local("2026-07-16 23:59:59")
    desk.hear(desk.visit("S12", "2026-07-10 09:00", "2026-07-20 10:00", **CARD))
    assert desk.task(REFERRAL).business_status == "auto-resolved"


def test_pending_appointment_is_confirmed(desk) -> None:
    desk.hear(desk.visit("S12", "2026-07-01 09:00", "2026-07-30 10:00", **(CARD | {"status": "pending"})))
    desk.wait("2026-07-08 00:00")
    assert desk.task(UNCONFIRMED).due_at == desk.local("2026-07-08 23:59:59")
    desk.hear(desk.visit("S14", "2026-07-08 09:00", "2026-07-30 10:00", **(CARD | {"status": "booked"})))
    assert desk.task(UNCONFIRMED).business_status == "auto-resolved"


def test_outcome_that_nobody_recorded(desk) -> None:
    desk.hear(desk.visit("S12", "2026-07-01 09:00", "2026-07-06 10:00", end=desk.local("2026-07-06 10:30"), **CARD))
    desk.wait("2026-07-07 10:29")
    assert desk.tasks(OUTCOME) == []
    desk.wait("2026-07-07 10:30")
    assert desk.task(OUTCOME).due_at == desk.local("2026-07-09 23:59:59")
    desk.hear(desk.visit("S26", "2026-07-08 09:00", "2026-07-06 10:00", **CARD))
    assert desk.task(OUTCOME).business_status == "auto-resolved"


def test_service_booked_twice_with_different_providers(desk) -> None:
    one, two = CARD | {"provider": Person(id="1")}, CARD | {"provider": Person(id="2")}
    desk.hear(desk.visit("S12", "2026-07-01 09:00", "2026-07-06 10:00", "F1", **one))
    desk.hear(desk.visit("S12", "2026-07-01 10:00", "2026-07-09 10:00", "F2", **two))
    task = desk.task(DUPLICATE)
    assert task.due_at == desk.local("2026-07-06 23:59:59")
    desk.hear(desk.visit("S15", "2026-07-02 09:00", "2026-07-06 10:00", "F1", **one))
    assert desk.task(DUPLICATE).business_status == "auto-resolved"


def test_same_provider_a_month_apart_or_a_series_is_no_duplicate(desk) -> None:
    one, two = CARD | {"provider": Person(id="1")}, CARD | {"provider": Person(id="2")}
    desk.hear(desk.visit("S12", "2026-07-01 09:00", "2026-07-06 10:00", "F1", **one))
    desk.hear(desk.visit("S12", "2026-07-01 09:10", "2026-07-07 10:00", "F2", **one))
    desk.hear(desk.visit("S12", "2026-07-01 09:20", "2026-08-09 10:00", "F3", **two))
    assert desk.tasks(DUPLICATE) == []
