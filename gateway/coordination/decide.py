"""decide: one stimulus against one scope gives changes.  Pure: time, ids and settings come in as arguments."""

from __future__ import annotations

from datetime import datetime

from gateway.coordination.asking.ask import apply_ask
from gateway.coordination.asking.moments import ask_by_itself, run_ask_timer
from gateway.coordination.changes import (
    Ask,
    Cause,
    Changes,
    Command,
    Considered,
    CoordinationSettings,
    Ids,
    Stimulus,
    TimerFired,
)
from gateway.coordination.commands import apply_command
from gateway.coordination.draft import Draft
from gateway.coordination.rules import run_rules, run_timer
from gateway.coordination.scope import Scope
from gateway.coordination.transitions import apply_event
from gateway.coordination.transitions.inquiry import ASK


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
    elif isinstance(stimulus, Ask):
        apply_ask(draft, stimulus)
    elif isinstance(stimulus, TimerFired) and stimulus.timer.rule_id == ASK:
        run_ask_timer(draft, stimulus)
    elif isinstance(stimulus, TimerFired):
        run_timer(draft, stimulus)
    else:
        apply_event(draft)
        if draft.outcome == "processed":
            run_rules(draft)
            ask_by_itself(draft)
    return draft.changes()
