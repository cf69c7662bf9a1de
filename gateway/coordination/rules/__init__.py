"""Transition rules: which change needs a coordinator (domain reference 6).

`run_rules` runs after the transitions of an event, `run_timer` when a stored timer came due.  A rule that raises is
recorded on the draft and harms no other rule.
"""

from __future__ import annotations

from gateway.coordination.changes import TimerFired
from gateway.coordination.draft import Draft
from gateway.coordination.rules.cancellation import retract_scoped
from gateway.coordination.rules.declaration import next_step
from gateway.coordination.rules.registry import BY_ID, RULES
from gateway.coordination.tasks import Step, escalate, set_step

__all__ = ["run_rules", "run_timer"]


def run_rules(draft: Draft) -> None:
    """Let every enabled rule look that watches something the event changed."""
    if not draft.makes_tasks or draft.scope.subject is None:
        return
    changed = draft.touched_kinds
    _attempt_retractions(draft)
    disabled = draft.settings.disabled_rules
    for rule in RULES:
        if rule.look is None or rule.id in disabled or changed.isdisjoint(rule.watches):
            continue
        try:
            rule.look(draft)
        except Exception as error:
            draft.rule_failed(rule.id, error)


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
    rule = BY_ID.get(timer.rule_id)
    if rule is None or not draft.makes_tasks:
        return
    try:
        if timer.task_id is not None:
            _take_step(draft, fired)
        elif rule.fire is not None and rule.id not in draft.settings.disabled_rules:
            rule.fire(draft, fired)
    except Exception as error:
        draft.rule_failed(rule.id, error)


def _take_step(draft: Draft, fired: TimerFired) -> None:
    timer = fired.timer
    task = draft.subject.tasks.get(timer.task_id or "")
    if task is None or not task.open:
        return
    task = escalate(draft, task, Step(timer.fire_at, timer.kind, timer.cycle or None))
    set_step(draft, task, next_step(draft, BY_ID[timer.rule_id], task, after=timer.fire_at))
