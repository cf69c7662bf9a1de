"""Going live: what `baton go-live` found open becomes tasks, patient by patient."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Request
from pydantic import BaseModel, Field

from gateway.api.auth import gateway_of, may_see, needs, new_router, record
from gateway.api.models import Actor, Asked, Ident
from gateway.api.problems import Problem, ProblemDocument, not_found
from gateway.coordination.changes import Adopt
from gateway.coordination.records import Task, Timer
from gateway.coordination.rules.registry import BY_ID
from gateway.pipeline import Conflict

router = new_router("channels")
_REFUSED: dict[int | str, dict[str, Any]] = {
    404: {"model": ProblemDocument, "description": "No such channel, or not for this key"},
    409: {"model": ProblemDocument, "description": "The channel is not live"},
}


class PatientFound(Asked):
    """One patient's open tasks and timers, each as the array of its fields in order."""

    patient_id: str = Field(max_length=80)
    tasks: list[list[Any]] = Field(max_length=500)
    timers: list[list[Any]] = Field(max_length=500)


class GoingLive(Asked):
    """What a shadow run found open, of up to 100 patients."""

    actor: Actor
    patients: list[PatientFound] = Field(max_length=100)


class WentLive(BaseModel):
    opened: int = Field(description="Tasks that were not there yet.")
    timers: int
    unknown: int = Field(description="Patients who are not known (any more).")


@router.post("/channels/{name}/go-live", response_model=WentLive, responses=_REFUSED)
@needs("channels:write")
async def go_live(request: Request, name: Ident, given: GoingLive) -> dict[str, int]:
    """Open what a shadow run found open, with its real due times; what is there already stays as it is."""
    gateway = gateway_of(request)
    channel = gateway.settings.find_channel(name)
    if channel is None or not may_see(request, channel.default_facility):
        raise not_found()
    if channel.stage != "live":
        raise Problem(409, "not-live", 'Set `stage = "live"` and reload first.')
    found = [_adopt(one, name, given.actor) for one in given.patients]
    await record(request, "channel.go-live", name, actor=given.actor, detail=f"{len(found)} patients")
    opened = timers = unknown = 0
    for one in found:
        try:
            writes = await gateway.ask(one)
        except Conflict:
            unknown += 1
            continue
        opened += len(writes.rows.get("tasks", ()))
        timers += len(writes.rows.get("timers", ()))
    return {"opened": opened, "timers": timers, "unknown": unknown}


def _adopt(found: PatientFound, channel: str, actor: str) -> Adopt:
    try:
        tasks = tuple(msgspec.convert(found.tasks, list[Task], strict=False))
        timers = tuple(msgspec.convert(found.timers, list[Timer], strict=False))
    except msgspec.ValidationError:
        raise Problem(422, "invalid-request", "A task or timer is not as this version has them.") from None
    if any(task.rule_id not in BY_ID for task in tasks):
        raise Problem(422, "invalid-request", "There is no such rule.")
    return Adopt(patient_id=found.patient_id, actor=actor, channel=channel, tasks=tasks, timers=timers)
