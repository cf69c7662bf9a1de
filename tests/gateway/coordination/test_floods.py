"""Update floods and implied discharges (decision 15; domain reference 2.5; scenario 11)."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from gateway.coordination.changes import Cause, Changes, CoordinationSettings, TimerFired
from gateway.coordination.decide import decide
from gateway.coordination.floods import FLOOD
from gateway.coordination.records import Timer
from gateway.coordination.scope import Scope
from gateway.coordination.transitions.implied import IMPLIED_DISCHARGE
from mappings.events import CanonicalEvent
from tests.gateway.coordination.transition_builders import ACME, ANNA, adt, after, person, siu, stay

SETTINGS = CoordinationSettings(
    facilities={"main": ("America/New_York", "us-federal")}, update_hold_s=60, implied_discharge_min=15
)
NEVER = after(9999)


class Desk:
    """Decisions on one patient, with the clock at each message's recorded time."""

    def __init__(self) -> None:
        self.scope = Scope()
        self.count = 0

    def hear(self, event: CanonicalEvent, **settings: object) -> Changes:
        self.count += 1
        cause = Cause(message_id=f"m-{self.count}", channel="adt", received_at=event.recorded_at, lanes=(3,))
        chosen = msgspec.structs.replace(SETTINGS, **settings)
        return decide(self.scope, event, cause, event.recorded_at, chosen, b"salt")

    def fire(self, timer: Timer) -> Changes:
        cause = Cause(message_id=timer.message_id, origin=timer.timer_id, channel="adt", received_at=timer.fire_at)
        return decide(self.scope, TimerFired(timer=timer), cause, timer.fire_at, SETTINGS, b"salt")

    def timers(self, rule_id: str) -> list[Timer]:
        assert self.scope.subject is not None
        return [one for one in self.scope.subject.timers.values() if one.rule_id == rule_id]


def told(changes: Changes) -> list[str]:
    return [event.type for event in changes.emitted if not event.type.startswith("task.")]


def moved(hours: float, phone: str, service: str | None = None) -> CanonicalEvent:
    return adt("A08", hours, patient=person(phone=phone), encounter=stay(hospital_service=service))


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.hear(adt("A01"))
    return desk


def test_fifty_updates_in_ten_seconds_are_one_event_with_the_combined_changes(desk: Desk) -> None:
    for number in range(50):
        assert told(desk.hear(moved(1 + number / 18000, f"555-{number:04}", "MED"))) == []
    (timer,) = desk.timers(FLOOD)
    assert timer.fire_at - after(1) == timedelta(seconds=60)
    changes = desk.fire(timer)
    assert sorted(told(changes)) == ["encounter.updated", "patient.updated"]
    (person_told,) = (event for event in changes.emitted if event.type == "patient.updated")
    assert person_told.changes == [{"path": "phone", "old": None, "new": "555-0049"}]
    assert person_told.data["phone"] == "555-0049" and len(person_told.data["messages"]) == 50
    assert desk.timers(FLOOD) == [] and desk.scope.subject.patient.held_json == "[]"  # type: ignore[union-attr]


def test_state_is_applied_at_once_while_the_news_waits(desk: Desk) -> None:
    desk.hear(moved(1, "555-1"))
    assert desk.scope.subject is not None and desk.scope.subject.patient.phone == "555-1"


def test_change_that_was_changed_back_is_not_told(desk: Desk) -> None:
    desk.hear(moved(1, "555-1"))
    (timer,) = desk.timers(FLOOD)
    desk.hear(moved(1.001, "555-2"))
    desk.fire(timer)
    desk.hear(moved(2, "555-3"))
    desk.hear(moved(2.001, "555-2"))
    (timer,) = desk.timers(FLOOD)
    assert told(desk.fire(timer)) == []


@pytest.mark.parametrize(
    ("event", "news"),
    [
        (adt("A08", 1.01, patient=person(deceased=True)), "patient.deceased"),
        (adt("A08", 1.01, coverages=(ACME,)), "coverage.changed"),
        (adt("A08", 1.01, encounter=stay(class_="outpatient", patient_class="O")), "encounter.class-changed"),
        (adt("A03", 1.01), "encounter.discharged"),
        (siu("S12", 1.01), "appointment.booked"),
    ],
    ids=["death", "coverage", "class", "discharge", "booking"],
)
def test_urgent_news_is_told_at_once_behind_what_waited(desk: Desk, event: CanonicalEvent, news: str) -> None:
    if news == "coverage.changed":
        desk.hear(adt("A08", 0.5, coverages=(msgspec.structs.replace(ACME, member_id="OLD"),)))
    desk.hear(moved(1, "555-1"))
    types = told(desk.hear(event))
    assert types[0] == "patient.updated" and news in types
    assert desk.timers(FLOOD) == []


