"""discharge-contact-2bd and discharge-followup-unbooked: scenarios 1, 2, 3, 4, 6 of domain reference 9 and 6.5."""

from __future__ import annotations

import msgspec
import pytest

from mappings.events import Diagnosis, Identifier, PatientFacts

CONTACT, UNBOOKED = "discharge-contact-2bd", "discharge-followup-unbooked"


@pytest.fixture
def home(bench):
    """Admitted on 29 June, discharged home on Thursday 2 July 2026 14:10 (3 July is a holiday)."""
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.discharge("2026-07-02 14:10"))
    return bench


@pytest.mark.parametrize(
    ("discharged", "due"),
    [
        ("2026-07-02 14:10", "2026-07-07 23:59:59"),
        ("2026-10-09 10:00", "2026-10-14 23:59:59"),
        ("2026-10-17 23:50", "2026-10-20 23:59:59"),
    ],
)
def test_contact_is_due_two_business_days_after_a_discharge_home(bench, discharged: str, due: str) -> None:
    bench.hear(bench.admit(discharged[:8] + "01 09:00"))
    bench.hear(bench.discharge(discharged))
    task = bench.task(CONTACT)
    assert task.due_at == bench.local(due)
    assert (task.type, task.priority, task.queue, task.status) == ("outreach", "urgent", "transitions", "requested")
    assert task.task_key == f"{CONTACT}|{task.encounter_id}|dis1"
    assert task.reason == "Discharged home from an inpatient stay: a contact is due within 2 business days."
    assert '"location":"PV1-36","value":"01"' in task.evidence_json


def test_unbooked_visit_opens_a_task_after_24_hours_and_not_before(home) -> None:
    home.wait("2026-07-03 14:09")
    assert home.tasks(UNBOOKED) == []
    home.wait("2026-07-03 14:11")
    task = home.task(UNBOOKED)
    assert task.due_at == home.local("2026-07-06 23:59:59")
    assert task.task_key == f"{UNBOOKED}|{task.encounter_id}|dis1"
    assert (task.type, task.priority, task.queue) == ("schedule", "urgent", "scheduling")


def test_booked_follow_up_leaves_only_the_contact(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.visit("S12", "2026-06-30 10:00", "2026-07-07 10:00"))
    bench.hear(bench.discharge("2026-07-02 14:10"))
    bench.wait("2026-07-04 00:00")
    assert bench.open_rules() & {CONTACT, UNBOOKED} == {CONTACT}


@pytest.mark.parametrize(
    ("start", "facts"),
    [
        ("2026-07-02 16:00", {}),  # the day of the discharge does not count
        ("2026-08-02 10:00", {}),  # day 31
        ("2026-07-07 10:00", {"service": "LAB"}),
        ("2026-07-07 10:00", {"reason": "ROUTINE"}),
        ("2026-07-07 10:00", {"status": "pending"}),
    ],
)
def test_a_visit_that_is_no_follow_up_does_not_count(home, start: str, facts: dict[str, str]) -> None:
    home.hear(home.visit("S12", "2026-07-02 15:00", start, **facts))
    home.wait("2026-07-04 00:00")
    assert UNBOOKED in home.open_rules()


@pytest.mark.parametrize(
    ("start", "facts"), [("2026-07-03 10:00", {}), ("2026-08-01 10:00", {"reason": "ROUTINE", "location_type": "C"})]
)
def test_a_follow_up_of_day_1_to_day_30_counts(home, start: str, facts: dict[str, str]) -> None:
    home.hear(home.visit("S12", "2026-07-02 15:00", start, **facts))
    home.wait("2026-07-04 00:00")
    assert UNBOOKED not in home.open_rules()


def test_booking_resolves_the_unbooked_task(home) -> None:
    home.wait("2026-07-04 00:00")
    home.hear(home.visit("S12", "2026-07-06 10:00", "2026-07-10 10:00"))
    task = home.task(UNBOOKED)
    assert (task.status, task.business_status) == ("completed", "auto-resolved")
    assert task.status_reason == "SIU^S12: a follow-up visit is booked"
    assert all(timer.task_id != task.task_id for timer in home.timers())


