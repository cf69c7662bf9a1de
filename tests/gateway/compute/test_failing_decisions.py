"""What a decision that raises leaves behind: the message parked, its neighbours done, a timer dropped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.compute import firing, steps
from gateway.coordination.changes import TimerFired
from mappings.events import CanonicalEvent
from tests.support.local_pipeline import NOW, LocalPipeline


def admission(number: int) -> bytes:
    return (
        f"MSH|^~\\&|ADT1|GENHOSP|CCGW|COORD|20261109100000-0500||ADT^A01^ADT_A01|C{number}|P|2.5.1\r"
        f"EVN||20261109100000-0500\rPID|1||{number}^^^GENHOSP^MR||TESTER^ANNA||19480217|F\r"
        f"PV1|1|I|4W^1^1^GENHOSP||||||||||||||||V{number}^^^GENHOSP^VN|||||||||||||||||||||||||20261109095900-0500\r"
        f"IN1|1|PLAN|PAYER5|ACME|||||||||||||||||||||||||||||||||MBR{number}\r"
    ).encode()


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalPipeline]:
    pipeline = LocalPipeline(tmp_path, clock=Clock())
    await pipeline.store.open()
    yield pipeline
    await pipeline.store.close()


async def test_decision_that_raises_parks_its_message_and_no_other(
    local: LocalPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = steps.decide

    def decide(scope: Any, stimulus: Any, *rest: Any) -> Any:
        if isinstance(stimulus, CanonicalEvent) and stimulus.patient and stimulus.patient.identifiers[0].value == "2":
            raise RuntimeError("ZZCANARY of the patient")
        return real(scope, stimulus, *rest)

    monkeypatch.setattr(steps, "decide", decide)
    await local.send(*(admission(number) for number in (1, 2, 3)))
    ((stage, reason, detail),) = await local.rows("parked", "stage", "reason", "detail")
    assert (stage, reason) == ("decide", "decision-failed")
    assert "RuntimeError" in detail and "ZZCANARY" not in detail
    assert [row[0] for row in await local.rows("patients", "mrn")] == ["1", "3"]
    assert (await local.store.ledger()).balanced


async def test_timer_whose_decision_raises_is_dropped_and_does_not_come_back(
    local: LocalPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    await local.send(admission(1))
    before = len(await local.rows("timers", "timer_id"))
    assert before
    real = firing.decide

    def decide(scope: Any, stimulus: Any, *rest: Any) -> Any:
        if isinstance(stimulus, TimerFired):
            raise RuntimeError("a defect")
        return real(scope, stimulus, *rest)

    monkeypatch.setattr(firing, "decide", decide)
    later = datetime(2027, 1, 1, tzinfo=UTC) + timedelta(days=1)
    local.store.clock.now = later  # type: ignore[attr-defined]
    queued = await local.store.due_timers(later, 100, {})
    assert queued == before
    await local.settle()
    assert await local.rows("timers", "timer_id") == [] and await local.rows("parked", "parked_id") == []
    assert await local.store.due_timers(later, 100, {}) == 0


async def test_parked_message_names_the_place_that_parked_it_not_the_first_oddity(local: LocalPipeline) -> None:
    body = admission(1).replace(b"PID|1||1^^^GENHOSP^MR||TESTER^ANNA||19480217|F", b"PID|1||||TESTER^ANNA||tomorrow|Q")
    await local.send(body)
    assert await local.rows("parked", "reason", "detail") == [("no-patient-id", "PID^1^3")]
