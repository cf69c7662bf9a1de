"""What a rule is: one declared object, in the words of domain reference 6.2, and the functions that make it act.

Rules look at the state after the transitions and keep no memory of their own.  A rule is called when one of the record
types it watches was changed by the stimulus, and when one of its timers fires.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from gateway.coordination.calendar import Site, within_business_days
from gateway.coordination.changes import TimerFired
from gateway.coordination.draft import Draft
from gateway.coordination.records import Record, Task, Timer
from gateway.coordination.tasks import Evidence, Opening, Step, amend, lane_of, open_task, set_step

Look = Callable[[Draft], None]
Fire = Callable[[Draft, TimerFired], None]
Watched = type[Record]
Steps = Callable[[Draft, Task], Iterable[Step]]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One transition rule.  The texts are the documentation (docs/rules.md); the functions must do what they say."""

    id: str
    version: int = 1
    trigger: str
    task: str  # title of the task
    type: str  # domain reference 7.3
    priority: str
    due: str
    queue: str
    resolves: str
    retracts: str
    escalates: str = "default"
    key: str  # after the rule's id
    basis: str
    watches: tuple[Watched, ...] = ()
    look: Look | None = None
    fire: Fire | None = None  # for the rule's own timers; escalation timers of tasks need none
    steps: Steps | None = None  # escalation other than the default

    def key_of(self, *parts: str) -> str:
        return "|".join((self.id, *parts))


class Focus(msgspec.Struct, kw_only=True):
    """What a task is about, and where its deadlines are counted."""

    facility_id: str
    encounter_id: str | None = None
    appointment_id: str | None = None
    coverage_id: str | None = None
    authorization_id: str | None = None


class Finding(msgspec.Struct, kw_only=True):
    """Why a rule opens a task now."""

    key: str
    due_at: datetime
    reason: str
    evidence: list[Evidence]
    priority: str | None = None
    business_status: str | None = None


def open_for(draft: Draft, rule: Rule, focus: Focus, finding: Finding) -> Task | None:
    """Open the rule's task with its first escalation timer; None when the key is spent."""
    late = isinstance(draft.stimulus, TimerFired) and draft.stimulus.late
    reason = finding.reason
    if late:
        reason += " Checked late: the feed was silent or the gateway was down at the time of the check."
    if draft.subject.patient.gap_since:
        reason += f" An earlier message is still parked ({draft.subject.patient.gap_since})."
    task = open_task(
        draft,
        Opening(
            key=finding.key,
            rule_id=rule.id,
            rule_version=rule.version,
            type=rule.type,
            title=rule.task,
            priority=finding.priority or rule.priority,
            queue=rule.queue,
            due_at=finding.due_at,
            facility_id=focus.facility_id,
            reason=reason,
            evidence=finding.evidence,
            business_status=finding.business_status,
            encounter_id=focus.encounter_id,
            appointment_id=focus.appointment_id,
            coverage_id=focus.coverage_id,
            authorization_id=focus.authorization_id,
            late=late,
        ),
    )
    if task is not None:
        set_step(draft, task, next_step(draft, rule, task))
    return task


def set_due(draft: Draft, rule: Rule, task: Task, due_at: datetime) -> Task:
    """Move an open task's due time and its escalation with it (a correction changed what it counts from)."""
    if task.due_at == due_at:
        return task
    fresh = amend(draft, task, "the time it counts from was corrected", due_at=due_at)
    done = draft.stimulus.timer.fire_at if isinstance(draft.stimulus, TimerFired) else None
    set_step(draft, fresh, next_step(draft, rule, fresh, after=done))
    return fresh


def next_step(draft: Draft, rule: Rule, task: Task, *, after: datetime | None = None) -> Step | None:
    """The first escalation step later than `after`; the earliest of all when None, even when it is past."""
    steps = sorted(rule.steps(draft, task) if rule.steps else default_steps(draft, task), key=lambda step: step.at)
    return next((step for step in steps if after is None or step.at > after), None)


def default_steps(draft: Draft, task: Task) -> tuple[Step, ...]:
    """6.1: overdue at the due time; the queue's lead one business day later (stat tasks: at once)."""
    overdue = Step(task.due_at, "due")
    if task.escalations:
        return (overdue,)
    return (overdue, Step(within_business_days(task.due_at, 1, site_of(draft, task.facility_id)), "lead"))


def site_of(draft: Draft, facility_id: str) -> Site:
    return Site(draft.zone(facility_id), draft.calendar(facility_id))


def evidence(draft: Draft, location: str, value: str | None = None) -> Evidence:
    """A fact of the message being processed (for a timer: of the message that set it off)."""
    return Evidence(draft.cause.message_id, location, value or "")


# -- a rule's own timers -----------------------------------------------------------------------------------------------


def timers_of(draft: Draft, rule: Rule, **ids: str) -> list[Timer]:
    """The rule's pending timers about these ids (`encounter_id=...`, `kind=...`)."""
    return [
        timer
        for timer in draft.subject.timers.values()
        if timer.rule_id == rule.id
        and timer.task_id is None
        and all(getattr(timer, name) == value for name, value in ids.items())
    ]


def set_check(draft: Draft, rule: Rule, focus: Focus, kind: str, cycle: str, fire_at: datetime) -> None:
    """Set, or move, the rule's one timer of this kind and cycle about the focus."""
    for timer in timers_of(draft, rule, kind=kind, cycle=cycle):
        if timer.encounter_id == focus.encounter_id and timer.authorization_id == focus.authorization_id:
            if timer.fire_at != fire_at:
                draft.set_timer(msgspec.structs.replace(timer, fire_at=fire_at))
            return
    draft.set_timer(
        Timer(
            timer_id=draft.ids.new("tmr"),
            facility_id=focus.facility_id,
            patient_id=draft.subject.patient.patient_id,
            lane=lane_of(draft),
            channel=draft.cause.channel,
            rule_id=rule.id,
            kind=kind,
            encounter_id=focus.encounter_id,
            authorization_id=focus.authorization_id,
            cycle=cycle,
            fire_at=fire_at,
            set_at=draft.now,
            message_id=draft.cause.message_id,
        )
    )
