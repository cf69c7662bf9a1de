"""Why there is no task, and what changed about a patient.  Every answer is written down in the audit."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from fastapi import Query, Request
from pydantic import BaseModel, Field

from gateway.api.auth import facilities_of, gateway_of, may_see, needs, new_router, record
from gateway.api.models import Cursor, Ident, Limit, Page, Transition, shown
from gateway.api.problems import Problem, ProblemDocument, not_found
from gateway.api.restricted import require_patient
from gateway.configuration import compute_configuration
from gateway.coordination.rules.registry import BY_ID
from gateway.shadow import worker
from gateway.shadow.explain import gather
from gateway.store import patient_log, queries

router = new_router("patients")
_ABSENT: dict[int | str, dict[str, Any]] = {404: {"model": ProblemDocument, "description": "No such patient"}}
_SLOW = _ABSENT | {504: {"model": ProblemDocument, "description": "It took too long"}}


class RuleView(BaseModel):
    """What one rule made of it."""

    rule_id: str
    outcome: str = Field(description="opened, closed or stopped.")
    because: str = Field(description="The condition that stopped it, or the reason.")
    about: str = Field(description="Our id or key of what it looked at.")


class ToldView(BaseModel):
    """One message of the time, or one timer that fired in it."""

    at: datetime
    message_id: str
    facility_id: str
    channel: str
    message_type: str
    control_id: str
    timer: str | None = Field(description="rule|kind of a timer; `message_id` is the one that set it.")
    ends: list[dict[str, Any]] = Field(description="How the items of the message really ended.")
    matched: bool = Field(description="It found this patient.")
    transitions: list[dict[str, Any]]
    tasks: list[dict[str, Any]]
    rules: list[RuleView]


class WhyNotView(BaseModel):
    patient_id: str
    since: datetime
    until: datetime
    rule: str | None
    scanned: int = Field(description="Messages of the time whose headers were looked at.")
    cut: bool = Field(description="There were more.")
    told: list[ToldView]
    says: str = Field(description="The answer in a sentence.")


@router.get("/patients/{patient_id}/why-not", response_model=WhyNotView, responses=_SLOW)
@needs("patients:read")
async def explain_absence(
    request: Request,
    patient_id: Ident,
    day: Annotated[date | None, Query(description="In the zone of the first facility; default today.")] = None,
    rule: Annotated[str | None, Query(max_length=60, examples=["discharge-contact-2bd"])] = None,
) -> dict[str, Any]:
    """Every message of a patient's day, how it ended, and what stopped each rule.  Audited.

    How messages ended is what happened; what rules made of them is computed anew by the present settings.
    """
    gateway = gateway_of(request)
    if rule is not None and rule not in BY_ID:
        raise Problem(422, "invalid-request", "There is no such rule.")
    await _visible(request, patient_id)
    zone = ZoneInfo(gateway.settings.facility[0].zone)
    chosen = day or gateway.clock().astimezone(zone).date()
    try:
        start = datetime(chosen.year, chosen.month, chosen.day, tzinfo=zone)
        since, until = start.astimezone(UTC), (start + timedelta(days=1)).astimezone(UTC)
    except OverflowError:
        raise Problem(422, "invalid-request", "There is no such day.") from None
    evidence = await gather(gateway.store, patient_id, since, min(until, gateway.clock()))
    configuration = compute_configuration(gateway.settings, await gateway.store.salt())
    asked = worker.Request(
        configuration=configuration, evidence=evidence, since=since, until=min(until, gateway.clock()), rule=rule
    )
    try:
        found = await worker.ask(asked)
    except worker.Unanswered:
        raise Problem(504, "too-slow", "It took too long; ask `baton why-not` on the machine.") from None
    found.told = [told for told in found.told if may_see(request, told.facility_id)]
    return dict(msgspec.to_builtins(found))


@router.get(
    "/patients/{patient_id}/transitions",
    response_model=Page[Transition],  # type: ignore[valid-type]
    responses=_ABSENT,
)
@needs("patients:read")
async def list_transitions(
    request: Request, patient_id: Ident, cursor: Cursor = None, limit: Limit = 100
) -> dict[str, Any]:
    """What changed about a patient, from what to what, by which message; the newest first.  Audited."""
    await _visible(request, patient_id)
    store, facilities = gateway_of(request).store, facilities_of(request)
    rows, after = await patient_log.transitions(store, facilities, patient_id, cursor, limit)
    return {"items": [shown(row) for row in rows], "next": after}


async def _visible(request: Request, patient_id: str) -> None:
    found = await queries.patient_state(gateway_of(request).store, facilities_of(request), patient_id)
    if found is None:
        raise not_found()
    await require_patient(request, found)
    action = f"patient.{request.url.path.rpartition('/')[2]}"
    await record(request, action, patient_id, facility_id=found["patient"]["facility_id"])
