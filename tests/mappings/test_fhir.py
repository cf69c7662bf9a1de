"""FHIR R4 rendering, read back by two other implementations: fhirclient (4.0.1), and fhir.resources (R4B)."""

from __future__ import annotations

import importlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.coordination import records
from mappings.fhir import bundle, notification, patient, payer, task
from mappings.fhir.elements import Resource, from_fhir_id, kept, to_fhir_id

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
STAMPS = {"facility_id": "GH", "revision": 3, "created_at": NOON, "updated_at": NOON, "recorded_at": NOON}


def row(record: type[msgspec.Struct], **given: Any) -> dict[str, Any]:
    """A row as the store gives it: every column, and `restricted`."""
    names = {field.name for field in msgspec.structs.fields(record)}
    stamps = {name: value for name, value in STAMPS.items() if name in names}
    mark = given.pop("restricted", False)
    return msgspec.structs.asdict(record(**stamps | given)) | {"restricted": mark}


def task_row(**given: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"task_id": "tsk_01f", "task_key": "k", "rule_id": "auth-denied", "rule_version": 2}
    values |= {"type": "appeal", "title": "File an appeal", "priority": "asap", "due_at": NOON, "queue": "appeals"}
    values |= {"status": "requested", "patient_id": "pat_01a", "reason": "The payer denied it", "opened_at": NOON}
    values |= {"evidence_json": '[{"message_id":"m-1","location":"HCR^1","value":"A3"}]', "encounter_id": "enc_01b"}
    return row(records.Task, **values | given)


def patient_row(**given: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"patient_id": "pat_01a", "authority": "GENHOSP", "mrn": "900123", "family": "TESTER"}
    values |= {"given": "ANNA", "birth_date": "1948-02-17", "sex": "F", "phone": "614 555 0100", "language": "ENG"}
    return row(records.Patient, **values | {"address": "1 MAIN ST", "pcp_id": "1234567893"} | given)


def encounter_row(**given: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"encounter_id": "enc_01b", "patient_id": "pat_01a", "status": "inpatient"}
    values |= {"class_": "inpatient", "visit_number": "V10001", "point_of_care": "4W", "started_at": NOON}
    values |= {"diagnoses_json": '[{"code":"I50.23","system":"I10","text":"Heart failure"}]', "attending_id": "A1077"}
    return row(records.Encounter, **values | {"admission_type": "E", "readmission": True} | given)


def appointment_row(**given: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"appointment_id": "apt_01c", "patient_id": "pat_01a", "status": "booked"}
    values |= {
        "start_at": NOON,
        "end_at": NOON + timedelta(minutes=30),
        "filler_id": "F5501",
        "provider_id": "1234567893",
    }
    return row(records.Appointment, **values | {"type": "OFFICE", "service": "HFU", "point_of_care": "ROOM2"} | given)


def coverage_row(**given: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"coverage_id": "cov_01d", "patient_id": "pat_01a", "payer_id": "PAYER5", "priority": 1}
    values |= {"member_id": "MBR900123", "plan_id": "PLAN9", "group_number": "GRP55", "effective_on": "2026-01-01"}
    values |= {"relationship": "SEL", "eligibility": "active", "eligibility_as_of": NOON}
    values |= {
        "services_json": '[{"service_type":"48","status":"active","authorization_required":"Y","in_network":"Y"}]'
    }
    return row(records.Coverage, **values | given)


def authorization_row(**given: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"authorization_id": "aut_01e", "patient_id": "pat_01a", "payer_id": "PAYER5"}
    values |= {"source": "278", "status": "denied", "number": "AUTH900777", "effective_on": "2026-11-16"}
    values |= {
        "decisions_json": '[{"level":"service","action":"A3","reasons":["0V"],"number":"N1"}]',
        "decided_at": NOON,
    }
    return row(records.Authorization, **values | given)


def attempt() -> Resource:
    change = row(
        records.TaskChange,
        task_id="tsk_01f",
        at=NOON,
        actor="jdoe",
        change="attempted",
        reason="rang out",
        detail_json='{"channel":"phone","outcome":"no-answer"}',
    )
    return task.communication(change, task_row())


