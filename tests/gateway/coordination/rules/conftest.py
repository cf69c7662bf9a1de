"""A bench for rules: one patient's scope, messages told to `decide` in order, and a clock that fires the due timers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from gateway.coordination.changes import Cause, Changes, Command, Considered, CoordinationSettings, TimerFired
from gateway.coordination.decide import decide
from gateway.coordination.keys import AGGREGATES, key_of
from gateway.coordination.records import Record, Task, Timer
from gateway.coordination.scope import PatientScope, Scope
from mappings.events import (
    AppointmentFacts,
    AuthorizationFacts,
    CanonicalEvent,
    CoverageFacts,
    EligibilityFacts,
    EncounterFacts,
    Identifier,
    MemberFacts,
    PatientFacts,
    ServiceDecision,
)

ZONE = ZoneInfo("America/New_York")
MAIN = "main"


def local(text: str) -> datetime:
    """ "2026-07-02 14:10" on the facility's wall."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


class Bench:
    """Everything about one patient; `hear` and `wait` move its clock."""

    local = staticmethod(local)

    def __init__(self, **settings: object) -> None:
        self.settings = CoordinationSettings(facilities={MAIN: ("America/New_York", "us-federal")}, **settings)
        self.scope = Scope()
        self.now = local("2026-01-01 00:00")
        self.count = 0
        self.changes: list[Changes] = []

    # -- what happens ----------------------------------------------------------------------------------------------

    def hear(self, event: CanonicalEvent, *, at: datetime | None = None) -> Changes:
        """Process a message at `at` (default: a second after it was recorded), firing first what is due by then."""
        moment = at or event.recorded_at + timedelta(seconds=1)
        self.wait(moment)
        return self._decide(event)

    def wait(self, until: datetime | str) -> list[Changes]:
        """Let time pass: every timer that comes due fires, in order."""
        moment = local(until) if isinstance(until, str) else until
        fired = []
        while due := sorted((t for t in self.timers() if t.fire_at <= moment), key=lambda t: (t.fire_at, t.timer_id)):
            self.now = max(self.now, due[0].fire_at)
            fired.append(self._decide(TimerFired(timer=due[0])))
        self.now = max(self.now, moment)
        return fired

    def skip(self, until: str) -> None:
        """The gateway is down until then: nothing fires."""
        self.now = local(until)

    def know(self, record: Record, **fields: object) -> None:
        """Set fields of a record as an earlier message left them."""
        fresh = msgspec.structs.replace(record, **fields)
        getattr(self.subject, f"{AGGREGATES[type(record)][0]}s")[key_of(fresh)] = fresh

    def only(self, table: str) -> Any:
        """The patient's one row of a table, "coverages"."""
        (found,) = getattr(self.subject, table).values()
        return found

    def fire(self, timer: Timer, *, late: bool = False) -> Changes:
        return self._decide(TimerFired(timer=timer, late=late))

    def act(self, name: str, task: Task, **fields: object) -> Changes:
        return self._decide(Command(name=name, task_id=task.task_id, actor="nurse-1", **fields))

    def ask(self, event: CanonicalEvent) -> list[Considered]:
        """Hear a message and tell what every rule made of it."""
        self.wait(event.recorded_at)
        considered: list[Considered] = []
        self._decide(event, considered)
        return considered

    def _decide(
        self, stimulus: CanonicalEvent | TimerFired | Command, considered: list[Considered] | None = None
    ) -> Changes:
        if not isinstance(stimulus, TimerFired):
            self.count += 1
        cause = self.cause_of(stimulus)
        made = decide(self.scope, stimulus, cause, self.now, self.settings, b"salt", considered)
        assert made.failures == [], made.failures
        self.changes.append(made)
        return made

    def cause_of(self, stimulus: CanonicalEvent | TimerFired | Command) -> Cause:
        """Of the newest message or command; of a timer the message that set it off, as the gateway has it."""
        if isinstance(stimulus, TimerFired):
            timer = stimulus.timer
            origin = f"{timer.timer_id}.{int(timer.fire_at.timestamp())}"
            return Cause(message_id=timer.message_id, origin=origin, channel="adt", received_at=timer.fire_at)
        return Cause(message_id=f"m-{self.count}", channel="adt", received_at=self.now, lanes=(7,))

    # -- what is known ---------------------------------------------------------------------------------------------

    @property
    def subject(self) -> PatientScope:
        assert self.scope.subject is not None
        return self.scope.subject

    def timers(self) -> list[Timer]:
        return list(self.scope.subject.timers.values()) if self.scope.subject else []

    def tasks(self, rule_id: str | None = None) -> list[Task]:
        found = [t for t in self.subject.tasks.values() if rule_id is None or t.rule_id == rule_id]
        return sorted(found, key=lambda t: t.opened_at)

    def task(self, rule_id: str) -> Task:
        (found,) = self.tasks(rule_id)
        return found

    def open_rules(self) -> set[str]:
        return {t.rule_id for t in self.subject.tasks.values() if t.open}

    # -- messages --------------------------------------------------------------------------------------------------

    def event(self, type_: str, trigger: str, at: str, **facts: object) -> CanonicalEvent:
        moment = local(at)
        facts.setdefault("occurred_at", moment)
        facts.setdefault("patient", PatientFacts(key=Identifier(value="1001", authority="GH", type="MR"), family="DOE"))
        return CanonicalEvent(type=type_, trigger=trigger, recorded_at=moment, facility=MAIN, **facts)

    def stay(self, visit: str = "V1", class_: str = "inpatient", **facts: object) -> EncounterFacts:
        key = Identifier(value=visit, authority="GH", type="VN")
        return EncounterFacts(key=key, visit_number=visit, class_=class_, **facts)

    def admit(self, at: str, visit: str = "V1", *, coverages=None, trigger="ADT^A01", patient=None, **facts: object):
        facts.setdefault("admitted_at", local(at))
        extra = {"patient": patient} if patient else {}
        type_ = "encounter.class-changed" if trigger == "ADT^A06" else "encounter.admitted"
        return self.event(type_, trigger, at, encounter=self.stay(visit, **facts), coverages=coverages, **extra)

    def register(self, at: str, visit: str = "V1", class_: str = "emergency", *, coverages=None, **facts: object):
        facts.setdefault("admitted_at", local(at))
        return self.event(
            "encounter.registered", "ADT^A04", at, encounter=self.stay(visit, class_, **facts), coverages=coverages
        )

    def preadmit(self, at: str, visit: str = "V1", *, coverages=None, **facts: object):
        return self.event(
            "encounter.preadmitted", "ADT^A05", at, encounter=self.stay(visit, "preadmit", **facts), coverages=coverages
        )

    def discharge(
        self, at: str, visit: str = "V1", *, disposition="01", category="home", recorded=None, **facts: object
    ):
        facts.setdefault("discharged_at", local(at))
        facts.setdefault("discharged_precision", "minute")
        stay = self.stay(visit, disposition=disposition, disposition_category=category, **facts)
        return self.event("encounter.discharged", "ADT^A03", recorded or at, encounter=stay, occurred_at=local(at))

    def cancel_discharge(self, at: str, visit: str = "V1"):
        return self.event(
            "encounter.discharge-cancelled", "ADT^A13", at, encounter=self.stay(visit, clear_discharge=True)
        )

    def cancel_admit(self, at: str, visit: str = "V1"):
        return self.event("encounter.admit-cancelled", "ADT^A11", at, encounter=self.stay(visit))

    def update(self, at: str, visit: str = "V1", *, coverages=None, patient=None, **facts: object):
        extra = {"patient": patient} if patient else {}
        return self.event(
            "encounter.updated", "ADT^A08", at, encounter=self.stay(visit, **facts), coverages=coverages, **extra
        )

    def announce(self, trigger: str, at: str, visit: str = "V1", **facts: object):
        """A16 and A25."""
        type_ = {"A16": "encounter.discharge-pending", "A25": "encounter.discharge-pending-cancelled"}[trigger]
        return self.event(type_, f"ADT^{trigger}", at, encounter=self.stay(visit, **facts))

    def convert(self, at: str, class_: str, visit: str = "V1", *, trigger: str):
        return self.event("encounter.class-changed", trigger, at, encounter=self.stay(visit, class_))

    def visit(self, trigger: str, at: str, start: str | None, filler: str = "F1", **facts: object):
        type_, status = {
            "S12": ("appointment.booked", "booked"),
            "S13": ("appointment.rescheduled", "booked"),
            "S14": ("appointment.updated", None),
            "S15": ("appointment.cancelled", "cancelled"),
            "S17": ("appointment.deleted", "entered-in-error"),
            "S26": ("appointment.no-showed", "noshow"),
        }[trigger]
        facts.setdefault("status", status)
        facts.setdefault("reason", "FOLLOWUP")
        made = AppointmentFacts(filler_id=filler, start=local(start) if start else None, **facts)
        return self.event(type_, f"SIU^{trigger}", at, appointment=made)

    def insurance(self, payer: str = "AETNA", **facts: object) -> tuple[CoverageFacts, ...]:
        facts.setdefault("priority", 1)
        return (CoverageFacts(payer_id=payer, plan_id="PPO", member_id="M1", **facts),)

    def eligibility(self, at: str, status: str, payer: str = "AETNA", **facts: object):
        types = {"active": "coverage.active", "inactive": "coverage.inactive", "not-covered": "coverage.inactive"}
        return self.event(
            types.get(status, "eligibility.rejected"),
            "271",
            at,
            member=MemberFacts(payer_id=payer, member_id="M1", family="DOE"),
            eligibility=EligibilityFacts(status=status, as_of=local(at), **facts),
        )

    def decision(self, at: str, status: str, *, line: ServiceDecision | None = None, payer="AETNA", **facts: object):
        actions = {"denied": "A3", "pended": "A4", "certified": "A1", "modified": "A6", "partially-certified": "A2"}
        event_line = ServiceDecision(level="event", action=actions.get(status), reasons=facts.pop("reasons", ()))
        facts.setdefault("tracking_number", "TRK1")
        facts.setdefault("request_category", "AR")
        decisions = (event_line, line) if line else (event_line,)
        made = AuthorizationFacts(status=status, decided_at=local(at), decisions=decisions, **facts)
        member = MemberFacts(payer_id=payer, member_id="M1", family="DOE", traces=("T1",))
        return self.event(f"authorization.{status}", "278", at, member=member, authorization=made)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def make_bench() -> type[Bench]:
    return Bench
