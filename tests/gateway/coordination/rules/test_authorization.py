"""auth-denied and auth-pended-aging: scenarios 19 and 20 of domain reference 9, clocks of 6.5."""

from __future__ import annotations

import msgspec
import pytest

from mappings.events import ServiceDecision

DENIED, PENDED = "auth-denied", "auth-pended-aging"


@pytest.fixture
def known(bench):
    bench.hear(bench.event("patient.updated", "ADT^A31", "2026-03-02 09:00", coverages=bench.insurance()))
    return bench


def test_denial_opens_an_appeal_with_the_payers_reasons_and_the_filing_deadline(known) -> None:
    known.hear(known.decision("2026-07-02 10:00", "denied", reasons=("0V",)))
    task = known.task(DENIED)
    assert task.due_at == known.local("2026-07-07 23:59:59")
    assert (task.type, task.priority, task.queue) == ("appeal", "asap", "appeals")
    assert task.task_key == f"{DENIED}|{task.authorization_id}|v1"
    assert task.reason == (
        "The payer denied the request (reason 0V): decide on a peer-to-peer call now, or appeal by 2026-08-31."
    )
    evidence = msgspec.json.decode(task.evidence_json)
    assert [(e["location"], e.get("value")) for e in evidence] == [
        ("2000E HCR01", "A3"),
        ("2000E HCR03", "0V"),
        ("appeal filing deadline", "2026-08-31"),
    ]


def test_denied_line_inside_a_partial_certification_fires(known) -> None:
    line = ServiceDecision(level="service", action="A3", reasons=("35",), service="97110")
    known.hear(known.decision("2026-07-02 10:00", "partially-certified", line=line))
    assert "part of the request" in known.task(DENIED).reason
    assert '"2000F HCR01"' in known.task(DENIED).evidence_json


def test_partial_certification_without_a_denied_line_is_another_rules(known) -> None:
    known.hear(known.decision("2026-07-02 10:00", "partially-certified"))
    assert known.tasks(DENIED) == []


@pytest.mark.parametrize("status", ["certified", "modified"])
def test_overturned_denial_resolves(known, status: str) -> None:
    known.hear(known.decision("2026-07-02 10:00", "denied"))
    known.hear(known.decision("2026-07-08 10:00", status))
    assert known.task(DENIED).business_status == "auto-resolved"


def test_appeal_submitted_by_a_person_stays_done_when_the_payer_repeats_itself(known) -> None:
    known.hear(known.decision("2026-07-02 10:00", "denied"))
    known.act("complete", known.task(DENIED), outcome="appeal-submitted")
    known.hear(known.decision("2026-07-03 10:00", "denied"))
    known.hear(known.decision("2026-07-20 10:00", "certified"))
    assert known.task(DENIED).business_status == "appeal-submitted"


def test_denial_upheld_after_a_certification_is_a_new_decision(known) -> None:
    for at, status in (("02", "denied"), ("03", "certified"), ("06", "denied")):
        known.hear(known.decision(f"2026-07-{at} 10:00", status))
    assert [t.open for t in known.tasks(DENIED)] == [False, True]


def test_cancelled_admission_retracts_the_denial(bench) -> None:
    bench.hear(bench.admit("2026-07-02 09:00", coverages=bench.insurance()))
    bench.hear(bench.decision("2026-07-02 10:00", "denied", event_begins_on="2026-07-02"))
    bench.hear(bench.cancel_admit("2026-07-02 11:00"))
    assert bench.task(DENIED).business_status == "retracted"


def test_cancelled_appointment_of_the_same_service_and_day_retracts(known) -> None:
    known.hear(known.visit("S12", "2026-07-01 10:00", "2026-07-20 10:00", service="97110"))
    known.hear(
        known.decision(
            "2026-07-02 10:00", "denied", request_category="HS", service_type="97110", event_begins_on="2026-07-20"
        )
    )
    known.hear(known.visit("S12", "2026-07-02 11:00", "2026-07-20 15:00", "F2", service="OTHER"))
    assert known.task(DENIED).open
    known.hear(known.visit("S15", "2026-07-03 10:00", "2026-07-20 10:00", service="97110"))
    assert known.task(DENIED).business_status == "retracted"


def test_payer_withdrawing_the_request_retracts(known) -> None:
    known.hear(known.decision("2026-07-02 10:00", "denied"))
    known.hear(known.decision("2026-07-03 10:00", "cancelled"))
    assert known.task(DENIED).business_status == "retracted"


def test_unworked_denial_rises_before_the_appeal_must_be_filed(known) -> None:
    known.hear(known.decision("2026-07-02 10:00", "denied"))
    known.wait("2026-08-21 23:59:58")
    assert (known.task(DENIED).overdue, known.task(DENIED).escalations) == (True, 0)
    known.wait("2026-08-22 00:00")
    assert known.task(DENIED).escalations == 1
    known.wait("2026-08-29 00:00")
    assert (known.task(DENIED).escalations, known.task(DENIED).priority) == (2, "stat")


