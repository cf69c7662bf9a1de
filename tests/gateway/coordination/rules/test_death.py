"""death-cancels-tasks: scenario 14 of domain reference 9, settled reading 6."""

from __future__ import annotations

import pytest

from mappings.events import Identifier, PatientFacts

RULE = "death-cancels-tasks"


def person(**facts: object) -> PatientFacts:
    return PatientFacts(key=Identifier(value="1001", authority="GH", type="MR"), **facts)


def told_dead(bench, at: str, deceased: bool = True):
    return bench.event("patient.updated", "ADT^A31", at, patient=person(deceased=deceased))


@pytest.fixture
def busy(bench):
    """An inpatient with open verification and authorization tasks, a denial, and an appointment ahead."""
    bench.hear(bench.admit("2026-07-06 09:00", coverages=bench.insurance()))
    bench.hear(bench.visit("S12", "2026-07-06 10:00", "2026-07-20 10:00"))
    bench.hear(bench.decision("2026-07-06 11:00", "denied", request_category="HS"))
    bench.wait("2026-07-06 22:00")
    assert bench.open_rules() >= {"verify-coverage-on-admit", "inpatient-admit-no-auth", "auth-denied"}
    return bench


def test_death_in_hospital_cancels_planning_tasks_and_keeps_the_appeal(busy) -> None:
    busy.hear(busy.discharge("2026-07-07 08:00", disposition="20", category="expired"))
    assert busy.open_rules() == {RULE, "auth-denied"}
    task = busy.task(RULE)
    assert task.due_at == busy.local("2026-07-08 23:59:59")
    assert (task.type, task.priority, task.queue) == ("notify", "urgent", "scheduling")
    assert task.task_key == f"{RULE}|{busy.subject.patient.patient_id}"
    assert task.reason == "The patient died. Appointments still ahead: 1; tasks cancelled: 3."
    assert {t.status_reason for t in busy.tasks("verify-coverage-on-admit")} == {"ADT^A03: the patient died"}


def test_future_appointments_are_flagged(busy) -> None:
    changes = busy.hear(told_dead(busy, "2026-07-07 08:00"))
    (flagged,) = [t for t in changes.transitions if t.kind == "appointment-of-deceased"]
    assert flagged.aggregate_id in busy.task(RULE).evidence_json


def test_death_opens_its_task_without_any_appointment(bench) -> None:
    bench.hear(told_dead(bench, "2026-07-07 08:00"))
    assert bench.task(RULE).open


def test_death_told_twice_makes_one_task(busy) -> None:
    busy.hear(told_dead(busy, "2026-07-07 08:00"))
    busy.hear(busy.discharge("2026-07-07 09:00", disposition="20", category="expired"))
    assert len(busy.tasks(RULE)) == 1


def test_cancelled_discharge_brings_everything_back(busy) -> None:
    before = {t.task_key: (t.status, t.due_at) for t in busy.subject.tasks.values() if t.open}
    busy.act("claim", busy.task("verify-coverage-on-admit"))
    busy.hear(busy.discharge("2026-07-07 08:00", disposition="20", category="expired"))
    busy.hear(busy.cancel_discharge("2026-07-07 08:30"))
    assert busy.task(RULE).business_status == "retracted"
    after = {t.task_key: (t.status, t.due_at) for t in busy.subject.tasks.values() if t.open}
    verify = busy.task("verify-coverage-on-admit")
    assert after == before | {verify.task_key: ("accepted", verify.due_at)}
    busy.wait("2026-07-08 00:00")
    assert busy.task("verify-coverage-on-admit").overdue


def test_task_given_back_is_not_escalated_for_the_same_due_time_twice(busy) -> None:
    busy.wait("2026-07-09 12:00")
    before = busy.task("verify-coverage-on-admit")
    assert (before.overdue, before.priority) == (True, "asap")
    busy.hear(busy.discharge("2026-07-09 13:00", disposition="20", category="expired"))
    busy.hear(busy.cancel_discharge("2026-07-09 14:00"))
    busy.wait("2026-07-09 18:00")
    after = busy.task("verify-coverage-on-admit")
    assert (after.open, after.priority, after.escalations) == (True, before.priority, before.escalations)


def test_death_from_pid_survives_a_cancelled_discharge_and_ends_by_n(busy) -> None:
    busy.hear(told_dead(busy, "2026-07-07 07:00"))
    busy.hear(busy.discharge("2026-07-07 08:00", disposition="20", category="expired"))
    busy.hear(busy.cancel_discharge("2026-07-07 08:30"))
    assert busy.task(RULE).open
    busy.hear(told_dead(busy, "2026-07-07 09:00", deceased=False))
    assert busy.task(RULE).business_status == "retracted"
    assert busy.open_rules() >= {"verify-coverage-on-admit", "inpatient-admit-no-auth"}


def test_death_again_after_a_withdrawal_is_the_next_instance(bench) -> None:
    for at, deceased in (("08:00", True), ("09:00", False), ("10:00", True)):
        bench.hear(told_dead(bench, f"2026-07-07 {at}", deceased))
    assert [t.task_key.endswith("|2") for t in bench.tasks(RULE)] == [False, True]
