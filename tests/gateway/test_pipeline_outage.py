"""The pipeline while the store is away."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gateway.pipeline import Pipeline, PipelineSettings
from gateway.store.ports import StoreUnavailable
from tests.support.local_pipeline import NOW, LocalPipeline


class AwayThenBack(Pipeline):
    """A store that is away three times, back once, and away again."""

    answers = [StoreUnavailable(), StoreUnavailable(), StoreUnavailable(), 0, StoreUnavailable()]

    async def run_once(self) -> int:
        answer, *self.answers = self.answers
        self._stopping = not self.answers
        if isinstance(answer, StoreUnavailable):
            raise answer
        return answer

    async def _pause(self, seconds: float) -> None:
        return


async def test_outage_of_the_store_is_told_once_each_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    local = LocalPipeline(tmp_path)
    pipeline = AwayThenBack(local.store, local.pipeline._compute, PipelineSettings(), lambda: NOW)
    with caplog.at_level(logging.WARNING, "gateway.pipeline"):
        await pipeline._run()
    assert caplog.messages == ["store away: the pipeline waits"] * 2
