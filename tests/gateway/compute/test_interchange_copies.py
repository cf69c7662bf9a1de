"""The same interchange again (decision 5): one effect, the stored answer again."""

from __future__ import annotations

from pathlib import Path

from gateway.demo.scenario import load
from tests.support.local_pipeline import NOW, LocalPipeline

DAY = Path(__file__).resolve().parents[3] / "samples" / "day"


async def test_interchange_sent_again_has_one_effect_and_the_same_answer_again(tmp_path: Path) -> None:
    scenario = load(DAY, NOW.date())
    step = next(step for step in scenario.steps if step.file.name.endswith("grace-active.x12"))
    local = LocalPipeline(tmp_path)
    await local.store.open()
    try:
        await local.send(scenario.body(step), kind="x12")
        first = await local.store.outbox_claim("adt", 10)
        await local.store.outbox_settle("adt", [(item.sequence, "confirmed") for item in first])
        await local.send(scenario.body(step), kind="x12")
        again = await local.store.outbox_claim("adt", 10)
        assert len(first) == 1 and [item.body for item in again] == [item.body for item in first]
        assert b"AK9*A*1*1*1" in again[0].body
        assert b"ST*999*0001*" in again[0].body and b"{" not in again[0].body  # every control number is filled in
        ledger = await local.store.ledger()
        assert ledger.balanced and ledger.channels["adt"].words["duplicate"] == 1
    finally:
        await local.store.close()
