"""inpatient-admit-no-auth and readmission-30d: scenarios 7, 10, 22 of domain reference 9 and 6.5."""

from __future__ import annotations

import pytest

RULE, READMISSION = "inpatient-admit-no-auth", "readmission-30d"


@pytest.fixture
def insured(bench):
    """Inpatient since Tuesday 7 July 2026 09:00 with one insurance."""
    bench.hear(bench.admit("2026-07-07 09:00", coverages=bench.insurance()))
    return bench


def test_no_authorization_after_12_hours_opens_a_task_due_24_hours_after_admission(insured) -> None:
    insured.wait("2026-07-07 20:59")
    assert insured.tasks(RULE) == []
    insured.wait("2026-07-07 21:00")
    task = insured.task(RULE)
    assert task.due_at == insured.local("2026-07-08 09:00")
    assert (task.type, task.priority, task.queue) == ("obtain-auth", "asap", "authorization")
    assert task.task_key == f"{RULE}|{task.encounter_id}|{task.coverage_id}"
    assert "may require" in task.reason


@pytest.mark.parametrize(
    ("admitted", "due"),
    [
        ("2026-07-07 19:00", "2026-07-09 23:59:59"),  # closed on Wednesday at 19:00
        ("2026-07-07 06:00", "2026-07-08 23:59:59"),  # opens later that Wednesday
        ("2026-07-02 10:00", "2026-07-06 23:59:59"),  # Friday 3 July is a holiday
    ],
)
def test_due_waits_for_the_next_day_on_which_the_payer_is_open(bench, admitted: str, due: str) -> None:
    bench.hear(bench.admit(admitted, coverages=bench.insurance()))
    bench.wait("2026-07-08 20:00")
    assert bench.task(RULE).due_at == bench.local(due)


def test_certification_number_from_registration_resolves(insured) -> None:
    insured.wait("2026-07-07 22:00")
    certified = insured.insurance(authorization_number="AUTH77")
    insured.hear(insured.update("2026-07-07 23:00", coverages=certified))
    assert (insured.task(RULE).status, insured.task(RULE).business_status) == ("completed", "auto-resolved")


@pytest.mark.parametrize("status", ["certified", "modified", "partially-certified", "denied", "pended"])
def test_an_answer_of_the_payer_before_the_check_leaves_no_task(insured, status: str) -> None:
    insured.hear(insured.decision("2026-07-07 15:00", status, event_begins_on="2026-07-07"))
    insured.wait("2026-07-08 00:00")
    assert insured.tasks(RULE) == []


@pytest.mark.parametrize(
    ("status", "closed", "business"),
    [("certified", True, "auto-resolved"), ("denied", True, "auto-resolved"), ("pended", False, "awaiting-payer")],
)
def test_an_answer_after_the_check(insured, status: str, closed: bool, business: str) -> None:
    insured.wait("2026-07-07 22:00")
    insured.hear(insured.decision("2026-07-07 23:00", status, event_begins_on="2026-07-07"))
    task = insured.task(RULE)
    assert (not task.open, task.business_status) == (closed, business)


def test_an_authorization_of_another_payer_or_time_does_not_match(insured) -> None:
    insured.hear(insured.decision("2026-07-07 15:00", "certified", event_begins_on="2026-07-17"))
    insured.wait("2026-07-07 22:00")
    assert insured.task(RULE).open


def test_late_check_judges_what_was_known_at_its_time(insured) -> None:
    (check,) = [t for t in insured.timers() if t.rule_id == RULE]
    insured.skip("2026-07-08 12:00")
    insured._decide(insured.decision("2026-07-08 08:00", "certified", event_begins_on="2026-07-07"))
    insured.fire(check, late=True)
    assert insured.task(RULE).business_status == "auto-resolved"


