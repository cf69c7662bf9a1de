"""What a person, or the desk that places work, does to a task (domain reference 7.3).

Each act is a function in ACTS: it gives what changes, or raises Refused.  A refusal ends the command as "filtered" with
"not-found", "conflict" or "invalid" and a sentence; nothing has changed then.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal, get_args

import msgspec

from gateway.coordination.changes import Command
from gateway.coordination.draft import Draft
from gateway.coordination.records import Task
from gateway.coordination.tables import WAKE
from gateway.coordination.tasks import (
    AUTO_RESOLVED,
    RETRACTED,
    clear_timers,
    task_data,
    task_timer,
)

FAILED_OUTCOMES = ("deadline-missed", "cannot-be-done")
UNABLE_TO_REACH = "unable-to-reach"
ENTERED_IN_ERROR = "entered-in-error"
ATTEMPTS_NEEDED = 2
"""Documented attempts after which nobody can be said to have missed the patient (domain reference 7.3)."""

Status = Literal[
    "requested", "accepted", "in-progress", "on-hold", "completed", "failed", "cancelled", "entered-in-error"
]
"""FHIR R4 Task.status, those that a task here can have."""

Waited = Literal["payer", "patient", "provider"]
Channel = Literal["phone", "portal", "letter", "visit", "other"]
Result = Literal["reached", "left-message", "no-answer", "wrong-number", "refused", "other"]
WAITS: tuple[str, ...] = get_args(Waited)
CHANNELS: tuple[str, ...] = get_args(Channel)
RESULTS: tuple[str, ...] = get_args(Result)
REACHED = "reached"

RESOLVED_BY_CONTACT = {"discharge-contact-2bd": ATTEMPTS_NEEDED, "ama-discharge": 0}
"""Rule -> attempts that resolve its task though they reached nobody (0: only a contact does; 6.2 rules 1 and 12)."""

RESOLVED_BY_CHECKLIST = frozenset({"discharge-pending"})
"""Rules whose task is done when every item of its checklist is (6.2 rule 13)."""

MOST_ITEMS = 50
_TRANSIENT = ("returned", "snoozed", *(f"awaiting-{one}" for one in WAITS))
"""Business statuses that end when somebody works on the task again."""


class ChecklistItem(msgspec.Struct, omit_defaults=True):
    id: str
    text: str
    done_at: datetime | None = None
    done_by: str | None = None


class Refused(Exception):
    """The act does not fit.  The text begins with not-found, conflict or invalid, and a colon."""


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """What an act changes.  `silent`: it is history alone, and the revision rises all the same."""

    change: str  # the word in the history
    event: str = "task.updated"
    fields: dict[str, object] = {}
    detail: object = None
    silent: bool = False


def apply_command(draft: Draft, command: Command) -> None:
    task = draft.subject.tasks.get(command.task_id) if draft.scope.subject is not None else None
    if task is None:
        draft.end("filtered", "not-found: task")
        return
    try:
        act = _act(draft, task, command)
    except Refused as refusal:
        draft.end("filtered", str(refusal))
        return
    fresh = draft.update(task, None, **act.fields)
    if fresh is task:
        if not act.silent:
            return
        fresh = msgspec.structs.replace(task, revision=task.revision + 1, updated_at=draft.now)
        draft.put(fresh)
    if not fresh.open:
        clear_timers(draft, fresh)
    else:
        _keep_wake(draft, fresh)
    detail = msgspec.json.encode(act.detail).decode() if act.detail is not None else None
    draft.task_changed(fresh, act.change, command.actor, from_status=task.status, reason=command.reason, detail=detail)
    draft.emit(act.event, fresh, task_data(fresh))


def _act(draft: Draft, task: Task, command: Command) -> Act:
    if command.name not in ACTS:
        raise Refused("invalid: unknown command")
    if command.revision is not None and command.revision != task.revision:
        raise Refused(f"conflict: the task is at revision {task.revision}")
    if not task.open and command.name != "note":
        raise Refused("conflict: the task is closed")
    return ACTS[command.name](draft, task, command)


def _keep_wake(draft: Draft, task: Task) -> None:
    """One timer ends a snooze: set, moved or cleared with `snoozed_until`."""
    timer = draft.subject.timers.of_task(task.task_id, wake=True)
    if timer is not None and timer.fire_at != task.snoozed_until:
        draft.clear_timer(timer)
        timer = None
    if timer is None and task.snoozed_until is not None:
        draft.set_timer(task_timer(draft, task, WAKE, task.snoozed_until))


# -- taking and giving back --------------------------------------------------------------------------------------------


def _claim(draft: Draft, task: Task, command: Command) -> Act:
    _mine_or_free(task, command)
    status = task.status if task.status in ("in-progress", "on-hold") else "accepted"
    fields = {"owner": command.actor, "status": status, **_fresh(task, "returned"), **_taken(task)}
    return Act(change="claimed", fields=fields)


def _release(draft: Draft, task: Task, command: Command) -> Act:
    return Act(change="released", fields=_given_back())


def _decline(draft: Draft, task: Task, command: Command) -> Act:
    """The assignee does not take it: no copy is made, it goes back to its queue."""
    _reason_given(command)
    if task.owner is not None and task.owner != command.actor:
        raise Refused("conflict: the task belongs to another person")
    return Act(change="declined", fields=_given_back())


def _reassign(draft: Draft, task: Task, command: Command) -> Act:
    if not (command.owner or command.queue):
        raise Refused("invalid: an owner or a queue is needed")
    queue = command.queue or task.queue
    team = task.team if queue == task.queue else None  # another queue: to be placed anew
    return Act(change="updated", fields={**_owned(task, command), "queue": queue, "team": team, "covering_for": None})


def _place(draft: Draft, task: Task, command: Command) -> Act:
    """By the desk: which team's work it is, and whose."""
    fields = {**_owned(task, command), "team": command.team, "covering_for": command.covering_for}
    return Act(change="placed", fields=fields)


