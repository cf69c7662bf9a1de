"""A cross-walk of patients' numbers is loaded: first what it would link, then the links (decision 9)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request
from pydantic import BaseModel, Field

from gateway.api.auth import facilities_of, gateway_of, needs, new_router, record
from gateway.api.models import TEXT, Actor, Asked, Reason
from gateway.api.problems import Problem, ProblemDocument
from gateway.api.restricted import hidden
from gateway.coordination.changes import Link
from gateway.crosswalk import Judged, judge, lanes_of_number
from gateway.pipeline import Conflict
from gateway.store import crosswalk
from gateway.store.crosswalk import Number

router = new_router("patients")

_Text = Annotated[str, Field(min_length=1, max_length=200, pattern=TEXT)]


class CrosswalkRow(Asked):
    """Two numbers of one person."""

    authority: _Text
    value: _Text
    other_authority: _Text
    other_value: _Text


class CrosswalkAct(Asked):
    """Who loads the cross-walk, and why."""

    actor: Actor
    reason: Reason
    rows: list[CrosswalkRow] = Field(min_length=1, max_length=20000)
    dry_run: bool = Field(True, description="`true` only says what would be linked.")


class CrosswalkRowView(BaseModel):
    """What a row does; the numbers are not repeated."""

    row: int = Field(description="From 1, in the order of the request.", examples=[1])
    status: str = Field(
        description="link: it is, or would be, linked; known; unknown: neither number names a patient; "
        "conflict: they are two patients; restricted: the patient is not for this key.",
        examples=["link"],
    )
    patient_id: str | None


class CrosswalkView(BaseModel):
    """Every row, in order."""

    dry_run: bool
    rows: list[CrosswalkRowView]


@router.post(
    "/patients/_link",
    response_model=CrosswalkView,
    responses={403: {"model": ProblemDocument, "description": "The key does not see every facility"}},
)
@needs("patients:write")
async def link_patients(request: Request, act: CrosswalkAct) -> dict[str, Any]:
    """Give patients the further numbers that a cross-walk knows.  Nobody is merged: a row that names two patients is a
    conflict.  The key must see every facility.  Each link is audited."""
    if facilities_of(request) is not None:
        raise Problem(403, "forbidden", "A cross-walk concerns every facility; this key does not see them all.")
    store = gateway_of(request).store
    rows = [(Number(r.authority, r.value), Number(r.other_authority, r.other_value)) for r in act.rows]
    found = list(judge(rows, await crosswalk.owners(store, {number for row in rows for number in row})))
    unseen = await hidden(request, "Patient", (one.owner.patient_id for one in found if one.owner is not None))
    await record(request, "patient.crosswalk", "patients", detail=f"{len(rows)} rows", actor=act.actor)
    shown = []
    for number, one in enumerate(found, 1):
        status, patient_id = one.status, one.owner.patient_id if one.owner is not None else None
        if patient_id in unseen:
            status, patient_id = "restricted", None
        elif status == "link" and not act.dry_run:
            status = await _link(request, act, one)
        shown.append({"row": number, "status": status, "patient_id": patient_id})
    return {"dry_run": act.dry_run, "rows": shown}


async def _link(request: Request, act: CrosswalkAct, one: Judged) -> str:
    """The row's status: somebody may have been faster."""
    assert one.owner is not None and one.number is not None
    gateway = gateway_of(request)
    splits = {getattr(channel, "split_lanes", 0) for channel in gateway.settings.channel}
    link = Link(
        patient_id=one.owner.patient_id,
        authority=one.number.authority,
        value=one.number.value,
        lanes=lanes_of_number(one.number, splits),
        actor=act.actor,
    )
    await record(
        request,
        "patient.link",
        one.owner.patient_id,
        facility_id=one.owner.facility_id,
        actor=act.actor,
        detail=act.reason[:200],
    )
    try:
        await gateway.ask(link)
    except Conflict:
        return "conflict"
    return "link"
