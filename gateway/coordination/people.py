"""Who does the work: teams, coordinators, the panels they follow, and who stands in for whom.

`place` is pure: from the configuration, the absences and everybody's load it says whose a task is.  What it promises:
nobody who is away or has left is given work; a task always has a pool of people who may take it, in the end the
fallback team's; whoever comes back gets back what was covered for him, unless somebody is in the middle of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

PULL = "pull"
PANEL = "panel"
BALANCE = "balance"
ABSENT_RULE = "assignee-absent-reassign"


class Coordinator(msgspec.Struct, frozen=True, kw_only=True):
    """`capacity`: open tasks beyond which nothing more is given to him; 0: no limit."""

    id: str
    active: bool = True
    capacity: int = 0


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """`facilities` empty: all.  `assign`: pull (people take), panel (to whoever follows the patient), balance (to
    whoever follows the patient, else to the one with the least to do)."""

    id: str
    members: tuple[str, ...]
    queues: tuple[str, ...] = ()
    lead: str | None = None
    facilities: tuple[str, ...] = ()
    assign: str = PULL


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """Which patients a coordinator follows: all criteria that are given must hold, each by one of its values."""

    id: str
    coordinator: str
    patients: tuple[str, ...] = ()  # our ids, or authority|number
    pcps: tuple[str, ...] = ()
    payers: tuple[str, ...] = ()
    facilities: tuple[str, ...] = ()
    diagnoses: tuple[str, ...] = ()  # ICD-10-CM prefixes, dots left out
    queues: tuple[str, ...] = ()


class People(msgspec.Struct, frozen=True, kw_only=True):
    coordinators: Mapping[str, Coordinator] = msgspec.field(default_factory=dict)
    teams: tuple[Team, ...] = ()
    panels: tuple[Panel, ...] = ()
    fallback: str = ""  # id of the team that takes what has no other

    def team(self, team_id: str | None) -> Team | None:
        return next((team for team in self.teams if team.id == team_id), None)


class Absence(msgspec.Struct, frozen=True, kw_only=True):
    """`ends_at` None: until somebody ends it."""

    absence_id: str
    person: str
    begins_at: datetime
    ends_at: datetime | None = None
    substitute: str | None = None

    def holds(self, now: datetime) -> bool:
        return self.begins_at <= now and (self.ends_at is None or now < self.ends_at)


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A task, and what is known of its patient that panels ask for."""

    task_id: str
    queue: str
    facility_id: str
    patient_id: str
    revision: int = 1
    team: str | None = None
    status: str = "requested"
    business_status: str | None = None
    owner: str | None = None
    covering_for: str | None = None
    identifiers: frozenset[str] = frozenset()  # authority|number
    pcp_id: str | None = None
    payers: frozenset[str] = frozenset()
    diagnoses: tuple[str, ...] = ()


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """`pool`: who may take it; only empty when nobody is left at all."""

    team: str | None
    owner: str | None
    covering_for: str | None
    pool: tuple[str, ...]
    because: str