def test_event_ids_of_what_waited_and_of_what_flushed_it_differ(desk: Desk) -> None:
    desk.hear(moved(1, "555-1"))
    changes = desk.hear(adt("A03", 1.01, patient=person(phone="555-2")))
    ids = [event.event_id for event in changes.emitted]
    assert told(changes).count("patient.updated") == 2 and len(set(ids)) == len(ids)
    revisions = [event.revision for event in changes.emitted if event.type == "patient.updated"]
    assert revisions == sorted(revisions)


def test_merge_tells_what_waited_of_the_retired_record_first(desk: Desk) -> None:
    other = Desk()
    other.hear(adt("A28", patient=person("800456")))
    other.hear(adt("A31", 1, patient=person("800456", phone="555-8")))
    prior = other.scope.subject
    assert prior is not None and prior.patient.held_json != "[]"
    held = prior.patient.held_json.replace(prior.patient.patient_id, "pat_prior")
    prior.patient = msgspec.structs.replace(prior.patient, patient_id="pat_prior", held_json=held)
    for row in list(prior.identifiers.values()):
        prior.identifiers[row.authority, row.value] = msgspec.structs.replace(row, patient_id="pat_prior")
    desk.scope.others["pat_prior"] = prior
    changes = desk.hear(adt("A40", 2, prior=(person("800456"),)))
    assert told(changes)[0] == "patient.updated" and "patient.merged" in told(changes)


@pytest.mark.parametrize("event", [adt("A08", 1, patient=ANNA), adt("A31", 1, patient=ANNA)])
def test_update_that_changes_nothing_tells_nothing_and_releases_nothing(desk: Desk, event: CanonicalEvent) -> None:
    desk.hear(moved(0.5, "555-1"))
    assert told(desk.hear(event)) == []
    assert len(desk.timers(FLOOD)) == 1


def test_hold_of_zero_tells_each_update_at_once(desk: Desk) -> None:
    assert told(desk.hear(moved(1, "555-1"), update_hold_s=0)) == ["patient.updated"]


# -- implied discharge ---------------------------------------------------------------------------------------------


def ended(hours: float, at: float = 1) -> CanonicalEvent:
    facts = stay(discharged_at=after(at), discharged_precision="minute", disposition="01", disposition_category="home")
    return adt("A08", hours, encounter=facts)


def test_discharge_time_in_an_update_is_the_discharge_after_fifteen_minutes(desk: Desk) -> None:
    desk.hear(ended(1))
    (timer,) = desk.timers(IMPLIED_DISCHARGE)
    assert timer.fire_at - after(1) == timedelta(minutes=15)
    changes = desk.fire(timer)
    (event,) = (event for event in changes.emitted if event.type == "encounter.discharged")
    assert "implied" in event.flags and event.data["disposition_category"] == "home"
    assert event.occurred_at == after(1)
    (encounter,) = desk.scope.subject.encounters.values()  # type: ignore[union-attr]
    assert (encounter.status, encounter.discharged_at) == ("discharged", after(1))


def test_discharge_message_within_the_minutes_is_the_discharge_itself(desk: Desk) -> None:
    desk.hear(ended(1))
    changes = desk.hear(
        adt("A03", 1.1, encounter=stay(discharged_at=after(1), disposition="03", disposition_category="snf"))
    )
    assert "encounter.discharged" in told(changes) and desk.timers(IMPLIED_DISCHARGE) == []


def test_discharge_message_after_an_implied_one_corrects_it(desk: Desk) -> None:
    desk.hear(ended(1))
    desk.fire(desk.timers(IMPLIED_DISCHARGE)[0])
    changes = desk.hear(
        adt("A03", 2, encounter=stay(discharged_at=after(1), disposition="03", disposition_category="snf"))
    )
    (event,) = (event for event in changes.emitted if event.type == "encounter.discharged")
    assert "correction" in event.flags


@pytest.mark.parametrize(
    "event", [adt("A08", 1.1, encounter=stay(clear_discharge=True)), adt("A11", 1.1)], ids=["withdrawn", "cancelled"]
)
def test_implied_discharge_that_is_withdrawn_or_overtaken_does_not_come(desk: Desk, event: CanonicalEvent) -> None:
    desk.hear(ended(1))
    desk.hear(event)
    assert desk.timers(IMPLIED_DISCHARGE) == []


def test_later_update_moves_what_is_implied_but_not_when(desk: Desk) -> None:
    desk.hear(ended(1))
    desk.hear(ended(1.1, at=0.9))
    (timer,) = desk.timers(IMPLIED_DISCHARGE)
    assert timer.fire_at - after(1) == timedelta(minutes=15)
    desk.fire(timer)
    (encounter,) = desk.scope.subject.encounters.values()  # type: ignore[union-attr]
    assert encounter.discharged_at == after(0.9)
