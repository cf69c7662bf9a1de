"""Stays, bookings and merges of several patients, delivered in any order that a network may give them, against a plain
model that hears everything in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from gateway.compute.protocol import StateRows
from gateway.compute.state import State
from gateway.coordination.changes import Cause, CoordinationSettings
from gateway.coordination.decide import decide
from gateway.coordination.transitions.flags import PREADMISSION, standing
from mappings.events import AppointmentFacts, CanonicalEvent, EncounterFacts, Identifier, PatientFacts
from mappings.profile import FeedProfile
from tests.gateway.coordination.transition_builders import ADT, SIU, START

SETTINGS = CoordinationSettings(facilities={"main": ("America/New_York", "us-federal")}, update_hold_s=60)
PROFILE = FeedProfile(channel="adt", default_authority="NORTH")
PEOPLE = [(authority, number) for authority in ("NORTH", "SOUTH") for number in ("1", "2", "3")]
Person = tuple[str, str]

STEPS: dict[str, dict[str, str]] = {
    "none": {"A05": "preadmitted", "A04": "outpatient", "E04": "emergency", "A01": "inpatient"},
    "preadmitted": {"A38": "cancelled", "A04": "outpatient", "A01": "inpatient", "A23": "deleted"},
    "outpatient": {"A06": "inpatient", "A03": "discharged", "A11": "cancelled", "A14": "", "A08": ""},
    "emergency": {"A06": "inpatient", "A03": "discharged", "A11": "cancelled", "A14": "", "A08": ""},
    "inpatient": {
        "A07": "outpatient", "A03": "discharged", "A11": "cancelled", "A21": "on-leave", "A16": "", "A15": "", "A09": "",
        "A08": "", "A23": "deleted",
    },
    "on-leave": {"A22": "inpatient", "A52": "inpatient", "A03": "discharged"},
    "discharged": {"A13": "", "C03": "discharged"},
}  # fmt: skip
"""What may come next, and the status that it gives ("": as it is, or worked out below).  E04 is an A04 of the emergency
room, C03 an A03 that corrects the disposition."""
UNDO = {"pending-admit": "A27", "pending-transfer": "A26", "pending-discharge": "A25", "in-transit": "A10"}
RAISED = {"A14": "pending-admit", "A15": "pending-transfer", "A16": "pending-discharge", "A09": "in-transit"}
OPENING = ("A05", "A04", "A01", "A03", "A11", "A13", "A23", "A38")
"""Triggers that may be the first that is heard of a stay beside other stays of the patient."""


@dataclass
class Visit:
    """The plain model of one stay."""

    owner: Person
    number: str
    status: str = "none"
    before: str = ""  # the conversion, else the discharge
    before_end: str = ""
    flags: set[str] = field(default_factory=set)
    disposition: str | None = None
    heard: list[str] = field(default_factory=list)  # in the order of delivery

    def step(self, word: str) -> None:
        trigger = "A" + word[1:]
        after = STEPS.get(self.status, {}).get(word, "")
        if word == "A06":
            self.before = self.status
        if word == "A11" and self.status == "inpatient" and self.before:
            after, self.before = self.before, ""
        elif word == "A13":
            after, self.disposition = self.before_end, None
        elif word == "A03":
            self.before_end, self.disposition = self.status, "01"
        elif word == "C03":
            self.disposition = "03"
        elif word == "A07":
            self.before = ""
        if trigger in RAISED:
            self.flags.add(RAISED[trigger])
        self.flags -= {flag for flag, undo in UNDO.items() if undo == trigger}
        if after and after != self.status:
            self.flags -= self.flags if after in ("discharged", "cancelled", "deleted") else {"pending-admit"}
            self.status = after
        if word == "A11":
            self.flags.clear()

    def choices(self) -> list[str]:
        return [*STEPS.get(self.status, {}), *(UNDO[flag] for flag in self.flags if self.status not in ("on-leave",))]


class Deliveries(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.state = State(StateRows())
        self.visits: dict[str, Visit] = {}
        self.bookings: dict[str, tuple[Person, str, datetime]] = {}
        self.survivors: dict[Person, Person] = {}
        self.network: list[tuple[CanonicalEvent, Visit | None]] = []
        self.now, self.count = START, 0

    # -- what happens in the hospitals ---------------------------------------------------------------------------------

    @rule(person=st.sampled_from(PEOPLE), word=st.sampled_from(sorted(STEPS["none"])))
    def begin(self, person: Person, word: str) -> None:
        number = f"{person[0]}-{person[1]}-V{len(self.visits)}"
        visit = self.visits[number] = Visit(person, number)
        self._tell(visit, word)

    @precondition(lambda self: self.visits)
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        visit = data.draw(st.sampled_from(list(self.visits.values())))
        if choices := visit.choices():
            self._tell(visit, data.draw(st.sampled_from(sorted(choices))))

    @precondition(lambda self: self.visits)
    @rule(data=st.data())
    def say_it_again(self, data: st.DataObject) -> None:
        if self.network:
            self.network.append(data.draw(st.sampled_from(self.network)))

    @rule(person=st.sampled_from(PEOPLE))
    def book(self, person: Person) -> None:
        number = f"F{len(self.bookings)}"
        start = self._tick() + timedelta(days=20)
        self.bookings[number] = (person, "booked", start)
        self._tell_booking(number, "S12")

    @precondition(lambda self: self.bookings)
    @rule(data=st.data(), word=st.sampled_from(["S13", "S15", "S26", "S14"]))
    def change_booking(self, data: st.DataObject, word: str) -> None:
        number = data.draw(st.sampled_from(sorted(self.bookings)))
        person, status, start = self.bookings[number]
        if status != "booked" and not (status == "noshow" and word == "S14"):
            return
        after = {"S13": "booked", "S15": "cancelled", "S26": "noshow", "S14": "arrived"}[word]
        self.bookings[number] = (person, after, start + timedelta(days=1) if word == "S13" else start)
        self._tell_booking(number, word)

    @rule(authority=st.sampled_from(["NORTH", "SOUTH"]), pair=st.permutations(["1", "2", "3"]))
    def merge(self, authority: str, pair: list[str]) -> None:
        survivor, prior = (authority, pair[0]), (authority, pair[1])
        if self._root(survivor) == self._root(prior) or prior in self.survivors or survivor in self.survivors:
            return  # no circles, nobody twice
        self.survivors[prior] = survivor
        event = msgspec.structs.replace(self._event("A40", survivor), prior=(_patient(prior),))
        self.network.append((event, None))

    # -- what the network does -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.network)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        ready = [n for n, (event, visit) in enumerate(self.network) if _may_be_first(event, visit)]
        self._hear(data.draw(st.sampled_from(ready)) if ready else 0)

    def teardown(self) -> None:
        while self.network:
            ready = [n for n, (event, visit) in enumerate(self.network) if _may_be_first(event, visit)]
            self._hear(ready[-1] if ready else 0)
        self._compare()
        self._look_at_tasks()

    def _hear(self, index: int) -> None:
        event, visit = self.network.pop(index)
        if visit is not None:
            visit.heard.append(f"{event.trigger}@{(event.recorded_at - START).seconds // 60}")
        self.count += 1
        cause = Cause(message_id=f"m-{self.count}", channel="adt", received_at=self.now, lanes=(3,))
        scope = self.state.scope_of(event, PROFILE)
        changes = decide(scope, event, cause, self.now, SETTINGS, b"salt")
        assert (changes.outcome, changes.failures) == ("processed", [])
        self.state.absorb(scope)

    # -- messages ------------------------------------------------------------------------------------------------------

    def _tick(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now

    def _event(self, trigger: str, person: Person, **facts: object) -> CanonicalEvent:
        at = self._tick()
        type_ = ADT.get(trigger) or SIU[trigger]
        kind = "ADT" if trigger in ADT else "SIU"
        return CanonicalEvent(
            type=type_, trigger=f"{kind}^{trigger}", recorded_at=at, occurred_at=at, facility="main",
            patient=_patient(person), **facts,
        )  # fmt: skip

    def _tell(self, visit: Visit, word: str) -> None:
        trigger = "A" + word[1:]
        visit.step(word)
        key = Identifier(value=visit.number, authority=visit.owner[0])
        given: dict[str, object] = {}
        if trigger in ("A01", "A06") or visit.status in ("inpatient", "on-leave"):
            given = {"class_": "inpatient", "patient_class": "I"}
        elif visit.status in ("outpatient", "emergency"):
            given = {"class_": visit.status, "patient_class": visit.status[0].upper()}
        if trigger == "A03":
            given |= {"disposition": visit.disposition, "disposition_category": "home" if word == "A03" else "snf"}
        facts = EncounterFacts(key=key, visit_number=visit.number, **given)
        self.network.append((self._event(trigger, visit.owner, encounter=facts), visit))

    def _tell_booking(self, number: str, word: str) -> None:
        person, status, start = self.bookings[number]
        facts = AppointmentFacts(filler_id=number, start=start, status=status if word == "S14" else None)
        self.network.append((self._event(word, person, appointment=facts), None))

    # -- the comparison ------------------------------------------------------------------------------------------------

    def _root(self, person: Person) -> Person:
        while person in self.survivors:
            person = self.survivors[person]
        return person

    def _compare(self) -> None:
        for visit in self.visits.values():
            home, _ = self.state.find(_patient(self._root(visit.owner)), PROFILE)
            assert home is not None
            (found,) = (one for one in home.encounters.values() if one.visit_number == visit.number)
            assert found.status == visit.status, visit
            on = standing(found) - {PREADMISSION}
            assert on == visit.flags, visit
            if visit.status == "discharged":
                assert found.disposition == visit.disposition, visit
        for number, (person, status, start) in self.bookings.items():
            home, _ = self.state.find(_patient(self._root(person)), PROFILE)
            assert home is not None
            (booking,) = (one for one in home.appointments.values() if one.filler_id == number)
            assert (booking.status, booking.start_at) == (status, start), number

    def _look_at_tasks(self) -> None:
        keys = []
        for home in self.state.patients.values():
            for task in home.tasks.values():
                assert task.patient_id == home.patient.patient_id
                keys.append(task.task_key)
                if task.encounter_id is not None and task.open:
                    stay = home.encounters[task.encounter_id]
                    assert (stay.visit_number or "").startswith(f"{home.patient.authority}-")
                if task.appointment_id is not None and task.open:
                    assert task.appointment_id in home.appointments
            calls = [t.encounter_id for t in home.tasks.values() if t.open and t.rule_id == "discharge-contact-2bd"]
            assert len(calls) == len(set(calls))
            assert all(home.encounters[str(stay)].status == "discharged" for stay in calls)
        assert len(keys) == len(set(keys))


def _patient(person: Person) -> PatientFacts:
    key = Identifier(value=person[1], authority=person[0], type="MR")
    return PatientFacts(key=key, identifiers=(key,), family="TESTER")


def _may_be_first(event: CanonicalEvent, visit: Visit | None) -> bool:
    return visit is None or bool(visit.heard) or event.trigger.removeprefix("ADT^") in OPENING


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(
    max_examples=80, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