@pytest.mark.parametrize("settings", [{"no_auth_payers": ("AETNA",)}])
def test_payer_known_not_to_ask_makes_no_task(make_bench, settings: dict[str, object]) -> None:
    bench = make_bench(**settings)
    bench.hear(bench.admit("2026-07-07 09:00", coverages=bench.insurance()))
    bench.wait("2026-07-08 00:00")
    assert bench.tasks(RULE) == []


def test_answer_that_none_is_required_prevents_or_retracts(insured) -> None:
    insured.wait("2026-07-07 22:00")
    insured.hear(insured.eligibility("2026-07-07 23:00", "active", authorization_required="N"))
    assert insured.task(RULE).business_status == "retracted"


def test_self_pay_and_uninsured_make_no_task(make_bench) -> None:
    uninsured, paying = make_bench(), make_bench()
    uninsured.hear(uninsured.admit("2026-07-07 09:00"))
    paying.hear(paying.admit("2026-07-07 09:00", coverages=paying.insurance(), self_pay=True))
    for bench in (uninsured, paying):
        bench.wait("2026-07-08 00:00")
        assert bench.tasks(RULE) == []


def test_insurance_named_after_the_check_is_looked_at_at_once(bench) -> None:
    bench.hear(bench.admit("2026-07-07 09:00"))
    bench.wait("2026-07-07 22:00")
    bench.hear(bench.update("2026-07-08 07:00", coverages=bench.insurance()))
    bench.wait("2026-07-08 07:05")
    assert bench.task(RULE).due_at == bench.local("2026-07-08 09:00")


def test_cancelled_admission_is_an_error_and_clears_the_timers(insured) -> None:
    insured.wait("2026-07-07 22:00")
    insured.hear(insured.cancel_admit("2026-07-07 23:00"))
    assert {t.status for t in insured.subject.tasks.values()} == {"entered-in-error"}
    assert insured.timers() == []


def test_cancelled_admission_before_the_check_leaves_nothing(insured) -> None:
    insured.hear(insured.cancel_admit("2026-07-07 10:00"))
    insured.wait("2026-07-09 00:00")
    assert insured.tasks(RULE) == []


def test_status_change_to_observation_retracts(insured) -> None:
    insured.wait("2026-07-07 22:00")
    change = insured.event(
        "encounter.class-changed", "ADT^A07", "2026-07-07 23:00", encounter=insured.stay(class_="observation")
    )
    insured.hear(change)
    assert insured.task(RULE).business_status == "retracted"


def test_conversion_starts_the_clock_and_its_cancellation_ends_it(bench) -> None:
    bench.hear(bench.register("2026-07-07 05:00", coverages=bench.insurance()))
    bench.hear(bench.admit("2026-07-07 10:00", trigger="ADT^A06"))
    bench.wait("2026-07-07 22:01")
    assert bench.task(RULE).due_at == bench.local("2026-07-08 10:00")
    bench.hear(bench.cancel_admit("2026-07-07 23:00"))
    assert bench.task(RULE).status == "entered-in-error"
    assert "verify-coverage-on-admit" in bench.open_rules()


def test_escalation_is_overdue_then_the_lead_a_day_later(insured) -> None:
    insured.wait("2026-07-08 09:01")
    assert (insured.task(RULE).overdue, insured.task(RULE).priority) == (True, "stat")
    insured.wait("2026-07-09 09:01")
    assert insured.task(RULE).escalations == 1


# -- readmission -------------------------------------------------------------------------------------------------------


def stayed(bench, left: str, **facts: object):
    bench.hear(bench.admit("2026-01-28 09:00", "V0"))
    bench.hear(bench.discharge(left, "V0", **facts))
    return bench


@pytest.mark.parametrize(("admitted", "fires"), [("2026-03-02 23:00", True), ("2026-03-03 00:10", False)])
def test_readmission_counts_thirty_calendar_days(bench, admitted: str, fires: bool) -> None:
    stayed(bench, "2026-01-31 10:00").hear(bench.admit(admitted, "V1"))
    assert bool(bench.tasks(READMISSION)) is fires


