"""Sources wait while too much is unfinished, by whichever process of a store it is finished."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from gateway.bootstrap import Gateway
from gateway.settings import Settings
from gateway.store.migrate import migrate
from gateway.store.ports import ItemEnd, WriteSet
from tests.gateway.store.samples import entry


async def test_backlog_that_another_process_works_off_lets_sources_read_on(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "gateway": {"data_dir": str(tmp_path)},
            "store": {"url": f"sqlite:///{tmp_path}/baton.db"},
            "api": {"port": 0},
            "channel": [{"name": "adt", "kind": "mllp-listener", "port": 0}],
        }
    )
    await asyncio.to_thread(migrate, settings.store.url)
    gateway = Gateway(settings)
    await gateway.start()
    try:
        await gateway.pipeline.stop()
        await gateway.watch.stop()  # it looks every five seconds; here the test does
        gateway.intake.limits = replace(gateway.intake.limits, max_backlog=2)
        await gateway.store.ingest([entry() for _ in range(3)])  # as another process: this one is not told
        assert gateway.intake.accepting
        await gateway.facts()
        assert not gateway.intake.accepting
        session = await gateway.store.claim(9)
        assert session is not None
        async with session:
            ends = [ItemEnd(journal_id=n, item=0, end="processed", channel="adt") for n in (1, 2, 3)]
            await session.commit(WriteSet(done=[item.work_id for item in session.items], ends=ends))
        assert not gateway.intake.accepting
        await gateway.facts()
        assert gateway.intake.accepting
    finally:
        await gateway.stop()
