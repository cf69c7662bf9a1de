"""The tables of a patient's scope that rules search, each with the indexes that they ask for.

A rule never scans: what one decision costs must not grow with the number of open items a patient has.  Every table is
a dict by id, and whatever way a record comes in or goes out, the indexes follow.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TypeVar

from gateway.coordination.records import Appointment, Encounter, Record, Task, Timer

WAKE = "wake"
"""Kind of the timer that ends a snooze; every other timer of a task is its next escalation."""

R = TypeVar("R", bound=Record)
Index = dict[str, dict[str, R]]

OPEN_STAYS = frozenset({"preadmitted", "outpatient", "emergency", "observation", "inpatient", "on-leave"})
PLANNED_VISITS = frozenset({"proposed", "pending", "waitlist", "booked"})


class Table(dict[str, R]):
    """A dict by id whose subclasses keep indexes."""

    def __init__(self, rows: Iterable[tuple[str, R]] = ()) -> None:
        self._blank()
        for key, row in rows:
            self[key] = row

    def _blank(self) -> None:
        raise NotImplementedError

    def _enter(self, key: str, row: R) -> None:
        raise NotImplementedError

    def _leave(self, key: str, row: R) -> None:
        raise NotImplementedError

    def __setitem__(self, key: str, row: R) -> None:
        before = self.get(key)
        if before is not None:
            self._leave(key, before)
        dict.__setitem__(self, key, row)
        self._enter(key, row)

    def __delitem__(self, key: str) -> None:
        self._leave(key, self[key])
        super().__delitem__(key)

    def pop(self, key: str, default: R | None = None) -> R | None:  # type: ignore[override]  # one default is enough
        row = self.get(key)
        if row is None:
            return default
        del self[key]
        return row

    def update(self, rows: dict[str, R]) -> None:  # type: ignore[override]  # the one form that is used
        for key, row in rows.items():
            self[key] = row

    def clear(self) -> None:
        super().clear()
        self._blank()

    def __reduce__(self) -> tuple[object, ...]:
        """Copies are filled anew, so that their indexes are their own."""
        return type(self), (list(self.items()),)


def _enter(index: Index[R], name: str, key: str, row: R) -> None:
    index.setdefault(name, {})[key] = row


def _leave(index: Index[R], name: str, key: str) -> None:
    held = index.get(name)
    if held is not None:
        held.pop(key, None)
        if not held:
            del index[name]


class TaskTable(Table[Task]):
    """Tasks by rule (open, and retracted), by the parts of their keys (open ones), and by key."""

    def _blank(self) -> None:
        self._open: Index[Task] = {}
        self._retracted: Index[Task] = {}
        self._named: Index[Task] = {}
        self._keys: dict[str, Task] = {}
        self._stems: Index[Task] = {}

    def _enter(self, key: str, row: Task) -> None:
        self._keys[row.task_key] = row
        stem, _, last = row.task_key.rpartition("|")
        if last.isdigit():
            _enter(self._stems, stem, key, row)
        if row.open:
            _enter(self._open, row.rule_id, key, row)
            for part in row.task_key.split("|")[1:]:
                _enter(self._named, part.partition(".")[0], key, row)
        elif row.business_status == "retracted":
            _enter(self._retracted, row.rule_id, key, row)

    def _leave(self, key: str, row: Task) -> None:
        if self._keys.get(row.task_key) is row:
            del self._keys[row.task_key]
        stem, _, last = row.task_key.rpartition("|")
        if last.isdigit():
            _leave(self._stems, stem, key)
        if row.open:
            _leave(self._open, row.rule_id, key)
            for part in row.task_key.split("|")[1:]:
                _leave(self._named, part.partition(".")[0], key)
        elif row.business_status == "retracted":
            _leave(self._retracted, row.rule_id, key)

    def rules(self) -> Iterable[str]:
        """The rules that have an open task or a retracted one."""
        return self._open.keys() | self._retracted.keys()

    def open_of(self, rule_id: str) -> list[Task]:
        """The open tasks of a rule."""
        held = self._open.get(rule_id)
        return list(held.values()) if held else []

    def open_tasks(self) -> Iterator[Task]:
        for held in list(self._open.values()):
            yield from list(held.values())

    def retracted_of(self, rule_id: str) -> list[Task]:
        return list(self._retracted.get(rule_id, {}).values())

    def naming(self, part: str) -> list[Task]:
        """Open tasks with this object (of whatever instance) or cycle in their key."""
        return list(self._named.get(part, {}).values())

    def by_key(self, task_key: str) -> Task | None:
        return self._keys.get(task_key)

    def instances(self, key: str) -> list[Task]:
        """The task of this key and its further instances "key|2", "key|3" ..., in no order."""
        first = self._keys.get(key)
        further = self._stems.get(key)
        if further is None:
            return [first] if first is not None else []
        return [*([first] if first is not None else []), *further.values()]


class TimerTable(Table[Timer]):
    """Timers by rule, of which stay each is, by task, and by their moment."""

    def _blank(self) -> None:
        self._moments: list[tuple[datetime, str]] = []
        self._rules: Index[Timer] = {}
        self._stays: Index[Timer] = {}  # by rule and stay
        self._tasks: dict[tuple[str, bool], Timer] = {}

    def _enter(self, key: str, row: Timer) -> None:
        insort(self._moments, (row.fire_at, key))
        if row.task_id is not None:
            self._tasks[row.task_id, row.kind == WAKE] = row
            return
        _enter(self._rules, row.rule_id, key, row)
        if row.encounter_id is not None:
            _enter(self._stays, f"{row.rule_id}|{row.encounter_id}", key, row)

    def _leave(self, key: str, row: Timer) -> None:
        self._moments.pop(bisect_left(self._moments, (row.fire_at, key)))
        if row.task_id is not None:
            self._tasks.pop((row.task_id, row.kind == WAKE), None)
            return
        _leave(self._rules, row.rule_id, key)
        if row.encounter_id is not None:
            _leave(self._stays, f"{row.rule_id}|{row.encounter_id}", key)

    def rules(self) -> Iterable[str]:
        """The rules that wait to look again."""
        return self._rules.keys()

    def before(self, moment: datetime) -> list[Timer]:
        """Those whose moment is earlier, in its order."""
        return [self[key] for _, key in self._moments[: bisect_left(self._moments, (moment, ""))]]

    def of_rule(self, rule_id: str) -> list[Timer]:
        """The rule's own checks, without the escalations of its tasks."""
        held = self._rules.get(rule_id)
        return list(held.values()) if held else []

    def of_stay(self, rule_id: str, encounter_id: str) -> list[Timer]:
        """The rule's own checks about one stay."""
        held = self._stays.get(f"{rule_id}|{encounter_id}")
        return list(held.values()) if held else []

    def of_task(self, task_id: str, *, wake: bool = False) -> Timer | None:
        """The task's next escalation; with `wake` the end of its snooze."""
        return self._tasks.get((task_id, wake))


