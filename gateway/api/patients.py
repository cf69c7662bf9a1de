"""Patients: the state of one with its timeline, and a search that keeps what is asked out of URLs (decision 24)."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from pydantic import BaseModel, Field, create_model

from gateway.api.auth import facilities_of, gateway_of, needs, new_router, record
from gateway.api.models import (
    Appointment,
    Authorization,
    Coverage,
    Encounter,
    EncounterLocation,
    Ident,
    Page,
    Patient,
    PatientIdentifier,
    PatientSearch,
    Task,
    Transition,
    shown,
)
from gateway.api.problems import Problem, ProblemDocument, not_found
from gateway.api.restricted import hidden, require_patient
from gateway.coordination.rules.scheduling import is_unresolved
from gateway.store import queries

router = new_router("patients")

PatientState: type[BaseModel] = create_model(
    "PatientState",
    __doc__="Everything known about a patient, and what changed, newest first.",
    patient=(Patient, ...),
    identifiers=(list[PatientIdentifier], ...),  # type: ignore[valid-type]
    encounters=(list[Encounter], ...),  # type: ignore[valid-type]
    locations=(list[EncounterLocation], ...),  # type: ignore[valid-type]
    appointments=(list[Appointment], ...),  # type: ignore[valid-type]
    coverages=(list[Coverage], ...),  # type: ignore[valid-type]
    authorizations=(list[Authorization], ...),  # type: ignore[valid-type]
    tasks=(list[Task], ...),  # type: ignore[valid-type]
    timeline=(list[Transition], Field(description="Transitions, newest first.")),  # type: ignore[valid-type]
)


@router.get(
    "/patients/{patient_id}",
    response_model=PatientState,
    responses={404: {"model": ProblemDocument, "description": "No such patient"}},
)
@needs("patients:read")
async def show_patient(request: Request, patient_id: Ident) -> dict[str, Any]:
    """State and timeline of one patient by our id.  Audited."""
    found = await queries.patient_state(gateway_of(request).store, facilities_of(request), patient_id)
    if found is None:
        raise not_found()
    await require_patient(request, found)
    await record(request, "patient.read", patient_id, facility_id=found["patient"]["facility_id"])
    now = gateway_of(request).clock()
    for visit in found["appointments"]:
        visit["unresolved"] = is_unresolved(visit["status"], visit["end_at"] or visit["start_at"], now)
    lists = {name: [shown(row) for row in rows] for name, rows in found.items() if name != "patient"}
    return {"patient": shown(found["patient"]), **lists}


@router.post("/patients/_search", response_model=Page[Patient])  # type: ignore[valid-type]
@needs("patients:read")
async def search_patients(request: Request, search: PatientSearch) -> dict[str, Any]:
    """Patients by identifier, or by family name and birth date; at most 50.  Audited, without what was asked."""
    if not search.identifier and not (search.family and search.birth_date):
        raise Problem(422, "invalid-request", "Give an identifier, or family and birth_date.")
    rows = await queries.search_patients(
        gateway_of(request).store,
        facilities_of(request),
        identifier=search.identifier,
        authority=search.authority,
        family=search.family,
        birth_date=search.birth_date,
    )
    unseen = await hidden(request, "Patient", (row["patient_id"] for row in rows))
    rows = [row for row in rows if row["patient_id"] not in unseen]
    found = ",".join(row["patient_id"] for row in rows)
    await record(request, "patient.search", "patients", detail=f"found {len(rows)}: {found}" if rows else "found 0")
    return {"items": [shown(row) for row in rows], "next": None}
