"""A task's life: opened by a rule, closed by a message or a person (domain reference 6.1 and 7.3).

Every verb changes the task through the draft, appends to its history, publishes its event and keeps the one timer of
its next escalation.  An idempotency key names one instance of work: after a retraction the same trigger opens the next
instance ("key|2"), after a completion it opens nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from gateway.coordination.changes import JSON
from gateway.coordination.draft import Draft
from gateway.coordination.records import Task, Timer
from gateway.coordination.scope import lanes_of_patient

PRIORITIES = ("routine", "urgent", "asap", "stat")
RETRACTED = "retracted"
AUTO_RESOLVED = "auto-resolved"
_MOMENTS = ("due_at", "opened_at", "closed_at", "updated_at", "snoozed_until")
"""Fields of a task that the bus shows as text."""
_PAST_DUE = timedelta(hours=24)
_WINDOW_CLOSED = timedelta(days=30)


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One fact that fired a rule: where it stood and its code, never a name."""

    message_id: str
    location: str
    value: str = ""


class Step(msgspec.Struct, frozen=True):
    """One escalation of an open task.  `kind`: due | lead | escalate | stat."""

    at: datetime
    kind: str
    queue: str | None = None


def instances(draft: Draft, key: str) -> list[Task]:
    """All tasks of one key, oldest instance first."""
    return sorted(draft.subject.tasks.instances(key), key=lambda task: _instance_number(task, key))


def next_key(key: str, before: Task | None) -> str:
    """The key of the next instance; `before`: the newest one."""
    return f"{key}|{_instance_number(before, key) + 1}" if before else key


def newest(draft: Draft, key: str) -> Task | None:
    found = draft.subject.tasks.instances(key)
    return max(found, key=lambda task: _instance_number(task, key)) if found else None


def was_retracted(task: Task | None) -> bool:
    """Closed because its reason vanished: the only ending after which a key may have a next instance."""
    return task is not None and not task.open and task.business_status == RETRACTED


def raised(priority: str, steps: int = 1) -> str:
    return PRIORITIES[min(PRIORITIES.index(priority) + steps, len(PRIORITIES) - 1)]


def open_task(draft: Draft, task: Task) -> Task | None:
    """Open the task unless its key is spent or, for a late message, its window closed over 30 days ago (2.5).

    `task` comes with the key that its rule gives it and without an id; it gets both as an instance of that key."""
    before = newest(draft, task.task_key)
    if before is not None and not was_retracted(before):
        return None
    if draft.late and task.due_at < draft.now - _WINDOW_CLOSED:
        draft.transition("task-window-closed", draft.subject.patient, None, task.rule_id)
        return None
    if draft.late and task.due_at < draft.now - _PAST_DUE:
        task.priority = "urgent"
    task.task_key = next_key(task.task_key, before)
    task.task_id = draft.ids.new("tsk", task.task_key)
    draft.put(task)
    tell(draft, task, "opened", f"rule:{task.rule_id}", "task.created", reason=task.reason)
    return task


def resolve(draft: Draft, task: Task, reason: str) -> Task:
    """A message shows that the work is done."""
    return _close(draft, task, "completed", AUTO_RESOLVED, reason)


def retract(draft: Draft, task: Task, reason: str, *, error: bool = False) -> Task:
    """The reason for the task vanished; `error`: what caused it was sent in error (A11, A23, S17)."""
    fresh = _close(draft, task, "entered-in-error" if error else "cancelled", RETRACTED, reason)
    if task.owner is not None:
        draft.task_changed(fresh, "noted", f"rule:{task.rule_id}", reason=f"For {task.owner}, who held it: {reason}")
    return fresh


def amend(draft: Draft, task: Task, reason: str, **fields: object) -> Task:
    """Change an open task, by its rule: due time, priority, business status."""
    fresh = draft.update(task, None, **fields)
    if fresh is not task:
        tell(draft, fresh, "updated", f"rule:{task.rule_id}", "task.updated", reason=reason)
    return fresh


def escalate(draft: Draft, task: Task, step: Step) -> Task:
    """Take one step: at the due time overdue and one priority up; every other step tells the queue's lead."""
    lead = step.kind != "due" or task.priority == "stat"
    fresh = draft.update(
        task,
        priority="stat" if step.kind == "stat" else task.priority if step.kind == "lead" else raised(task.priority),
        overdue=task.overdue or step.kind == "due",
        escalations=task.escalations + int(lead),
        queue=step.queue or task.queue,
    )
    if fresh is not task:
        words = "overdue" if step.kind == "due" else "to the lead of the queue"
        tell(draft, fresh, "escalated", f"rule:{task.rule_id}", "task.escalated", reason=words)
    return fresh


