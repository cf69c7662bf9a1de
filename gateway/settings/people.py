"""Settings of people: teams, coordinators, panels.  Absences are entered while running (API, `baton absences`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from gateway.coordination.people import Coordinator, Panel, People, Team
from gateway.settings.channels import Name
from gateway.settings.section import Section


class PeopleSection(Section):
    """How work finds people.  Without a `[[team]]` nothing is placed: tasks wait in their queues."""

    fallback: str = Field(
        default="", description="Team that takes what has no other; needed as soon as there is a `[[team]]`."
    )
    digest_at: str = Field(
        default="07:00",
        pattern=r"^[0-2]\d:[0-5]\d$",
        description="When the daily digests are made, in the zone of the first facility.",
    )
    desk_seconds: float = Field(default=5.0, gt=0, le=300, description="Seconds between two looks at what to place.")


class TeamSection(Section):
    """People who share queues."""

    id: Name = Field(description="Our id.")
    members: tuple[str, ...] = Field(min_length=1, description="Ids of people.")
    queues: tuple[str, ...] = Field(default=(), description="Queues whose tasks are this team's.")
    lead: str | None = Field(default=None, description="Who is told of what escalates.")
    facilities: tuple[str, ...] = Field(default=(), description="Facility ids; empty: all.")
    assign: Literal["pull", "panel", "balance"] = Field(
        default="pull",
        description="`pull`: people take tasks; `panel`: to whoever follows the patient; `balance`: to whoever follows "
        "the patient, else to the one with the least to do.",
    )


class CoordinatorSection(Section):
    """One person.  Whoever is not listed has no limit and counts as here."""

    id: str = Field(min_length=1, max_length=120, description="The person's id: `actor` and `owner` of tasks.")
    active: bool = Field(default=True, description="`false`: has left; open tasks go to the team.")
    capacity: int = Field(default=0, ge=0, description="Open tasks beyond which no more are given; 0: no limit.")


class PanelSection(Section):
    """Patients whom one coordinator follows: everything given must hold, each by one of its values."""

    id: Name = Field(description="Our id.")
    coordinator: str = Field(min_length=1, max_length=120, description="Who follows them.")
    patients: tuple[str, ...] = Field(default=(), description="Our patient ids, or `authority|number`.")
    pcps: tuple[str, ...] = Field(default=(), description="Primary care providers (PD1-4.1).")
    payers: tuple[str, ...] = Field(default=(), description="Payer ids of current coverages.")
    facilities: tuple[str, ...] = Field(default=(), description="Facility ids.")
    diagnosis_groups: tuple[str, ...] = Field(
        default=(), description="Condition groups, or ICD-10-CM prefixes such as `I50`."
    )
    queues: tuple[str, ...] = Field(default=(), description="Only tasks of these queues; empty: all.")


def people_of(
    people: PeopleSection,
    teams: tuple[TeamSection, ...],
    coordinators: tuple[CoordinatorSection, ...],
    panels: tuple[PanelSection, ...],
    groups: dict[str, tuple[str, ...]],
) -> People:
    """The configuration as the desk reads it; `groups`: condition group -> ICD-10-CM prefixes."""
    return People(
        coordinators={one.id: Coordinator(**one.model_dump()) for one in coordinators},
        teams=tuple(Team(**team.model_dump()) for team in teams),
        panels=tuple(_panel(panel, groups) for panel in panels),
        fallback=people.fallback,
    )


def _panel(panel: PanelSection, groups: dict[str, tuple[str, ...]]) -> Panel:
    given = panel.model_dump()
    wanted = given.pop("diagnosis_groups")
    prefixes = [code for name in wanted for code in groups.get(name, (name,))]
    return Panel(**given, diagnoses=tuple(code.replace(".", "") for code in prefixes))


Odd = tuple[tuple[str | int, ...], Literal["error", "warning"], str, str]


def odd_people(people: People) -> Iterator[Odd]:
    """(place, severity, what is wrong, cure) of what single values cannot show."""
    teams = [team.id for team in people.teams]
    if teams and people.fallback not in teams:
        cure = "Set `fallback` in [people] to a team, so that no task is without somebody who may take it."
        yield ("people", "fallback"), "error", "There are teams and no fallback team among them.", cure
    for index, team in enumerate(people.teams):
        if team.id in teams[:index]:
            yield ("team", index, "id"), "error", "This team id is used twice.", "Rename one of them."
        if not any(_active(people, person) for person in team.members):
            cure = "Add somebody, or set `active = true`."
            yield ("team", index, "members"), "warning", "Everybody in this team has left.", cure
    for index, panel in enumerate(people.panels):
        if not _active(people, panel.coordinator):
            cure = "Give the panel to somebody who is here."
            yield ("panel", index, "coordinator"), "warning", "This panel belongs to somebody who has left.", cure
        if not any((panel.patients, panel.pcps, panel.payers, panel.facilities, panel.diagnoses)):
            cure = "Say with patients, pcps, payers, facilities or diagnosis_groups whom it follows."
            yield ("panel", index, "id"), "warning", "This panel follows nobody.", cure


def _active(people: People, person: str) -> bool:
    known = people.coordinators.get(person)
    return known is None or known.active
