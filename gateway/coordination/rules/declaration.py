"""What a rule is: one declared object, in the words of domain reference 6.2, and the functions that make it act.

Rules look at the state after the transitions and keep no memory of their own.  A rule is called when one of the record
types it watches was changed by the stimulus, and when one of its timers fires.  It acts in up to five ways:

    settle   an open task of the rule -> why it is over (`done`, `gone`), or None
    about    the records at which the rule looks now; `wants`: such a record -> a Finding, or what stops it
    checks   a changed record -> the moments at which the rule has to look again; `ripe`: what it finds then
    look     anything else, at once on the whole draft; `fire` the same for a timer
    steps    when an open task escalates, if not by default
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from gateway.coordination.calendar import Site, site_in, within_business_days
from gateway.coordination.changes import CoordinationSettings, TimerFired
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Record, Task, Timer
from gateway.coordination.tasks import (
    Evidence,
    Step,
    amend,
    lane_of,
    open_task,
    raised,
    resolve,
    retract,
    set_step,
)

OVERDUE_RULE = "task-overdue-escalate"

Look = Callable[[Draft], None]
Fire = Callable[[Draft, TimerFired], None]
Watched = type[Record]
Steps = Callable[[Draft, Task], Iterable[Step]]


class Closing(msgspec.Struct, frozen=True):
    """Why a task is over: the work is done (`resolved`), or its reason vanished."""

    resolved: bool
    because: str


def done(because: str) -> Closing:
    return Closing(True, because)


def gone(because: str) -> Closing:
    return Closing(False, because)


class Focus(msgspec.Struct, kw_only=True, gc=False):
    """What a task is about, and where its deadlines are counted."""

    facility_id: str
    encounter_id: str | None = None
    appointment_id: str | None = None
    coverage_id: str | None = None
    authorization_id: str | None = None


class Finding(msgspec.Struct, kw_only=True, gc=False):
    """Why a rule opens a task now.  `focus` is needed where the rule is not called with one."""

    key: str
    due_at: datetime
    reason: str
    evidence: list[Evidence]
    priority: str | None = None
    business_status: str | None = None
    focus: Focus | None = None
    title: str | None = None
    queue: str | None = None


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A moment at which the rule looks again; one per kind and cycle of its focus."""

    kind: str
    at: datetime
    cycle: str = ""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One transition rule.  The texts are the documentation (docs/rules.md); the functions must do what they say.

    The first kind in `watches` is what the rule is about: `wants`, `checks` and `ripe` are called with such a record.
    `revives`: after a retraction the rule looks at that record again whenever something it watches changes.
    `hears`: kinds of transitions, of events and of changed records, and signs (`rules.signs`), without all of which a
    rule that has no task of its own, open or retracted, and no timer could only find nothing: it is not called then.
    None: it is called whenever it watches.
    """

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
    settings: tuple[str, ...] = ()  # numbers it asks for, fields of CoordinationSettings
    extended: bool = False  # off unless `enabled_rules` names it
    watches: tuple[Watched, ...] = ()
    hears: tuple[str | Watched, ...] | None = None
    look: Look | None = None
    fire: Fire | None = None  # for the rule's own timers; escalation timers of tasks need none
    steps: Steps | None = None  # escalation other than the default
    settle: Callable[[Draft, Task], Closing | None] | None = None
    about: Callable[[Draft], Iterable[Any]] | None = None
    wants: Callable[[Draft, Any], Finding | str] | None = None
    checks: Callable[[Draft, Any], Sequence[Check] | None] | None = None
    ripe: Callable[[Draft, Any, Timer], Finding | str] | None = None
    revives: bool = False

    def key_of(self, *parts: str) -> str:
        return "|".join((self.id, *parts))

    def is_on(self, settings: CoordinationSettings) -> bool:
        if self.id in settings.disabled_rules:
            return False
        return not self.extended or self.id in settings.enabled_rules

    def may_be_on(self, settings: CoordinationSettings) -> bool:
        """Whether it runs at all: switched on here, or by an override for some facility, payer or time."""
        return self.is_on(settings) or any(self.id in one.enable for one in settings.overrides)


_STAYS_REMEMBERED = timedelta(days=85)
"""Shorter than the 90 days for which closed tasks of ended stays are loaded."""

ENDED_BY_DEATH = frozenset({"outreach", "schedule", "verify-coverage", "obtain-auth", "submit-info", "social"})
"""Types of tasks that nobody needs for the dead (settled reading 6)."""


_NOT_RUNNING = " Checked late: the feed was silent or the gateway was down at the time of the check."
_TOLD_AFTER = " Checked late: the message that asks for the check came after its time."


def open_for(draft: Draft, rule: Rule, focus: Focus, finding: Finding) -> Task | None:
    """Open the rule's task with its first escalation timer; None when the key is spent, or the rule is off or the
    patient suppressed at this facility.  A task whose end has come already closes at once (settled reading 1)."""
    if not rule.is_on(draft.numbers(focus.facility_id)):
        draft.stopped(rule.id, "the rule is switched off at this facility", finding.key)
        return None
    if _ended_long_ago(draft, focus):
        draft.stopped(rule.id, "the stay ended more than 85 days ago", finding.key)
        return None
    if (quiet := _suppressed(draft, rule, focus)) is not None:
        draft.stopped(rule.id, quiet, finding.key)
        return None
    fired = draft.stimulus if isinstance(draft.stimulus, TimerFired) else None
    late = fired is not None and fired.late
    reason = finding.reason
    if fired is not None and late:
        told_after = fired.timer.set_at >= fired.timer.fire_at
        reason += _TOLD_AFTER if told_after else _NOT_RUNNING
    if draft.subject.patient.gap_since:
        reason += f" An earlier message is still parked ({draft.subject.patient.gap_since})."
    task = open_task(
        draft,
        Task(
            task_id="",
            facility_id=focus.facility_id,
            revision=1,
            task_key=finding.key,
            rule_id=rule.id,
            rule_version=rule.version,
            type=rule.type,
            title=finding.title or rule.task,
            priority=finding.priority or rule.priority,
            due_at=finding.due_at,
            queue=finding.queue or rule.queue,
            status="requested",
            business_status=finding.business_status,
            patient_id=draft.subject.patient.patient_id,
            encounter_id=focus.encounter_id,
            appointment_id=focus.appointment_id,
            coverage_id=focus.coverage_id,
            authorization_id=focus.authorization_id,
            reason=reason,
            evidence_json=msgspec.json.encode(finding.evidence).decode(),
            late=late,
            opened_at=draft.now,
            updated_at=draft.now,
        ),
    )
    if task is None:
        draft.stopped(rule.id, "there was a task with this key already, or its window closed long ago", finding.key)
        return None
    draft.note_outcome(rule.id, "opened", reason, task.task_id)
    set_step(draft, task, next_step(draft, rule, task))
    settle_task(draft, rule, task)
    return task


def settle_task(draft: Draft, rule: Rule, task: Task) -> None:
    """Close the task when its rule says that it is over."""
    closing = rule.settle(draft, task) if rule.settle is not None else None
    if closing is None:
        return
    act = resolve if closing.resolved else retract
    draft.note_outcome(rule.id, "closed", closing.because, task.task_id)
    act(draft, task, because(draft, closing.because))


def because(draft: Draft, text: str) -> str:
    """A closing reason that begins with what caused it, a trigger such as "ADT^A13"."""
    return f"{draft.event.trigger}: {text}" if draft.by_message else text


def open_found(draft: Draft, rule: Rule, found: Finding | str, about: str) -> Task | None:
    """Open what `wants` or `ripe` found, or note the condition that stopped it."""
    if isinstance(found, str):
        draft.stopped(rule.id, found, about)
        return None
    assert found.focus is not None
    return open_for(draft, rule, found.focus, found)


def _ended_long_ago(draft: Draft, focus: Focus) -> bool:
    """Of a stay that ended so long ago the closed tasks are not loaded any more, so that nobody can tell which of its
    keys are spent; and nothing that follows a discharge is asked for after that time."""
    stay = draft.subject.encounters.get(focus.encounter_id or "")
    return (
        stay is not None
        and focus.authorization_id is None  # a payer may answer years later; the keys of its answers are all loaded
        and stay.status in ("discharged", "expired")
        and stay.discharged_at is not None
        and recorded_by(draft) - stay.discharged_at > _STAYS_REMEMBERED
    )


def next_value(draft: Draft, rule: Rule, scope: str, value: str) -> str:
    """v{x} of 6.1: the value and, when it returns after another one, its count.  `scope`: the key's part before it."""
    stem = f"{rule.id}|{scope}|v"
    told = [
        (task.opened_at, task.task_key[len(stem) :].partition("|")[0])
        for task in draft.subject.tasks.values()
        if task.rule_id == rule.id and task.task_key.startswith(stem)
    ]
    same = [name for _, name in told if name.partition(".")[0] == value]
    if not same:
        return f"v{value}"
    newest = max(told)[1]
    if newest.partition(".")[0] == value:
        return f"v{newest}"
    return f"v{value}.{len(set(same)) + 1}"


