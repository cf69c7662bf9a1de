"""Transition rules: which change needs a coordinator (domain reference 6).

`run_rules` runs after the transitions of an event, `run_timer` when a stored timer came due.  A rule that raises is
recorded on the draft and harms no other rule.
"""

from __future__ import annotations

from collections.abc import Set

from gateway.coordination.changes import TimerFired
from gateway.coordination.draft import Draft
from gateway.coordination.keys import AGGREGATES
from gateway.coordination.records import Patient, Record, Task, Timer
from gateway.coordination.rules.cancellation import retract_scoped
from gateway.coordination.rules.declaration import Rule, keep_checks, next_step, open_found, settle_task
from gateway.coordination.rules.payer import focus_of
from gateway.coordination.rules.registry import CATALOGUE
from gateway.coordination.rules.signs import signs_of
from gateway.coordination.scope import PatientScope
from gateway.coordination.tables import WAKE
from gateway.coordination.tasks import Step, escalate, set_step, wake

__all__ = ["UNCONCERNED", "run_rules", "run_timer"]

UNCONCERNED = ("nothing that the rule watches changed", "what triggers it did not happen")
"""Why a rule that said nothing has no task."""


def run_rules(draft: Draft) -> None:
    """Let every rule look that watches something the event changed."""
    home = draft.scope.subject
    if not draft.makes_tasks or home is None:
        return
    _attempt_retractions(draft)
    on = CATALOGUE.on(draft.settings)
    signs = signs_of(home)
    called, size = _called(draft, home, signs), draft.size
    for rule in CATALOGUE.watching(frozenset(draft.touched_kinds)):
        if rule.id not in called:
            continue
        try:
            _consider(draft, rule, rule.id in on)
        except Exception as error:
            draft.rule_failed(rule.id, error)
        if draft.size != size:  # what it did, another may be about
            called, size = _called(draft, home, signs), draft.size
    if draft.considered is not None:
        _note_silent(draft)


def _called(draft: Draft, home: PatientScope, signs: Set[str]) -> Set[str]:
    """Ids of the rules that may find something (`Rule.hears`): most rules are about something else than most messages.
    A rule that has work of its own always looks; for whoever asks what each made of it, all do."""
    if draft.considered is not None:
        return CATALOGUE.by_id.keys()
    heard = CATALOGUE.hearing(draft.settings, draft.news | signs)
    return heard.union(home.tasks.rules(), home.timers.rules())


def _consider(draft: Draft, rule: Rule, on: bool) -> None:
    """Settle first, also what a rule opened that is switched off by now; then look."""
    for task in draft.subject.tasks.open_of(rule.id):
        settle_task(draft, rule, task)
    if not on:
        draft.stopped(rule.id, "the rule is switched off")
        return
    if rule.look is not None:
        rule.look(draft)
    if rule.checks is not None:
        for record in draft.touched(rule.watches[0]):
            wanted = rule.checks(draft, record)
            if wanted or (wanted is not None and draft.subject.timers.of_rule(rule.id)):
                keep_checks(draft, rule, focus_of(draft, record), wanted)
    if rule.about is not None and rule.wants is not None:
        for about, record in _records(draft, rule).items():
            open_found(draft, rule, rule.wants(draft, record), about)


def _records(draft: Draft, rule: Rule) -> dict[str, Record]:
    """What the rule looks at, each once: what it names, and what it had retracted tasks about."""
    assert rule.about is not None
    found: dict[str, Record] = {}
    for record in rule.about(draft):
        found[_id_of(record)] = record
    if rule.revives:
        for task in draft.subject.tasks.retracted_of(rule.id):
            if (record := _record_of(draft, rule.watches[0], task)) is not None:
                found.setdefault(_id_of(record), record)
    return found


def _id_of(record: Record) -> str:
    return str(getattr(record, AGGREGATES[type(record)][1]))


def _record_of(draft: Draft, kind: type[Record], row: Task | Timer) -> Record | None:
    """The record of this kind that a task or timer names."""
    if kind is Patient:
        return draft.subject.patient
    word, id_field = AGGREGATES[kind]
    held: dict[str, Record] = getattr(draft.subject, f"{word}s")
    return held.get(getattr(row, id_field) or "")


def _note_silent(draft: Draft) -> None:
    """Every rule has its line: the one that said nothing did not look, or found nothing that triggers it."""
    assert draft.considered is not None
    heard, changed = {one.rule_id for one in draft.considered}, draft.touched_kinds
    for rule in CATALOGUE.rules:
        if rule.id not in heard:
            untouched = changed.isdisjoint(rule.watches)
            draft.stopped(rule.id, UNCONCERNED[0] if untouched else UNCONCERNED[1])


def _attempt_retractions(draft: Draft) -> None:
    try:
        retract_scoped(draft)
    except Exception as error:
        draft.rule_failed("global-retractors", error)


def run_timer(draft: Draft, fired: TimerFired) -> None:
    """Fire a timer once: an escalation of a task, or a rule's own check.

    A timer that is gone from the state, or that was moved to later, does nothing.  The row goes unless it was moved.
    """
    subject = draft.scope.subject
    timer = subject.timers.get(fired.timer.timer_id) if subject is not None else None
    if timer is None:
        draft.forget_timer(fired.timer)
        return
    if timer.fire_at > fired.timer.fire_at:
        return
    draft.clear_timer(timer)
    if timer.kind == WAKE and timer.task_id is not None:
        wake(draft, timer)
        return
    rule = CATALOGUE.by_id.get(timer.rule_id)
    if rule is None or not draft.makes_tasks:
        return
    try:
        if timer.task_id is not None:
            _take_step(draft, rule, fired)
        elif rule.may_be_on(draft.settings):
            _check(draft, rule, fired)
    except Exception as error:
        draft.rule_failed(rule.id, error)


def _check(draft: Draft, rule: Rule, fired: TimerFired) -> None:
    if rule.fire is not None:
        rule.fire(draft, fired)
    if rule.ripe is not None:
        record = _record_of(draft, rule.watches[0], fired.timer)
        if record is not None:
            open_found(draft, rule, rule.ripe(draft, record, fired.timer), _id_of(record))


def _take_step(draft: Draft, rule: Rule, fired: TimerFired) -> None:
    timer = fired.timer
    task = draft.subject.tasks.get(timer.task_id or "")
    if task is None or not task.open:
        return
    task = escalate(draft, task, Step(timer.fire_at, timer.kind, timer.cycle or None))
    set_step(draft, task, next_step(draft, rule, task, after=timer.fire_at))