@pytest.mark.parametrize(
    "risk",
    [
        {"readmission": True},
        {"diagnoses": (Diagnosis(code="I50.9", system="I10", type="F", priority=1),)},
    ],
)
def test_high_risk_without_a_booking_opens_at_once(bench, risk: dict[str, object]) -> None:
    bench.hear(bench.admit("2026-06-29 09:00", **risk))
    bench.hear(bench.discharge("2026-07-02 14:10", **risk))
    task = bench.task(UNBOOKED)
    assert task.due_at == bench.local("2026-07-06 23:59:59")
    assert "high-risk" in task.reason


def test_secondary_diagnosis_or_another_code_system_is_no_risk(bench) -> None:
    listed = (Diagnosis(code="M16.1", type="F", priority=1), Diagnosis(code="I50.9", type="F", priority=2))
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.discharge("2026-07-02 14:10", diagnoses=listed))
    assert UNBOOKED not in bench.open_rules()


def test_cancelled_discharge_ends_its_tasks_and_timers_and_the_next_is_dis2(home) -> None:
    home.hear(home.cancel_discharge("2026-07-02 18:00"))
    assert home.task(CONTACT).status == "cancelled"
    assert [t for t in home.timers() if t.rule_id in (CONTACT, UNBOOKED)] == []
    home.hear(home.discharge("2026-07-05 10:00"))
    home.wait("2026-07-06 11:00")
    contact = home.tasks(CONTACT)[-1]
    assert contact.open and contact.task_key.endswith("|dis2")
    assert home.tasks(UNBOOKED)[-1].task_key.endswith("|dis2")


def test_corrected_disposition_retracts_and_its_return_takes_the_next_instance(home) -> None:
    home.hear(home.discharge("2026-07-02 14:10", disposition="03", category="snf", recorded="2026-07-02 16:00"))
    assert home.task(CONTACT).status == "cancelled"
    home.wait("2026-07-03 15:00")
    assert home.tasks(UNBOOKED) == []
    home.hear(home.discharge("2026-07-02 14:10", recorded="2026-07-03 17:00"))
    assert home.tasks(CONTACT)[-1].task_key.endswith("|dis1|2")
    home.wait("2026-07-03 18:00")
    assert home.task(UNBOOKED).due_at == home.local("2026-07-06 23:59:59")


def test_corrected_discharge_time_moves_the_due_time(home) -> None:
    home.hear(home.discharge("2026-07-01 23:00", recorded="2026-07-02 16:00"))
    task = home.task(CONTACT)
    assert task.due_at == home.local("2026-07-06 23:59:59")
    (step,) = [timer for timer in home.timers() if timer.task_id == task.task_id]
    assert step.fire_at == home.local("2026-07-06 12:00")


def test_the_same_discharge_again_changes_no_task(home) -> None:
    again = home.hear(home.discharge("2026-07-02 14:10", recorded="2026-07-02 14:30"))
    assert [e.type for e in again.emitted if e.type.startswith("task.")] == []
    assert len(home.tasks(CONTACT)) == 1


def test_a_completed_contact_is_not_opened_again_by_a_correction(home) -> None:
    home.act("complete", home.task(CONTACT))
    home.hear(home.discharge("2026-07-02 15:00", recorded="2026-07-02 17:00"))
    assert home.task(CONTACT).status == "completed"


def test_readmission_retracts_and_its_cancellation_brings_the_work_back(home) -> None:
    home.wait("2026-07-04 00:00")
    home.hear(home.admit("2026-07-04 08:00", "V2"))
    assert home.open_rules() & {CONTACT, UNBOOKED} == set()
    home.hear(home.cancel_admit("2026-07-04 09:00", "V2"))
    home.wait("2026-07-04 09:30")
    assert {t.task_key[-6:] for t in home.subject.tasks.values() if t.open} >= {"dis1|2"}
    assert home.open_rules() & {CONTACT, UNBOOKED} == {CONTACT, UNBOOKED}