def reinstate(draft: Draft, task: Task, reason: str) -> Task:
    """Give a task back that its rule cancelled: same key, status as before (rule 45)."""
    fresh = draft.update(
        task,
        status="accepted" if task.owner else "requested",
        business_status=None,
        status_reason=None,
        closed_by=None,
        closed_at=None,
    )
    tell(draft, fresh, "reinstated", f"rule:{task.rule_id}", "task.updated", reason=reason, from_status=task.status)
    return fresh


def set_step(draft: Draft, task: Task, step: Step | None) -> None:
    """Keep at most one escalation timer for a task: move, set or clear it."""
    timer = draft.subject.timers.of_task(task.task_id)
    if step is None:
        if timer is not None:
            draft.clear_timer(timer)
        return
    cycle = step.queue or ""
    if timer is not None:
        if (timer.fire_at, timer.kind, timer.cycle) != (step.at, step.kind, cycle):
            draft.set_timer(msgspec.structs.replace(timer, fire_at=step.at, kind=step.kind, cycle=cycle))
        return
    draft.set_timer(task_timer(draft, task, step.kind, step.at, cycle))


def task_timer(draft: Draft, task: Task, kind: str, at: datetime, cycle: str = "") -> Timer:
    """A new timer of a task."""
    return Timer(
        timer_id=draft.ids.new("tmr", f"{task.task_id}|{kind}"),
        facility_id=task.facility_id,
        patient_id=task.patient_id,
        lane=lane_of(draft),
        channel=draft.cause.channel,
        rule_id=task.rule_id,
        kind=kind,
        task_id=task.task_id,
        cycle=cycle,
        fire_at=at,
        set_at=draft.now,
        message_id=draft.cause.message_id,
    )


def clear_timers(draft: Draft, task: Task) -> None:
    """A closed task neither escalates nor wakes."""
    for wake in (False, True):
        if (timer := draft.subject.timers.of_task(task.task_id, wake=wake)) is not None:
            draft.clear_timer(timer)


def wake(draft: Draft, timer: Timer) -> None:
    """A snooze is over: the task is work again."""
    task = draft.subject.tasks.get(timer.task_id or "")
    if task is None or not task.open or task.snoozed_until is None:
        return
    fresh = draft.update(
        task, status="accepted" if task.owner else "requested", business_status=None, snoozed_until=None
    )
    words = (
        "what it waited for is due" if (task.business_status or "").startswith("awaiting-") else "the snooze is over"
    )
    tell(draft, fresh, "woken", f"rule:{task.rule_id}", "task.updated", reason=words, from_status=task.status)


def lane_of(draft: Draft) -> int:
    """The lane in which a timer of this patient fires: his first, else the one of the stimulus."""
    return (lanes_of_patient(draft.subject.patient) or draft.cause.lanes or (0,))[0]


def _instance_number(task: Task, key: str) -> int:
    return 1 if task.task_key == key else int(task.task_key[len(key) + 1 :])


def _close(draft: Draft, task: Task, status: str, business_status: str, reason: str) -> Task:
    fresh = draft.update(
        task,
        status=status,
        business_status=business_status,
        status_reason=reason,
        closed_by=draft.cause_event_id or draft.cause.message_id,
        closed_at=draft.now,
        snoozed_until=None,
    )
    clear_timers(draft, fresh)
    change, event = ("completed", "task.completed") if status == "completed" else ("retracted", "task.cancelled")
    tell(draft, fresh, change, f"rule:{task.rule_id}", event, reason=reason, from_status=task.status)
    return fresh


def tell(
    draft: Draft,
    task: Task,
    change: str,
    actor: str,
    event: str,
    *,
    reason: str | None = None,
    from_status: str | None = None,
) -> None:
    """Append to the history and publish."""
    draft.task_changed(task, change, actor, from_status=from_status, reason=reason)
    draft.emit(event, task, task_data(task))


def task_data(task: Task) -> dict[str, JSON]:
    """The task as the bus shows it."""
    data: dict[str, JSON] = msgspec.structs.asdict(task)
    for name in _MOMENTS:
        if (moment := data[name]) is not None:
            data[name] = msgspec.to_builtins(moment)
    data["evidence"] = msgspec.json.decode(str(data.pop("evidence_json")))
    checklist = str(data.pop("checklist_json"))
    data["checklist"] = [] if checklist == "[]" else msgspec.json.decode(checklist)
    return data
