"""The replay of the merge protocol with the real reading and deciding: admissions, updates, discharges and merges.

Every row that four workers left must be the one that a sequential run left, down to each event's body: its `changes`
name the old and the new value, so they hold the order in which the messages of a patient were applied.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Table, select

from gateway.compute.protocol import Configure, Decided, ReadDone, Request
from gateway.compute.steps import Steps
from gateway.coordination.changes import CoordinationSettings
from gateway.lanes import lanes_of
from gateway.pipeline import Pipeline, PipelineSettings
from gateway.store import schema as s
from gateway.store.core_store import CoreStore
from gateway.store.ports import JournalEntry
from gateway.store.sqlite import SqliteStore
from mappings.profile import FeedProfile
from parsers.hl7v2.header import scan_header
from tests.gateway.store.replay import LANES, NOW, Traffic
from tests.gateway.store.test_merge_replay import SEED, WORKERS, opened, replay

PROFILE = FeedProfile(channel="feed", default_authority="GH")
COMPARED: tuple[Table, ...] = (*s.STATE_TABLES, *s.APPENDED_TABLES, s.events, s.item_end, s.parked)
NUMBERS = {"seq", "tx", "parked_id"}  # in the order of commits, which differs


class StepsCompute:
    """The steps of the compute process, spoken to as over its pipe."""

    def __init__(self) -> None:
        self._steps = Steps()
        self._steps.configure(
            Configure(
                profiles={"feed": PROFILE},
                coordination={"": CoordinationSettings()},
                gap_policy={},
                salt=b"salt",
                version=1,
            )
        )

    async def read(self, items: list[Any], group: int = 256, part_of: Any = None) -> ReadDone:
        return msgspec.convert(self._ask({"type": "read", "items": items}), ReadDone)

    async def decide(self, request: dict[str, Any]) -> Decided:
        return msgspec.convert(self._ask({"type": "decide", **request}), Decided)

    def _ask(self, request: dict[str, Any]) -> Any:
        asked: Any = msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=Request, strict=False)
        answer = self._steps.read(asked) if request["type"] == "read" else self._steps.decide(asked)
        return msgspec.msgpack.decode(msgspec.msgpack.encode(answer), type=Decided | ReadDone)


def message(number: int, chance: random.Random, shape: Traffic) -> bytes:
    patient, drawn = f"P{chance.randrange(shape.patients)}", chance.random()
    at = (NOW + timedelta(seconds=number)).strftime("%Y%m%d%H%M%S+0000")
    trigger = chance.choice(("A01", "A08", "A08", "A08", "A03"))
    last = f"PV1|1|I|4W^{number}^A|||||||||||||||||V{patient}^^^GH^VN"
    if drawn < shape.merges:
        trigger, last = "A40", f"MRG|P{chance.randrange(shape.patients)}^^^GH^MR"
    header = rf"MSH|^~\&|ADT|GH|BATON|GH|{at}||ADT^{trigger}|C{number}|P|2.5.1"
    person = f"PID|1||{patient}^^^GH^MR||TESTER^{patient}||19480217|F|||||^PRN^PH^^1^614^555{number:04d}"
    return "\r".join((header, f"EVN||{at}", person, last, "")).encode()


def traffic(seed: int, shape: Traffic) -> list[JournalEntry]:
    chance = random.Random(seed)
    bodies = [message(number, chance, shape) for number in range(shape.messages)]
    return [
        JournalEntry(
            channel="feed",
            kind="hl7v2",
            facility_id="main",
            peer="",
            received_at=NOW,
            body=body,
            lanes=lanes_of(scan_header(body), PROFILE, LANES),
        )
        for body in bodies
    ]


async def contents(store: CoreStore) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table in COMPARED:
        rows = await store.fetch(select(*(column for column in table.columns if column.name not in NUMBERS)))
        found[table.name] = sorted(repr([normal(value) for value in row.values()]) for row in rows)
    return found


def normal(value: Any) -> Any:
    """JSON with its lists sorted: what a merge moved is a set, listed in the order of loading."""
    text = value.decode() if isinstance(value, bytes) else value
    if not isinstance(text, str) or not text.startswith("{"):
        return value
    return _sorted(json.loads(text))


def _sorted(value: Any) -> Any:
    if isinstance(value, list):
        return sorted((_sorted(each) for each in value), key=repr)
    return {name: _sorted(value[name]) for name in sorted(value)} if isinstance(value, dict) else value


async def sequential(path: Path, entries: Sequence[JournalEntry]) -> dict[str, list[str]]:
    store = SqliteStore(path, clock=lambda: NOW)
    await store.open()
    await store.ingest(entries)
    pipeline = Pipeline(store, StepsCompute(), PipelineSettings(batch=1), lambda: NOW)  # type: ignore[arg-type]
    while await pipeline.run_once():
        pass
    found = await contents(store)
    await store.close()
    return found


@pytest.mark.parametrize("shape", [Traffic(messages=300, patients=40, merges=0.08)])
async def test_replay_of_real_messages_equals_the_sequential_one(
    postgres_store_url: str, tmp_path: Path, migrated: bytes, shape: Traffic
) -> None:
    entries = traffic(SEED, shape)
    path = tmp_path / "baton.db"
    path.write_bytes(migrated)
    expected = await sequential(path, entries)
    await replay(postgres_store_url, entries, SEED, [StepsCompute() for _ in range(WORKERS)])
    async with opened(postgres_store_url) as store:
        found = await contents(store)
    for name, rows in expected.items():
        missing, more = sorted(set(rows) - set(found[name])), sorted(set(found[name]) - set(rows))
        first = f"seed {SEED}: {name}: {len(missing)} differ, as {missing[:1]} is {more[:1]}"
        assert not missing and not more, first
    assert expected["merges"] and expected["events"] and expected["tasks"]