def _owned(task: Task, command: Command) -> dict[str, object]:
    if command.owner == task.owner:
        return {}
    status = "accepted" if command.owner else "requested"
    return {"owner": command.owner, "status": "on-hold" if task.snoozed_until else status}


def _given_back() -> dict[str, object]:
    return {
        "owner": None,
        "status": "requested",
        "business_status": "returned",
        "snoozed_until": None,
        "covering_for": None,
    }


# -- working -----------------------------------------------------------------------------------------------------------


def _start(draft: Draft, task: Task, command: Command) -> Act:
    _mine_or_free(task, command)
    fields = {"owner": command.actor, "status": "in-progress", "snoozed_until": None}
    return Act(change="started", fields={**fields, **_fresh(task, *_TRANSIENT), **_taken(task)})


def _wait(draft: Draft, task: Task, command: Command) -> Act:
    """Blocked: somebody else must act first."""
    if command.waiting_on not in WAITS:
        raise Refused(f"invalid: waiting on one of {', '.join(WAITS)}")
    return Act(change="waiting", fields=_on_hold(draft, f"awaiting-{command.waiting_on}", command.until))


def _snooze(draft: Draft, task: Task, command: Command) -> Act:
    if command.until is None:
        raise Refused("invalid: a time is needed")
    return Act(change="snoozed", fields=_on_hold(draft, "snoozed", command.until))


def _note(draft: Draft, task: Task, command: Command) -> Act:
    _reason_given(command)
    return Act(change="noted", silent=True)


def _attempt(draft: Draft, task: Task, command: Command) -> Act:
    """One documented attempt to reach somebody.  Where a contact is all the task asks for, it may complete it."""
    if command.channel not in CHANNELS or command.outcome not in RESULTS:
        raise Refused(f"invalid: channel is one of {', '.join(CHANNELS)}; outcome is one of {', '.join(RESULTS)}")
    reached = command.outcome == REACHED
    attempts = task.attempts + (not reached)
    detail = {"channel": command.channel, "outcome": command.outcome}
    needed = RESOLVED_BY_CONTACT.get(task.rule_id)
    if needed is not None and (reached or 0 < needed <= attempts):
        done = _done(draft, command, "completed", "done" if reached else UNABLE_TO_REACH)
        return Act(change="attempted", event="task.completed", fields={**done, "attempts": attempts}, detail=detail)
    return Act(change="attempted", fields={"attempts": attempts}, detail=detail, silent=True)