def notification_of(type_: str, restricted: bool = False) -> Resource:
    stay, who = encounter_row(restricted=restricted), patient_row()
    event = {"id": "evt_1", "type": type_, "at": "2026-03-02T12:00:00Z"}
    parts = (patient.encounter(stay), patient.patient(who, [IDENTIFIER]), [payer.coverage(coverage_row())])
    return notification.message(event, *parts, source="urn:baton:gateway", destination="https://app.example.org/in")


REFUSED = coverage_row(
    eligibility="rejected", rejections_json='[{"reason":"75","meaning":"Not found"}]', rejected_at=NOON
)
PLACE = row(
    records.EncounterLocation, encounter_id="enc_01b", sequence=1, point_of_care="ED", message_id="m-1", from_at=NOON
)
IDENTIFIER = row(
    records.PatientIdentifier, authority="GENHOSP", value="900123", patient_id="pat_01a", type="MR", since=NOON
)
NOTE = row(records.TaskChange, task_id="tsk_01f", at=NOON, actor="jdoe", change="noted", reason="Call the sister")


def every_resource() -> dict[str, Resource | None]:
    return {
        "task": task.task(task_row(), [NOTE]),
        "task of a person": task.task(task_row(owner="jdoe", status="on-hold", business_status="awaiting-payer")),
        "restricted task": task.minimal_task(task_row(restricted=True)),
        "patient": patient.patient(patient_row(), [IDENTIFIER]),
        "dead patient": patient.patient(patient_row(deceased_source="PID")),
        "merged patient": patient.patient(patient_row(merged_into="pat_02")),
        "restricted patient": patient.minimal_patient(patient_row(restricted=True)),
        "encounter": patient.encounter(encounter_row(), [PLACE]),
        "discharged": patient.encounter(
            encounter_row(status="discharged", disposition="01", disposition_category="home", discharged_at=NOON)
        ),
        "recurring": patient.encounter(encounter_row(class_="recurring", patient_class="R", status="outpatient")),
        "appointment": patient.appointment(appointment_row()),
        "appointment without an end": patient.appointment(appointment_row(end_at=None)),
        "coverage": payer.coverage(coverage_row()),
        "eligibility": payer.eligibility_response(coverage_row()),
        "eligibility refused": payer.eligibility_response(REFUSED),
        "claim response": payer.claim_response(authorization_row()),
        "pended": payer.claim_response(authorization_row(status="pended", number=None, decisions_json="[]")),
        "attempt": attempt(),
        "outcome": bundle.operation_outcome(404, "There is nothing of this id."),
        "page": bundle.searchset("http://b/fhir", [task.task(task_row())], [], {"self": "http://b/fhir/Task"}),
        "notification": notification_of("encounter.discharged"),
        "capabilities": bundle.capability_statement(
            {"Task": {"_id": "token"}}, {"Task": ("Task:patient",)}, base="http://b/fhir", version="1", at=NOON
        ),
    }


EVERY = every_resource()


@pytest.mark.parametrize("name", EVERY)
def test_resource_is_read_back_by_fhirclient_unchanged(name: str) -> None:
    resource = json.loads(json.dumps(EVERY[name]))
    kind = resource["resourceType"]
    model = getattr(importlib.import_module(f"fhirclient.models.{kind.lower()}"), kind)
    assert model(resource, strict=True).as_json() == resource


