"""What a retried answer does in its patient's lane is marked as replayed: decision 23 wants it of every hop."""

from __future__ import annotations

import json
from pathlib import Path

from tests.parsers.x12.interchanges import ACTIVE, eligibility
from tests.support.local_pipeline import LocalPipeline

ADMIT = (
    "MSH|^~\\&|ADT1|GENHOSP|CCGW|COORD|20261109100000-0500||ADT^A01^ADT_A01|A1|P|2.5.1\r"
    "EVN||20261109100000-0500\rPID|1||77^^^GENHOSP^MR||TESTER^ANNA||19480217|F\r"
    "PV1|1|I|4W^1^1^GENHOSP||||||||||||||||V77^^^GENHOSP^VN\r"
    "IN1|1|PLAN9|PAYER5|ACME HEALTH" + "|" * 32 + "MBR900123\r"
)


async def test_second_hop_of_a_retried_answer_is_replayed(tmp_path: Path) -> None:
    local = LocalPipeline(tmp_path)
    await local.store.open()
    try:
        await local.send(eligibility(*ACTIVE), kind="x12")
        assert [row[0] for row in await local.rows("parked", "reason")] == ["unmatched"]
        await local.send(ADMIT.encode())
        assert await local.rows("parked", "reason") == []
        told = [json.loads(row[0])["data"] for row in await local.rows("events", "body")]
        (active,) = (one for one in told if one["type"] == "coverage.active")
        assert "replayed" in active["flags"]
        assert not any("replayed" in one.get("flags", ()) for one in told if one["type"] == "encounter.admitted")
    finally:
        await local.store.close()
