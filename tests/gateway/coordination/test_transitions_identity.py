"""Merges (domain reference 2.3; scenario 13)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.coordination.records import Task, Timer
from gateway.coordination.scope import PatientScope, Scope
from mappings.events import CanonicalEvent, PatientFacts
from tests.gateway.coordination.transition_builders import (
    ACME,
    START,
    Story,
    adt,
    after,
    kinds,
    moves,
    person,
    response,
    siu,
    stay,
    types,
)

A, B = person("900123", family="TESTER"), person("800456", family="TESTER")


def merge(into: PatientFacts, *prior: PatientFacts, hours: float = 10) -> CanonicalEvent:
    return adt("A40", hours, patient=into, prior=prior)


def known(facts: PatientFacts, *events: CanonicalEvent, lane: int) -> PatientScope:
    story = Story()
    story.count = lane * 100
    story.hear(adt("A28", patient=facts), lanes=(lane,))
    for event in events:
        story.hear(event, lanes=(lane,))
    return story.home


def two_charts() -> tuple[PatientScope, PatientScope]:
    """A in lane 3; B in lane 5 with a stay, a cover, a booking and an authorization."""
    b = known(
        B,
        adt("A01", 1, patient=B, coverages=(ACME,), encounter=stay("V8", class_="inpatient")),
        siu("S12", 2, patient=B),
        response("pended", 3),
        lane=5,
    )
    return known(A, lane=3), b


def task(key: str, patient_id: str, opened_at: datetime = START, **fields: object) -> Task:
    made = {
        "task_id": f"tsk_{key[-1]}{patient_id}", "facility_id": "main", "revision": 1, "task_key": key, "rule_id": "r",
        "rule_version": 1, "type": "outreach", "title": "Call", "priority": "urgent", "due_at": after(20), "queue": "q",
        "status": "requested", "patient_id": patient_id, "reason": "why", "opened_at": opened_at, "updated_at": opened_at,
    }  # fmt: skip
    return Task(**(made | fields))


def test_merge_moves_everything_of_the_prior_to_the_survivor() -> None:
    a, b = two_charts()
    b_id = b.patient.patient_id
    held = {
        "encounters": list(b.encounters),
        "appointments": list(b.appointments),
        "coverages": list(b.coverages),
        "authorizations": list(b.authorizations),
    }
    story = Story(Scope(subject=a, others={b_id: b}))
    draft = story.hear(merge(A, B), lanes=(3, 5))
    assert types(draft) == ["patient.merged"]
    assert moves(draft, "merged") == [(b_id, a.patient.patient_id)]
    for table, ids in held.items():
        records = getattr(story.home, table)
        assert list(records) == ids
        assert {record.patient_id for record in records.values()} == {a.patient.patient_id}
        assert getattr(b, table) == {}
    assert (b.patient.merged_into, b.patient.active) == (a.patient.patient_id, False)
    assert story.patient.lanes_json == "[3,5]"
    assert story.home.identifiers["GENHOSP", "800456"].patient_id == a.patient.patient_id
    (entry,) = draft.changes().merges
    assert msgspec.json.decode(entry.moved_json) == held | {"patient_identifiers": ["GENHOSP|800456"]}
    assert (entry.survivor_id, entry.prior_id) == (a.patient.patient_id, b_id)


def test_message_after_the_merge_under_the_old_number_lands_on_the_survivor() -> None:
    a, b = two_charts()
    story = Story(Scope(subject=a, others={b.patient.patient_id: b}))
    story.hear(merge(A, B))
    story.scope.others.clear()
    late = story.hear(adt("A03", 9, patient=B, encounter=stay("V8", disposition="01", disposition_category="home")))
    assert (story.encounter.status, story.encounter.patient_id) == ("discharged", a.patient.patient_id)
    assert late.emitted[-1].patient_id == a.patient.patient_id


def test_merge_told_twice_changes_nothing() -> None:
    a, b = two_charts()
    story = Story(Scope(subject=a, others={b.patient.patient_id: b}))
    story.hear(merge(A, B))
    story.scope.others.clear()
    again = story.hear(merge(A, B)).changes()
    assert (again.outcome, again.upserts, again.emitted, again.merges) == ("processed", [], [], [])


def test_merge_of_an_unknown_prior_keeps_its_number_as_alias() -> None:
    story = Story(Scope(subject=known(A, lane=3)))
    draft = story.hear(merge(A, B))
    assert types(draft) == ["patient.updated"]
    assert story.home.identifiers["GENHOSP", "800456"].key
    assert draft.changes().merges == []


def test_merge_into_an_unknown_survivor_creates_it() -> None:
    _, b = two_charts()
    story = Story(Scope(others={b.patient.patient_id: b}))
    draft = story.hear(merge(A, B), lanes=(3, 5))
    assert types(draft) == ["patient.created", "patient.merged"]
    assert story.encounter.visit_number == "V8"


def test_merge_of_the_survivor_into_its_alias_is_parked() -> None:
    story = Story(Scope(subject=known(A, lane=3)))
    story.hear(merge(A, B))
    draft = story.hear(merge(B, A, hours=11))
    assert (draft.outcome, draft.reason, draft.changes().upserts) == ("parked", "merge-cycle", [])
    assert moves(draft, "identity-conflict") == [(None, story.patient.patient_id)]


def test_merge_with_itself_is_parked() -> None:
    story = Story(Scope(subject=known(A, lane=3)))
    assert story.hear(merge(A, A)).reason == "merge-cycle"


def test_merge_chain_reaches_the_last_survivor() -> None:
    a, b = two_charts()
    c_facts = person("700001")
    c = known(c_facts, adt("A04", 1, patient=c_facts, encounter=stay("V7", class_="outpatient")), lane=7)
    first = Story(Scope(subject=b, others={c.patient.patient_id: c}))
    first.hear(merge(B, c_facts))
    story = Story(Scope(subject=a, others={b.patient.patient_id: b}))
    story.count = 50
    story.hear(merge(A, B, hours=11))
    assert set(story.home.identifiers) == {("GENHOSP", "900123"), ("GENHOSP", "800456"), ("GENHOSP", "700001")}
    assert {one.visit_number for one in story.home.encounters.values()} == {"V7", "V8"}


def test_merge_of_contradicting_charts_is_done_and_flagged() -> None:
    a = known(person("900123", birth_date="1948-02-17", sex="F"), lane=3)
    b = known(person("800456", birth_date="1990-01-01", sex="F"), lane=5)
    story = Story(Scope(subject=a, others={b.patient.patient_id: b}))
    draft = story.hear(merge(A, B))
    assert b.patient.merged_into == a.patient.patient_id
    assert moves(draft, "identity-conflict") == [(None, b.patient.patient_id)]


def test_merge_collapses_tasks_whose_keys_become_equal() -> None:
    a, b = two_charts()
    a_id, b_id = a.patient.patient_id, b.patient.patient_id
    mine = task(f"r|{a_id}|x", a_id, after(4), evidence_json='[{"message_id":"m-1"}]')
    theirs = task(f"r|{b_id}|x", b_id, after(2), due_at=after(9), evidence_json='[{"message_id":"m-2"}]')
    other = task(f"r|{b_id}|y", b_id)
    a.tasks[mine.task_id] = mine
    b.tasks |= {theirs.task_id: theirs, other.task_id: other}
    for about in (theirs, other):
        b.timers[f"tmr_{about.task_id}"] = Timer(
            timer_id=f"tmr_{about.task_id}", facility_id="main", patient_id=b_id, lane=5, channel="adt", rule_id="r",
            kind="due", task_id=about.task_id, fire_at=after(9), set_at=START,
        )  # fmt: skip
    story = Story(Scope(subject=a, others={b_id: b}))
    draft = story.hear(merge(A, B))
    kept, ended, moved = (story.home.tasks[one.task_id] for one in (mine, theirs, other))
    assert (kept.open, kept.opened_at, kept.due_at) == (True, after(2), after(9))
    assert [one["message_id"] for one in msgspec.json.decode(kept.evidence_json)] == ["m-1", "m-2"]
    assert (ended.status, ended.status_reason, ended.patient_id) == ("cancelled", "merged", a_id)
    assert (moved.task_key, moved.patient_id) == (f"r|{a_id}|y", a_id)
    assert len({one.task_key for one in story.home.tasks.values()}) == 3
    assert "task.cancelled" in types(draft)
    (timer,) = story.home.timers.values()
    assert (timer.task_id, timer.patient_id, timer.lane) == (other.task_id, a_id, 3)
    assert draft.changes().deleted_timers == [f"tmr_{theirs.task_id}"]


def test_merged_task_says_in_its_history_that_it_moved() -> None:
    a, b = two_charts()
    b_id = b.patient.patient_id
    moved = task(f"r|{b_id}|y", b_id)
    b.tasks[moved.task_id] = moved
    draft = Story(Scope(subject=a, others={b_id: b})).hear(merge(A, B))
    assert [(c.task_id, c.change) for c in draft.changes().task_changes] == [(moved.task_id, "updated")]
    assert "task.updated" in types(draft)


def test_merge_keeps_open_work_where_the_survivor_had_it_withdrawn() -> None:
    a, b = two_charts()
    a_id, b_id = a.patient.patient_id, b.patient.patient_id
    ours = task(f"r|{a_id}|x", a_id, status="cancelled", business_status="retracted", closed_at=after(5))
    theirs = task(f"r|{b_id}|x", b_id)
    a.tasks[ours.task_id] = ours
    b.tasks[theirs.task_id] = theirs
    story = Story(Scope(subject=a, others={b_id: b}))
    story.hear(merge(A, B))
    kept = story.home.tasks[theirs.task_id]
    assert (kept.open, kept.task_key) == (True, f"r|{a_id}|x|2")


def test_collapsed_task_leaves_its_owner_to_the_one_that_stays() -> None:
    a, b = two_charts()
    a_id, b_id = a.patient.patient_id, b.patient.patient_id
    ours = task(f"r|{a_id}|x", a_id)
    theirs = task(f"r|{b_id}|x", b_id, owner="jdoe", status="in-progress")
    a.tasks[ours.task_id] = ours
    b.tasks[theirs.task_id] = theirs
    story = Story(Scope(subject=a, others={b_id: b}))
    story.hear(merge(A, B))
    kept = story.home.tasks[ours.task_id]
    assert (kept.owner, kept.status) == ("jdoe", "in-progress")


def test_merge_of_a_chart_known_as_dead_tells_the_death() -> None:
    a = known(A, lane=3)
    b = known(msgspec.structs.replace(B, deceased=True), lane=5)
    story = Story(Scope(subject=a, others={b.patient.patient_id: b}))
    assert "deceased" in kinds(story.hear(merge(A, B)))
