"""decide: one stimulus against one scope gives changes.  Pure: time, ids and settings come in as arguments."""

from __future__ import annotations

from datetime import datetime

from gateway.coordination.adoption import adopt
from gateway.coordination.asking.ask import apply_ask
from gateway.coordination.asking.moments import ask_by_itself, run_ask_timer
from gateway.coordination.changes import (
    Adopt,
    Ask,
    Cause,
    Changes,
    Command,
    Considered,
    CoordinationSettings,
    Ids,
    Link,
    Silence,
    Stimulus,
    TimerFired,
    Undo,
)
from gateway.coordination.commands import apply_command
from gateway.coordination.draft import Draft
from gateway.coordination.floods import FLOOD, hold_updates, release
from gateway.coordination.rules import run_rules, run_timer
from gateway.coordination.rules.feed import hear_silence
from gateway.coordination.scope import Scope
from gateway.coordination.terms import TERM, end_term, keep_terms
from gateway.coordination.transitions import apply_event
from gateway.coordination.transitions.crosswalk import link_number
from gateway.coordination.transitions.implied import IMPLIED_DISCHARGE, discharge_implied
from gateway.coordination.transitions.inquiry import ASK
from gateway.coordination.transitions.undoing import undo_merge


def decide(
    scope: Scope,
    stimulus: Stimulus,
    cause: Cause,
    now: datetime,
    settings: CoordinationSettings,
    salt: bytes,
    considered: list[Considered] | None = None,
) -> Changes:
    """Apply `stimulus` to `scope` (changed in place) and return all that has to be written.

    `considered`, when given, takes what each rule made of it: the condition that stopped it, or the task it opened.
    """
    draft = Draft(scope, stimulus, cause, now, settings, Ids(salt, cause))
    draft.considered = considered
    if isinstance(stimulus, Command):
        apply_command(draft, stimulus)
    elif isinstance(stimulus, Undo):
        undo_merge(draft, stimulus)
    elif isinstance(stimulus, Link):
        link_number(draft, stimulus)
    elif isinstance(stimulus, Ask):
        apply_ask(draft, stimulus)
    elif isinstance(stimulus, Adopt):
        adopt(draft, stimulus)
    elif isinstance(stimulus, Silence):
        hear_silence(draft, stimulus)
    elif isinstance(stimulus, TimerFired) and stimulus.timer.rule_id in _OWN_TIMERS:
        _wake(draft, stimulus)
    elif isinstance(stimulus, TimerFired) and stimulus.timer.rule_id == ASK:
        run_ask_timer(draft, stimulus)
    elif isinstance(stimulus, TimerFired):
        run_timer(draft, stimulus)
    else:
        _hear(draft)
    return draft.changes()


_OWN_TIMERS = frozenset((FLOOD, IMPLIED_DISCHARGE, TERM))
"""Timers that are no rule's."""


def _hear(draft: Draft) -> None:
    apply_event(draft)
    if draft.outcome == "processed":
        keep_terms(draft)
        run_rules(draft)
        ask_by_itself(draft)
    elif draft.transitions:  # parked, and it says of whom: a person must know of that too
        run_rules(draft)
    hold_updates(draft)


def _wake(draft: Draft, fired: TimerFired) -> None:
    """Tell what waited to be told, or ended by itself, or take the discharge that an A08 implied for one."""
    subject = draft.scope.subject
    timer = subject.timers.get(fired.timer.timer_id) if subject is not None else None
    if subject is None or timer is None:
        draft.forget_timer(fired.timer)
        return
    draft.clear_timer(timer)
    if timer.rule_id == FLOOD:
        release(draft, subject)
        return
    if timer.rule_id == TERM:
        end_term(draft, timer)
        return
    event = discharge_implied(draft, timer)
    if event is not None:
        draft.hear(event)
        draft.flags.append("implied")
        _hear(draft)