def _checklist(draft: Draft, task: Task, command: Command) -> Act:
    """Add items; tick items off, or take that back."""
    items = {item.id: item for item in msgspec.json.decode(task.checklist_json, type=list[ChecklistItem])}
    if not {*command.done, *command.undone} <= items.keys():
        raise Refused("invalid: the checklist has no such item")
    if len(items) + len(command.add) > MOST_ITEMS:
        raise Refused(f"invalid: a checklist has at most {MOST_ITEMS} items")
    for id_ in command.done:
        items[id_].done_at, items[id_].done_by = draft.now, command.actor
    for id_ in command.undone:
        items[id_].done_at = items[id_].done_by = None
    for number, text in enumerate(command.add, len(items) + 1):
        items[str(number)] = ChecklistItem(str(number), text)
    fields: dict[str, object] = {"checklist_json": msgspec.json.encode(list(items.values())).decode()}
    detail = {"added": len(command.add), "done": command.done, "undone": command.undone}
    if task.rule_id in RESOLVED_BY_CHECKLIST and items and all(item.done_at for item in items.values()):
        fields |= _done(draft, command, "completed", "done")
        return Act(change="checklist", event="task.completed", fields=fields, detail=detail)
    return Act(change="checklist", fields=fields, detail=detail)


# -- ending ------------------------------------------------------------------------------------------------------------


def _complete(draft: Draft, task: Task, command: Command) -> Act:
    outcome = command.outcome or "done"
    if outcome in (AUTO_RESOLVED, RETRACTED):
        raise Refused("invalid: this outcome belongs to the rules")
    if outcome == UNABLE_TO_REACH and task.attempts < ATTEMPTS_NEEDED:
        raise Refused(f"invalid: document {ATTEMPTS_NEEDED} attempts first")
    status = "failed" if outcome in FAILED_OUTCOMES else "completed"
    return Act(change="completed", event="task.completed", fields=_done(draft, command, status, outcome))


def _cancel(draft: Draft, task: Task, command: Command) -> Act:
    _reason_given(command)
    status = ENTERED_IN_ERROR if command.outcome == ENTERED_IN_ERROR else "cancelled"
    return Act(change="cancelled", event="task.cancelled", fields=_done(draft, command, status, "cancelled"))


def _done(draft: Draft, command: Command, status: str, business_status: str) -> dict[str, object]:
    return {
        "status": status,
        "business_status": business_status,
        "status_reason": command.reason,
        "closed_by": command.actor,
        "closed_at": draft.now,
        "snoozed_until": None,
    }


# -- what acts share ---------------------------------------------------------------------------------------------------


def _mine_or_free(task: Task, command: Command) -> None:
    if task.owner not in (None, command.actor):
        raise Refused("conflict: the task is claimed by another person")


def _reason_given(command: Command) -> None:
    if not command.reason:
        raise Refused("invalid: a reason is needed")


def _fresh(task: Task, *ended: str) -> dict[str, object]:
    return {"business_status": None} if task.business_status in ended else {}


def _taken(task: Task) -> dict[str, object]:
    """Whoever takes a task from its queue keeps it, also when the one who had it before comes back."""
    return {"covering_for": None} if task.owner is None else {}


def _on_hold(draft: Draft, business_status: str, until: datetime | None) -> dict[str, object]:
    if until is not None and until <= draft.now:
        raise Refused("invalid: the time has passed")
    return {"status": "on-hold", "business_status": business_status, "snoozed_until": until}


ACTS: dict[str, Callable[[Draft, Task, Command], Act]] = {
    "claim": _claim,
    "release": _release,
    "decline": _decline,
    "reassign": _reassign,
    "place": _place,
    "start": _start,
    "wait": _wait,
    "snooze": _snooze,
    "note": _note,
    "attempt": _attempt,
    "checklist": _checklist,
    "complete": _complete,
    "cancel": _cancel,
}
