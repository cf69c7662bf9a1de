"""Randomised replay of the lane and merge protocol (decisions 13 and 14): four workers against a sequential oracle.

The store, the sessions and the pipeline are the real ones; one transaction in ten is aborted, before or after its
writes were issued.  A failing run names its seed: give it in BATON_REPLAY_SEED to run that one again.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from gateway import pipeline as protocol
from gateway.compute.protocol import ItemKeys
from gateway.coordination.records import Patient
from gateway.event_sinks import BUS
from gateway.pipeline import Pipeline, PipelineSettings
from gateway.store import schema as s
from gateway.store.ports import JournalEntry, Loaded, StoreUnavailable, WorkItem, WriteSet
from gateway.store.postgres import PostgresStore
from gateway.store.postgres_commit import CommitWriter
from gateway.store.postgres_session import PostgresSession
from tests.gateway.store.replay import FIELDS, NOW, FoldCompute, Traffic, oracle, outcome, traffic

WORKERS = 4
ABORTED = 0.1
SEED = int(os.environ.get("BATON_REPLAY_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)


class Aborted(Exception):
    """The transaction was rolled back on purpose."""


class AbortingSession(PostgresSession):
    chance: random.Random

    async def commit(self, writes: WriteSet) -> None:
        drawn = self.chance.random()
        await asyncio.sleep(self.chance.random() * 0.004)  # others run between what was loaded and what is written
        if drawn < ABORTED / 2:
            raise Aborted
        if drawn < ABORTED:
            assert self._connection is not None
            await CommitWriter(self._connection, NOW, (BUS,), 1).write(writes, {})
            raise Aborted
        await super().commit(writes)


class AbortingStore(PostgresStore):
    def __init__(self, url: str, chance: random.Random) -> None:
        super().__init__(url, clock=lambda: NOW, claim_lanes=4, pool_size=4)
        self.chance = chance

    def _session(self) -> AbortingSession:
        session = AbortingSession(self._pool, self._setting())
        session.chance = self.chance
        return session


async def work(url: str, chance: random.Random, compute: Any, ingested: asyncio.Event) -> Counter[str]:
    """One worker process: runs until everything was taken in and nothing is left."""
    store = AbortingStore(url, chance)
    await store.open()
    pipeline = Pipeline(store, compute, PipelineSettings(batch=20), lambda: NOW)
    count: Counter[str] = Counter()
    try:
        while True:
            complete = ingested.is_set()
            try:
                ended = await pipeline.run_once()
            except (Aborted, StoreUnavailable) as error:  # unavailable: a deadlock that PostgreSQL ended
                count[type(error).__name__] += 1
                continue
            count["items"] += ended
            if not ended:
                left = await store.fetch(select(func.count().label("n")).select_from(s.work))
                if complete and not left[0]["n"]:
                    return count
                await asyncio.sleep(0.002)
    finally:
        await store.close()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(url, clock=lambda: NOW)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def replay(url: str, entries: list[JournalEntry], seed: int, computes: list[Any]) -> Counter[str]:
    chance = random.Random(seed)
    ingested = asyncio.Event()
    async with asyncio.timeout(60), opened(url) as intake, asyncio.TaskGroup() as group:
        workers = [
            group.create_task(work(url, random.Random(f"{seed}/{n}"), compute, ingested))
            for n, compute in enumerate(computes)
        ]
        position = 0
        while position < len(entries):
            size = chance.randrange(1, 40)
            await intake.ingest(entries[position : position + size])
            position += size
        ingested.set()
    return sum((worker.result() for worker in workers), Counter[str]())


async def found(store: PostgresStore) -> dict[str, tuple[str, str | None, str]]:
    rows = await store.fetch(select(s.patients))
    patients = [Patient(**{name: row[name] for name in FIELDS}) for row in rows]
    named = await store.fetch(select(s.patient_identifiers.c.value, s.patient_identifiers.c.patient_id))
    return outcome({p.patient_id: p for p in patients}, {row["value"]: row["patient_id"] for row in named})


SHAPES = {
    "no merges": Traffic(messages=700, patients=300, merges=0.0),
    "1 % merges of many patients": Traffic(messages=900, patients=2000, merges=0.01),
    "5 % merges of few patients": Traffic(messages=500, patients=60, merges=0.05),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
async def test_replay_by_four_workers_with_aborts_equals_the_sequential_one(
    postgres_store_url: str, shape: Traffic
) -> None:
    entries = traffic(SEED, shape)
    counts = await replay(postgres_store_url, entries, SEED, [FoldCompute() for _ in range(WORKERS)])
    async with opened(postgres_store_url) as store:
        assert await found(store) == oracle(entries), f"seed {SEED}"
        ledger = await store.ledger()
        events = await store.fetch(select(s.events).order_by(s.events.c.seq))
    assert ledger.balanced and ledger.channels["feed"].words["processed"] == len(entries), f"seed {SEED}"
    assert len(events) == len(entries), f"seed {SEED}: each message has its effect once"
    revisions: dict[str, int] = {}
    for event in events:
        assert event["revision"] > revisions.get(event["patient_id"], 0), f"seed {SEED}: events out of order"
        revisions[event["patient_id"]] = event["revision"]
    assert counts["Aborted"] > 0 and counts["StoreUnavailable"] == 0, f"seed {SEED}"


def fitting_without_rule_2(
    keys: list[ItemKeys], batch: list[WorkItem], loaded: Loaded, held: frozenset[int]
) -> tuple[int, frozenset[int] | None]:
    """As `pipeline.fitting`, but a patient is in the lane of the message's own identifier only."""
    for index, item in enumerate(batch):
        if not set(item.lanes) <= held:
            return index, frozenset(item.lanes)
    return len(batch), None


async def test_of_the_test_workers_without_rule_2_give_another_result(
    postgres_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a promise of the product: shows that the replay above would notice a broken rule."""
    monkeypatch.setattr(protocol, "fitting", fitting_without_rule_2)
    async with opened(postgres_store_url) as store:
        for seed in range(SEED, SEED + 5):
            entries = traffic(seed, Traffic(messages=400, patients=30, merges=0.08, answers=0.0))
            await replay(postgres_store_url, entries, seed, [FoldCompute() for _ in range(WORKERS)])
            if await found(store) != oracle(entries):
                return
            await store.execute_write(_empty)
    pytest.fail(f"seeds from {SEED} all gave the sequential result")


def _empty(connection: Connection) -> None:
    for table in s.metadata.tables.values():
        connection.execute(table.delete())
