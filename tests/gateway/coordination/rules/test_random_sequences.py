"""Random sequences of every family against what must hold of tasks whatever comes, and in whatever order rules look.

The shadow knows nothing of how rules work: only what no task may be (double, without queue or due time, about what was
cancelled, for the dead), and by plain scans over the state which work it calls for.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.compute.firing import overdue
from gateway.coordination import rules as running
from gateway.coordination.changes import Changes
from gateway.coordination.rules.declaration import ENDED_BY_DEATH
from gateway.coordination.rules.registry import RULES, Catalogue
from mappings.events import CanonicalEvent, Identifier, PatientFacts, Person
from tests.gateway.coordination.rules.conftest import ZONE, Bench, local

ALL = tuple(rule.id for rule in RULES if rule.extended)
STARTS = ("2026-03-06 09:00", "2026-07-02 14:10", "2026-10-31 22:00", "2026-12-30 23:50")
"""Around both clock changes, a federal holiday and the end of a year."""
VISITS = st.sampled_from(["V1", "V2", "V3"])
FILLERS = st.sampled_from(["F1", "F2", "F3"])
HOURS = st.integers(0, 96)
DISPOSITIONS = st.sampled_from(
    [("01", "home"), ("06", "home-health"), ("03", "snf"), ("07", "ama"), ("20", "expired"), ("30", "still-patient")]
)
HOME = ("home", "home-health")


def owed(bench: Bench) -> set[tuple[str, str, str]]:
    """(rule, stay, cycle) of the work that the state as it is calls for, worked out by plain scans: the shadow."""
    home = bench.subject
    found: set[tuple[str, str, str]] = set()
    if home.patient.deceased_source is not None:
        return found
    stays = [stay for stay in home.encounters.values() if not stay.newborn]
    was_dead = any(row.kind == "deceased" for made in bench.changes for row in made.transitions)
    for stay in stays:
        left = stay.discharged_at
        if was_dead and left is not None and bench.now - left > timedelta(days=85):
            continue  # what an erroneous death ended so long after the stay does not come back
        if stay.status == "discharged" and left is not None and stay.class_ in ("inpatient", "observation"):
            cycle = f"dis{stay.discharge_number}"
            again = any(
                other is not stay
                and other.inpatient_at is not None
                and other.inpatient_at > left
                and (other.status in ("inpatient", "on-leave") or (other.discharged_at and other.class_ == "inpatient"))
                and other.status not in ("cancelled", "deleted")
                for other in stays
            )
            if stay.disposition_category in HOME:
                found.add(("med-reconciliation-30d", stay.encounter_id, cycle))
                if not again:
                    found.add(("discharge-contact-2bd", stay.encounter_id, cycle))
            if stay.disposition_category == "snf":
                found.add(("discharge-to-facility-handoff", stay.encounter_id, cycle))
        medicare = any(row.active and row.plan_type == "MA" for row in home.coverages.values())
        if stay.status == "inpatient" and stay.inpatient_at is not None and medicare:
            found.add(("medicare-notice-im", stay.encounter_id, "first"))
    return found


class AllFamilies(RuleBasedStateMachine):
    make_bench: type[Bench] = Bench

    @initialize(start=st.sampled_from(STARTS), extended=st.booleans())
    def begin(self, start: str, extended: bool) -> None:
        self.bench = self.make_bench(enabled_rules=ALL if extended else ())
        self.at = local(start)
        self.say("event", "patient.updated", "ADT^A31", coverages=self.bench.insurance(plan_type="MA"))

    def say(self, name: str, *given: Any, hours: int = 0, **facts: Any) -> None:
        """Make a message of the bench, a minute or more after the one before, and hear it."""
        self.at += timedelta(minutes=1, hours=hours)
        made = getattr(self.bench, name)
        zone = self.at.astimezone(ZONE)
        when = f"{zone:%Y-%m-%d %H:%M}"
        event = made(*given, when, **facts) if name == "event" else made(when, *given, **facts)
        self.bench.hear(msgspec.structs.replace(event, recorded_at=self.at, occurred_at=self.at))

    @rule(visit=VISITS, hours=HOURS, readmission=st.booleans())
    def admit(self, visit: str, hours: int, readmission: bool) -> None:
        self.say("admit", visit, hours=hours, readmission=readmission)

    @rule(visit=VISITS, hours=HOURS, class_=st.sampled_from(["emergency", "observation", "outpatient"]))
    def register(self, visit: str, hours: int, class_: str) -> None:
        self.say("register", visit, class_, hours=hours)

    @rule(visit=VISITS, hours=HOURS, how=DISPOSITIONS)
    def discharge(self, visit: str, hours: int, how: tuple[str, str]) -> None:
        self.say("discharge", visit, hours=hours, disposition=how[0], category=how[1])

    @rule(visit=VISITS, hours=HOURS)
    def cancel_discharge(self, visit: str, hours: int) -> None:
        self.say("cancel_discharge", visit, hours=hours)

    @rule(visit=VISITS, hours=HOURS)
    def cancel_admit(self, visit: str, hours: int) -> None:
        self.say("cancel_admit", visit, hours=hours)

    @rule(visit=VISITS, hours=HOURS, trigger=st.sampled_from(["A16", "A25"]))
    def announce(self, visit: str, hours: int, trigger: str) -> None:
        self.at += timedelta(minutes=1, hours=hours)
        zone = self.at.astimezone(ZONE)
        event = self.bench.announce(trigger, f"{zone:%Y-%m-%d %H:%M}", visit, expected_disposition="03")
        self.bench.hear(msgspec.structs.replace(event, recorded_at=self.at, occurred_at=self.at))

    @rule(visit=VISITS, hours=HOURS, days=st.integers(0, 4), pcp=st.booleans(), self_pay=st.booleans())
    def update(self, visit: str, hours: int, days: int, pcp: bool, self_pay: bool) -> None:
        key = Identifier(value="1001", authority="GH", type="MR")
        person = PatientFacts(key=key, family="DOE", pcp=Person(id="77") if pcp else None)
        expected = self.at + timedelta(days=days)
        self.say("update", visit, hours=hours, patient=person, expected_discharge_at=expected, self_pay=self_pay)

    @rule(
        filler=FILLERS, hours=HOURS, days=st.integers(1, 40),
        trigger=st.sampled_from(["S12", "S12", "S13", "S14", "S15", "S17", "S26"]),
    )  # fmt: skip
    def appointment(self, filler: str, hours: int, days: int, trigger: str) -> None:
        self.at += timedelta(minutes=1, hours=hours)
        zone = self.at.astimezone(ZONE)
        start = f"{zone + timedelta(days=days):%Y-%m-%d} 10:00"
        event = self.bench.visit(trigger, f"{zone:%Y-%m-%d %H:%M}", start, filler, service="CARD")
        self.bench.hear(msgspec.structs.replace(event, recorded_at=self.at, occurred_at=self.at))

    @rule(hours=HOURS, status=st.sampled_from(["active", "inactive", "rejected"]))
    def eligibility(self, hours: int, status: str) -> None:
        self.say("eligibility", status, hours=hours)

    @rule(
        hours=HOURS, category=st.sampled_from(["AR", "HS"]),
        status=st.sampled_from(["denied", "pended", "certified", "modified", "contact-payer", "rejected"]),
    )  # fmt: skip
    def decision(self, hours: int, status: str, category: str) -> None:
        self.say("decision", status, hours=hours, request_category=category, event_begins_on=f"{self.at:%Y-%m-%d}")

    @rule(hours=HOURS, payer=st.sampled_from(["AETNA", "CIGNA"]))
    def insure(self, hours: int, payer: str) -> None:
        self.say("event", "patient.updated", "ADT^A31", hours=hours, coverages=self.bench.insurance(payer))

    @rule(hours=HOURS, dead=st.booleans())
    def life(self, hours: int, dead: bool) -> None:
        key = Identifier(value="1001", authority="GH", type="MR")
        person = PatientFacts(key=key, family="DOE", deceased=dead)
        self.say("event", "patient.updated", "ADT^A31", hours=hours, patient=person)

    @rule(days=st.integers(1, 30))
    def wait(self, days: int) -> None:
        self.at += timedelta(days=days)
        self.bench.wait(self.at)

    @rule()
    def again(self) -> None:
        """The whole state is decided on once more by a message that says nothing new: no task may come of it."""
        self.say("event", "patient.updated", "ADT^A31")
        self.say("event", "patient.updated", "ADT^A31")
        assert [change for change in self.bench.changes[-1].task_changes if change.change == "opened"] == []

    # -- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def no_two_tasks_share_a_key(self) -> None:
        keys = [task.task_key for task in self._tasks()]
        assert len(keys) == len(set(keys))

    @invariant()
    def no_work_is_open_twice(self) -> None:
        """Instances of one key follow each other."""
        seen: set[str] = set()
        for task in self._tasks():
            if task.open:
                head, _, last = task.task_key.rpartition("|")
                stem = head if last.isdigit() and head in {one.task_key for one in self._tasks()} else task.task_key
                assert stem not in seen, stem
                seen.add(stem)

    @invariant()
    def every_open_task_has_queue_due_time_and_one_escalation(self) -> None:
        steps: dict[str, int] = {}
        for timer in self.bench.timers():
            if timer.task_id is not None:
                steps[timer.task_id] = steps.get(timer.task_id, 0) + 1
        for task in self._tasks():
            if task.open:
                assert task.queue and task.due_at and task.reason
                assert steps.get(task.task_id, 0) <= 1
            else:
                assert task.task_id not in steps, "a closed task still escalates"

    @invariant()
    def nothing_is_planned_for_the_dead(self) -> None:
        if not self._tasks() or self.bench.subject.patient.deceased_source is None:
            return
        assert [task.rule_id for task in self._tasks() if task.open and task.type in ENDED_BY_DEATH] == []

    @invariant()
    def nothing_is_open_about_what_was_cancelled(self) -> None:
        if self.bench.scope.subject is None:
            return
        home = self.bench.subject
        for task in self._tasks():
            stay = home.encounters.get(task.encounter_id or "")
            if task.open and stay is not None and stay.encounter_id in task.task_key:
                assert stay.status not in ("cancelled", "deleted"), task.rule_id
            visit = home.appointments.get(task.appointment_id or "")
            if task.open and visit is not None and visit.appointment_id in task.task_key:
                assert visit.status != "entered-in-error", task.rule_id
                cancelled_for = task.rule_id in ("appointment-cancelled-no-rebook",)
                assert visit.status != "cancelled" or cancelled_for, task.rule_id

    @invariant()
    def tasks_of_a_discharge_end_with_it(self) -> None:
        if self.bench.scope.subject is None:
            return
        home = self.bench.subject
        for task in self._tasks():
            stay = home.encounters.get(task.encounter_id or "")
            number = next((part for part in task.task_key.split("|") if re.fullmatch(r"dis\d+", part)), None)
            if not task.open or stay is None or number is None:
                continue
            coming = stay.status not in ("discharged", "expired")
            assert number == f"dis{stay.discharge_number + coming}", (task.rule_id, stay.status)

    @invariant()
    def no_work_that_is_called_for_is_missing(self) -> None:
        if self.bench.scope.subject is None:
            return
        standing = {
            (task.rule_id, task.encounter_id, part)
            for task in self._tasks()
            if task.business_status != "retracted"
            for part in task.task_key.split("|")
        }
        seen = {(t.rule_id, t.encounter_id) for t in self._tasks() if t.business_status == "auto-resolved"}
        missing = {one for one in owed(self.bench) if one not in standing and one[:2] not in seen}
        assert missing == set()

    def _tasks(self) -> list[Any]:
        return list(self.bench.subject.tasks.values()) if self.bench.scope.subject is not None else []


AllFamilies.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[phase for phase in Phase if phase is not Phase.explain],
)
TestAllFamilies = AllFamilies.TestCase


# -- timers that fire late ---------------------------------------------------------------------------------------------


class Twins(Bench):
    """Beside this bench, where every timer fires in time, one that was down: its messages come one after the other, and
    what is due fires only by them, or when all wait."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.down = Bench(**settings)

    def hear(self, event: CanonicalEvent, *, at: datetime | None = None) -> Changes:
        self.down.now = max(self.down.now, event.recorded_at + timedelta(seconds=1))
        if self.down.scope.subject is not None:
            for timer in overdue(self.down.subject, "adt", event.recorded_at):
                self.down.fire(timer)
        self.down._decide(event)
        return super().hear(event, at=at)


