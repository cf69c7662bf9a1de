"""verify-coverage-on-admit and coverage-inactive-upcoming: scenario 17 of domain reference 9."""

from __future__ import annotations

import pytest

from gateway.coordination.asking.settings import AskingSettings
from mappings.partners import Payer, TradingPartner

VERIFY, INACTIVE = "verify-coverage-on-admit", "coverage-inactive-upcoming"


@pytest.mark.parametrize(
    ("class_", "opens"), [("emergency", True), ("observation", True), ("outpatient", False), ("inpatient", True)]
)
def test_arrival_of_an_insured_patient_asks_for_verification(bench, class_: str, opens: bool) -> None:
    start = bench.admit if class_ == "inpatient" else bench.register
    bench.hear(start("2026-07-02 09:00", class_=class_, coverages=bench.insurance()))
    assert (VERIFY in bench.open_rules()) is opens
    if opens:
        task = bench.task(VERIFY)
        assert task.due_at == bench.local("2026-07-06 23:59:59")
        assert task.task_key == f"{VERIFY}|{task.encounter_id}|{task.coverage_id}|admit"
        assert (task.type, task.priority, task.queue) == ("verify-coverage", "urgent", "eligibility")


def test_preadmission_is_verified_before_the_second_business_day_before_it(bench) -> None:
    expected = bench.local("2026-07-16 08:00")
    bench.hear(bench.preadmit("2026-07-02 09:00", coverages=bench.insurance(), expected_admit_at=expected))
    task = bench.task(VERIFY)
    assert (task.due_at, task.priority) == (bench.local("2026-07-14 23:59:59"), "routine")
    assert task.task_key.endswith("|A05")


def test_due_counted_back_into_the_past_becomes_four_hours_and_one_priority_up(bench) -> None:
    expected = bench.local("2026-07-03 08:00")
    bench.hear(bench.preadmit("2026-07-02 09:00", coverages=bench.insurance(), expected_admit_at=expected))
    task = bench.task(VERIFY)
    assert (task.due_at, task.priority) == (bench.local("2026-07-02 13:00"), "urgent")


def test_admission_that_a_booking_overtook_still_brings_its_insurance(bench) -> None:
    bench.hear(bench.visit("S12", "2026-07-02 09:00", "2026-07-20 10:00"))
    changes = bench.hear(bench.admit("2026-07-02 08:59", coverages=bench.insurance()))
    assert bench.task(VERIFY).open and not changes.failures
    bench.wait("2026-07-03 09:00")
    assert "self-pay-admission" not in bench.open_rules()
    bench.hear(bench.admit("2026-07-02 08:58", coverages=bench.insurance("CIGNA")))  # older than what is registered
    assert bench.only("coverages").payer_id == "AETNA"


def test_change_of_insurance_that_a_booking_overtook_is_one(bench) -> None:
    bench.hear(bench.admit("2026-07-02 08:00", coverages=bench.insurance()))
    bench.hear(bench.visit("S12", "2026-07-02 09:00", "2026-07-20 10:00"))
    bench.hear(bench.update("2026-07-02 08:59", coverages=bench.insurance("CIGNA")))
    assert [row.payer_id for row in bench.subject.coverages.values() if row.active] == ["CIGNA"]
    bench.hear(bench.update("2026-07-02 08:58", coverages=bench.insurance("HUMANA")))
    assert [row.payer_id for row in bench.subject.coverages.values() if row.active] == ["CIGNA"]


def test_admission_takes_over_from_the_preadmission(bench) -> None:
    expected = bench.local("2026-07-16 08:00")
    bench.hear(bench.preadmit("2026-07-02 09:00", coverages=bench.insurance(), expected_admit_at=expected))
    bench.hear(bench.admit("2026-07-16 08:00", coverages=bench.insurance()))
    early, admitted = bench.tasks(VERIFY)
    assert (early.business_status, admitted.open) == ("retracted", True)
    assert admitted.task_key.endswith("|admit")


def test_recent_registration_check_or_answer_leaves_no_task(make_bench) -> None:
    checked, answered, stale = make_bench(), make_bench(), make_bench()
    verified = checked.insurance(verified_at=checked.local("2026-06-30 09:00"))
    checked.hear(checked.admit("2026-07-02 09:00", coverages=verified))
    for bench, when in ((answered, "2026-06-30 10:00"), (stale, "2026-06-28 10:00")):
        bench.hear(bench.update("2026-06-20 09:00", "V0", class_="outpatient", coverages=bench.insurance()))
        bench.hear(bench.eligibility(when, "active"))
        bench.hear(bench.admit("2026-07-02 09:00", coverages=bench.insurance()))
    assert [VERIFY in bench.open_rules() for bench in (checked, answered, stale)] == [False, False, True]