# -- pended ------------------------------------------------------------------------------------------------------------


def test_expedited_clock_counts_elapsed_hours_across_the_clock_change(known) -> None:
    known.hear(known.decision("2026-03-06 09:00", "pended", urgent=True))
    fire = {t.kind: t.fire_at for t in known.timers() if t.rule_id == PENDED}
    assert fire == {"75": known.local("2026-03-08 16:00"), "100": known.local("2026-03-09 10:00")}


def test_standard_clock_ends_with_the_seventh_day(known) -> None:
    known.hear(known.decision("2026-03-06 09:00", "pended"))
    (end,) = [t.fire_at for t in known.timers() if t.kind == "100"]
    assert end == known.local("2026-03-13 23:59:59")


def test_pended_too_long_makes_two_tasks_and_the_answer_resolves_both(known) -> None:
    known.hear(known.decision("2026-07-06 09:00", "pended", urgent=True))
    known.wait("2026-07-08 15:00")
    task = known.task(PENDED)
    assert (task.priority, task.due_at) == ("urgent", known.local("2026-07-09 23:59:59"))
    assert task.task_key == f"{PENDED}|{task.authorization_id}|75"
    assert "assumed" in task.reason
    known.wait("2026-07-09 09:00")
    assert [(t.task_key.rpartition("|")[2], t.priority) for t in known.tasks(PENDED)] == [
        ("75", "urgent"),
        ("100", "asap"),
    ]
    known.hear(known.decision("2026-07-09 12:00", "certified", urgent=True))
    assert {t.business_status for t in known.tasks(PENDED)} == {"auto-resolved"}
    assert known.timers() == []


def test_answer_in_time_clears_the_clock(known) -> None:
    known.hear(known.decision("2026-07-06 09:00", "pended"))
    known.hear(known.decision("2026-07-07 09:00", "certified"))
    known.wait("2026-07-20 09:00")
    assert known.tasks(PENDED) == []


def test_a_second_pended_answer_does_not_start_the_clock_again(known) -> None:
    known.hear(known.decision("2026-07-06 09:00", "pended"))
    known.hear(known.decision("2026-07-08 09:00", "pended"))
    assert len([t for t in known.timers() if t.rule_id == PENDED]) == 2
    (end,) = [t.fire_at for t in known.timers() if t.kind == "100"]
    assert end == known.local("2026-07-13 23:59:59")


def test_late_clock_judges_its_time_and_then_applies_the_answer(known) -> None:
    known.hear(known.decision("2026-07-06 09:00", "pended", urgent=True))
    first, second = sorted((t for t in known.timers() if t.rule_id == PENDED), key=lambda t: t.fire_at)
    known.skip("2026-07-10 09:00")
    known._decide(known.decision("2026-07-08 20:00", "certified", urgent=True))
    known.fire(first, late=True)
    known.fire(second, late=True)
    assert [(t.task_key[-2:], t.business_status) for t in known.tasks(PENDED)] == [("75", "auto-resolved")]


def test_cancelled_request_retracts(known) -> None:
    known.hear(known.decision("2026-07-06 09:00", "pended", urgent=True))
    known.wait("2026-07-08 16:00")
    known.hear(known.decision("2026-07-08 17:00", "cancelled"))
    assert known.task(PENDED).business_status == "retracted"


def test_service_two_business_days_away_makes_it_stat(known) -> None:
    known.hear(known.decision("2026-07-06 09:00", "pended", urgent=True, event_begins_on="2026-07-10"))
    known.wait("2026-07-08 15:30")
    assert known.task(PENDED).priority == "stat"


def test_denied_line_of_a_newer_decision_replaces_the_older_task(known) -> None:
    known.hear(known.decision("2026-07-02 10:00", "denied"))
    line = ServiceDecision(level="service", action="A3", service="97110")
    known.hear(known.decision("2026-07-06 10:00", "partially-certified", line=line))
    assert [t.business_status for t in known.tasks(DENIED)] == ["retracted", None]


def test_denial_long_after_the_stay_still_opens_its_task(bench) -> None:
    bench.hear(bench.admit("2026-01-05 09:00", coverages=bench.insurance()))
    bench.hear(bench.decision("2026-01-05 10:00", "certified", event_begins_on="2026-01-05", number="A1"))
    bench.hear(bench.discharge("2026-01-08 14:10"))
    bench.hear(bench.decision("2026-07-06 10:00", "denied", event_begins_on="2026-01-05", number="A1"))
    task = bench.task("auth-denied")
    assert task.open and task.encounter_id is not None
