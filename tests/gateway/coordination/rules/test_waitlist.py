"""Blocked and freed time of a schedule as a patient hears of it: rule 42 and waitlist-slot-opened."""

from __future__ import annotations

from itertools import permutations

import pytest

from gateway.coordination.transitions.blocks import blocks_of
from mappings.events import CanonicalEvent, ResourceFacts, SlotFacts

RESOURCE, OFFER = "appointment-resource-lost", "waitlist-slot-opened"
OLGA, TOM = ResourceFacts(kind="AIP", id="77"), ResourceFacts(kind="AIP", id="78")
ROOM, ECHO = ResourceFacts(kind="AIL", id="ROOM2"), ResourceFacts(kind="AIS", id="ECHO")
DAY = "2026-07-20"


def visit(bench, trigger: str = "S12", at: str = "2026-07-01 09:00", hour: str = "10:00", **facts: object):
    given = {"resources": (OLGA, ROOM, ECHO), "end": bench.local(f"{DAY} {hour[:3]}30")} | facts
    return bench.visit(trigger, at, f"{DAY} {hour}", **given)


def slot(bench, trigger: str, at: str, begins: str, ends: str, resource: ResourceFacts = OLGA) -> CanonicalEvent:
    """S23 or S24 about `resource`, as sent on to the bench's patient."""
    facts = SlotFacts(
        resource=resource, start=bench.local(f"{DAY} {begins}"), end=bench.local(f"{DAY} {ends}"), patient_id="pat"
    )
    type_ = "schedule.blocked" if trigger == "S23" else "schedule.opened"
    return bench.event(type_, f"SIU^{trigger}", at, patient=None, slot=facts)


def test_block_of_the_clinician_opens_a_task_and_the_freed_time_withdraws_it(bench) -> None:
    bench.hear(visit(bench))
    made = bench.hear(slot(bench, "S23", "2026-07-02 09:00", "08:00", "12:00"))
    task = bench.task(RESOURCE)
    assert (task.due_at, task.priority, task.open) == (bench.local("2026-07-06 23:59:59"), "urgent", True)
    (told,) = [event for event in made.emitted if event.type == "appointment.updated"]
    assert told.data["blocked_resources"] == ["AIP:77"]
    bench.hear(slot(bench, "S24", "2026-07-02 10:00", "08:00", "12:00"))
    assert bench.task(RESOURCE).business_status == "retracted"


def test_second_block_opens_again_whether_the_first_task_was_withdrawn_or_done(bench) -> None:
    bench.hear(visit(bench))
    for day in ("02", "03"):
        bench.hear(slot(bench, "S23", f"2026-07-{day} 09:00", "08:00", "12:00"))
        bench.hear(slot(bench, "S24", f"2026-07-{day} 10:00", "08:00", "12:00"))
    bench.hear(slot(bench, "S23", "2026-07-04 09:00", "08:00", "12:00"))
    (task,) = [task for task in bench.tasks(RESOURCE) if task.open]
    assert len(bench.tasks(RESOURCE)) == 3
    bench.act("complete", task, outcome="done")
    bench.hear(slot(bench, "S23", "2026-07-04 10:00", "08:00", "12:00"))
    assert len(bench.tasks(RESOURCE)) == 3, "it was blocked already: no news"
    bench.hear(slot(bench, "S24", "2026-07-04 11:00", "08:00", "12:00"))
    bench.hear(slot(bench, "S23", "2026-07-05 09:00", "08:00", "12:00"))
    assert [task.open for task in bench.tasks(RESOURCE)] == [False, False, False, True]


@pytest.mark.parametrize(
    ("begins", "ends", "resource", "opens"),
    [
        ("10:29", "12:00", OLGA, True),
        ("10:30", "12:00", OLGA, False),
        ("08:00", "10:00", OLGA, False),
        ("08:00", "10:01", ROOM, True),
        ("08:00", "12:00", TOM, False),
    ],
)
def test_block_matters_when_it_overlaps_and_names_what_the_visit_takes(bench, begins, ends, resource, opens) -> None:
    bench.hear(visit(bench))
    bench.hear(slot(bench, "S23", "2026-07-02 09:00", begins, ends, resource))
    assert bool(bench.tasks(RESOURCE)) is opens


def test_part_of_a_block_that_is_freed_counts_for_who_is_in_it(bench) -> None:
    bench.hear(visit(bench))
    bench.hear(slot(bench, "S23", "2026-07-02 09:00", "08:00", "16:00"))
    bench.hear(slot(bench, "S24", "2026-07-02 10:00", "12:00", "16:00"))
    bench.hear(slot(bench, "S24", "2026-07-02 10:01", "08:00", "10:15"))
    assert bench.task(RESOURCE).open
    bench.hear(slot(bench, "S24", "2026-07-02 10:02", "10:15", "12:00"))
    assert not bench.task(RESOURCE).open


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_blocks_that_arrive_in_any_order_leave_the_same_blocked(bench, order) -> None:
    said = [
        slot(bench, "S23", "2026-07-02 09:00", "08:00", "12:00"),
        slot(bench, "S24", "2026-07-02 10:00", "09:00", "12:00"),
        slot(bench, "S23", "2026-07-02 11:00", "10:15", "11:00"),
    ]
    bench.hear(visit(bench))
    for at in order:
        bench.hear(said[at], at=bench.local("2026-07-03 09:00"))
    assert [one.start for one in blocks_of(bench.only("appointments"))] == [bench.local(f"{DAY} 10:15")]
    assert [task.open for task in bench.tasks(RESOURCE)].count(True) == 1


