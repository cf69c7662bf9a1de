"""A batch that fails as a whole, with nothing to say at which message: the one is found and its neighbours go through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.compute.process import ComputeFailure
from gateway.compute.protocol import ReadDone
from tests.support.local_pipeline import LocalPipeline

ADT = (
    "MSH|^~\\&|A|GENHOSP|B|C|20261109080000||ADT^A01|C{n}|P|2.5.1\r"
    "EVN||20261109080000\r"
    "PID|1||M{n}^^^GENHOSP^MR||Sample^Pat||19700412|F\r"
    "PV1|1|I|4E^1^A^GENHOSP|||||||||||||||V{n}^^^GENHOSP^VN\r"
)


@pytest.mark.parametrize("poison", [{0}, {41}, {99}, {17, 18, 80}])
async def test_batch_that_fails_without_a_suspect_is_halved_until_it_is_alone(tmp_path: Path, poison: set[int]) -> None:
    local = LocalPipeline(tmp_path)
    await local.store.open()
    read, failures = local.pipeline._compute.read, 0
    marks = [f"|C{n}|".encode() for n in poison]

    async def dying(items: list[Any], *rest: Any) -> ReadDone:
        nonlocal failures
        if any(mark in item.body for item in items for mark in marks):
            failures += 1
            raise ComputeFailure("worker-killed", 0)
        return await read(items, *rest)

    local.pipeline._compute.read = dying  # type: ignore[method-assign]
    try:
        await local.send(*(ADT.format(n=n).encode() for n in range(100)))
        ends = dict(await local.rows("item_end", "journal_id", "word"))
        parked = await local.rows("parked", "journal_id", "reason", "attempts")
    finally:
        await local.store.close()
    assert len(ends) == 100
    assert [row[1:] for row in parked] == [("worker-killed", 3)] * len(poison)
    assert list(ends.values()).count("processed") == 100 - len(poison)
    assert failures <= len(poison) * 20  # of 100, were each tried alone