def _suppressed(draft: Draft, rule: Rule, focus: Focus) -> str | None:
    """Death, quiet list, opt-out and classes without tasks (6.1): what keeps the task away, or None."""
    patient, numbers = draft.subject.patient, draft.numbers(focus.facility_id)
    if rule.type in ENDED_BY_DEATH and (patient.deceased_source or patient.deceased_at):
        return "the patient died"
    if numbers.quiet_mrns and any(_in_range(patient.mrn, one) for one in numbers.quiet_mrns):
        return "the patient is on the quiet list"
    if numbers.quiet_names and (patient.family or "").upper() in {name.upper() for name in numbers.quiet_names}:
        return "the patient is on the quiet list"
    if rule.type in numbers.opt_out_types and patient.mrn in numbers.opt_out:
        return "the patient has opted out"
    if numbers.suppressed_classes and focus.encounter_id:
        stay = draft.subject.encounters.get(focus.encounter_id)
        if stay is not None and {stay.class_, stay.patient_class} & set(numbers.suppressed_classes):
            return "this class of visit makes no tasks here"
    return None


def _in_range(mrn: str, listed: str) -> bool:
    """ "T100" names one number, "T100-T199" all of the same length between."""
    first, dash, last = listed.partition("-")
    if not dash or len(first) != len(last):
        return mrn == listed
    return len(mrn) == len(first) and first <= mrn <= last


