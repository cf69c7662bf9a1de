"""One shadow run: messages in their order through reading, transitions and rules; timers fire between them.

It runs the very steps of the compute process, on a clock that is the messages' own: a message is decided at the moment
at which it was received, a timer at the moment at which it was set to fire.  What only the outside world does is not
there: people's acts on tasks, requests that were sent to payers and their acknowledgements.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.compute.protocol import Configure, Decide, Decided
from gateway.compute.steps import Heard, Steps
from gateway.compute.worker import configure
from gateway.coordination.changes import Considered
from gateway.coordination.records import Task, TaskChange, Transition
from gateway.shadow.memory import Memory
from gateway.store.ports import ItemEnd, NewWork, Parked, WorkItem

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


Item = tuple[int, int]
"""Journal id and number of the item in it."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One stored unit."""

    journal_id: int
    channel: str
    kind: str  # hl7v2 | x12
    received_at: datetime
    body: bytes
    control_id: str = ""
    message_type: str = ""
    lanes: tuple[int, ...] = (0,)


class Step(msgspec.Struct, kw_only=True):
    """What came of one message or timer."""

    message_id: str
    at: datetime
    timer: str | None = None  # rule|kind of a timer that fired
    facility_id: str = ""  # of that timer
    ends: list[ItemEnd] = msgspec.field(default_factory=list)
    parked: list[Parked] = msgspec.field(default_factory=list)
    transitions: list[Transition] = msgspec.field(default_factory=list)
    task_changes: list[TaskChange] = msgspec.field(default_factory=list)
    considered: list[Considered] = msgspec.field(default_factory=list)
    patients: set[str] = msgspec.field(default_factory=set)


def work_of(message: Message) -> WorkItem:
    """The message as work to be read."""
    return WorkItem(
        work_id=0,
        journal_id=message.journal_id,
        item=0,
        kind="read",
        lanes=message.lanes,
        channel=message.channel,
        source_kind=message.kind,
        received_at=message.received_at,
        attempts=0,
        config_version=0,
        control_id=message.control_id,
        body=message.body,
    )


class ShadowRun:
    """`explain`: every step tells what each rule made of it."""

    def __init__(self, configuration: Configure, *, explain: bool = False) -> None:
        self.memory = Memory()
        self.now = _LONG_AGO
        self.messages = 0
        self.timers = 0
        self.failures: Counter[str] = Counter()  # rule|class of error
        self.ends: Counter[str] = Counter()
        self._steps = Steps()
        self._steps.renders = False
        configure(self._steps, configuration)
        self._explain = explain
        self._parked: dict[Item, WorkItem] = {}  # what a retry runs again
        self._waiting: dict[str, list[Item]] = {}  # match key -> parked items
        self._work = 0

    @property
    def tasks(self) -> dict[str, Task]:
        return self.memory.tasks

    def take(self, message: Message, heard: Heard | None = None) -> list[Step]:
        """Everything up to this message and the message itself: timers first, as they came due.  `heard`: it was read
        before."""
        steps = self.wait(message.received_at)
        self.now = max(self.now, message.received_at)
        self.messages += 1
        step = Step(message_id=f"m-{message.journal_id}", at=self.now)
        self._run(work_of(message), step, heard)
        return [*steps, step]

    def wait(self, until: datetime) -> list[Step]:
        """Fire what comes due by then, in order."""
        steps: list[Step] = []
        while (timer := self.memory.next_timer(until)) is not None:
            self.now = max(self.now, timer.fire_at)
            self.timers += 1
            step = Step(message_id=timer.message_id, at=self.now, timer=f"{timer.rule_id}|{timer.kind}")
            step.facility_id = timer.facility_id
            work = WorkItem(
                work_id=0,
                journal_id=0,
                item=0,
                kind="timer",
                lanes=(timer.lane,),
                channel=timer.channel,
                source_kind="",
                received_at=timer.fire_at,
                attempts=0,
                config_version=0,
                control_id="",
                body=timer.timer_id.encode(),
            )
            self._run(work, step)
            left = self.memory.next_timer(timer.fire_at)
            if left is not None and left.timer_id == timer.timer_id and left.fire_at == timer.fire_at:
                self.memory.drop_timer(timer.timer_id)  # it fired: it can only be set anew
            steps.append(step)
        self.now = max(self.now, until)
        return steps

    # -- one piece of work, and what follows from it at once -------------------------------------------------------

    def _run(self, work: WorkItem, step: Step, heard: Heard | None = None) -> None:
        waiting = [work]
        while waiting:
            decided = self._decide(waiting.pop(0), step, heard)
            heard = None  # what follows was not read
            waiting += [self._hop(one, work) for one in decided.writes.new_work]
            for key in decided.writes.appeared:
                items = self._waiting.pop(key, ())
                waiting += [self._parked.pop(item) for item in items if item in self._parked]

    def _decide(self, work: WorkItem, step: Step, heard: Heard | None) -> Decided:
        self._work += 1
        work.work_id = self._work
        considered: list[Considered] = []
        self._steps.considered = considered if self._explain else None
        reading = self._steps.take([(work, heard or self._steps.heard(work))])
        rows = self.memory.load(reading.request)
        decided = self._steps.decide(Decide(count=1, rows=rows, now=self.now))
        writes = decided.writes
        self.memory.apply(writes)
        for parked in writes.parked:
            self._parked[parked.journal_id, parked.item] = self._again(parked, work)
            for key in parked.match_keys:
                self._waiting.setdefault(key, []).append((parked.journal_id, parked.item))
        self.failures.update(f"{rule_id}|{error}" for rule_id, error in decided.rule_failures)
        self.ends.update(end.end for end in writes.ends)
        self.ends["parked"] += len(writes.parked)
        step.ends += writes.ends
        step.parked += writes.parked
        appended: dict[str, list[Any]] = writes.appended
        step.transitions += appended.get("transitions", [])
        step.task_changes += appended.get("task_changes", [])
        step.considered += considered
        made: list[Any] = writes.rows.get("patients", [])
        step.patients |= {row.patient_id for row in (*rows.patients, *made)}
        return decided

    @staticmethod
    def _hop(new: NewWork, work: WorkItem) -> WorkItem:
        return msgspec.structs.replace(
            work, journal_id=new.journal_id, item=new.item, kind=new.kind, lanes=tuple(new.lanes), body=new.payload
        )

    @staticmethod
    def _again(parked: Parked, work: WorkItem) -> WorkItem:
        return msgspec.structs.replace(
            work,
            journal_id=parked.journal_id,
            item=parked.item,
            kind=parked.kind,
            lanes=tuple(parked.lanes),
            channel=parked.channel,
            body=parked.payload or work.body,
            replayed=True,
        )
