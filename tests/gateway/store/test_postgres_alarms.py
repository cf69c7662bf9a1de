"""What PostgreSQL is watched for (decisions 21 and 26)."""

from __future__ import annotations

import asyncpg
import pytest

from gateway.clock import system_clock
from gateway.store import postgres_alarms
from gateway.store.postgres import PostgresStore


async def test_maintain_names_a_writer_that_stays_open(
    postgres_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_alarms, "LONGEST_WRITER", 0)
    store = PostgresStore(postgres_store_url, clock=system_clock)
    await store.open()
    other = await asyncpg.connect(postgres_store_url)
    try:
        assert await store.maintain() == []
        await other.execute("BEGIN")
        await other.execute("INSERT INTO gateway_state VALUES ('held', '1')")
        (alarm,) = await store.maintain()
        assert "readers of events wait" in alarm
        await other.execute("ROLLBACK")
        assert await store.maintain() == []
    finally:
        await other.close()
        await store.close()


async def test_maintain_names_rows_outside_the_partitions(postgres_store_url: str) -> None:
    store = PostgresStore(postgres_store_url, clock=system_clock)
    await store.open()
    other = await asyncpg.connect(postgres_store_url)
    try:
        await other.execute(
            "INSERT INTO journal (journal_id, channel, kind, facility_id, peer, received_at, control_id, message_type, "
            "sender, digest, size, acknowledgement, config_version) "
            "VALUES (9000000000, 'adt', 'hl7v2', 'main', '', now(), '', '', '', '', 0, '', 0)"
        )
        (alarm,) = await store.maintain()
        assert "default partition" in alarm
    finally:
        await other.close()
        await store.close()