@pytest.mark.parametrize("name", EVERY)
def test_resource_is_read_by_fhir_resources_too(name: str) -> None:
    resource = json.loads(json.dumps(EVERY[name]))
    kind = resource["resourceType"]
    model = getattr(importlib.import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    assert model.model_validate(resource).model_dump(exclude_none=True)["resourceType"] == kind


def test_task_says_what_the_table_of_the_domain_says() -> None:
    found = EVERY["task"]
    assert found is not None
    assert (found["id"], found["meta"]["versionId"]) == ("tsk-01f", "3")
    assert found["focus"] == found["encounter"] == {"reference": "Encounter/enc-01b"}
    assert found["for"] == {"reference": "Patient/pat-01a"}
    assert found["restriction"]["period"]["end"] == "2026-03-02T12:00:00Z"
    assert found["owner"]["type"] == "CareTeam" and found["owner"]["identifier"]["value"] == "appeals"
    assert found["reasonCode"]["coding"][0]["code"] == "auth-denied" and found["code"]["coding"][0]["code"] == "appeal"
    assert found["note"][0]["text"] == "Call the sister" and found["input"][0]["valueString"] == "m-1 HCR^1 A3"
    owned = EVERY["task of a person"]
    assert owned is not None and owned["owner"]["identifier"]["value"] == "jdoe"
    assert owned["businessStatus"]["coding"][0]["code"] == "awaiting-payer"


def test_minimal_task_has_id_type_and_due_time_alone() -> None:
    found = EVERY["restricted task"]
    assert found is not None
    assert set(found) == {"resourceType", "id", "meta", "status", "intent", "code", "restriction"}
    assert "text" not in found["code"]
    assert [label["code"] for label in found["meta"]["security"]] == ["R", "MASKED"]


def test_restricted_mark_is_a_security_label_of_every_kind() -> None:
    for render, made in [
        (task.task, task_row),
        (patient.patient, patient_row),
        (patient.encounter, encounter_row),
        (patient.appointment, appointment_row),
        (payer.coverage, coverage_row),
        (payer.claim_response, authorization_row),
    ]:
        assert render(made() | {"restricted": True})["meta"]["security"][0]["code"] == "R"  # type: ignore[operator]
        assert "security" not in render(made())["meta"]  # type: ignore[operator]


def test_encounter_class_and_disposition_are_those_of_r4() -> None:
    found = EVERY["discharged"]
    assert found is not None and found["status"] == "finished"
    assert found["class"]["code"] == "IMP" and found["period"]["end"] == "2026-03-02T12:00:00Z"
    codes = [each["code"] for each in found["hospitalization"]["dischargeDisposition"]["coding"]]
    assert codes == ["home", "01"]
    recurring = EVERY["recurring"]
    assert recurring is not None and recurring["class"]["system"].endswith("v2-0004")


def test_appointment_without_an_end_keeps_its_start_in_words() -> None:
    found = EVERY["appointment without an end"]
    assert found is not None and "start" not in found and "2026-03-02T12:00:00Z" in found["comment"]


def test_denial_shows_its_action_and_reason() -> None:
    found = EVERY["claim response"]
    assert found is not None and (found["outcome"], found["disposition"]) == ("complete", "denied")
    parts = found["item"][0]["adjudication"][0]["extension"][0]["extension"]
    assert parts[0]["valueCodeableConcept"]["coding"][0]["code"] == "A3"
    assert [part["url"] for part in parts][1:] == ["number", "reasonCode"]


def test_payer_that_never_answered_has_no_eligibility_response() -> None:
    assert payer.eligibility_response(coverage_row(eligibility=None, eligibility_as_of=None)) is None
    refused = EVERY["eligibility refused"]
    assert refused is not None and refused["outcome"] == "error" and "insurance" not in refused


def test_elements_without_a_value_are_absent() -> None:
    assert kept(a=None, b="", c=[], d=False, e=0, for_="x") == {"d": False, "e": 0, "for": "x"}


@given(st.from_regex(r"[a-z]{3}_[0-9a-f]{27}", fullmatch=True))
@settings(max_examples=20)
def test_our_ids_are_fhir_ids_and_back(id_: str) -> None:
    assert from_fhir_id(f"Task/{to_fhir_id(id_)}") == id_ and "_" not in to_fhir_id(id_)


def test_notification_is_a_message_whose_references_stay_inside() -> None:
    found = notification_of("encounter.admitted", restricted=True)
    header, *others = [entry["resource"] for entry in found["entry"]]
    assert header["eventCoding"]["code"] == "notification-admit"
    assert [each["resourceType"] for each in others] == ["Encounter", "Patient", "Coverage"]
    names = {entry["fullUrl"] for entry in found["entry"]}
    assert header["focus"][0]["reference"] == found["entry"][1]["fullUrl"]
    for reference in (others[0]["subject"], others[2]["beneficiary"]):
        assert reference["reference"] == found["entry"][2]["fullUrl"] in names
    assert found["meta"]["security"][0]["code"] == "R" and found == notification_of(
        "encounter.admitted", restricted=True
    )
