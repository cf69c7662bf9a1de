"""transfer-to-higher-care, los-exceeds-estimate, leave-overdue, attending-changed, family-meeting."""

from __future__ import annotations

import pytest

from mappings.events import Person

HIGHER, LENGTH, LEAVE = "transfer-to-higher-care", "los-exceeds-estimate", "leave-overdue"
ATTENDING, MEETING = "attending-changed", "family-meeting"


@pytest.fixture
def ward(make_bench):
    return make_bench(enabled_rules=(HIGHER, LENGTH, LEAVE, ATTENDING, MEETING), higher_care_units=("ICU", "SDU"))


def move(bench, at: str, unit: str, trigger: str = "A02"):
    from mappings.events import Location

    type_ = {"A02": "encounter.transferred", "A12": "encounter.transfer-cancelled"}[trigger]
    return bench.event(type_, f"ADT^{trigger}", at, encounter=bench.stay(location=Location(point_of_care=unit)))


def test_transfer_up_tells_family_and_provider_and_a_cancel_takes_it_back(ward) -> None:
    ward.hear(ward.admit("2026-07-01 09:00"))
    ward.hear(move(ward, "2026-07-01 10:00", "4W"))
    ward.hear(move(ward, "2026-07-01 12:00", "ICU"))
    task = ward.task(HIGHER)
    assert (task.due_at, task.priority) == (ward.local("2026-07-01 16:00"), "urgent")
    assert ward.task(MEETING).due_at == ward.local("2026-07-02 23:59:59")
    ward.hear(move(ward, "2026-07-01 13:00", "4W", "A12"))
    assert ward.task(HIGHER).business_status == "retracted"


def test_transfer_between_units_of_higher_care_or_down_is_none(ward) -> None:
    ward.hear(ward.admit("2026-07-01 09:00"))
    for hour, unit in enumerate(("4W", "5W"), 10):
        ward.hear(move(ward, f"2026-07-01 {hour}:00", unit))
    assert ward.tasks(HIGHER) == []


def test_stay_longer_than_its_estimate(ward) -> None:
    ward.hear(ward.admit("2026-07-01 09:00", length_estimate_days=2))
    ward.wait("2026-07-04 08:59")
    assert ward.tasks(LENGTH) == []
    ward.wait("2026-07-04 09:00")
    assert ward.task(LENGTH).due_at == ward.local("2026-07-06 23:59:59")
    ward.hear(ward.update("2026-07-04 10:00", length_estimate_days=5))
    assert ward.task(LENGTH).business_status == "retracted"


def test_patient_who_does_not_return_from_leave(ward) -> None:
    ward.hear(ward.admit("2026-07-01 09:00"))
    leave = ward.stay(expected_return_at=ward.local("2026-07-02 18:00"))
    ward.hear(ward.event("encounter.leave-started", "ADT^A21", "2026-07-02 09:00", encounter=leave))
    ward.wait("2026-07-02 20:00")
    assert (ward.task(LEAVE).priority, ward.task(LEAVE).due_at) == ("asap", ward.local("2026-07-02 22:00"))
    ward.hear(ward.event("encounter.leave-ended", "ADT^A22", "2026-07-02 21:00", encounter=ward.stay()))
    assert ward.task(LEAVE).business_status == "auto-resolved"


def test_new_doctor_matters_while_a_hand_off_is_open(ward) -> None:
    ward.hear(ward.admit("2026-07-01 09:00", attending=Person(id="1")))
    ward.hear(ward.announce("A16", "2026-07-01 10:00", expected_disposition="03"))
    changed = ward.stay(attending=Person(id="2"))
    ward.hear(ward.event("encounter.attending-changed", "ADT^A54", "2026-07-01 11:00", encounter=changed))
    assert ward.task(ATTENDING).task_key.endswith("|v2")


@pytest.mark.parametrize(
    ("facts", "opens"),
    [
        ({"expected_disposition": "50"}, True),
        ({"expected_disposition": "01"}, False),
        ({"advance_directive": "DNR"}, True),
    ],
)
def test_decision_that_the_family_shares(ward, facts: dict, opens: bool) -> None:
    ward.hear(ward.admit("2026-07-01 09:00"))
    ward.hear(ward.update("2026-07-01 10:00", **facts))
    assert bool(ward.tasks(MEETING)) is opens
