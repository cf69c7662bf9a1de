"""A slot of a schedule and the patients behind it: what happens between its hops."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.compute import schedule
from tests.support import hospital_messages as sent
from tests.support.local_pipeline import NOW, LocalPipeline

HOUR = timedelta(hours=1)
DAY = NOW + 120 * HOUR
BLOCK = sent.slot("S23", DAY, DAY + HOUR, NOW, "C9", "AIP|1||77^ONE^OLGA")


@pytest.fixture
async def local(tmp_path: Path):
    made = LocalPipeline(tmp_path)
    await made.store.open()
    yield made
    await made.store.close()


async def owners(local: LocalPipeline) -> list[str]:
    """Medical record numbers of who has a task about a block."""
    mrns = {row[0]: row[1] for row in await local.rows("patients", "patient_id", "mrn")}
    found = await local.rows("tasks", "patient_id", "rule_id", "closed_at")
    return sorted(mrns[row[0]] for row in found if row[1] == "appointment-resource-lost" and row[2] is None)


async def test_patient_merged_between_the_hops_is_found_as_the_survivor(local: LocalPipeline) -> None:
    await local.send(sent.visit("S12", "OLD", "P1", DAY, NOW - HOUR, "C1"), sent.register("NEW", NOW - HOUR, "C2"))
    await local.send(BLOCK, sent.merge("NEW", "OLD", NOW, "C3"))
    assert await owners(local) == ["NEW"]
    assert (await local.store.ledger()).balanced


async def test_every_patient_of_a_wide_block_hears_of_it_though_they_come_by_pages(
    local: LocalPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "PATIENTS_AT_ONCE", 5)  # pages of the test's own: of what the store gives, five
    send_out = schedule.send_out

    def by_fives(work, item, event, slot, state, collector):
        state.concerned = {key: found[:5] for key, found in state.concerned.items()}
        return send_out(work, item, event, slot, state, collector)

    monkeypatch.setattr("gateway.compute.steps.send_out", by_fives)
    numbers = [f"{number:03d}" for number in range(13)]
    await local.send(*(sent.visit("S12", mrn, f"P{mrn}", DAY, NOW - HOUR, f"C{mrn}") for mrn in numbers))
    await local.send(BLOCK)
    assert await owners(local) == numbers
    ledger = await local.store.ledger()
    assert ledger.balanced and ledger.channels["adt"].came == 13 + 1 + 1 + 13


@pytest.mark.parametrize("times", ["", "|||||^^^00010101^00010101", "|||||^^^99991231235959+0000"])
async def test_slot_without_a_time_or_at_the_end_of_time_concerns_nobody(local: LocalPipeline, times: str) -> None:
    await local.send(sent.visit("S12", "1", "P1", DAY, NOW - HOUR, "C1"))
    head = sent.header("SIU^S23^SIU_S12", "C2", NOW)
    await local.send(sent.hl7(head, f"SCH|||||MAIN|{times}", "RGS|1", "AIP|1||77^ONE^OLGA"))
    assert await owners(local) == []
    assert "schedule.blocked" in [row[1] for row in await local.rows("events", "seq", "type")]
    assert (await local.store.ledger()).balanced