class EncounterTable(Table[Encounter]):
    """Stays by whether they are open."""

    def _blank(self) -> None:
        self._open: dict[str, Encounter] = {}

    def _enter(self, key: str, row: Encounter) -> None:
        if row.status in OPEN_STAYS:
            self._open[key] = row

    def _leave(self, key: str, row: Encounter) -> None:
        self._open.pop(key, None)

    def open(self) -> list[Encounter]:
        return list(self._open.values())


class AppointmentTable(Table[Appointment]):
    """Appointments by status, and by their start."""

    def _blank(self) -> None:
        self._statuses: Index[Appointment] = {}
        self._starts: list[tuple[datetime, str]] = []

    def _enter(self, key: str, row: Appointment) -> None:
        _enter(self._statuses, row.status, key, row)
        if row.start_at is not None:
            insort(self._starts, (row.start_at, key))

    def _leave(self, key: str, row: Appointment) -> None:
        _leave(self._statuses, row.status, key)
        if row.start_at is not None:
            self._starts.pop(bisect_left(self._starts, (row.start_at, key)))

    def of_status(self, *statuses: str) -> list[Appointment]:
        return [row for status in statuses for row in self._statuses.get(status, {}).values()]

    def between(self, start: datetime, end: datetime) -> list[Appointment]:
        """Those that start in this time, both ends included, earliest first."""
        first = bisect_left(self._starts, (start, ""))
        last = bisect_right(self._starts, (end, "\U0010ffff"))
        return [self[key] for _, key in self._starts[first:last]]

    def from_on(self, start: datetime) -> Iterator[Appointment]:
        """Those that start then or later, earliest first."""
        for _, key in self._starts[bisect_left(self._starts, (start, "")) :]:
            yield self[key]