def test_a_visit_kept_in_time_stands_for_the_contact(home) -> None:
    home.hear(home.visit("S12", "2026-07-02 15:00", "2026-07-06 10:00"))
    home.hear(home.visit("S14", "2026-07-06 11:00", "2026-07-06 10:00", status="fulfilled"))
    assert home.task(CONTACT).status == "completed"


def test_contact_escalates_at_noon_of_the_due_day_and_is_overdue_after_it(home) -> None:
    home.wait("2026-07-07 11:59")
    assert home.task(CONTACT).escalations == 0
    home.wait("2026-07-07 12:01")
    assert (home.task(CONTACT).priority, home.task(CONTACT).escalations) == ("asap", 1)
    home.wait("2026-07-08 00:00")
    assert home.task(CONTACT).overdue


def test_unbooked_five_days_after_the_discharge_goes_to_transitions(home) -> None:
    home.wait("2026-07-07 23:59:58")
    assert (home.task(UNBOOKED).queue, home.task(UNBOOKED).overdue) == ("scheduling", True)
    home.wait("2026-07-08 00:00")
    assert (home.task(UNBOOKED).queue, home.task(UNBOOKED).escalations) == ("transitions", 1)


@pytest.mark.parametrize(
    "facts",
    [
        {"disposition": "03", "category": "snf"},
        {"disposition": "50", "category": "hospice"},
        {"class_": "emergency"},
        {"newborn": True},
        {"patient_class": "N"},
    ],
)
def test_other_discharges_make_no_tasks(bench, facts: dict[str, object]) -> None:
    kept = {name: facts[name] for name in ("class_", "newborn", "patient_class") if name in facts}
    bench.hear(bench.register("2026-06-29 09:00", **({"class_": "inpatient"} | kept)))
    bench.hear(bench.discharge("2026-07-02 14:10", **facts))
    bench.wait("2026-07-04 00:00")
    assert bench.open_rules() & {CONTACT, UNBOOKED} == set()


def test_a_site_may_count_further_dispositions_as_home(make_bench) -> None:
    bench = make_bench(tcm_extra_dispositions=("04",))
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.discharge("2026-07-02 14:10", disposition="04", category="snf"))
    assert CONTACT in bench.open_rules()


def test_cancel_that_overtakes_its_discharge_leaves_no_tasks(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.cancel_discharge("2026-07-02 15:00"))
    bench.hear(bench.discharge("2026-07-02 14:10"), at=bench.local("2026-07-02 15:10"))
    bench.wait("2026-07-05 00:00")
    assert bench.open_rules() & {CONTACT, UNBOOKED} == set()
    assert [t for t in bench.timers() if t.rule_id == UNBOOKED] == []


# -- a timer that runs late (settled reading 1, decision 17) -----------------------------------------------------------


def test_late_check_finds_the_booking_made_before_its_time(home) -> None:
    home.skip("2026-07-06 09:00")
    (check,) = [timer for timer in home.timers() if timer.rule_id == UNBOOKED]
    booking = home.visit("S12", "2026-07-03 10:00", "2026-07-08 10:00")
    home._decide(booking)
    home.fire(check, late=True)
    assert home.tasks(UNBOOKED) == []


def test_late_check_judges_its_own_moment_and_then_applies_the_later_booking(home) -> None:
    (check,) = [timer for timer in home.timers() if timer.rule_id == UNBOOKED]
    home.skip("2026-07-06 09:00")
    home._decide(home.visit("S12", "2026-07-04 10:00", "2026-07-08 10:00"))
    home.fire(check, late=True)
    task = home.task(UNBOOKED)
    assert (task.status, task.business_status, task.late) == ("completed", "auto-resolved", True)
    assert task.due_at == home.local("2026-07-06 23:59:59")
    assert "Checked late: the feed was silent or the gateway was down" in task.reason


