"""feed-silent: one task per silence of a channel, over with its next message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from gateway.compute.unmatched import nobody
from gateway.coordination.changes import Cause, Changes, CoordinationSettings, Silence
from gateway.coordination.decide import decide
from gateway.coordination.records import Task
from gateway.coordination.scope import Scope

LAST = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
ON = CoordinationSettings(enabled_rules=("feed-silent",))
HOUR = timedelta(hours=1)


class Line:
    """What was said of channels to one scope of nobody."""

    def __init__(self, settings: CoordinationSettings = ON) -> None:
        self.scope = Scope(subject=nobody())
        self.settings = settings

    def tell(self, last: datetime, *, silent: bool = True, channel: str = "adt", after: timedelta = HOUR) -> Changes:
        now = last + after
        heard = Silence(channel=channel, facility_id="general-hospital", last=last, silent=silent, limit=900)
        cause = Cause(message_id=f"feed-{channel}", origin=f"{silent}.{channel}.{last.isoformat()}", received_at=now)
        return decide(self.scope, heard, cause, now, self.settings, b"salt")

    def tasks(self) -> list[Task]:
        assert self.scope.subject is not None
        return list(self.scope.subject.tasks.values())


def test_silence_opens_one_task_however_often_it_is_told() -> None:
    line = Line()
    made = [line.tell(LAST, after=HOUR * n) for n in (1, 2, 3)]
    (task,) = line.tasks()
    assert (task.title, task.priority, task.queue, task.type) == (
        "Check interface",
        "urgent",
        "integration",
        "integration",
    )
    assert (task.patient_id, task.facility_id, task.due_at) == ("", "general-hospital", LAST + 2 * HOUR)
    assert task.task_key == "feed-silent|adt|v2026-03-02T03:00:00.000+00:00"
    assert task.reason == "Channel adt has received nothing since 2026-03-02T03:00:00.000+00:00, for more than 900 s."
    assert [[event.type for event in each.emitted] for each in made] == [["task.created"], [], []]
    assert not any(isinstance(row, type(nobody().patient)) for each in made for row in each.upserts)


def test_next_message_completes_the_task_and_the_next_silence_is_another() -> None:
    line = Line()
    line.tell(LAST)
    ended = line.tell(LAST + 2 * HOUR, silent=False, after=timedelta())
    assert [event.type for event in ended.emitted] == ["task.completed"]
    (task,) = line.tasks()
    assert (task.status, task.business_status) == ("completed", "auto-resolved")
    assert task.status_reason == "channel adt received a message at 2026-03-02T05:00:00.000+00:00"
    assert not line.scope.subject.timers  # type: ignore[union-attr]
    line.tell(LAST + 2 * HOUR)
    assert [one.open for one in line.tasks()] == [False, True]


def test_message_that_nobody_told_of_ends_the_silence_before_the_next_one_opens() -> None:
    line = Line()
    line.tell(LAST)
    line.tell(LAST + 2 * HOUR)
    assert [one.open for one in line.tasks()] == [False, True]


def test_channels_do_not_end_each_others_silence() -> None:
    line = Line()
    line.tell(LAST)
    line.tell(LAST, channel="adt-2")
    line.tell(LAST + HOUR, channel="adt-2", silent=False)
    assert [(one.task_key.split("|")[1], one.open) for one in line.tasks()] == [("adt", True), ("adt-2", False)]


def test_silence_that_a_person_completed_is_not_opened_again() -> None:
    line = Line()
    line.tell(LAST)
    (task,) = line.tasks()
    closed = msgspec.structs.replace(task, status="completed", closed_at=LAST + HOUR)
    line.scope.subject.tasks[task.task_id] = closed  # type: ignore[union-attr]
    line.tell(LAST, after=3 * HOUR)
    assert line.tasks() == [closed]


@pytest.mark.parametrize(
    "settings",
    [CoordinationSettings(), CoordinationSettings(enabled_rules=("feed-silent",), stage="load")],
    ids=["off", "loading"],
)
def test_silence_opens_nothing_where_the_rule_is_off_or_the_channel_not_live(settings: CoordinationSettings) -> None:
    line = Line(settings)
    line.tell(LAST)
    assert line.tasks() == []


def test_next_message_completes_the_task_of_a_rule_that_was_switched_off_since() -> None:
    line = Line()
    line.tell(LAST)
    line.settings = CoordinationSettings()
    line.tell(LAST + HOUR, silent=False)
    assert [one.open for one in line.tasks()] == [False]
