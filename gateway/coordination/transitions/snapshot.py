"""What a message says of a stay besides its status: PV1, PV2, DG1 as snapshot (domain reference 2.4, 2.5)."""

from __future__ import annotations

from datetime import datetime

from gateway.coordination.records import Encounter
from gateway.coordination.transitions.difference import differing, encoded, person_fields, stated_fields
from mappings.events import EncounterFacts

ALWAYS = (
    "account_number",
    "hospital_service",
    "admission_type",
    "admit_source",
    "readmission",
    "financial_class",
    "self_pay",
    "newborn",
    "restricted",
    "expected_admit_at",
    "expected_discharge_at",
    "expected_disposition",
    "expected_return_at",
    "drg",
    "length_estimate_days",
    "advance_directive",
)
DISCHARGE = ("disposition", "disposition_category", "discharged_at", "discharged_precision", "planned_readmission")
NO_DISCHARGE: dict[str, object] = {
    "discharged_at": None,
    "discharged_precision": None,
    "disposition": None,
    "disposition_category": None,
    "planned_readmission": False,
}


def snapshot_fields(encounter: Encounter, facts: EncounterFacts) -> dict[str, object]:
    """Fields that the message states otherwise than known, location, class and discharge apart."""
    changed = stated_fields(encounter, facts, ALWAYS)
    for role, person in (("attending", facts.attending), ("consulting", facts.consulting)):
        if person is not None:
            changed |= differing(encounter, person_fields(role, person))
    if facts.diagnoses is not None:
        diagnoses = encoded(facts.diagnoses)
        if diagnoses != encounter.diagnoses_json:
            changed["diagnoses_json"] = diagnoses
    return changed


def start_fields(encounter: Encounter, facts: EncounterFacts) -> dict[str, object]:
    """PV1-44 restated.  A converted stay keeps both its moments: after a conversion systems differ in which one they
    send there."""
    at = facts.admitted_at
    if at is None or encounter.via_conversion or encounter.status == "preadmitted" or at == encounter.started_at:
        return {}
    if encounter.inpatient_at is not None and encounter.inpatient_at == encounter.started_at:
        return {"started_at": at, "inpatient_at": at}
    return {"started_at": at}


def discharge_fields(encounter: Encounter, facts: EncounterFacts, at: datetime | None) -> dict[str, object]:
    """PV1-36, PV1-45 of a discharge or its correction; `at` stands in where the message has no time."""
    changed = stated_fields(encounter, facts, DISCHARGE)
    if facts.disposition is not None and facts.disposition_category is None:
        changed["disposition_category"] = "other"
    if facts.discharged_at is None and encounter.discharged_at is None:
        changed["discharged_at"] = at
    return changed
