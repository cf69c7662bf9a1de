"""Patient, Encounter and Appointment."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from mappings.fhir.elements import (
    OWN,
    TERMINOLOGY,
    V3,
    Resource,
    Row,
    coding,
    concept,
    concepts,
    instant,
    kept,
    meta,
    named,
    period,
    present,
    reference,
    to_fhir_id,
)

GENDERS = {"F": "female", "M": "male", "O": "other", "A": "other", "U": "unknown", "N": "unknown"}
ENCOUNTER_STATUSES = {
    "preadmitted": "planned",
    "outpatient": "in-progress",
    "emergency": "in-progress",
    "observation": "in-progress",
    "inpatient": "in-progress",
    "on-leave": "onleave",
    "discharged": "finished",
    "expired": "finished",
    "cancelled": "cancelled",
    "deleted": "entered-in-error",
}
"""Domain reference 2.1."""
CLASSES = {
    "inpatient": "IMP",
    "outpatient": "AMB",
    "emergency": "EMER",
    "observation": "OBSENC",
    "preadmit": "PRENC",
}
"""Those with a code of v3 ActCode; the others keep what was sent, of table 0004 (domain reference 7.2)."""
DISPOSITIONS = {
    "home": "home",
    "home-health": "home",
    "acute-transfer": "other-hcf",
    "snf": "snf",
    "rehab": "rehab",
    "ltach": "long",
    "psych": "psy",
    "hospice": "hosp",
    "ama": "aadvice",
    "expired": "exp",
    "other": "oth",
}
DIAGNOSES = {"I10": "http://hl7.org/fhir/sid/icd-10-cm", "I9": "http://hl7.org/fhir/sid/icd-9-cm"}
_PARTICIPATION = f"{V3}ParticipationType"


def patient(row: Row, identifiers: Iterable[Row] = ()) -> Resource:
    merged = row["merged_into"]
    return kept(
        resourceType="Patient",
        id=to_fhir_id(row["patient_id"]),
        meta=meta(row),
        identifier=[_identifier(each) for each in identifiers]
        or [{"system": f"{OWN}authority:{row['authority']}", "value": row["mrn"]}],
        active=bool(row["active"]) and not merged,
        name=present(kept(family=row["family"], given=present(row["given"])) or None),
        telecom=present({"system": "phone", "value": row["phone"]} if row["phone"] else None),
        gender=GENDERS.get(row["sex"] or ""),
        birthDate=_day(row["birth_date"]),
        deceasedDateTime=instant(row["deceased_at"]),
        deceasedBoolean=True if row["deceased_source"] and not row["deceased_at"] else None,
        address=present({"text": row["address"]} if row["address"] else None),
        communication=present({"language": {"text": row["language"]}} if row["language"] else None),
        generalPractitioner=present(named("Practitioner", "practitioner", row["pcp_id"], row["pcp_name"])),
        link=present({"other": reference("Patient", merged), "type": "replaced-by"} if merged else None),
    )


def minimal_patient(row: Row) -> Resource:
    """For who lacks the grant: that there is somebody."""
    return {"resourceType": "Patient", "id": to_fhir_id(row["patient_id"]), "meta": meta(row, masked=True)}


def encounter(row: Row, locations: Iterable[Row] = ()) -> Resource:
    diagnoses: list[dict[str, Any]] = json.loads(row["diagnoses_json"] or "[]")
    number = row["visit_number"]
    attending = named("Practitioner", "practitioner", row["attending_id"], row["attending_name"])
    category = row["disposition_category"]
    return kept(
        resourceType="Encounter",
        id=to_fhir_id(row["encounter_id"]),
        meta=meta(row),
        identifier=present(
            kept(system=f"{OWN}visit:{row['visit_authority'] or row['facility_id']}", value=number) if number else None
        ),
        status=ENCOUNTER_STATUSES.get(row["status"], "unknown"),
        class_=encounter_class(row),
        serviceType=concept("http://terminology.hl7.org/CodeSystem/v2-0069", row["hospital_service"]),
        priority=concept("http://terminology.hl7.org/CodeSystem/v2-0007", row["admission_type"]),
        subject=reference("Patient", row["patient_id"]),
        participant=present(
            {"type": [concept(_PARTICIPATION, "ATND")], "individual": attending} if attending else None
        ),
        period=period(row["started_at"], row["discharged_at"]),
        reasonCode=[_diagnosis(each) for each in diagnoses if each.get("code")],
        hospitalization=kept(
            admitSource=concept("http://terminology.hl7.org/CodeSystem/v2-0023", row["admit_source"]),
            reAdmission=concept("http://terminology.hl7.org/CodeSystem/v2-0092", "R" if row["readmission"] else None),
            dischargeDisposition=kept(
                coding=present(
                    coding(f"{TERMINOLOGY}discharge-disposition", DISPOSITIONS.get(category or "")),
                    coding("http://terminology.hl7.org/CodeSystem/v2-0112", row["disposition"]),
                )
            ),
        ),
        location=[_location(each) for each in locations if not each["cancelled"]] or _here(row),
        serviceProvider=named("Organization", "facility", row["facility_id"]),
    )


def encounter_class(row: Row) -> Resource:
    code = CLASSES.get(row["class_"] or "")
    if code:
        return {"system": f"{V3}ActCode", "code": code}
    return {"system": "http://terminology.hl7.org/CodeSystem/v2-0004", "code": row["patient_class"] or "U"}


def appointment(row: Row) -> Resource:
    place = row["point_of_care"]
    provider = named("Practitioner", "practitioner", row["provider_id"], row["provider_name"])
    numbers = (("filler", row["filler_id"]), ("placer", row["placer_id"]))
    start, end = row["start_at"], row["end_at"]
    whole = start is not None and end is not None and end >= start  # app-2: both or neither
    return kept(
        resourceType="Appointment",
        id=to_fhir_id(row["appointment_id"]),
        meta=meta(row),
        identifier=[{"system": f"{OWN}{kind}-appointment", "value": number} for kind, number in numbers if number],
        status=_appointment_status(row["status"], whole),
        serviceType=concepts("service", [row["service"]]),
        appointmentType=concept("http://terminology.hl7.org/CodeSystem/v2-0276", row["type"]),
        reasonCode=concepts("appointment-reason", [row["reason"]]),
        start=instant(start) if whole else None,
        end=instant(end) if whole else None,
        created=instant(row["booked_at"]),
        comment=None if whole or start is None else f"starts {instant(start)}; the end was not sent",
        participant=present(
            {"actor": reference("Patient", row["patient_id"]), "status": "accepted"},
            {"actor": provider, "status": "accepted"} if provider else None,
            {"actor": {"type": "Location", "display": place}, "status": "accepted"} if place else None,
        ),
    )


def _appointment_status(status: str, whole: bool) -> str:
    """Constraint app-3: without start and end only proposed, cancelled and waitlist."""
    return status if whole or status in ("proposed", "cancelled", "waitlist") else "proposed"


def _identifier(row: Row) -> Resource:
    kind = concept("http://terminology.hl7.org/CodeSystem/v2-0203", row["type"])
    return kept(type=kind, system=f"{OWN}authority:{row['authority']}", value=row["value"])


def _diagnosis(each: Row) -> Resource:
    system = DIAGNOSES.get(str(each.get("system") or ""), f"{OWN}diagnosis")
    return kept(coding=present(coding(system, each["code"])), text=each.get("text"))


def _location(row: Row) -> Resource:
    ended = row["to_at"] is not None
    return kept(
        location={"type": "Location", "display": _place(row)},
        status="completed" if ended else "active",
        period=period(row["from_at"], row["to_at"]),
    )


def _here(row: Row) -> list[Resource]:
    return [{"location": {"type": "Location", "display": _place(row)}}] if row["point_of_care"] else []


def _place(row: Row) -> str:
    return " ".join(part for part in (row["point_of_care"], row["room"], row["bed"]) if part) or "unknown"


def _day(text: str | None) -> str | None:
    """A whole or partial date, as FHIR takes it."""
    return text if text and len(text) in (4, 7, 10) else None
