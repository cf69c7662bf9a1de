"""Reading ahead in other processes: the same in the same order as reading in this one, and no process for a short run."""

from __future__ import annotations

from concurrent.futures import Future, wait
from datetime import datetime, timedelta

import msgspec
import pytest

from gateway.compute.steps import Heard, Steps
from gateway.shadow import readers, replay
from gateway.shadow.engine import Message, work_of
from gateway.shadow.readers import Readers
from gateway.shadow.replay import Result, simulate
from tests.gateway.shadow.conftest import configuration, heard
from tests.support import hospital_messages as sent

HOUR = timedelta(hours=1)


def week(morning: datetime) -> list[Message]:
    """Forty stays, and among them a message that is cut and one that names nobody."""
    bodies = []
    for number in range(40):
        mrn, admitted = f"{number:03d}", morning + number * HOUR
        bodies.append((admitted, sent.admit(mrn, f"V{mrn}", admitted, f"A{mrn}")))
        bodies.append((admitted, sent.discharge(mrn, f"V{mrn}", admitted, admitted + HOUR, f"D{mrn}")))
    bodies.insert(33, (bodies[33][0], b"PID|1\r"))
    bodies.insert(44, (bodies[44][0], b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|X|P|2.5\rPID|1\r"))
    return heard(*bodies)


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small chunks, and processes for the second one already."""
    monkeypatch.setattr(readers, "WORTH_IT", 1)
    monkeypatch.setattr(replay, "CHUNK", 10)
    monkeypatch.setattr(readers.os, "cpu_count", lambda: 2)


@pytest.mark.usefixtures("ahead")
def test_messages_read_by_others_are_as_read_here_and_in_their_order(morning: datetime) -> None:
    messages, steps, found = week(morning), Steps(), []
    steps.configure(configuration())
    with Readers([configuration()]) as reading:
        for first in range(0, len(messages), 10):
            reading.push(messages[first : first + 10])
        wait([future for _, future in reading._chunks if future is not None])
        while reading:
            found += reading.pop()
    assert [message for message, _ in found] == messages
    assert all(alone is None for _, (alone,) in found[:10])
    for message, (one,) in found[10:]:
        assert one == steps.heard(work_of(message)) != Heard()


class NeverThere:
    """An executor whose processes do not come."""

    def __init__(self, *arguments: object) -> None:
        pass

    def submit(self, *work: object) -> Future[bytes]:
        return Future()

    def shutdown(self, *, cancel_futures: bool) -> None:
        pass


@pytest.mark.usefixtures("ahead")
def test_processes_that_are_not_there_yet_are_not_waited_for(
    morning: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "ProcessPoolExecutor", NeverThere)
    result = simulate(None, configuration(), week(morning), morning + 200 * HOUR)
    assert result.figures.messages == 82 and result.figures.tasks > 80


@pytest.mark.usefixtures("ahead")
def test_a_run_with_readers_gives_the_tasks_of_one_without(morning: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    messages, end = week(morning), morning + 200 * HOUR
    other = configuration(contact_bd=3)
    with_readers = simulate(configuration(), other, messages, end)
    monkeypatch.setattr(readers.os, "cpu_count", lambda: 1)
    assert _plain(with_readers) == _plain(simulate(configuration(), other, messages, end))
    assert with_readers.difference.changed and with_readers.figures.ends["parked"] == 1


def _plain(result: Result) -> object:
    result.figures.seconds = 0.0
    return msgspec.to_builtins(result)


def test_a_short_run_starts_no_process(morning: datetime) -> None:
    with Readers([configuration()], processes=2) as reading:
        for message in week(morning)[: readers.WORTH_IT]:
            reading.push([message])
            assert reading.full and [read for read, _ in reading.pop()] == [message]
        assert not reading and reading._pool is None