@pytest.mark.parametrize("trigger", ["S13", "S15", "S17", "S19"])
def test_task_of_a_block_ends_with_another_time_other_clinician_or_no_visit(bench, trigger: str) -> None:
    bench.hear(visit(bench))
    bench.hear(slot(bench, "S23", "2026-07-02 09:00", "08:00", "12:00"))
    if trigger == "S19":
        bench.hear(visit(bench, "S14", "2026-07-02 10:00", resources=(TOM, ROOM, ECHO)))
    else:
        bench.hear(visit(bench, trigger, "2026-07-02 10:00", "13:00" if trigger == "S13" else "10:00"))
    ends = {"S13": "auto-resolved", "S19": "auto-resolved"}
    assert bench.task(RESOURCE).business_status == ends.get(trigger, "retracted")


def test_visit_moved_back_into_the_block_needs_work_again(bench) -> None:
    bench.hear(visit(bench))
    bench.hear(slot(bench, "S23", "2026-07-02 09:00", "08:00", "12:00"))
    bench.hear(visit(bench, "S13", "2026-07-02 10:00", "13:00"))
    bench.hear(visit(bench, "S13", "2026-07-02 11:00", "10:00"))
    assert [task.open for task in bench.tasks(RESOURCE)] == [False, True]


def test_clinician_and_room_blocked_at_once_are_one_task(bench) -> None:
    bench.hear(visit(bench))
    for one in (OLGA, ROOM):
        bench.hear(slot(bench, "S23", "2026-07-02 09:00", "08:00", "12:00", one))
    assert len(bench.tasks(RESOURCE)) == 1
    bench.hear(slot(bench, "S24", "2026-07-02 10:00", "08:00", "12:00", OLGA))
    assert bench.task(RESOURCE).open, "the room is still blocked"


# -- offers ------------------------------------------------------------------------------------------------------------


def waiting(bench, *resources: ResourceFacts):
    return visit(bench, resources=resources, status="waitlist")


@pytest.mark.parametrize(
    ("waits_for", "opened", "offered"),
    [
        ((OLGA, ECHO), (OLGA,), True),
        ((ECHO,), (OLGA, ECHO), True),
        ((TOM, ECHO), (OLGA, ECHO), False),
        ((ROOM,), (ROOM,), False),
        ((ECHO,), (OLGA,), False),
    ],
)
def test_freed_time_is_offered_to_who_waits_for_its_clinician_or_service(make_bench, waits_for, opened, offered):
    bench = make_bench(enabled_rules=(OFFER,))
    bench.hear(waiting(bench, *waits_for))
    event = slot(bench, "S24", "2026-07-02 09:00", "08:00", "12:00", opened[0])
    facts = SlotFacts(
        resource=opened[0], further=opened[1:], start=event.slot.start, end=event.slot.end, patient_id="pat"
    )
    bench.hear(bench.event("schedule.opened", "SIU^S24", "2026-07-02 09:00", patient=None, slot=facts))
    assert [task.due_at for task in bench.tasks(OFFER)] == [bench.local("2026-07-02 13:00")] * offered


def test_offer_ends_when_the_visit_is_booked_and_the_same_time_is_offered_once(make_bench) -> None:
    bench = make_bench(enabled_rules=(OFFER,))
    bench.hear(waiting(bench, OLGA))
    for at in ("09:00", "09:05"):
        bench.hear(slot(bench, "S24", f"2026-07-02 {at}", "08:00", "12:00"))
    assert bench.task(OFFER).open
    bench.hear(visit(bench, "S13", "2026-07-02 10:00", "09:00", resources=(OLGA,)))
    assert bench.task(OFFER).business_status == "auto-resolved"


def test_time_that_is_past_is_not_offered(make_bench) -> None:
    bench = make_bench(enabled_rules=(OFFER,))
    bench.hear(waiting(bench, OLGA))
    bench.hear(slot(bench, "S24", f"{DAY} 09:00", "08:00", "12:00"))
    assert bench.tasks(OFFER) == []


@pytest.mark.parametrize(("trigger", "on"), [("S15", True), ("S17", True), ("S26", True), ("S15", False)])
def test_visit_called_off_gives_its_time_to_others_where_the_rule_is_on(make_bench, trigger: str, on: bool) -> None:
    bench = make_bench(enabled_rules=(OFFER,) if on else ())
    bench.hear(visit(bench))
    made = bench.hear(visit(bench, trigger, "2026-07-02 09:00"))
    if not on or trigger == "S26":
        assert made.told == []
        return
    (event,) = made.told
    assert (event.type, event.patient, event.slot.start) == ("schedule.opened", None, bench.local(f"{DAY} 10:00"))
    assert {event.slot.resource.id, *(one.id for one in event.slot.further)} == {"77", "ECHO"}
    assert event.slot.given_up_by == bench.subject.patient.patient_id