class LateTimers(AllFamilies):
    """Settled reading 1: the outcome is the same whenever a timer runs."""

    make_bench = Twins

    def teardown(self) -> None:
        if not hasattr(self, "bench"):
            return
        assert isinstance(self.bench, Twins)
        until = self.at + timedelta(days=10)
        self.bench.down.wait(until)
        self.bench.wait(until)
        assert outcome(self.bench.down) == outcome(self.bench)


LateTimers.TestCase.settings = AllFamilies.TestCase.settings
TestLateTimers = LateTimers.TestCase


# -- order of rules ----------------------------------------------------------------------------------------------------


def day(bench: Bench) -> None:
    """A busy fortnight in which most rules have something to say."""
    medicare = bench.insurance("CMS", plan_type="MA")
    for event in (
        bench.register("2026-07-01 06:00", class_="observation", coverages=medicare),
        bench.visit("S12", "2026-07-01 08:00", "2026-07-20 10:00", service="70551"),
        bench.admit("2026-07-02 09:00", trigger="ADT^A06", expected_discharge_at=local("2026-07-03 15:00")),
        bench.decision("2026-07-02 10:00", "pended", event_begins_on="2026-07-02"),
        bench.announce("A16", "2026-07-03 09:00", expected_disposition="06"),
        bench.discharge("2026-07-03 14:10", disposition="06", category="home-health", readmission=True),
        bench.decision("2026-07-04 10:00", "denied", event_begins_on="2026-07-02"),
        bench.visit("S26", "2026-07-06 11:00", "2026-07-06 10:00", "F2"),
        bench.eligibility("2026-07-07 09:00", "inactive", payer="CMS"),
        bench.admit("2026-07-08 09:00", "V2", coverages=bench.insurance("CIGNA")),
        bench.discharge("2026-07-10 09:00", "V2", disposition="20", category="expired"),
        bench.cancel_discharge("2026-07-10 12:00", "V2"),
        bench.discharge("2026-07-11 09:00", "V2", disposition="03", category="snf"),
    ):
        bench.hear(event)
    bench.wait("2026-08-15 00:00")