def set_due(draft: Draft, rule: Rule, task: Task, due_at: datetime) -> Task:
    """Move an open task's due time and its escalation with it (a correction changed what it counts from)."""
    if task.due_at == due_at:
        return task
    fresh = amend(draft, task, "the time it counts from was corrected", due_at=due_at)
    fired = draft.stimulus.timer.fire_at if isinstance(draft.stimulus, TimerFired) else None
    set_step(draft, fresh, next_step(draft, rule, fresh, after=fired))
    return fresh


def next_step(draft: Draft, rule: Rule, task: Task, *, after: datetime | None = None) -> Step | None:
    """The first escalation step later than `after`; the earliest of all when None, even when it is past."""
    if rule.steps is None and after is None:
        return Step(task.due_at, "due")  # every step to a lead is a business day later
    steps = list(rule.steps(draft, task) if rule.steps else default_steps(draft, task))
    numbers = draft.numbers(task.facility_id)
    if OVERDUE_RULE in numbers.enabled_rules and OVERDUE_RULE not in numbers.disabled_rules:
        steps.append(lead_step(draft, task))
    steps.sort(key=lambda step: step.at)
    return next((step for step in steps if after is None or step.at > after), None)


def default_steps(draft: Draft, task: Task) -> tuple[Step, ...]:
    """6.1: overdue at the due time; the queue's lead one business day later (stat tasks: at once)."""
    overdue = Step(task.due_at, "due")
    if task.escalations:
        return (overdue,)
    return (overdue, lead_step(draft, task))


