"""The working copy on which one decision is made.

`decide` gives each stimulus a fresh `Draft` over the scope; transitions and rules change the state only through its
verbs, so that every change is collected once, with its revision, history and event.  The scope handed in is changed in
place as well, so that the next stimulus of the same batch sees it: callers that need the old one keep a copy.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TypeVar, cast
from zoneinfo import ZoneInfo

import msgspec

from gateway.coordination.changes import (
    JSON,
    Cause,
    Changes,
    Considered,
    CoordinationSettings,
    Emitted,
    Ids,
    Outgoing,
    RuleFailure,
    Stimulus,
    TimerFired,
)
from gateway.coordination.keys import AGGREGATES, KEYS, TABLES, Key, Stateful, name_of
from gateway.coordination.records import (
    Merge,
    Patient,
    Record,
    Task,
    TaskChange,
    Timer,
    Transition,
)
from gateway.coordination.scope import PatientScope, Scope
from mappings.events import CanonicalEvent

R = TypeVar("R", bound=Record)
MERGE = "merge-journalled"


class Draft:
    """One stimulus, one scope, one set of changes."""

    def __init__(
        self, scope: Scope, stimulus: Stimulus, cause: Cause, now: datetime, settings: CoordinationSettings, ids: Ids
    ) -> None:
        self.scope = scope
        self.subject = cast(PatientScope, scope.subject)  # the patient concerned: created before any rule runs
        self.cause = cause
        self.now = now
        self.hear(stimulus)
        self.settings = settings
        self.ids = ids
        self.emitted: list[Emitted] = []
        self.cause_event_id: str | None = None  # the event that this stimulus became; None for timers and commands
        self.transitions: list[Transition] = []
        self.happened: set[str] = set()  # kinds of the transitions, types of the events, MERGE
        self.documents: list[Outgoing] = []
        self.told: list[CanonicalEvent] = []
        self.outcome = "processed"
        self.reason: str | None = None
        self.late = False  # the message is older than what was already applied (domain reference 2.5)
        self.flags: list[str] = []
        self.considered: list[Considered] | None = None  # filled when somebody asks what each rule made of it
        self._dirty: defaultdict[type[Record], dict[Key, Record]] = defaultdict(dict)
        self._told_of: set[type[Record]] = set()  # by transitions
        self._deleted_timers: list[str] = []
        self._task_changes: list[TaskChange] = []
        self._merges: list[Merge] = []
        self._failures: list[RuleFailure] = []

    # -- reading ---------------------------------------------------------------------------------------------------

    def hear(self, stimulus: Stimulus) -> None:
        """Take this for the stimulus: in the beginning, and when a timer turns out to mean an event."""
        self.stimulus = stimulus
        self.by_message = isinstance(stimulus, CanonicalEvent)  # whether the stimulus is a message's event
        self.event = cast(CanonicalEvent, stimulus if self.by_message else None)  # the stimulus, then
        if isinstance(stimulus, CanonicalEvent):
            self.recorded_at, self.occurred_at = stimulus.recorded_at, stimulus.occurred_at
        elif isinstance(stimulus, TimerFired):
            self.recorded_at, self.occurred_at = self.now, stimulus.timer.fire_at
        else:
            self.recorded_at = self.occurred_at = self.now

    @property
    def makes_tasks(self) -> bool:
        """False for historical messages (MSH-11.2 A, R, I) and for channels in stage `load` or `shadow`."""
        historical = isinstance(self.stimulus, CanonicalEvent) and self.stimulus.historical
        return not historical and self.settings.stage == "live"

    def touched(self, kind: type[R]) -> list[R]:
        """The records of one kind that this stimulus changed, merged-away patients' included."""
        return cast(list[R], list(self._dirty.get(kind, {}).values()))

    @property
    def touched_kinds(self) -> set[type[Record]]:
        """The kinds of records that this stimulus changed, or said something of."""
        return {kind for kind, records in self._dirty.items() if records} | self._told_of

    @property
    def news(self) -> set[str | type[Record]]:
        """What was caused so far: kinds of transitions, types of events, and kinds of records that changed."""
        return self.happened | self._dirty.keys()

    @property
    def size(self) -> int:
        """How much news there is."""
        return len(self.happened) + len(self._dirty)

    @property
    def merges(self) -> list[Merge]:
        return self._merges

    def zone(self, facility_id: str) -> str:
        found = self.settings.facilities.get(facility_id)
        return found[0] if found else self.settings.default_zone

    def calendar(self, facility_id: str) -> str:
        found = self.settings.facilities.get(facility_id)
        return found[1] if found else "us-federal"

    def numbers(self, facility_id: str, *payers: str | None, on: datetime | None = None) -> CoordinationSettings:
        """The settings that hold at a facility and for a payer (by any of its names), on the day of `on` or of the
        stimulus."""
        if not self.settings.overrides:
            return self.settings
        day = (on or self.occurred_at).astimezone(ZoneInfo(self.zone(facility_id))).date().isoformat()
        return self.settings.at(facility_id, frozenset(name for name in payers if name), day)

    def stopped(self, rule_id: str, because: str, about: str = "") -> None:
        """A rule looked and opens nothing: which condition stopped it.  Costs nothing unless somebody asks."""
        if self.considered is not None:
            self.considered.append(Considered(rule_id=rule_id, outcome="stopped", because=because, about=about))

    def note_outcome(self, rule_id: str, outcome: str, because: str, about: str = "") -> None:
        """A rule opened or closed a task."""
        if self.considered is not None:
            self.considered.append(Considered(rule_id=rule_id, outcome=outcome, because=because, about=about))

    # -- changing state --------------------------------------------------------------------------------------------

    def new_patient(self, patient: Patient) -> PatientScope:
        """Make `patient` the subject."""
        self.take_subject(PatientScope(patient=patient))
        self.put(patient)
        return self.subject

    def take_subject(self, home: PatientScope) -> None:
        """From here on this is the patient concerned."""
        self.scope.subject = self.subject = home

    def put(self, record: Record, of: PatientScope | None = None) -> None:
        """Add a new record to the patient's state (`of`: another patient of the scope)."""
        home, kind = of or self.subject, type(record)
        key = KEYS[kind](record)
        if kind is Patient:
            home.patient = cast(Patient, record)
        else:
            getattr(home, TABLES[kind])[key] = record
        self._dirty[kind][key] = record

    def update(self, record: R, of: PatientScope | None = None, **fields: object) -> R:
        """Replace fields of a state record.  Returns it unchanged when nothing differs, else the next revision."""
        changed = {name: value for name, value in fields.items() if getattr(record, name) != value}
        if not changed:
            return record
        if type(record) in AGGREGATES:  # the others count no revisions
            changed["revision"] = cast(Stateful, record).revision + 1
            changed["updated_at"] = self.now
        fresh = msgspec.structs.replace(record, **changed)
        self.put(fresh, of)
        return fresh

    def transition(
        self,
        kind: str,
        record: Stateful,
        old: str | None,
        new: str | None,
        *,
        occurred_at: datetime | None = None,
        patient_id: str | None = None,
    ) -> Transition:
        """Log that `record` went from `old` to `new`."""
        aggregate, aggregate_id = name_of(record)
        entry = Transition(
            transition_id=self.ids.new("trn", f"{kind}|{aggregate_id}|{old}|{new}"),
            facility_id=record.facility_id,
            patient_id=patient_id or self.subject.patient.patient_id,
            kind=kind,
            aggregate=aggregate,
            aggregate_id=aggregate_id,
            from_value=old,
            to_value=new,
            message_id=self.cause.message_id,
            event_id=self.emitted[-1].event_id if self.emitted else "",
            occurred_at=occurred_at or self.occurred_at,
            at=self.now,
        )
        self.transitions.append(entry)
        self.happened.add(kind)
        self._told_of.add(type(record))
        return entry

    def emit(
        self,
        type_: str,
        record: Stateful,
        data: dict[str, JSON],
        *,
        changes: list[dict[str, JSON]] | None = None,
        occurred_at: datetime | None = None,
    ) -> Emitted:
        """Publish a canonical event about `record` (domain reference 7.2)."""
        aggregate, aggregate_id = name_of(record)
        home = self.subject
        if record.patient_id != home.patient.patient_id:  # another patient's of the scope
            home = self.scope.others.get(record.patient_id, home)
        patient = home.patient
        event = Emitted(
            event_id=self.ids.new("evt", f"{type_}|{aggregate_id}"),
            type=type_,
            facility_id=record.facility_id,
            patient_id=patient.patient_id,
            aggregate=aggregate,
            aggregate_id=aggregate_id,
            revision=record.revision,
            occurred_at=occurred_at or self.occurred_at,
            recorded_at=self.recorded_at,
            data=data,
            changes=changes or [],
            flags=[*self.flags, "replayed"] if self.cause.replayed else self.flags.copy(),
            restricted=patient.restricted or _is_restricted(record, home),
            site=self.event.site if self.by_message else {},
        )
        self._publish(event)
        return event

    def _publish(self, event: Emitted) -> None:
        self.emitted.append(event)
        self.happened.add(event.type)
        if self.cause_event_id is None and not event.type.startswith("task."):
            self.cause_event_id = event.event_id

    def emit_apart(self, type_: str, kind: str, name: str, data: dict[str, JSON]) -> Emitted:
        """Publish an event that is no patient's, about the place or resource `name` of the event's facility.  Its id is
        a digest of the name, its revision the recorded second: nothing counts such events."""
        event = Emitted(
            event_id=self.ids.new("evt", f"{type_}|{name}"),
            type=type_,
            facility_id=self.event.facility,
            patient_id="",
            aggregate=kind,
            aggregate_id=self.ids.named(kind[:3], f"{self.event.facility}|{name}"),
            revision=max(int(self.event.recorded_at.timestamp()), 0),
            occurred_at=self.occurred_at,
            recorded_at=self.event.recorded_at,
            data=data,
            flags=[*self.flags, "replayed"] if self.cause.replayed else self.flags.copy(),
        )
        self._publish(event)
        return event

    def tell(self, event: CanonicalEvent) -> None:
        """What has to be decided in other scopes: it goes out as work, after this decision is written (decision 13)."""
        self.told.append(event)

    def merge(self, entry: Merge) -> None:
        self._merges.append(entry)
        self.happened.add(MERGE)

    # -- tasks and timers ------------------------------------------------------------------------------------------

    def set_timer(self, timer: Timer, of: PatientScope | None = None) -> None:
        """Set or move a timer (same timer_id: moved)."""
        if timer.timer_id in self._deleted_timers:
            self._deleted_timers.remove(timer.timer_id)
        self.put(timer, of)

    def clear_timer(self, timer: Timer, of: PatientScope | None = None) -> None:
        home = of or self.subject
        if home.timers.pop(timer.timer_id, None) is not None:
            if Timer in self._dirty:
                self._dirty[Timer].pop(timer.timer_id, None)
            self._deleted_timers.append(timer.timer_id)

    def forget_timer(self, timer: Timer) -> None:
        """Delete the row of a timer that is not part of the state any more."""
        self._deleted_timers.append(timer.timer_id)

    def task_changed(
        self,
        task: Task,
        change: str,
        actor: str,
        *,
        from_status: str | None = None,
        reason: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Append to the task's history; call after `put` or `update` of the task.  `detail` is JSON."""
        self._task_changes.append(
            TaskChange(
                task_id=task.task_id,
                revision=task.revision,
                facility_id=task.facility_id,
                at=self.now,
                actor=actor,
                change=change,
                from_status=from_status,
                to_status=task.status,
                reason=reason,
                cause=self.cause_event_id,
                detail_json=detail,
            )
        )

    def rule_failed(self, rule_id: str, error: Exception) -> None:
        self._failures.append(RuleFailure(rule_id=rule_id, error=type(error).__name__))

    # -- the result ------------------------------------------------------------------------------------------------

    def end(self, outcome: str, reason: str) -> None:
        """Filter or park the stimulus; what was drafted so far still holds, so call it before changing anything."""
        self.outcome, self.reason = outcome, reason

    def changes(self) -> Changes:
        return Changes(
            upserts=[record for records in self._dirty.values() for record in records.values()],
            deleted_timers=self._deleted_timers,
            transitions=self.transitions,
            task_changes=self._task_changes,
            merges=self._merges,
            emitted=self.emitted,
            documents=self.documents,
            told=self.told,
            failures=self._failures,
            outcome=self.outcome,
            reason=self.reason,
        )


def _is_restricted(record: Stateful, home: PatientScope) -> bool:
    """Marked itself (PV1-16, PV2-22, DG1-18), or part of a stay that is."""
    stay = home.encounters.get(getattr(record, "encounter_id", None) or "")
    return bool(getattr(record, "restricted", False)) or (stay is not None and stay.restricted)


@lru_cache(maxsize=256)
def hours(count: float) -> timedelta:
    """Elapsed clock hours (H in the domain reference)."""
    return timedelta(hours=count)