def outcome(bench: Bench) -> list[tuple[object, ...]]:
    return sorted((t.task_key, t.status, t.business_status or "", t.priority, t.due_at, t.queue) for t in bench.tasks())


@pytest.mark.parametrize("turn", [1, 7, 19, -1])
def test_tasks_do_not_depend_on_the_order_in_which_rules_look(
    make_bench: type[Bench], monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    usual = make_bench()
    day(usual)
    first, *others = RULES  # death looks first: it is what gives back what it cancelled
    order = others[::-1] if turn < 0 else [*others[turn:], *others[:turn]]
    monkeypatch.setattr(running, "CATALOGUE", Catalogue((first, *order)))
    turned = make_bench()
    day(turned)
    assert outcome(turned) == outcome(usual)
    assert len({t.rule_id for t in usual.tasks()}) > 15


def test_a_late_timer_gives_the_tasks_of_one_in_time(make_bench: type[Bench]) -> None:
    """Settled reading 1: down for a while, then all that came in between is heard first."""
    ahead = make_bench()
    down = make_bench()
    for bench in (ahead, down):
        bench.hear(bench.admit("2026-07-01 09:00", coverages=bench.insurance()))
        bench.hear(bench.discharge("2026-07-02 14:10"))
    booking: datetime = local("2026-07-02 20:00")
    for bench, late in ((ahead, False), (down, True)):
        event = bench.visit("S12", "2026-07-02 20:00", "2026-07-08 10:00")
        bench.hear(event, at=local("2026-07-04 09:00") if late else booking)
        bench.wait("2026-07-04 12:00")
    assert {t.task_key.split("|")[0] for t in ahead.tasks() if t.open} >= {"discharge-contact-2bd"}
    assert all(t.business_status == "auto-resolved" for t in down.tasks("discharge-followup-unbooked"))
