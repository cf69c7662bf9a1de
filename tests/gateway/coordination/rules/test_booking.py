"""appointment-no-show, appointment-cancelled-no-rebook, appointment-resource-lost: scenarios 15 and 16."""

from __future__ import annotations

import msgspec
import pytest

from mappings.events import AppointmentFacts, ResourceFacts

MISSED, CANCELLED, RESOURCE = "appointment-no-show", "appointment-cancelled-no-rebook", "appointment-resource-lost"
FREQUENT, CONFLICT = "ed-frequent-use", "identity-conflict"
CLINIC = {"service": "CARD", "reason": "CHECK", "type": "NEW"}


def test_scenario_15_no_show_is_taken_back_by_the_arrival(bench) -> None:
    bench.hear(bench.visit("S12", "2026-07-01 09:00", "2026-07-06 10:00", **CLINIC))
    bench.hear(bench.visit("S26", "2026-07-06 10:30", "2026-07-06 10:00", **CLINIC))
    task = bench.task(MISSED)
    assert (task.due_at, task.priority) == (bench.local("2026-07-08 23:59:59"), "routine")
    bench.hear(bench.visit("S14", "2026-07-06 10:50", "2026-07-06 10:00", **(CLINIC | {"status": "arrived"})))
    assert bench.task(MISSED).business_status == "retracted"


def test_missed_procedure_is_urgent_and_a_new_booking_resolves(bench) -> None:
    proc = CLINIC | {"type": "PROC"}
    bench.hear(bench.visit("S12", "2026-07-01 09:00", "2026-07-06 10:00", **proc))
    bench.hear(bench.visit("S26", "2026-07-06 10:30", "2026-07-06 10:00", **proc))
    assert bench.task(MISSED).priority == "urgent"
    bench.hear(bench.visit("S12", "2026-07-06 11:00", "2026-07-13 10:00", "F2", **proc))
    assert bench.task(MISSED).business_status == "auto-resolved"


def test_third_no_show_goes_to_case_management(bench) -> None:
    for number, day in enumerate(("06", "13", "20"), 1):
        start = f"2026-07-{day} 10:00"
        bench.hear(
            bench.visit(
                "S12",
                f"2026-07-0{number} 09:00",
                start,
                f"F{number}",
                **(CLINIC | {"service": f"S{number}", "type": f"T{number}"}),
            )
        )
    for number, day in enumerate(("06", "13", "20"), 1):
        start = f"2026-07-{day} 10:00"
        facts = CLINIC | {"service": f"S{number}", "type": f"T{number}"}
        bench.hear(bench.visit("S26", f"2026-07-{day} 10:30", start, f"F{number}", **facts))
    bench.wait("2026-07-20 10:31")
    assert bench.tasks(MISSED)[-1].queue == "case-management"


def test_missed_follow_up_belongs_to_its_own_rule(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.discharge("2026-07-02 14:10"))
    bench.hear(bench.visit("S12", "2026-07-02 15:00", "2026-07-07 10:00"))
    bench.hear(bench.visit("S26", "2026-07-07 10:30", "2026-07-07 10:00"))
    assert bench.tasks(MISSED) == [] and bench.task("followup-no-show").open


def test_cancel_by_the_provider_without_a_new_booking(bench) -> None:
    bench.hear(bench.visit("S12", "2026-07-01 09:00", "2026-07-20 10:00", **CLINIC))
    bench.hear(bench.visit("S15", "2026-07-02 09:00", "2026-07-20 10:00", event_reason="PROVIDER", **CLINIC))
    bench.wait("2026-07-03 08:59")
    assert bench.tasks(CANCELLED) == []
    bench.wait("2026-07-03 09:00")
    assert (bench.task(CANCELLED).due_at, bench.task(CANCELLED).priority) == (
        bench.local("2026-07-07 23:59:59"),
        "routine",
    )
    bench.hear(bench.visit("S12", "2026-07-06 09:00", "2026-07-27 10:00", "F2", **CLINIC))
    assert bench.task(CANCELLED).business_status == "auto-resolved"


@pytest.mark.parametrize(
    ("facts", "opens"), [({"reason": "FOLLOWUP"}, True), ({"type": "REFERRAL"}, True), ({}, False)]
)
def test_cancel_by_the_patient_matters_for_follow_up_and_referral(bench, facts: dict, opens: bool) -> None:
    bench.hear(bench.visit("S12", "2026-07-01 09:00", "2026-07-20 10:00", **(CLINIC | facts)))
    bench.hear(bench.visit("S15", "2026-07-02 09:00", "2026-07-20 10:00", **(CLINIC | facts)))
    bench.wait("2026-07-03 10:00")
    assert bool(bench.tasks(CANCELLED)) is opens


def test_scenario_16_cancel_and_a_booking_that_names_it_are_a_reschedule(bench) -> None:
    bench.hear(bench.visit("S12", "2026-07-01 09:00", "2026-07-20 10:00"))
    bench.hear(bench.visit("S15", "2026-07-02 09:00", "2026-07-20 10:00"))
    bench.hear(bench.visit("S12", "2026-07-02 09:40", "2026-09-20 10:00", "F2", parent_id="F1"))
    bench.wait("2026-07-05 10:00")
    assert bench.tasks(CANCELLED) == []


def test_booking_of_the_same_service_made_before_the_cancel_counts(bench) -> None:
    bench.hear(bench.visit("S12", "2026-07-01 09:00", "2026-07-20 10:00", service="CARD"))
    bench.hear(bench.visit("S12", "2026-07-01 09:10", "2026-07-27 10:00", "F2", service="CARD"))
    bench.hear(bench.visit("S15", "2026-07-02 09:00", "2026-07-20 10:00", service="CARD"))
    bench.wait("2026-07-05 10:00")
    assert bench.tasks(CANCELLED) == []


def resources(bench, trigger: str, at: str, *rows: ResourceFacts):
    made = AppointmentFacts(filler_id="F1", resources=rows, resources_complete=False)
    type_ = "appointment.resource-cancelled" if trigger == "S20" else "appointment.updated"
    return bench.event(type_, f"SIU^{trigger}", at, appointment=made)


def test_appointment_without_its_clinician_needs_another(bench) -> None:
    doctor = ResourceFacts(kind="AIP", id="77")
    room = ResourceFacts(kind="AIS", id="CARD")
    bench.hear(bench.visit("S12", "2026-07-01 09:00", "2026-07-20 10:00", resources=(doctor, room), **CLINIC))
    bench.hear(resources(bench, "S20", "2026-07-02 09:00", msgspec.structs.replace(doctor, removed=True)))
    task = bench.task(RESOURCE)
    assert (task.due_at, task.priority) == (bench.local("2026-07-06 23:59:59"), "urgent")
    bench.hear(resources(bench, "S18", "2026-07-02 11:00", doctor))
    assert bench.task(RESOURCE).business_status == "auto-resolved"


def test_late_check_counts_a_booking_that_was_missed_only_afterwards(bench) -> None:
    bench.hear(bench.visit("S12", "2026-07-01 09:00", "2026-07-20 10:00", service="CARD"))
    bench.hear(bench.visit("S12", "2026-07-01 09:10", "2026-07-06 10:00", "F2", service="CARD"))
    bench.hear(bench.visit("S15", "2026-07-02 09:00", "2026-07-20 10:00", service="CARD"))
    bench.skip("2026-07-06 11:00")
    bench._decide(bench.visit("S26", "2026-07-06 10:30", "2026-07-06 10:00", "F2", service="CARD"))
    bench.wait("2026-07-06 11:00")
    assert bench.tasks(CANCELLED) == []
