"""People: teams and their load, absences, digests, and which rules tire them."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel, Field

from gateway.api.auth import facilities_of, gateway_of, needs, new_router, record
from gateway.api.models import TEXT, Actor, Asked, Ident, Moment, Page, Reason
from gateway.api.problems import Problem, ProblemDocument, not_found
from gateway.api.restricted import minimal_tasks
from gateway.coordination.people import Absence, Desk
from gateway.store import digests, staffing

router = new_router("people")
_ABSENT: dict[int | str, dict[str, Any]] = {404: {"model": ProblemDocument, "description": "There is none"}}
Person = Annotated[str, Query(max_length=120, pattern=TEXT, description="The person's id.", examples=["jdoe"])]


class MemberView(BaseModel):
    """One member of a team."""

    person: str
    here: bool = Field(description="Not absent, and has not left.")
    substitute: str | None = Field(description="Who stands in now.")
    open: int = Field(description="Open tasks.")
    capacity: int = Field(description="0: no limit.")


class TeamView(BaseModel):
    team: str
    queues: list[str]
    lead: str | None
    assign: str
    members: list[MemberView]


class Uncovered(BaseModel):
    """Open tasks of a queue and facility for which no team is here: the fallback's, or nobody's."""

    queue: str
    facility_id: str
    open: int
    unowned: int
    team: str | None = Field(description="Who takes them instead; null: nobody may.")


class PeopleView(BaseModel):
    teams: list[TeamView]
    uncovered: list[Uncovered]


class AbsenceView(BaseModel):
    absence_id: str
    person: str
    begins_at: datetime
    ends_at: datetime | None
    substitute: str | None
    actor: str
    reason: str | None
    entered_at: datetime
    handed_back_at: datetime | None


class AbsenceToEnter(Asked):
    """Who is away from when to when, and who stands in.  Open tasks go to the substitute, else to the team."""

    actor: Actor
    person: Actor
    begins_at: Moment | None = Field(None, description="Default: now.")
    ends_at: Moment | None = Field(None, description="Default: until somebody ends it.")
    substitute: Actor | None = None
    reason: Reason | None = None


class AbsenceEnd(Asked):
    """Who ends an absence before its time."""

    actor: Actor


class DigestTask(BaseModel):
    task_id: str
    facility_id: str
    title: str
    priority: str
    due_at: datetime
    queue: str
    status: str
    owner: str | None
    covering_for: str | None


class DigestSection(BaseModel):
    name: str = Field(
        description="overdue, due-today, new, covering, withdrawn, handed-back, while-away, escalated (for leads)."
    )
    tasks: list[DigestTask]


class DigestView(BaseModel):
    person: str
    day: str | None = Field(description="Of a kept one; null: made now.")
    since: datetime
    sections: list[DigestSection]


class Fatigue(BaseModel):
    """One rule and what became of the tasks that it opened in that time."""

    rule: str
    raised: int
    open: int
    done: int = Field(description="Ended by a person who did something.")
    resolved: int = Field(description="Ended by a message that showed the work done.")
    withdrawn: int = Field(description="Ended because their reason went away.")
    no_action: int = Field(description="Ended by a person: nothing to do.")
    untouched: int = Field(description="Ended by a message before anybody took them.")
    no_action_share: float | None = Field(description="Of those that ended.")
    per_person: float | None = Field(description="Raised per owner and day.")


@router.get("/people", response_model=PeopleView)
@needs("tasks:read")
async def show_people(request: Request) -> dict[str, Any]:
    """Teams with who is here and how much each has; and the work for which no team of its own is here."""
    gateway, facilities = gateway_of(request), facilities_of(request)
    people, loads = gateway.settings.staff, await staffing.loads(gateway.store)
    desk = Desk(people, await staffing.unsettled_absences(gateway.store), loads, gateway.clock())

    def member(person: str) -> dict[str, Any]:
        known = people.coordinators.get(person)
        here = desk.is_here(person)
        return {
            "person": person,
            "here": here,
            "substitute": None if here else desk.stand_in(person),
            "open": loads.get(person, 0),
            "capacity": known.capacity if known else 0,
        }

    teams = [
        {
            "team": team.id,
            "queues": list(team.queues),
            "lead": team.lead,
            "assign": team.assign,
            "members": [member(person) for person in team.members],
        }
        for team in people.teams
        if facilities is None or not team.facilities or facilities & set(team.facilities)
    ]
    uncovered = []
    for row in await staffing.open_by_place(gateway.store):
        team, _ = desk.pool(row["queue"], row["facility_id"])
        own = team is not None and row["queue"] in team.queues
        if not own and (facilities is None or row["facility_id"] in facilities):
            uncovered.append(row | {"team": team.id if team else None})
    return {"teams": teams, "uncovered": uncovered}


@router.get("/people/{person}/digest", response_model=DigestView, responses=_ABSENT)
@needs("tasks:read")
async def show_digest(
    request: Request,
    person: Ident,
    day: Annotated[str | None, Query(pattern=r"^\d{4}-\d{2}-\d{2}$", description="One that was kept.")] = None,
    since: Annotated[Moment | None, Query(description="Made now, of what happened since; default 24 hours.")] = None,
) -> dict[str, Any]:
    """What is this person's, what is due, and what became of it: withdrawn, covered, handed back."""
    gateway = gateway_of(request)
    if day is not None:
        kept = await digests.kept_digest(gateway.store, person, day)
        if kept is None:
            raise not_found()
        found = kept[1]
    else:
        now = gateway.clock()
        found = await digests.digest(
            gateway.store, gateway.settings.staff, person, now, since or now - timedelta(hours=24)
        )
    found = found.seen_by(facilities_of(request))
    sections = [{"name": one.name, "tasks": await minimal_tasks(request, one.tasks)} for one in found.sections]
    return {"person": person, "day": day, "since": found.since, "sections": sections}