def test_late_check_with_nothing_booked_keeps_the_true_due_time(home) -> None:
    (check,) = [timer for timer in home.timers() if timer.rule_id == UNBOOKED]
    home.skip("2026-07-09 09:00")
    home.fire(check, late=True)
    assert home.task(UNBOOKED).due_at == home.local("2026-07-06 23:59:59")
    home.wait("2026-07-09 09:01")
    assert home.task(UNBOOKED).overdue


def test_check_due_before_the_discharge_was_cancelled_ends_retracted_either_way(home) -> None:
    (check,) = [timer for timer in home.timers() if timer.rule_id == UNBOOKED]
    home.skip("2026-07-06 09:00")
    home._decide(home.cancel_discharge("2026-07-04 10:00"))
    home.fire(check, late=True)
    assert (home.task(UNBOOKED).status, home.task(UNBOOKED).open) == ("cancelled", False)


def test_death_ends_both(home) -> None:
    home.wait("2026-07-04 00:00")
    dead = PatientFacts(key=Identifier(value="1001", authority="GH", type="MR"), deceased=True)
    home.hear(home.event("patient.updated", "ADT^A31", "2026-07-04 09:00", patient=dead))
    assert home.open_rules() & {CONTACT, UNBOOKED} == set()


def test_late_check_of_a_patient_readmitted_or_dead_by_its_time_makes_no_task(make_bench) -> None:
    dead = PatientFacts(
        key=Identifier(value="1001", authority="GH", type="MR"),
        deceased=True,
        deceased_at=make_bench.local("2026-07-03 03:00"),
    )
    for event in ("admitted", "died"):
        bench = make_bench()
        bench.hear(bench.admit("2026-06-29 09:00"))
        bench.hear(bench.discharge("2026-07-02 14:10"))
        (check,) = [timer for timer in bench.timers() if timer.rule_id == UNBOOKED]
        bench.skip("2026-07-06 09:00")
        if event == "admitted":
            bench._decide(bench.admit("2026-07-03 08:00", "V2"))
        else:
            bench._decide(bench.event("patient.updated", "ADT^A31", "2026-07-03 09:00", patient=dead))
        bench.fire(check, late=True)
        assert bench.tasks(UNBOOKED) == []


def test_cancelled_discharge_ends_every_task_of_its_number(home) -> None:
    contact = home.task(CONTACT)
    key = contact.task_key.replace(CONTACT, "site-rule")
    home.subject.tasks["tsk_site"] = msgspec.structs.replace(
        contact, task_id="tsk_site", rule_id="site-rule", task_key=key
    )
    home.hear(home.cancel_discharge("2026-07-02 18:00"))
    assert home.task("site-rule").status_reason == "ADT^A13: the discharge was cancelled"


@pytest.mark.parametrize(("trigger", "told"), [("S15", "2026-07-04 10:00"), ("S26", "2026-07-04 10:00")])
def test_late_check_counts_a_visit_that_stood_at_its_time(home, trigger: str, told: str) -> None:
    (check,) = [timer for timer in home.timers() if timer.rule_id == UNBOOKED]
    home._decide(home.visit("S12", "2026-07-02 16:00", "2026-07-04 09:00"))
    home.skip("2026-07-06 09:00")
    home._decide(home.visit(trigger, told, "2026-07-04 09:00"))
    home.fire(check, late=True)
    assert home.tasks(UNBOOKED) == []


def test_check_whose_message_came_after_its_time_does_not_blame_the_gateway(bench) -> None:
    bench.skip("2026-07-06 09:00")
    bench._decide(bench.admit("2026-06-29 09:00"))
    bench._decide(bench.discharge("2026-07-02 14:00"))
    (check,) = [timer for timer in bench.timers() if timer.rule_id == UNBOOKED]
    bench.fire(check, late=True)
    assert bench.task(UNBOOKED).reason.endswith("the message that asks for the check came after its time.")