def test_readmission_is_due_on_the_next_business_day(bench) -> None:
    stayed(bench, "2026-01-31 10:00").hear(bench.admit("2026-02-13 10:00", "V1"))
    task = bench.task(READMISSION)
    assert task.due_at == bench.local("2026-02-17 23:59:59")  # Monday is Washington's birthday
    assert (task.priority, task.queue, task.type) == ("asap", "case-management", "review")
    assert "13 days" in task.reason


@pytest.mark.parametrize(
    ("before", "facts"),
    [
        ({"disposition": "81", "planned_readmission": True}, {}),
        ({"disposition": "02", "category": "acute-transfer"}, {"admit_source": "4", "at": "2026-02-01 08:00"}),
        ({}, {"newborn": True}),
        ({}, {"class_": "observation"}),
    ],
)
def test_planned_transferred_newborn_or_other_stays_are_no_readmission(
    bench, before: dict[str, object], facts: dict[str, object]
) -> None:
    at = str(facts.pop("at", "2026-02-10 10:00"))
    stayed(bench, "2026-01-31 10:00", **before).hear(bench.admit(at, "V1", **facts))
    assert bench.tasks(READMISSION) == []


def test_readmission_indicator_alone_fires(bench) -> None:
    bench.hear(bench.admit("2026-02-10 10:00", readmission=True))
    assert '"PV1-13"' in bench.task(READMISSION).evidence_json


def test_elective_readmission_says_so(bench) -> None:
    stayed(bench, "2026-01-31 10:00").hear(bench.admit("2026-02-10 10:00", "V1", admission_type="C"))
    assert "elective" in bench.task(READMISSION).reason


def test_late_discharge_of_the_earlier_stay_is_seen(bench) -> None:
    bench.hear(bench.admit("2026-01-28 09:00", "V0"))
    bench.hear(bench.admit("2026-02-10 10:00", "V1"))
    bench.hear(bench.discharge("2026-01-31 10:00", "V0", recorded="2026-02-10 11:00"))
    assert READMISSION in bench.open_rules()


def test_cancelled_readmission_is_an_error(bench) -> None:
    stayed(bench, "2026-01-31 10:00").hear(bench.admit("2026-02-10 10:00", "V1"))
    bench.hear(bench.cancel_admit("2026-02-10 11:00", "V1"))
    assert bench.task(READMISSION).status == "entered-in-error"


def test_check_due_before_the_admission_was_cancelled_ends_retracted_either_way(insured) -> None:
    (check,) = [t for t in insured.timers() if t.rule_id == RULE]
    insured.skip("2026-07-08 12:00")
    insured._decide(insured.cancel_admit("2026-07-08 08:00"))
    insured.fire(check, late=True)
    assert insured.task(RULE).business_status == "retracted"


def test_replaced_coverage_retracts_and_the_new_one_is_checked(insured) -> None:
    insured.wait("2026-07-07 22:00")
    insured.hear(insured.update("2026-07-07 23:00", coverages=insured.insurance("CIGNA")))
    insured.wait("2026-07-07 23:30")
    assert [t.business_status for t in insured.tasks(RULE)] == ["retracted", None]


def test_late_check_of_an_admission_taken_back_does_not_stand_for_the_next_one(bench) -> None:
    bench.hear(bench.register("2026-07-06 06:00", class_="observation", coverages=bench.insurance()))
    bench.hear(bench.admit("2026-07-06 08:00", trigger="ADT^A06"))
    bench.skip("2026-07-07 09:00")
    bench._decide(bench.cancel_admit("2026-07-06 22:00"))
    bench._decide(bench.admit("2026-07-07 08:00", trigger="ADT^A06"))
    bench.wait("2026-07-07 19:59")
    assert [t for t in bench.tasks("inpatient-admit-no-auth") if t.open] == []
    bench.wait("2026-07-07 20:00")
    assert [t.open for t in bench.tasks("inpatient-admit-no-auth")][-1]
