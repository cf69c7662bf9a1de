"""Questions to payers: ask for eligibility or authorization, see what is outstanding, ask again."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

import msgspec
from fastapi import Query, Request
from pydantic import BaseModel, Field

from gateway.api.auth import facilities_of, gateway_of, needs, new_router, record
from gateway.api.models import TEXT, Actor, Asked, Ident, Page, model_of, shown
from gateway.api.problems import ProblemDocument, not_found
from gateway.api.restricted import require, visible
from gateway.coordination import records
from gateway.coordination.changes import Ask
from gateway.store import inquiries
from gateway.store.ports import Reply, WriteSet
from parsers.x12.acknowledgement import number_interchange

router = new_router("inquiries")
_ABSENT: dict[int | str, dict[str, Any]] = {404: {"model": ProblemDocument, "description": "No such patient"}}
_REFUSED = _ABSENT | {422: {"model": ProblemDocument, "description": "The question cannot be put; `detail` says why"}}

Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,48}$")]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class SentDocument(BaseModel):
    """One interchange that went out for a question."""

    partner: str = Field(examples=["PAYER5"])
    control_number: int = Field(description="ISA13 and GS06.", examples=[42])
    made_at: Any = Field(description="When it was made.")
    delivered: bool = Field(description="False while it waits for its channel.")


Inquiry: type[BaseModel] = model_of(records.Inquiry, "request_json", "member_id", documents=(list[SentDocument], ...))


class Question(Asked):
    """What both kinds of question have."""

    actor: Actor
    patient_id: Ident
    coverage_id: Ident | None = Field(None, description="Empty: the patient's first insurance on file.")
    encounter_id: Ident | None = None
    appointment_id: Ident | None = None
    service_on: Day | None = None
    service_ends_on: Day | None = None
    procedures: list[Code] = Field([], max_length=20, description="HCPCS or CPT codes.", examples=[["71250"]])
    dry_run: bool = Field(False, description="`true` shows the X12 and sends nothing.")


class EligibilityQuestion(Question):
    """A 270."""

    service_types: list[Code] = Field([], max_length=20, description="EQ01; empty: the settings.", examples=[["30"]])


class AuthorizationQuestion(Question):
    """A 278: request, inquiry (X215), cancellation or extension."""

    kind: str = Field("authorization", pattern="^(authorization|inquiry|cancellation|extension)$")
    authorization_id: Ident | None = Field(None, description="Needed for all kinds but a new request.")
    category: str = Field("HS", pattern="^(AR|HS|SC|IN)$", description="UM01.")
    certification: str = Field("I", pattern="^[IRS12N]$", description="UM02: I, R, S; appeal 1, 2 or N.")
    service_type: Code | None = Field(None, description="UM03.")
    place: Code | None = Field(None, description="Place of service (UM04).", examples=["22"])
    quantity: str | None = Field(None, pattern=r"^[0-9]{1,6}$")
    unit: str | None = Field(None, pattern="^(UN|VS|DY|HS|MN|FL)$")
    urgent: bool = False
    admission_on: Day | None = None
    diagnoses: list[str] = Field([], max_length=12, description="ICD-10-CM, the principal one first.")


class QuestionAnswer(BaseModel):
    """The question as it is kept, and, for a dry run, the X12 that would go out (control numbers 0)."""

    inquiry: Inquiry | None = Field(description="Absent for a dry run.")  # type: ignore[valid-type]
    x12: list[str] = Field(description="Documents of a dry run.", examples=[[]])


@router.post("/eligibility-requests", response_model=QuestionAnswer, responses=_REFUSED)
@needs("inquiries:write")
async def ask_eligibility(request: Request, asked: EligibilityQuestion) -> dict[str, Any]:
    """Ask a payer whether a coverage is in force (270)."""
    given = asked.model_dump(exclude={"dry_run"})
    return await _ask(request, asked, given | {"kind": "eligibility"})


@router.post("/authorization-requests", response_model=QuestionAnswer, responses=_REFUSED)
@needs("inquiries:write")
async def ask_authorization(request: Request, asked: AuthorizationQuestion) -> dict[str, Any]:
    """Ask a payer for an authorization, about one, to cancel or to extend one (278)."""
    return await _ask(request, asked, asked.model_dump(exclude={"dry_run"}))


@router.get("/inquiries", response_model=Page[Inquiry])  # type: ignore[valid-type]
@needs("inquiries:read")
async def list_inquiries(
    request: Request,
    status: Annotated[str | None, Query(pattern=r"^[a-z-]{1,20}$", description="A status, or `outstanding`.")] = None,
    cursor: Annotated[str | None, Query(max_length=500, pattern=TEXT)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """Questions to payers, the newest first."""
    rows, following = await inquiries.list_inquiries(
        gateway_of(request).store, facilities_of(request), status=status, cursor=cursor, limit=limit
    )
    return {"items": [shown(row) for row in await visible(request, rows)], "next": following}


class Resend(Asked):
    """Who asks again."""

    actor: Actor
    dry_run: bool = False


@router.post("/inquiries/{inquiry_id}/resend", response_model=QuestionAnswer, responses=_REFUSED)
@needs("inquiries:write")
async def resend(request: Request, inquiry_id: Ident, act: Resend) -> dict[str, Any]:
    """Send the same question once more: same trace and BHT03, a new control number."""
    found = await inquiries.inquiry(gateway_of(request).store, facilities_of(request), inquiry_id)
    if found is None:
        raise not_found()
    given = {"kind": found["kind"], "patient_id": found["patient_id"], "actor": act.actor, "inquiry_id": inquiry_id}
    return await _ask(request, act, given)


async def _ask(request: Request, asked: Any, given: dict[str, Any]) -> dict[str, Any]:
    gateway = gateway_of(request)
    facility_id = await inquiries.patient_place(gateway.store, facilities_of(request), given["patient_id"])
    if facility_id is None:
        raise not_found()
    await require(request, "Patient", given["patient_id"])
    question = msgspec.convert(given | {"request_id": uuid.uuid4().hex}, Ask)
    if not asked.dry_run:
        act = f"inquiry.{question.kind}"
        await record(request, act, question.patient_id, facility_id=facility_id, actor=question.actor)
    writes = await gateway.ask(question, dry_run=asked.dry_run)
    if asked.dry_run:
        return {"inquiry": None, "x12": _documents(writes)}
    inquiry_id = next(reply.inquiry_id for reply in writes.replies if reply.inquiry_id)
    found = await inquiries.inquiry(gateway.store, None, inquiry_id or "")
    return {"inquiry": shown(found or {}), "x12": []}


def _documents(writes: WriteSet) -> list[str]:
    def text(reply: Reply) -> str:
        return number_interchange(reply.body, 0).decode("latin-1")

    return [text(reply) for reply in writes.replies]