@router.get("/absences", response_model=Page[AbsenceView])
@needs("tasks:read")
async def list_absences(request: Request, person: Person | None = None) -> dict[str, Any]:
    """Who is or was away, the latest first."""
    return {"items": await staffing.absences(gateway_of(request).store, person=person), "next": None}


@router.post("/absences", response_model=AbsenceView, status_code=201)
@needs("tasks:write")
async def enter_absence(request: Request, given: AbsenceToEnter) -> dict[str, Any]:
    """Somebody is away: the desk moves open tasks when it begins and gives them back when it ends."""
    gateway = gateway_of(request)
    begins_at = given.begins_at or gateway.clock()
    if given.ends_at is not None and given.ends_at <= begins_at:
        raise Problem(422, "invalid-request", "ends_at must be later than begins_at.")
    if given.substitute == given.person:
        raise Problem(422, "invalid-request", "Nobody stands in for himself.")
    absence = Absence(
        absence_id=f"abs_{secrets.token_hex(8)}",
        person=given.person,
        begins_at=begins_at,
        ends_at=given.ends_at,
        substitute=given.substitute,
    )
    await record(request, "absence.enter", absence.absence_id, actor=given.actor)
    await staffing.enter_absence(gateway.store, absence, given.actor, given.reason)
    return await _absence(request, absence.absence_id)


@router.post("/absences/{absence_id}/end", response_model=AbsenceView, responses=_ABSENT)
@needs("tasks:write")
async def end_absence(request: Request, absence_id: Ident, given: AbsenceEnd) -> dict[str, Any]:
    """He is back now, or does not go."""
    gateway = gateway_of(request)
    await record(request, "absence.end", absence_id, actor=given.actor)
    if not await staffing.end_absence(gateway.store, absence_id, gateway.clock()):
        raise not_found()
    return await _absence(request, absence_id)


async def _absence(request: Request, absence_id: str) -> dict[str, Any]:
    found = await staffing.absences(gateway_of(request).store)
    return next(row for row in found if row["absence_id"] == absence_id)


@router.get("/fatigue", response_model=Page[Fatigue])
@needs("tasks:read")
async def show_fatigue(
    request: Request,
    since: Annotated[Moment | None, Query(description="Opened since; default 30 days.")] = None,
    until: Annotated[Moment | None, Query(description="Opened before; default now.")] = None,
) -> dict[str, Any]:
    """Rules by how many of their tasks came to nothing, the most first."""
    gateway = gateway_of(request)
    end = until or gateway.clock()
    try:
        begin = since or end - timedelta(days=30)
    except OverflowError:
        raise Problem(422, "invalid-request", "Give `since` too.") from None
    rows = await digests.fatigue(gateway.store, facilities_of(request), begin, end)
    return {"items": rows, "next": None}