class Desk:
    """One moment's view of the people: who is here, and how much each has."""

    def __init__(self, people: People, absences: Iterable[Absence], loads: Mapping[str, int], now: datetime) -> None:
        self._people = people
        self._away = {absence.person: absence for absence in absences if absence.holds(now)}
        self._loads = dict(loads)

    def is_here(self, person: str) -> bool:
        """Not away and not left.  Whoever is not configured is taken to be here."""
        known = self._people.coordinators.get(person)
        return person not in self._away and (known is None or known.active)

    def gave(self, person: str) -> None:
        """One task more for him."""
        self._loads[person] = self._loads.get(person, 0) + 1

    def stand_in(self, person: str) -> str | None:
        """Whoever is here at the end of the chain of substitutes; None when it ends in nobody, or in a circle."""
        passed = {person}
        current: str | None = person
        while current is not None and not self.is_here(current):
            absence = self._away.get(current)
            current = absence.substitute if absence is not None else None
            if current in passed:
                return None
            if current is not None:
                passed.add(current)
        return current

    def pool(self, queue: str, facility_id: str) -> tuple[Team | None, tuple[str, ...]]:
        """(team, its members who are here): of the queue, else of the fallback; at last the whole fallback team."""
        for team in self._people.teams:
            if queue in team.queues and (not team.facilities or facility_id in team.facilities):
                here = self._here(team.members)
                if here:
                    return team, here
        fallback = self._people.team(self._people.fallback)
        if fallback is None:
            return None, ()
        return fallback, self._here(fallback.members) or tuple(sorted(set(fallback.members)))

    def _here(self, members: Sequence[str]) -> tuple[str, ...]:
        return tuple(sorted(person for person in set(members) if self.is_here(person)))

    # -- whose it is -----------------------------------------------------------------------------------------------

    def place(self, work: Work) -> Placement:
        team, pool = self.pool(work.queue, work.facility_id)
        name = team.id if team is not None else None
        owner, covering_for, because = self._owner(work, team, pool)
        return Placement(team=name, owner=owner, covering_for=covering_for, pool=pool, because=because)

    def _owner(self, work: Work, team: Team | None, pool: tuple[str, ...]) -> tuple[str | None, str | None, str]:
        held = work.owner is not None and self.is_here(work.owner) and work.status == "in-progress"
        if work.covering_for is not None and self.is_here(work.covering_for) and not held:
            return work.covering_for, None, f"handed back to {work.covering_for}"
        if work.owner is not None:
            if self.is_here(work.owner):
                return work.owner, work.covering_for, "stays with its owner"
            first = work.covering_for or work.owner
            stand_in = self.stand_in(first) or self.stand_in(work.owner)
            if stand_in is not None:
                return stand_in, first, f"{stand_in} stands in for {first}"
            given = self._given(work, team, pool)
            return given, first, f"{first} is away: to {given or 'the team'}"
        if work.covering_for is not None and (given := self._given(work, team, pool)) is not None:
            return given, work.covering_for, f"{given} stands in for {work.covering_for}"
        if work.covering_for is not None:
            return None, work.covering_for, "waits in its queue"
        return self._new_owner(work, team, pool)

    def _new_owner(self, work: Work, team: Team | None, pool: tuple[str, ...]) -> tuple[str | None, str | None, str]:
        if team is None or team.assign == PULL or work.business_status == "returned":
            return None, None, "waits in its queue"
        follower = self._follower(work)
        if follower is not None:
            stand_in = self.stand_in(follower)
            if stand_in is not None:
                cover = follower if stand_in != follower else None
                words = f"{follower} follows the patient" + (f", {stand_in} stands in" if cover else "")
                return stand_in, cover, words
        given = self._given(work, team, pool)
        return given, None, f"{given} has the least to do" if given else "waits in its queue"

    def _follower(self, work: Work) -> str | None:
        return next((p.coordinator for p in self._people.panels if follows(p, work)), None)

    def _given(self, work: Work, team: Team | None, pool: tuple[str, ...]) -> str | None:
        """The one of the pool with the least to do, measured by his capacity; None when people take for themselves,
        when the task was given back, or when everybody has enough."""
        if team is None or team.assign != BALANCE or work.business_status == "returned":
            return None
        free = [person for person in pool if self.is_here(person) and self._share(person) < 1]
        return min(free, key=lambda person: (self._share(person), self._loads.get(person, 0), person), default=None)

    def _share(self, person: str) -> float:
        known = self._people.coordinators.get(person)
        capacity = known.capacity if known is not None else 0
        load = self._loads.get(person, 0)
        return load / capacity if capacity else load / (load + 1000)


def follows(panel: Panel, work: Work) -> bool:
    """Whether the patient of this work is on the panel.  A panel without any criterion follows nobody."""
    criteria = (
        (panel.patients, {work.patient_id} | work.identifiers),
        (panel.pcps, {work.pcp_id}),
        (panel.payers, work.payers),
        (panel.facilities, {work.facility_id}),
    )
    if panel.queues and work.queue not in panel.queues:
        return False
    given = [(wanted, held) for wanted, held in criteria if wanted]
    if panel.diagnoses and not any(code.startswith(panel.diagnoses) for code in work.diagnoses):
        return False
    return bool(given or panel.diagnoses) and all(not held.isdisjoint(wanted) for wanted, held in given)