def test_active_answer_or_registration_check_resolves(make_bench) -> None:
    for resolved_by in ("271", "A08"):
        bench = make_bench()
        bench.hear(bench.admit("2026-07-02 09:00", coverages=bench.insurance()))
        if resolved_by == "271":
            bench.hear(bench.eligibility("2026-07-02 11:00", "active"))
        else:
            fresh = bench.insurance(verified_at=bench.local("2026-07-02 11:00"))
            bench.hear(bench.update("2026-07-02 11:00", coverages=fresh))
        assert bench.task(VERIFY).business_status == "auto-resolved"


def test_self_pay_patient_has_nothing_to_verify(bench) -> None:
    bench.hear(bench.admit("2026-07-02 09:00", coverages=bench.insurance(), self_pay=True))
    assert bench.tasks(VERIFY) == []


def test_cancelled_registration_is_an_error(bench) -> None:
    bench.hear(bench.register("2026-07-02 09:00", coverages=bench.insurance()))
    bench.hear(bench.cancel_admit("2026-07-02 10:00"))
    assert bench.task(VERIFY).status == "entered-in-error"


# -- not in force ------------------------------------------------------------------------------------------------------


@pytest.fixture
def known(bench):
    """A patient with insurance on file and no open stay."""
    bench.hear(bench.event("patient.updated", "ADT^A31", "2026-07-01 09:00", coverages=bench.insurance()))
    return bench


def test_inactive_answer_before_an_appointment_opens_and_an_active_one_resolves(known) -> None:
    known.hear(known.visit("S12", "2026-07-01 10:00", "2026-07-09 10:00"))
    known.hear(known.eligibility("2026-07-02 09:00", "inactive"))
    task = known.task(INACTIVE)
    assert task.due_at == known.local("2026-07-07 23:59:59")
    assert (task.priority, task.queue) == ("urgent", "eligibility")
    known.hear(known.eligibility("2026-07-06 09:00", "active"))
    assert known.task(INACTIVE).business_status == "auto-resolved"


@pytest.mark.parametrize(
    ("start", "due", "priority"),
    [
        ("2026-07-07 10:00", "2026-07-06 23:59:59", "asap"),  # two business days away: one day before the service
        ("2026-07-02 15:00", "2026-07-02 13:00", "stat"),  # the day before is past
        ("2026-07-30 10:00", "2026-07-07 23:59:59", "urgent"),
    ],
)
def test_due_comes_before_the_service(known, start: str, due: str, priority: str) -> None:
    known.hear(known.visit("S12", "2026-07-01 10:00", start))
    known.hear(known.eligibility("2026-07-02 09:00", "not-covered"))
    assert (known.task(INACTIVE).due_at, known.task(INACTIVE).priority) == (known.local(due), priority)


def test_nothing_planned_makes_no_task_until_something_is(known) -> None:
    known.hear(known.eligibility("2026-07-02 09:00", "inactive"))
    known.hear(known.visit("S12", "2026-07-02 10:00", "2026-09-09 10:00", "F9"))
    assert known.tasks(INACTIVE) == []
    known.hear(known.visit("S12", "2026-07-06 10:00", "2026-07-20 10:00"))
    assert known.task(INACTIVE).open


def test_stay_that_begins_while_the_coverage_is_inactive_fires(known) -> None:
    known.hear(known.eligibility("2026-07-02 09:00", "inactive"))
    known.hear(known.admit("2026-07-06 10:00", coverages=known.insurance()))
    assert INACTIVE in known.open_rules()


def test_daily_repeats_of_the_answer_make_one_task_and_a_new_lapse_another(known) -> None:
    known.hear(known.visit("S12", "2026-07-01 10:00", "2026-07-28 10:00"))
    for day in ("02", "03", "04"):
        known.hear(known.eligibility(f"2026-07-{day} 09:00", "inactive"))
    assert len(known.tasks(INACTIVE)) == 1
    known.hear(known.eligibility("2026-07-05 09:00", "active"))
    known.hear(known.eligibility("2026-07-06 09:00", "inactive"))
    assert [t.open for t in known.tasks(INACTIVE)] == [False, True]