def lead_step(draft: Draft, task: Task) -> Step:
    """One business day past due: the lead of the queue."""
    return Step(within_business_days(task.due_at, 1, site_of(draft, task.facility_id)), "lead")


def site_of(draft: Draft, facility_id: str) -> Site:
    return site_in(draft.zone(facility_id), draft.calendar(facility_id))


def counted_back(wished: datetime, now: datetime, priority: str) -> tuple[datetime, str]:
    """A due time counted back from an event: past already, it is 4 hours from now, one priority up (6.1)."""
    if wished > now:
        return wished, priority
    return now + hours(4), raised(priority)


def evidence(draft: Draft, location: str, value: str | None = None) -> Evidence:
    """A fact of the message being processed (for a timer: of the message that set it off)."""
    return Evidence(draft.cause.message_id, location, value or "")


# -- a rule's own timers -----------------------------------------------------------------------------------------------

_FOCUS_IDS = ("encounter_id", "appointment_id", "coverage_id", "authorization_id")


def timers_of(draft: Draft, rule: Rule, **ids: str | None) -> list[Timer]:
    """The rule's pending timers about these ids (`encounter_id=...`, `kind=...`)."""
    timers, stay = draft.subject.timers, ids.get("encounter_id")
    held = timers.of_stay(rule.id, stay) if stay is not None else timers.of_rule(rule.id)
    return [timer for timer in held if all(getattr(timer, name) == value for name, value in ids.items())]


def set_check(draft: Draft, rule: Rule, focus: Focus, kind: str, cycle: str, fire_at: datetime) -> None:
    """Set, or move, the rule's one timer of this kind and cycle about the focus."""
    for timer in timers_of(draft, rule, kind=kind, cycle=cycle):
        if all(getattr(timer, name) == getattr(focus, name) for name in _FOCUS_IDS):
            if timer.fire_at != fire_at:
                draft.set_timer(msgspec.structs.replace(timer, fire_at=fire_at))
            return
    stay, visit, coverage, grant = (getattr(focus, name) or "" for name in _FOCUS_IDS)
    draft.set_timer(
        Timer(
            timer_id=draft.ids.new("tmr", f"{rule.id}|{kind}|{cycle}|{stay}|{visit}|{coverage}|{grant}"),
            facility_id=focus.facility_id,
            patient_id=draft.subject.patient.patient_id,
            lane=lane_of(draft),
            channel=draft.cause.channel,
            rule_id=rule.id,
            kind=kind,
            encounter_id=focus.encounter_id,
            appointment_id=focus.appointment_id,
            coverage_id=focus.coverage_id,
            authorization_id=focus.authorization_id,
            cycle=cycle,
            fire_at=fire_at,
            set_at=draft.now,
            message_id=draft.cause.message_id,
        )
    )


def keep_checks(draft: Draft, rule: Rule, focus: Focus, wanted: Sequence[Check]) -> None:
    """Make the rule's timers about the focus those wanted.  One that is due by now still runs and judges its own moment
    (settled reading 1), so it is not taken away."""
    kept = {(check.kind, check.cycle) for check in wanted}
    ids = {name: getattr(focus, name) for name in _FOCUS_IDS}
    for timer in timers_of(draft, rule, **ids):
        if (timer.kind, timer.cycle) not in kept and timer.fire_at > recorded_by(draft):
            draft.clear_timer(timer)
    for check in wanted:
        set_check(draft, rule, focus, check.kind, check.cycle, check.at)


def recorded_by(draft: Draft) -> datetime:
    """Up to when facts count: the event's recorded time, or a timer's fire time (settled reading 1)."""
    return draft.stimulus.timer.fire_at if isinstance(draft.stimulus, TimerFired) else draft.event.recorded_at
