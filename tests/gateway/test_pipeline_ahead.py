"""While a batch is written the next one is decided: what comes out must be what one batch after the other gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway.compute.protocol import Decided
from gateway.pipeline import PipelineSettings
from gateway.store import schema
from gateway.store.ports import WriteRefused, WriteSet
from gateway.store.sqlite_session import SqliteSession
from tests.support.local_pipeline import LocalPipeline

ADT = (
    "MSH|^~\\&|A|GENHOSP|B|C|202611090800{n:02}||ADT^{event}|C{n}|P|2.5.1\r"
    "EVN|{event}|202611090800{n:02}\r"
    "PID|1||{mrn}^^^GENHOSP^MR||Sample^Pat{n}||19700412|F\r"
    "{more}"
    "PV1|1|I|4E^{n}^A^GENHOSP|||||||||||||||V{mrn}^^^GENHOSP^VN\r"
)
TABLES = (*schema.STATE_TABLES, *schema.APPENDED_TABLES, schema.item_end, schema.events)


def bodies() -> list[bytes]:
    """Three patients turn by turn, admitted, updated, one merged into another, then met again under both numbers."""
    events = ["A01"] * 3 + ["A08"] * 9 + ["A40"] + ["A08"] * 6 + ["A03"] * 3
    return [
        ADT.format(
            n=n,
            event=event,
            mrn=f"M{n % 3}" if event != "A40" else "M0",
            more="MRG|M1^^^GENHOSP^MR\r" if event == "A40" else "",
        ).encode()
        for n, event in enumerate(events)
    ]


async def nothing(*_: object) -> None:
    return None


async def played(folder: Path, *, batch: int, looking: bool) -> tuple[dict[str, list[tuple[object, ...]]], int]:
    """(every row, how many batches were decided ahead) after all messages."""
    folder.mkdir()  # noqa: ASYNC240
    local = LocalPipeline(folder)
    await local.store.open()
    try:
        local.pipeline._settings = PipelineSettings(batch=batch)
        if not looking:
            local.pipeline._look_ahead = nothing  # type: ignore[method-assign]
        local.pipeline._size.size = batch
        ahead = 0
        decide = local.pipeline._compute.decide

        async def counting(request: dict[str, Any]) -> Decided:
            nonlocal ahead
            ahead += request.get("follows", False)
            return await decide(request)

        local.pipeline._compute.decide = counting  # type: ignore[method-assign]
        await local.send(*bodies())
        rows = {}
        for table in TABLES:
            found = await local.store.fetch(select(table))
            rows[table.name] = sorted(tuple(row.values()) for row in found) if found else []
        return rows, ahead
    finally:
        await local.store.close()


@pytest.mark.parametrize("batch", [1, 2, 5])
async def test_batches_decided_ahead_give_the_same_state_as_one_after_the_other(tmp_path: Path, batch: int) -> None:
    plain, none = await played(tmp_path / "plain", batch=batch, looking=False)
    ahead, count = await played(tmp_path / "ahead", batch=batch, looking=True)
    assert none == 0 and count > 0
    assert ahead == plain
    assert len(plain["patients"]) == 3 and plain["merges"]


async def test_batch_decided_ahead_of_a_refused_one_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, _ = await played(tmp_path / "plain", batch=3, looking=False)
    commit, seen = SqliteSession.commit, []

    async def refusing_once(self: SqliteSession, writes: WriteSet) -> None:
        seen.append(len(writes.done))
        if len(seen) == 2:
            raise WriteRefused("refused once")
        await commit(self, writes)

    monkeypatch.setattr(SqliteSession, "commit", refusing_once)
    ahead, _ = await played(tmp_path / "ahead", batch=3, looking=True)
    assert ahead["item_end"] == plain["item_end"]
    assert [row[:3] for row in ahead["events"]] == [row[:3] for row in plain["events"]]
    assert ahead["encounters"] == plain["encounters"]
