"""Whose a task is: nobody who is away, always somebody who may, back to whoever returns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.coordination.people import Absence, Coordinator, Desk, Panel, People, Placement, Team, Work, follows

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

TRANSITIONS = Team(id="transitions", members=("ann", "bob"), queues=("transitions",), lead="liz")
EVERYBODY = Team(id="everybody", members=("zoe",))
PEOPLE = People(teams=(TRANSITIONS, EVERYBODY), fallback="everybody")
WORK = Work(task_id="t", queue="transitions", facility_id="main", patient_id="pat_1")


def away(person: str, substitute: str | None = None, **changes: object) -> Absence:
    made = Absence(absence_id=f"abs-{person}", person=person, begins_at=NOW - HOUR, substitute=substitute)
    return msgspec.structs.replace(made, **changes)


def place(work: Work, *absences: Absence, people: People = PEOPLE, **loads: int) -> Placement:
    return Desk(people, absences, loads, NOW).place(work)


def with_team(**changes: object) -> People:
    team = msgspec.structs.replace(TRANSITIONS, **changes)
    return msgspec.structs.replace(PEOPLE, teams=(team, EVERYBODY))


def of(work: Work = WORK, **changes: object) -> Work:
    return msgspec.structs.replace(work, **changes)


def test_new_task_waits_in_the_queue_of_its_team() -> None:
    placed = place(WORK)
    assert (placed.team, placed.owner, placed.pool) == ("transitions", None, ("ann", "bob"))


@pytest.mark.parametrize(
    ("work", "absences"),
    [
        (of(queue="appeals"), ()),
        (WORK, (away("ann"), away("bob"))),
    ],
)
def test_task_without_a_team_that_is_here_goes_to_the_fallback(work: Work, absences: tuple[Absence, ...]) -> None:
    placed = place(work, *absences)
    assert (placed.team, placed.pool) == ("everybody", ("zoe",))


def test_task_of_another_facility_is_not_this_teams() -> None:
    people = with_team(facilities=("north",))
    assert place(WORK, people=people).team == "everybody"
    assert place(of(facility_id="north"), people=people).team == "transitions"


def test_fallback_whose_people_are_all_away_is_a_pool_all_the_same() -> None:
    assert place(of(queue="appeals"), away("zoe")).pool == ("zoe",)


def test_task_of_an_absent_owner_goes_to_the_substitute_and_remembers_him() -> None:
    placed = place(of(owner="ann"), away("ann", "bob"))
    assert (placed.owner, placed.covering_for) == ("bob", "ann")


def test_chain_of_substitutes_is_followed_to_whoever_is_here() -> None:
    assert place(of(owner="ann"), away("ann", "bob"), away("bob", "zoe")).owner == "zoe"


@pytest.mark.parametrize("substitute", [None, "bob"])
def test_substitutes_in_a_circle_or_none_give_the_task_to_the_team(substitute: str | None) -> None:
    placed = place(of(owner="ann"), away("ann", substitute), away("bob", "ann"))
    assert (placed.owner, placed.covering_for) == (None, "ann")


def test_owner_who_has_left_gives_the_task_to_the_team() -> None:
    people = msgspec.structs.replace(PEOPLE, coordinators={"ann": Coordinator(id="ann", active=False)})
    assert place(of(owner="ann"), people=people).owner is None


@pytest.mark.parametrize(("status", "owner"), [("accepted", "ann"), ("on-hold", "ann"), ("in-progress", "bob")])
def test_who_is_back_gets_his_task_unless_somebody_is_in_the_middle_of_it(status: str, owner: str) -> None:
    over = away("ann", "bob", ends_at=NOW)
    assert place(of(owner="bob", covering_for="ann", status=status), over).owner == owner


def test_absence_holds_from_its_begin_and_up_to_its_end() -> None:
    absence = away("ann", begins_at=NOW, ends_at=NOW + HOUR)
    assert [absence.holds(NOW + n * HOUR / 2) for n in (-1, 0, 1, 2)] == [False, True, True, False]


def test_balance_gives_to_whoever_has_least_measured_by_capacity() -> None:
    people = with_team(assign="balance")
    assert place(WORK, people=people, ann=3, bob=2).owner == "bob"
    limited = msgspec.structs.replace(people, coordinators={"bob": Coordinator(id="bob", capacity=2)})
    assert place(WORK, people=limited, ann=30, bob=2).owner == "ann"


def test_balance_leaves_in_the_queue_what_nobody_has_room_for_or_gave_back() -> None:
    people = with_team(assign="balance")
    full = {name: Coordinator(id=name, capacity=1) for name in ("ann", "bob")}
    assert place(WORK, people=msgspec.structs.replace(people, coordinators=full), ann=1, bob=1).owner is None
    assert place(of(business_status="returned"), people=people).owner is None


@pytest.mark.parametrize("assign", ["panel", "balance"])
def test_panel_gives_to_whoever_follows_the_patient(assign: str) -> None:
    panel = Panel(id="p", coordinator="bob", pcps=("D1",))
    people = msgspec.structs.replace(with_team(assign=assign), panels=(panel,))
    work = of(pcp_id="D1")
    assert place(work, people=people, bob=50).owner == "bob"
    covered = place(work, away("bob", "ann"), people=people)
    assert (covered.owner, covered.covering_for) == ("ann", "bob")


@pytest.mark.parametrize(
    ("panel", "matches"),
    [
        ({"patients": ("pat_1",)}, True),
        ({"patients": ("GH|1",)}, True),
        ({"patients": ("GH|2",)}, False),
        ({"payers": ("ACME", "OTHER")}, True),
        ({"facilities": ("main",), "pcps": ("D1",)}, True),
        ({"facilities": ("north",), "pcps": ("D1",)}, False),
        ({"diagnoses": ("I50",)}, True),
        ({"diagnoses": ("I50",), "pcps": ("D2",)}, False),
        ({"pcps": ("D1",), "queues": ("appeals",)}, False),
        ({"queues": ("transitions",)}, False),
        ({}, False),
    ],
)
def test_panel_follows_when_all_its_criteria_hold(panel: dict[str, tuple[str, ...]], matches: bool) -> None:
    work = of(pcp_id="D1", payers=frozenset({"ACME"}), identifiers=frozenset({"GH|1"}), diagnoses=("I5021",))
    assert follows(Panel(id="p", coordinator="bob", **panel), work) is matches


# -- what holds whatever the staff ------------------------------------------------------------------------------------

NAMES = st.sampled_from(["ann", "bob", "cat", "dan", "zoe"])
MEMBERS = st.lists(NAMES, min_size=1, max_size=4).map(tuple)
QUEUES = st.lists(st.sampled_from(["q1", "q2", "q3"]), max_size=3).map(tuple)


@st.composite
def staffs(draw: st.DrawFn) -> People:
    teams = tuple(
        Team(
            id=f"team{n}",
            members=draw(MEMBERS),
            queues=draw(QUEUES),
            facilities=draw(st.sampled_from([(), ("main",), ("north",)])),
            assign=draw(st.sampled_from(["pull", "panel", "balance"])),
        )
        for n in range(draw(st.integers(1, 3)))
    )
    named = draw(st.lists(NAMES, unique=True))
    coordinators = {
        name: Coordinator(id=name, active=draw(st.booleans()), capacity=draw(st.integers(0, 2))) for name in named
    }
    panels = tuple(Panel(id=name, coordinator=name, facilities=("main",)) for name in draw(st.lists(NAMES, max_size=2)))
    return People(coordinators=coordinators, teams=teams, panels=panels, fallback="team0")


ABSENCES = st.lists(
    st.builds(away, NAMES, st.none() | NAMES, ends_at=st.sampled_from([None, NOW - HOUR, NOW + HOUR])), max_size=5
)
WORKS = st.builds(
    Work,
    task_id=st.just("t"),
    patient_id=st.just("pat_1"),
    queue=st.sampled_from(["q1", "q2", "q3", "q4"]),
    facility_id=st.sampled_from(["main", "north"]),
    status=st.sampled_from(["requested", "accepted", "in-progress", "on-hold"]),
    business_status=st.sampled_from([None, "returned"]),
    owner=st.none() | NAMES,
    covering_for=st.none() | NAMES,
)
LOADS = st.dictionaries(NAMES, st.integers(0, 3))


@settings(max_examples=150)
@given(staffs(), ABSENCES, WORKS, LOADS)
def test_placement_keeps_its_promises(
    people: People, absences: list[Absence], work: Work, loads: dict[str, int]
) -> None:
    desk = Desk(people, absences, loads, NOW)
    placed = desk.place(work)
    assert placed.pool and placed.team is not None, "always somebody who may take it"
    if placed.owner is not None:
        assert desk.is_here(placed.owner), "nobody who is away or has left"
        assert placed.covering_for != placed.owner or work.covering_for == work.owner
    if work.owner is not None and not desk.is_here(work.owner) and placed.owner is None:
        assert placed.covering_for in (work.owner, work.covering_for), "whoever had it is remembered"
    moved = msgspec.structs.replace(work, team=placed.team, owner=placed.owner, covering_for=placed.covering_for)
    again = desk.place(moved)
    assert (again.team, again.owner) == (placed.team, placed.owner), "a second look moves nothing"


@settings(max_examples=50)
@given(st.integers(1, 40), st.lists(st.integers(0, 5), min_size=2, max_size=2))
def test_balanced_loads_end_no_further_apart_than_they_began(count: int, loads: list[int]) -> None:
    held = dict(zip(("ann", "bob"), loads, strict=True))
    desk = Desk(with_team(assign="balance"), (), held, NOW)
    for _ in range(count):
        owner = desk.place(WORK).owner
        assert owner is not None
        desk.gave(owner)
        held[owner] += 1
    assert abs(held["ann"] - held["bob"]) <= max(1, abs(loads[0] - loads[1]))