def test_cancelled_appointment_retracts_only_without_an_open_stay(known) -> None:
    known.hear(known.visit("S12", "2026-07-01 10:00", "2026-07-09 10:00"))
    known.hear(known.eligibility("2026-07-02 09:00", "inactive"))
    known.hear(known.admit("2026-07-02 10:00", class_="inpatient"))
    known.hear(known.visit("S15", "2026-07-02 11:00", "2026-07-09 10:00"))
    assert known.task(INACTIVE).open
    known.hear(known.discharge("2026-07-04 11:00"))
    assert known.task(INACTIVE).business_status == "retracted"


def test_rebooking_after_a_retraction_takes_the_next_instance(known) -> None:
    known.hear(known.visit("S12", "2026-07-01 10:00", "2026-07-09 10:00"))
    known.hear(known.eligibility("2026-07-02 09:00", "inactive"))
    known.hear(known.visit("S15", "2026-07-02 11:00", "2026-07-09 10:00"))
    known.hear(known.visit("S12", "2026-07-02 12:00", "2026-07-10 10:00", "F2"))
    assert [t.task_key.endswith("|2") for t in known.tasks(INACTIVE)] == [False, True]


def test_active_answer_for_another_coverage_resolves(known) -> None:
    known.hear(known.visit("S12", "2026-07-01 10:00", "2026-07-09 10:00"))
    known.hear(known.eligibility("2026-07-02 09:00", "inactive"))
    known.hear(known.eligibility("2026-07-02 10:00", "active", payer="MEDICAID"))
    assert known.task(INACTIVE).business_status == "auto-resolved"


def test_coverage_that_left_the_insurance_on_file_has_nothing_to_verify(bench) -> None:
    bench.hear(bench.admit("2026-07-02 09:00", coverages=bench.insurance()))
    bench.hear(bench.update("2026-07-02 10:00", coverages=bench.insurance("CIGNA")))
    assert [t.business_status for t in bench.tasks(VERIFY)] == ["retracted"]


@pytest.mark.parametrize(("back", "opens"), [("2026-07-02 10:50", True), ("2026-07-02 12:00", False)])
def test_coverage_that_left_by_mistake_is_verified_after_all(bench, back: str, opens: bool) -> None:
    bench.hear(bench.admit("2026-07-02 09:00", coverages=bench.insurance()))
    due = bench.task(VERIFY).due_at
    bench.hear(bench.update("2026-07-02 10:00", coverages=bench.insurance("CIGNA")))
    assert not bench.task(VERIFY).open
    bench.hear(bench.update(back, coverages=bench.insurance()))
    task = bench.task(VERIFY)  # later than an hour the change of insurance asks for it
    assert (task.open, task.due_at) == (opens, due)
    assert ("coverage-changed" in bench.open_rules()) is not opens


def test_coverage_that_came_back_verified_has_no_task(bench) -> None:
    bench.hear(bench.admit("2026-07-02 09:00", coverages=bench.insurance()))
    bench.hear(bench.update("2026-07-02 10:00", coverages=bench.insurance("CIGNA")))
    verified = bench.insurance(verified_at=bench.local("2026-07-02 10:20"))
    bench.hear(bench.update("2026-07-02 10:30", coverages=verified))
    assert not bench.task(VERIFY).open


def test_verification_asked_for_by_a_conversion_goes_with_it(bench) -> None:
    bench.hear(bench.register("2026-07-02 09:00", class_="outpatient", coverages=bench.insurance()))
    bench.hear(bench.admit("2026-07-02 10:00", trigger="ADT^A06", coverages=bench.insurance()))
    assert bench.task(VERIFY).open
    bench.hear(bench.cancel_admit("2026-07-02 11:00"))
    assert bench.task(VERIFY).status == "entered-in-error"


def test_answer_under_another_identifier_of_the_payer_is_about_the_same_coverage(make_bench) -> None:
    partner = TradingPartner(payers=(Payer(id="60054", name="AETNA", aliases=("AETNA",)),))
    bench = make_bench(asking=AskingSettings(partners=(partner,)))
    bench.hear(bench.admit("2026-07-01 09:00", coverages=bench.insurance(payer_name="Aetna Better Health")))
    bench.hear(bench.decision("2026-07-01 10:00", "certified", number="A1"))
    bench.hear(bench.eligibility("2026-07-01 11:00", "active", payer="60054"))
    assert bench.only("coverages").eligibility == "active"
    bench.hear(bench.decision("2026-07-02 10:00", "denied", payer="60054", number="A1", tracking_number="TRK9"))
    assert bench.only("authorizations").status == "denied"
