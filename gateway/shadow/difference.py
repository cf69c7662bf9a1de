"""Two lists of tasks, held against each other: what is new, what is gone, what is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from gateway.coordination.records import Task
from gateway.coordination.tasks import AUTO_RESOLVED, RETRACTED

COMPARED = ("type", "title", "queue", "priority", "due_at", "facility_id", "ending")
ALWAYS = datetime(1, 1, 1, tzinfo=UTC)
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
_BY_RULES = (AUTO_RESOLVED, RETRACTED, "merged")


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """`fields`: name -> (before, after), as text."""

    before: Task
    after: Task
    fields: dict[str, tuple[str, str]]


class Difference(msgspec.Struct, kw_only=True):
    """Tasks by key, the earliest opened first."""

    new: list[Task] = msgspec.field(default_factory=list)
    gone: list[Task] = msgspec.field(default_factory=list)
    changed: list[Changed] = msgspec.field(default_factory=list)
    same: int = 0

    def by_rule(self) -> dict[str, dict[str, int]]:
        """rule -> how many are `new`, `gone`, `changed`."""
        found: dict[str, dict[str, int]] = {}
        for word, tasks in (("new", self.new), ("gone", self.gone), ("changed", [one.after for one in self.changed])):
            for task in tasks:
                counts = found.setdefault(task.rule_id, {"new": 0, "gone": 0, "changed": 0})
                counts[word] += 1
        return dict(sorted(found.items()))


def compare(
    before: Iterable[Task], after: Iterable[Task], *, since: datetime = ALWAYS, until: datetime = NEVER
) -> Difference:
    """What `after` has other than `before`, of tasks opened from `since` on and before `until`.

    A task is the same work when its key is.  People's acts are left out: of a task that a person ended only what its
    rule said of it is compared, and how people moved it about is not.
    """
    old, new = _keyed(before, since, until), _keyed(after, since, until)
    found = Difference(
        new=_ordered(task for key, task in new.items() if key not in old),
        gone=_ordered(task for key, task in old.items() if key not in new),
    )
    for key in sorted(old.keys() & new.keys()):
        fields = _differing(old[key], new[key])
        if fields:
            found.changed.append(Changed(before=old[key], after=new[key], fields=fields))
        else:
            found.same += 1
    return found


def _keyed(tasks: Iterable[Task], since: datetime, until: datetime) -> Mapping[str, Task]:
    return {task.task_key: task for task in tasks if since <= task.opened_at < until}


def _ordered(tasks: Iterable[Task]) -> list[Task]:
    return sorted(tasks, key=lambda task: (task.opened_at, task.task_key))


def _differing(before: Task, after: Task) -> dict[str, tuple[str, str]]:
    by_person = any(_ended_by_person(task) for task in (before, after))
    names: Sequence[str] = [name for name in COMPARED if not (name == "ending" and by_person)]
    pairs = {name: (_value(before, name, by_person), _value(after, name, by_person)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _ended_by_person(task: Task) -> bool:
    return not task.open and task.business_status not in _BY_RULES


def _value(task: Task, name: str, by_person: bool) -> str:
    if name == "ending":
        return "open" if task.open else f"{task.status} ({task.business_status})"
    if name == "priority" and by_person:
        return ""  # one of the two lived on and escalated
    value = getattr(task, name)
    return value.isoformat() if isinstance(value, datetime) else str(value)
