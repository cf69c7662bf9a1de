"""Messages told to the rules without a store, a clock or a socket: what `baton rules test` runs.

The same reading, matching and deciding as the compute process, on a clock that the caller moves; timers fire in order,
an answer takes its second hop at once.
"""

from __future__ import annotations

from datetime import datetime

from gateway.compute.protocol import Decide, Read, StateRows
from gateway.compute.steps import Steps
from gateway.configuration import compute_configuration
from gateway.coordination.records import Task, Timer
from gateway.settings import Settings
from gateway.store.ports import WorkItem

_SALT = bytes(32)


class Rehearsal:
    """One play.  Raises ValueError for a message that a live gateway would reject, park or leave unmatched."""

    def __init__(self, settings: Settings, begins: datetime) -> None:
        self.now = begins
        self._steps = Steps()
        self._channels = {channel.name for channel in settings.channel}
        self._default = settings.channel[0].name
        self._count = 0
        self._begun = False
        self._steps.configure(compute_configuration(settings, _SALT))

    def hear(self, body: bytes, at: datetime, channel: str = "") -> None:
        """A message arrives; what is due by then fires first."""
        self.wait(at)
        name = channel or self._default
        if name not in self._channels:
            raise ValueError(f"there is no channel {name}")
        kind = "x12" if body.lstrip().startswith(b"ISA") else "hl7v2"
        self._work(kind="read", body=body, channel=name, source_kind=kind)

    def wait(self, until: datetime) -> None:
        """Time passes; every timer that comes due fires."""
        while due := sorted((t for t in self._timers() if t.fire_at <= until), key=lambda t: (t.fire_at, t.timer_id)):
            self.now = max(self.now, due[0].fire_at)
            self._work(kind="timer", body=due[0].timer_id.encode(), channel=due[0].channel, source_kind="hl7v2")
        self.now = max(self.now, until)

    @property
    def tasks(self) -> list[Task]:
        """All tasks made so far, oldest first."""
        state = self._steps.state
        found = [task for home in state.patients.values() for task in home.tasks.values()] if state else []
        return sorted(found, key=lambda task: (task.opened_at, task.task_key))

    def _timers(self) -> list[Timer]:
        state = self._steps.state
        return [timer for home in state.patients.values() for timer in home.timers.values()] if state else []

    def _work(
        self, *, kind: str, body: bytes, channel: str, source_kind: str, lanes: tuple[int, ...] = (1,), item: int = 0
    ) -> None:
        self._count += 1
        work = WorkItem(
            work_id=self._count,
            journal_id=self._count,
            item=item,
            kind=kind,
            lanes=lanes,
            channel=channel,
            source_kind=source_kind,
            received_at=self.now,
            attempts=0,
            config_version=1,
            control_id="",
            body=body,
        )
        self._steps.read(Read(items=[work]))
        made = self._steps.decide(Decide(count=1, rows=StateRows(), now=self.now, follows=self._begun))
        self._begun = True
        if made.rule_failures:
            raise ValueError("; ".join(f"rule {rule_id} failed: {error}" for rule_id, error in made.rule_failures))
        for end in made.writes.ends:
            if end.end in ("rejected", "parked"):
                raise ValueError(f"the message ends {end.end}: {end.reason}")
        for parked in made.writes.parked:
            raise ValueError(f"the message ends parked: {parked.reason} {parked.detail}".rstrip())
        for hop in made.writes.new_work:
            self._work(
                kind=hop.kind,
                body=hop.payload,
                channel=hop.channel,
                source_kind=source_kind,
                lanes=hop.lanes,
                item=hop.item,
            )
