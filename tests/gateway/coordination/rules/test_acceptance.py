"""The 25 acceptance scenarios of domain reference 9, each as messages and the tasks that follow, and the worked deadlines
of 6.5.  Those about more than one patient, or about what a header says, are played as HL7 text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
import pytest

from gateway.coordination.records import Task
from gateway.rehearsal import Rehearsal
from gateway.settings import Settings
from mappings.events import Diagnosis, Identifier, PatientFacts, Person
from mappings.payer_facts import Rejection, ServiceDecision
from tests.gateway.coordination.rules.conftest import Bench, local

Make = Callable[..., Bench]
ADMISSION = ("2026-07-06 09:00", "2026-07-08 14:10")


def person(**facts: object) -> PatientFacts:
    return PatientFacts(key=Identifier(value="1001", authority="GH", type="MR"), family="DOE", **facts)


def covered(make_bench: Make, **settings: object) -> Bench:
    """A primary care provider, a commercial plan with an active answer of the day before and EB11 = N."""
    bench = make_bench(**settings)
    who = person(pcp=Person(id="77"))
    bench.hear(bench.event("patient.updated", "ADT^A31", "2026-07-05 08:00", patient=who, coverages=bench.insurance()))
    bench.hear(bench.eligibility("2026-07-05 09:00", "active", authorization_required="N"))
    return bench


def opened(bench: Bench) -> set[str]:
    return {task.rule_id for task in bench.tasks()}


def state(task: Task) -> str:
    return "open" if task.open else task.business_status or task.status


def test_scenario_1_discharge_home_with_everything_on_file(make_bench: Make) -> None:
    bench = covered(make_bench)
    bench.hear(bench.admit(ADMISSION[0]))
    assert opened(bench) == {"notify-pcp-admission"}
    bench.hear(bench.discharge(ADMISSION[1]))
    at_discharge = {"discharge-contact-2bd", "discharge-info-to-pcp", "med-reconciliation-30d"}
    assert opened(bench) == {"notify-pcp-admission"} | at_discharge
    bench.wait("2026-07-09 14:09")
    assert "discharge-followup-unbooked" not in opened(bench)
    bench.wait("2026-07-09 14:10")
    assert opened(bench) == {"notify-pcp-admission", "discharge-followup-unbooked"} | at_discharge


def test_scenario_1_without_those_facts(make_bench: Make) -> None:
    bare, medicare, risk = make_bench(), make_bench(), covered(make_bench)
    bare.hear(bare.admit(ADMISSION[0]))
    bare.wait("2026-07-06 22:00")
    assert {"no-pcp-on-file", "self-pay-admission"} <= opened(bare)
    medicare.hear(medicare.admit(ADMISSION[0], coverages=medicare.insurance("CMS", plan_type="MA")))
    medicare.wait("2026-07-06 22:00")
    assert {"verify-coverage-on-admit", "inpatient-admit-no-auth", "medicare-notice-im"} <= opened(medicare)
    risk.hear(risk.admit(ADMISSION[0]))
    risk.hear(risk.discharge(ADMISSION[1], diagnoses=(Diagnosis(code="I50.9", system="I10", priority=1),)))
    assert "discharge-followup-unbooked" in opened(risk)


def test_scenario_2_follow_up_booked_before_the_discharge(make_bench: Make) -> None:
    bench = covered(make_bench)
    bench.hear(bench.admit(ADMISSION[0]))
    bench.hear(bench.visit("S12", "2026-07-07 10:00", "2026-07-13 10:00"))
    bench.hear(bench.discharge(ADMISSION[1]))
    bench.wait("2026-07-12 00:00")
    assert "discharge-followup-unbooked" not in opened(bench) and bench.task("discharge-contact-2bd").open


def test_scenario_3_cancelled_discharge_and_a_second_one(make_bench: Make) -> None:
    bench = covered(make_bench)
    bench.hear(bench.admit(ADMISSION[0]))
    bench.hear(bench.discharge(ADMISSION[1]))
    bench.hear(bench.cancel_discharge("2026-07-08 16:00"))
    first = [task for task in bench.tasks() if "dis1" in task.task_key]
    assert first and all(state(task) == "retracted" for task in first)
    assert bench.task("notify-pcp-admission").open and bench.only("encounters").status == "inpatient"
    own = [timer for timer in bench.timers() if timer.task_id is None and "dis1" in timer.cycle]
    assert own == []
    bench.hear(bench.discharge("2026-07-09 10:00"))
    second = {task.rule_id for task in bench.tasks() if "dis2" in task.task_key and task.open}
    assert second == {"discharge-contact-2bd", "discharge-info-to-pcp", "med-reconciliation-30d"}


def test_scenario_4_corrected_disposition(make_bench: Make) -> None:
    bench = covered(make_bench)
    bench.hear(bench.admit(ADMISSION[0]))
    bench.hear(bench.discharge(ADMISSION[1]))
    bench.hear(bench.discharge(ADMISSION[1], disposition="03", category="snf", recorded="2026-07-08 18:00"))
    bench.wait("2026-07-10 00:00")
    told = {task.rule_id: state(task) for task in bench.tasks()}
    assert told["discharge-contact-2bd"] == told["med-reconciliation-30d"] == "retracted"
    assert told["discharge-info-to-pcp"] == told["discharge-to-facility-handoff"] == "open"
    assert "discharge-followup-unbooked" not in told


def test_scenario_5_cancel_before_its_discharge(make_bench: Make) -> None:
    bench = covered(make_bench)
    bench.hear(bench.admit(ADMISSION[0]))
    bench.hear(bench.cancel_discharge("2026-07-08 16:00"))
    bench.hear(bench.discharge(ADMISSION[1]), at=local("2026-07-08 16:05"))
    assert opened(bench) == {"notify-pcp-admission"}


def test_scenario_6_same_discharge_again(make_bench: Make) -> None:
    bench = covered(make_bench)
    bench.hear(bench.admit(ADMISSION[0]))
    bench.hear(bench.discharge(ADMISSION[1]))
    again = bench.hear(bench.discharge(ADMISSION[1]))
    assert again.task_changes == [] and again.emitted == []


def test_scenario_7_cancelled_admission(make_bench: Make) -> None:
    bench = make_bench()
    bench.hear(bench.admit(ADMISSION[0], coverages=bench.insurance()))
    made = bench.tasks()
    bench.hear(bench.cancel_admit("2026-07-06 11:00"))
    assert made and bench.only("encounters").status == "cancelled"
    assert {bench.subject.tasks[task.task_id].status for task in made} == {"entered-in-error"}


def test_scenario_8_observation_becomes_an_admission(make_bench: Make) -> None:
    bench = make_bench()
    plan = bench.insurance("CMS", plan_type="MA")
    bench.hear(bench.register("2026-07-06 08:00", class_="observation", coverages=plan))
    bench.wait("2026-07-07 04:00")
    assert "obs-24h-moon" in opened(bench) and "obs-48h-status" not in opened(bench)
    bench.wait("2026-07-07 08:00")
    assert bench.task("obs-48h-status").priority == "routine"
    bench.hear(bench.admit("2026-07-07 09:00", trigger="ADT^A06"))
    assert bench.task("obs-24h-moon").open
    assert state(bench.task("obs-48h-status")) == "auto-resolved" and bench.task("level-of-care-changed").open


def test_scenario_9_four_emergency_visits(make_bench: Make) -> None:
    bench = make_bench()
    for number, month in enumerate(("01", "02", "04", "06", "07"), 1):
        bench.hear(bench.register(f"2026-{month}-06 09:00", f"V{number}"))
    assert len(bench.tasks("ed-frequent-use")) == 1


def test_scenario_10_readmission_from_another_facility(make_bench: Make) -> None:
    bench = make_bench()
    bench.hear(msgspec.structs.replace(bench.admit("2026-06-10 09:00", "V1"), facility="north"))
    bench.hear(msgspec.structs.replace(bench.discharge("2026-06-16 09:00", "V1"), facility="north"))
    bench.hear(bench.admit("2026-07-06 09:00", "V2"))
    assert bench.task("readmission-30d").priority == "asap"


def test_scenario_11_fifty_updates_of_which_one_says_something(make_bench: Make) -> None:
    bench = covered(make_bench)
    bench.hear(bench.admit(ADMISSION[0]))
    before = len(bench.changes)
    for second in range(50):
        event = bench.update("2026-07-06 10:00", patient=person(phone="555-0100" if second >= 20 else None))
        moment = msgspec.structs.replace(event, recorded_at=local("2026-07-06 10:00"))
        bench.hear(moment)
    told = [event.type for made in bench.changes[before:] for event in made.emitted]
    assert told == ["patient.updated"] and opened(bench) == {"notify-pcp-admission"}


def test_scenario_12_another_payer_before_an_appointment(make_bench: Make) -> None:
    bench = covered(make_bench)
    bench.hear(bench.visit("S12", "2026-07-06 09:00", "2026-07-11 10:00"))
    grant = bench.decision("2026-07-06 10:00", "certified", request_category="HS", number="A1")
    bench.hear(grant)
    bench.hear(bench.event("patient.updated", "ADT^A08", "2026-07-06 12:00", coverages=bench.insurance("CIGNA")))
    assert bench.task("coverage-changed").open and bench.only("authorizations").needs_recheck


def test_scenario_14_death_at_the_discharge(make_bench: Make) -> None:
    bench = make_bench()
    bench.hear(bench.admit(ADMISSION[0], coverages=bench.insurance()))
    bench.hear(bench.visit("S12", "2026-07-06 10:00", "2026-07-20 10:00"))
    bench.hear(bench.discharge(ADMISSION[1], disposition="20", category="expired"))
    assert state(bench.task("verify-coverage-on-admit")) == "retracted"
    assert bench.task("death-cancels-tasks").open
    kinds = [row.kind for row in bench.changes[-1].transitions]
    assert "appointment-of-deceased" in kinds


def test_scenario_15_late_arrival(make_bench: Make) -> None:
    bench = make_bench()
    facts = {"service": "CARD", "reason": "CHECK"}
    bench.hear(bench.visit("S12", "2026-07-01 09:00", "2026-07-06 10:00", **facts))
    bench.hear(bench.visit("S26", "2026-07-06 10:20", "2026-07-06 10:00", **facts))
    assert bench.task("appointment-no-show").open
    bench.hear(bench.visit("S14", "2026-07-06 10:40", "2026-07-06 10:00", status="arrived", **facts))
    assert state(bench.task("appointment-no-show")) == "retracted"


def test_scenario_16_cancel_and_rebooking_within_the_hour(make_bench: Make) -> None:
    bench = make_bench()
    bench.hear(bench.visit("S12", "2026-07-01 09:00", "2026-07-20 10:00"))
    bench.hear(bench.visit("S15", "2026-07-02 09:00", "2026-07-20 10:00"))
    bench.hear(bench.visit("S12", "2026-07-02 09:50", "2026-07-24 10:00", "F2", parent_id="F1"))
    bench.wait("2026-07-05 00:00")
    assert "appointment-cancelled-no-rebook" not in opened(bench)


def test_scenario_17_inactive_then_active(make_bench: Make) -> None:
    bench = covered(make_bench)
    bench.hear(bench.visit("S12", "2026-07-06 09:00", "2026-07-13 10:00"))
    bench.hear(bench.eligibility("2026-07-06 10:00", "inactive"))
    assert bench.task("coverage-inactive-upcoming").open
    bench.hear(bench.eligibility("2026-07-07 10:00", "active"))
    assert state(bench.task("coverage-inactive-upcoming")) == "auto-resolved"


@pytest.mark.parametrize(
    ("reason", "kind", "follow_up", "opens"), [("75", "not-found", "C", True), ("42", "outage", "R", False)]
)
def test_scenario_18_rejections(make_bench: Make, reason: str, kind: str, follow_up: str, opens: bool) -> None:
    bench = covered(make_bench)
    aaa = (Rejection(reason=reason, loop="2100C", kind=kind, follow_up=follow_up, advice="Verify the card."),)
    bench.hear(bench.eligibility("2026-07-06 10:00", "rejected", rejections=aaa))
    assert ("eligibility-rejected" in opened(bench)) is opens
    if opens:
        assert "Verify the card." in bench.task("eligibility-rejected").reason


def test_scenario_19_expedited_request_without_a_decision(make_bench: Make) -> None:
    bench = covered(make_bench)
    bench.hear(bench.decision("2026-07-06 09:00", "pended", urgent=True, provisional=True))
    bench.wait("2026-07-08 14:59")
    assert bench.tasks("auth-pended-aging") == []
    bench.wait("2026-07-08 15:00")
    assert len(bench.tasks("auth-pended-aging")) == 1
    bench.wait("2026-07-09 09:00")
    assert [t.task_key.split("|")[-1] for t in bench.tasks("auth-pended-aging")] == ["75", "100"]
    bench.hear(bench.decision("2026-07-09 12:00", "certified", urgent=True, number="A1"))
    assert [state(t) for t in bench.tasks("auth-pended-aging")] == ["auto-resolved", "auto-resolved"]


def test_scenario_20_denial_appealed_and_overturned(make_bench: Make) -> None:
    bench = covered(make_bench)
    bench.hear(bench.decision("2026-07-06 09:00", "denied", reasons=("0V",)))
    bench.act("complete", bench.task("auth-denied"), outcome="appeal-submitted")
    made = bench.hear(bench.decision("2026-07-20 09:00", "certified", number="A1"))
    (event,) = [one for one in made.emitted if one.type == "authorization.certified"]
    assert event.data["overturned"] is True and not bench.task("auth-denied").open


def test_scenario_21_end_before_the_appointment(make_bench: Make) -> None:
    bench = covered(make_bench)
    mri = {"service": "70551", "reason": "MRI"}
    bench.hear(bench.visit("S12", "2026-07-06 09:00", "2026-07-20 10:00", **mri))
    line = ServiceDecision(level="service", action="A1", service="70551")
    facts = {"request_category": "HS", "service_type": "70551", "effective_on": "2026-07-01", "number": "A1"}
    bench.hear(bench.decision("2026-07-06 10:00", "certified", line=line, expires_on="2026-07-17", **facts))
    assert bench.task("auth-expiring-before-appointment").open
    bench.hear(bench.visit("S13", "2026-07-07 09:00", "2026-07-16 10:00", **mri))
    assert state(bench.task("auth-expiring-before-appointment")) == "auto-resolved"


def test_scenario_22_number_of_registration_comes_late(make_bench: Make) -> None:
    bench = make_bench()
    bench.hear(bench.admit(ADMISSION[0], coverages=bench.insurance()))
    bench.wait("2026-07-06 21:00")
    assert bench.task("inpatient-admit-no-auth").open
    numbered = bench.insurance(authorization_number="IN3-77")
    bench.hear(bench.update("2026-07-06 22:00", coverages=numbered))
    assert state(bench.task("inpatient-admit-no-auth")) == "auto-resolved"


# -- as HL7 text -------------------------------------------------------------------------------------------------------

HEAD = "MSH|^~\\&|EPIC|GENHOSP|BATON|BATON|{at}||{type}|{id}|{mode}|2.5.1"


def hl7(type_: str, at: str, *segments: str, mode: str = "P") -> tuple[bytes, datetime]:
    moment = local(at)
    stamp = at.replace("-", "").replace(" ", "").replace(":", "") + "00"
    head = HEAD.format(at=stamp, type=type_, id=f"{type_[4:7]}{stamp}", mode=mode)
    return "\r".join(
        (head, f"EVN|{type_[4:7]}|{stamp}", *(one.replace("{at}", stamp) for one in segments))
    ).encode(), moment


def pid(mrn: str, born: str = "19600214") -> str:
    return f"PID|1||{mrn}^^^GENHOSP^MR||SAMPLE^WENDY||{born}|F"


def pv1(class_: str = "I", visit: str = "V1", tail: str = "") -> str:
    return f"PV1|1|{class_}|4W^412^A||||||||||||||||{visit}|||||||||||||||||{tail}"


@pytest.fixture
def played() -> Rehearsal:
    return Rehearsal(Settings(), local("2026-07-01 00:00"))


def test_scenario_13_merge_brings_tasks_and_later_messages_to_the_survivor(played: Rehearsal) -> None:
    played.hear(*hl7("ADT^A01^ADT_A01", "2026-07-06 09:00", pid("B200"), pv1(visit="VB")))
    played.hear(*hl7("ADT^A03^ADT_A03", "2026-07-06 20:00", pid("B200"), pv1(visit="VB", tail="01|||||||||{at}")))
    before = {task.task_id for task in played.tasks if task.open}
    played.hear(*hl7("ADT^A04^ADT_A01", "2026-07-07 08:00", pid("A100"), pv1("E", "VA")))
    played.hear(*hl7("ADT^A40^ADT_A39", "2026-07-07 09:00", pid("A100"), "MRG|B200^^^GENHOSP^MR"))
    (survivor,) = {task.patient_id for task in played.tasks}
    assert before and any(task.rule_id == "patient-merged-open-tasks" for task in played.tasks)
    played.hear(*hl7("ADT^A13^ADT_A01", "2026-07-07 10:00", pid("B200"), pv1(visit="VB")))
    contact = next(task for task in played.tasks if task.rule_id == "discharge-contact-2bd")
    assert (contact.patient_id, state(contact)) == (survivor, "retracted")


@pytest.mark.parametrize("mode", ["T", "D", "P^I", "P^A", "P^R"])
def test_scenarios_23_and_24_test_and_historical_messages_make_no_tasks(played: Rehearsal, mode: str) -> None:
    played.hear(*hl7("ADT^A01^ADT_A01", "2026-07-06 09:00", pid("C300"), pv1(), mode=mode))
    played.hear(*hl7("ADT^A03^ADT_A03", "2026-07-06 20:00", pid("C300"), pv1(tail="01|||||||||{at}"), mode=mode))
    played.wait(local("2026-08-20 00:00"))
    assert played.tasks == []
    known = played._steps.state.patients
    assert bool(known) is (mode[0] == "P")


def test_scenario_25_person_without_a_visit(played: Rehearsal) -> None:
    played.hear(*hl7("ADT^A31^ADT_A05", "2026-07-06 09:00", pid("D400")))
    played.hear(*hl7("ADT^A28^ADT_A05", "2026-07-06 10:00", pid("E500"), "PV1|1|N"))
    homes = played._steps.state.patients.values()
    assert len(list(homes)) == 2 and all(not home.encounters for home in homes) and played.tasks == []


# -- worked deadlines (6.5) --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "due"),
    [
        ("2026-07-02 14:10", "2026-07-07 23:59:59"),
        ("2026-10-09 10:00", "2026-10-14 23:59:59"),
        ("2026-10-17 23:50", "2026-10-20 23:59:59"),
    ],
)
def test_contact_deadlines_over_holidays_and_weekends(make_bench: Make, left: str, due: str) -> None:
    bench = make_bench()
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.discharge(left))
    assert bench.task("discharge-contact-2bd").due_at == local(due)


def test_windows_and_reconciliation_of_the_worked_discharge(make_bench: Make) -> None:
    bench = make_bench()
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.discharge("2026-07-02 14:10"))
    assert bench.task("med-reconciliation-30d").due_at == local("2026-08-01 23:59:59")
    (first,) = [timer for timer in bench.timers() if (timer.rule_id, timer.kind) == ("followup-not-completed", "first")]
    assert first.fire_at == local("2026-07-16 23:59:59")


@pytest.mark.parametrize(
    ("urgent", "moments"),
    [(True, ["2026-03-08 16:00", "2026-03-09 10:00"]), (False, [None, "2026-03-13 23:59:59"])],
)
def test_payer_clocks_over_the_change_of_clocks(make_bench: Make, urgent: bool, moments: list[str | None]) -> None:
    bench = make_bench()
    bench.hear(bench.event("patient.updated", "ADT^A31", "2026-03-05 09:00", coverages=bench.insurance()))
    bench.hear(bench.decision("2026-03-06 09:00", "pended", urgent=urgent))
    fires = {timer.kind: timer.fire_at for timer in bench.timers() if timer.rule_id == "auth-pended-aging"}
    for kind, moment in zip(("75", "100"), moments, strict=True):
        assert moment is None or fires[kind] == local(moment)


@pytest.mark.parametrize(("admitted", "fires"), [("2026-03-02 09:00", True), ("2026-03-03 09:00", False)])
def test_thirty_days_to_a_readmission(make_bench: Make, admitted: str, fires: bool) -> None:
    bench = make_bench()
    bench.hear(bench.admit("2026-01-28 09:00"))
    bench.hear(bench.discharge("2026-01-31 10:00"))
    bench.hear(bench.admit(admitted, "V2"))
    assert bool(bench.tasks("readmission-30d")) is fires
