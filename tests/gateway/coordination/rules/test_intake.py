"""family-contact-missing, interpreter-needed, social-risk-screen, preadmit-not-arrived, allergy-changed-active-plan,
patient-unlinked-review."""

from __future__ import annotations

import pytest

from gateway.coordination.changes import Cause, Ids
from gateway.coordination.draft import Draft
from gateway.coordination.records import Task
from gateway.coordination.rules import run_rules
from mappings.events import Allergy, Diagnosis, Identifier, PatientFacts

CONTACT, INTERPRETER, BEDSIDE = "family-contact-missing", "interpreter-needed", "interpreter-needed-inpatient"
SOCIAL, NOT_ARRIVED, ALLERGY = "social-risk-screen", "preadmit-not-arrived", "allergy-changed-active-plan"
ALL = (CONTACT, INTERPRETER, BEDSIDE, SOCIAL, NOT_ARRIVED, ALLERGY, "patient-unlinked-review")


@pytest.fixture
def desk(make_bench):
    return make_bench(enabled_rules=ALL)


def person(**facts: object) -> PatientFacts:
    return PatientFacts(key=Identifier(value="1001", authority="GH", type="MR"), family="DOE", **facts)


def test_nobody_to_call_a_day_after_the_admission(desk) -> None:
    desk.hear(desk.admit("2026-07-01 09:00"))
    desk.wait("2026-07-02 09:00")
    assert desk.task(CONTACT).due_at == desk.local("2026-07-07 23:59:59")
    desk.hear(desk.update("2026-07-02 10:00", patient=person(contact_known=True)))
    assert desk.task(CONTACT).business_status == "auto-resolved"


def test_known_contact_needs_nothing(desk) -> None:
    desk.hear(desk.admit("2026-07-01 09:00", patient=person(contact_known=True)))
    desk.wait("2026-07-03 09:00")
    assert desk.tasks(CONTACT) == []


def test_interpreter_for_a_booking_and_for_a_stay(desk) -> None:
    desk.hear(desk.admit("2026-07-01 09:00", patient=person(language="SPA")))
    assert desk.task(BEDSIDE).due_at == desk.local("2026-07-01 13:00")
    desk.hear(desk.visit("S12", "2026-07-01 10:00", "2026-07-08 10:00"))
    assert desk.task(INTERPRETER).due_at == desk.local("2026-07-07 10:00")
    desk.hear(desk.visit("S15", "2026-07-02 10:00", "2026-07-08 10:00"))
    assert desk.task(INTERPRETER).business_status == "retracted"


def test_language_of_the_house_needs_none(desk) -> None:
    desk.hear(desk.admit("2026-07-01 09:00", patient=person(language="ENG")))
    assert desk.tasks(BEDSIDE) == []


@pytest.mark.parametrize(
    ("who", "stay", "opens"),
    [
        (person(living_arrangement="A", birth_date="1940-01-01"), {}, True),
        (person(living_arrangement="A", birth_date="1990-01-01"), {}, False),
        (person(homeless=True), {}, True),
        (person(), {"diagnoses": (Diagnosis(code="Z59.0", system="I10"),)}, True),
        (person(), {"diagnoses": (Diagnosis(code="I50.9", system="I10"),)}, False),
    ],
)
def test_signs_of_a_social_risk(desk, who: PatientFacts, stay: dict, opens: bool) -> None:
    desk.hear(desk.admit("2026-07-01 09:00", patient=who, **stay))
    desk.hear(desk.update("2026-07-02 09:00", hospital_service="MED"))
    assert len(desk.tasks(SOCIAL)) == opens


def test_expected_patient_who_did_not_come(desk) -> None:
    desk.hear(desk.preadmit("2026-07-01 09:00", expected_admit_at=desk.local("2026-07-06 08:00")))
    desk.wait("2026-07-07 08:00")
    assert desk.task(NOT_ARRIVED).due_at == desk.local("2026-07-08 23:59:59")
    desk.hear(desk.admit("2026-07-07 10:00"))
    assert desk.task(NOT_ARRIVED).business_status == "auto-resolved"


@pytest.mark.parametrize(("severity", "opens"), [("SV", True), ("MI", False)])
def test_severe_allergy_during_a_stay(desk, severity: str, opens: bool) -> None:
    desk.hear(desk.admit("2026-07-01 09:00"))
    found = person(allergies=(Allergy(id="7980", code="7980", severity=severity),))
    desk.hear(desk.update("2026-07-01 10:00", patient=found))
    assert bool(desk.tasks(ALLERGY)) is opens
    if opens:
        assert desk.task(ALLERGY).due_at == desk.local("2026-07-01 23:59:59")


def test_unlinked_charts_are_looked_at_by_the_records_desk(desk) -> None:
    desk.hear(desk.admit("2026-07-01 09:00"))
    patient = desk.subject.patient
    event = desk.event("patient.updated", "ADT^A37", "2026-07-01 10:00")
    cause = Cause(message_id="m-9", received_at=event.recorded_at, lanes=(1,))
    draft = Draft(desk.scope, event, cause, event.recorded_at, desk.settings, Ids(b"salt", cause))
    draft.update(patient, phone="1")
    draft.transition("unlinked", patient, None, "pat_other")
    run_rules(draft)
    (task,) = [row for row in draft.changes().upserts if isinstance(row, Task) and row.rule_id == ALL[-1]]
    assert task.queue == "records" and "pat_other" in task.task_key
