"""Costs of single steps, as processor time: reading, deciding, claiming beside a long history, publishing."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import hl7

from channels.ports import Delivery, Outcome
from channels.rabbitmq import Queue, RabbitDestination, RabbitSettings
from gateway.compute.protocol import Configure, Decide, Read, StateRows
from gateway.compute.steps import Steps
from gateway.coordination.changes import CoordinationSettings
from gateway.store.migrate import migrate
from gateway.store.ports import ItemEnd, JournalEntry, WorkItem, WriteSet
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore
from mappings.profile import Facility, FeedProfile
from mappings.registry import read
from parsers.hl7v2.header import scan_header
from parsers.hl7v2.message import Message
from tests.benchmarks.messages import Maker
from tests.benchmarks.processes import Group, cpu_seconds
from tests.benchmarks.setups import ROOT, Servers
from tests.benchmarks.stages import Plan, Tell

PROFILE = FeedProfile(
    channel="adt",
    default_authority="GENHOSP",
    default_facility="general-hospital",
    facilities=(Facility(id="general-hospital", aliases=("GENHOSP",)),),
)
MAPPED = {
    "MSH": (3, 4, 7, 9, 10),
    "EVN": (2, 6),
    "PID": (3, 5, 7, 8, 11, 13, 18),
    "PV1": (2, 3, 7, 10, 14, 19, 36, 44, 45),
    "IN1": (3, 36),
}
BATCH = 256
OLD_BODY = 320
Store = SqliteStore | PostgresStore


@dataclass
class Costs:
    """Microseconds of processor time per message, row or event."""

    scan_us: float  # the header scan before the answer
    fields_us: float  # opening the message and reading 25 mapped fields of it, as sent
    read_us: float
    tree_us: float  # python-hl7's parse of the same message
    decide_us: float  # with its share of encoding, for a new patient
    publish_us: float  # of this process, per confirmed event in batches of 200
    claim_us: dict[str, tuple[float, float]]  # set-up -> ingest, claim and end of a row, with no and with many rows


def measure(plan: Plan, servers: Servers, tell: Tell) -> Costs:
    tell("reading and deciding")
    scan_us, fields_us = _parse(plan)
    read_us, tree_us, decide_us = _read_and_decide(plan)
    tell("publishing")
    publish_us = asyncio.run(_publish(servers.rabbitmq.url, plan.batches))
    claim_us = {}
    for setup in ("sqlite", "postgres"):
        tell(f"claiming beside {plan.rows:,} finished rows: {setup}")
        claim_us[setup] = _claim(setup, servers, plan)
    return Costs(scan_us, fields_us, read_us, tree_us, decide_us, publish_us, claim_us)


def _median_us(work: Callable[[int], object], count: int, rounds: int) -> float:
    """Processor time of this process per message, the median of `rounds` runs of `count` messages each."""
    times = []
    for number in range(rounds):
        started = time.process_time()
        work(number)
        times.append((time.process_time() - started) / count * 1e6)
    return statistics.median(times)


def _parse(plan: Plan) -> tuple[float, float]:
    maker = Maker()
    bodies = [maker.body(number) for number in range(BATCH)]
    scan_us = _median_us(lambda _: [scan_header(body) for body in bodies], BATCH, plan.batches)
    return scan_us, _median_us(lambda _: [read_fields(body) for body in bodies], BATCH, plan.batches)


def read_fields(body: bytes) -> list[bytes]:
    """The values of `MAPPED`, as sent."""
    message, values = Message(body), list[bytes]()
    for name, numbers in MAPPED.items():
        segment = message.first(name)
        fields = segment.fields if segment is not None else []
        values += [fields[number] if number < len(fields) else b"" for number in numbers]
    return values


def _read_and_decide(plan: Plan) -> tuple[float, float, float]:
    maker, now = Maker(), datetime.now(UTC)
    bodies = [maker.body(number) for number in range(BATCH)]
    texts = [body.decode() for body in bodies[:20]]
    read_us = _median_us(lambda _: [read("hl7v2", body, PROFILE, now) for body in bodies], BATCH, plan.batches)
    tree_us = _median_us(lambda _: [hl7.parse(text) for text in texts], len(texts), max(3, plan.batches // 10))
    steps = Steps()
    steps.configure(
        Configure(
            profiles={"adt": PROFILE},
            coordination={
                "adt": CoordinationSettings(facilities={"general-hospital": ("America/New_York", "us-federal")})
            },
            gap_policy={"adt": "gap"},
            salt=bytes(32),
            version=1,
        )
    )
    times = []
    for number in range(plan.batches):
        steps.read(Read(items=[_work(number * BATCH + each, now, bodies[each]) for each in range(BATCH)]))
        started = time.process_time()
        steps.decide(Decide(count=BATCH, rows=StateRows(), now=now))
        times.append((time.process_time() - started) / BATCH * 1e6)
    return read_us, tree_us, statistics.median(times)


def _work(number: int, now: datetime, body: bytes) -> WorkItem:
    return WorkItem(
        work_id=number,
        journal_id=number,
        item=0,
        kind="read",
        lanes=(1,),
        channel="adt",
        source_kind="hl7v2",
        received_at=now,
        attempts=0,
        config_version=1,
        control_id=f"C{number}",
        body=body,
    )


async def _publish(url: str, batches: int) -> float:
    """A batch of 200 events of 1.3 kB, again and again."""
    destination = RabbitDestination(
        RabbitSettings(url, "benchmark.publish", (Queue("benchmark.publish", max_length=50_000),))
    )
    headers = {"type": "encounter.admitted", "facility": "general-hospital", "partitionkey": "pat_0"}
    times = []
    for number in range(batches + 2):
        batch = [
            Delivery(
                f"evt_{number}_{each}",
                "pat_0",
                "encounter.admitted.general-hospital",
                bytes(1300),
                headers,
                "application/json",
            )
            for each in range(200)
        ]
        started = time.process_time()
        outcomes = await destination.deliver(batch)
        times.append((time.process_time() - started) / len(batch) * 1e6)
        if set(outcomes) != {Outcome.CONFIRMED}:
            raise RuntimeError("the broker did not confirm a batch")
    await destination.close()
    return statistics.median(times[2:])  # the first connects


# -- the cost of claiming ------------------------------------------------------------------------------------------------


def _claim(setup: str, servers: Servers, plan: Plan) -> tuple[float, float]:
    """(cost beside no finished rows, cost beside `plan.rows` of them), measured in turns."""
    with tempfile.TemporaryDirectory(prefix="baton-bench-", dir=ROOT / "var") as folder:
        urls = []
        for name in ("empty", "full"):
            url = f"sqlite:///{folder}/{name}.db" if setup == "sqlite" else servers.postgres.new_database()
            migrate(url)
            urls.append(url)
        try:
            groups: dict[str, Group] = {} if setup == "sqlite" else {"postgres": servers.groups()["postgres"]}
            return asyncio.run(_claim_in_turns(urls, groups, plan))
        finally:
            for url in urls:
                if setup == "postgres":
                    servers.postgres.drop_database(url)


async def _claim_in_turns(urls: list[str], groups: dict[str, Group], plan: Plan) -> tuple[float, float]:
    stores = [open_bare(url) for url in urls]
    for store in stores:
        await store.open()
    await _fill(stores[1], plan.rows)
    costs: tuple[list[float], list[float]] = ([], [])
    turns = max(2, plan.batches // 6)
    for turn in range(turns):
        for which, store in enumerate(stores):
            before = time.process_time() + sum(cpu_seconds(groups).values())
            for number in range(6):
                await _one_batch(store, turn * 6 + number)
            after = time.process_time() + sum(cpu_seconds(groups).values())
            costs[which].append((after - before) / (6 * BATCH) * 1e6)
    for store in stores:
        await store.close()
    return statistics.median(costs[0][1:]), statistics.median(costs[1][1:])


def open_bare(url: str) -> Store:
    """A store without sinks, on the machine's clock."""

    def clock() -> datetime:
        return datetime.now(UTC)

    if url.startswith("sqlite:///"):
        return SqliteStore(Path(url.removeprefix("sqlite:///")), clock=clock, sinks=())
    return PostgresStore(url, clock=clock, sinks=())


async def _one_batch(store: Store, number: int) -> None:
    now = datetime.now(UTC)
    entries = [
        JournalEntry(
            channel="adt",
            kind="hl7v2",
            facility_id="general-hospital",
            peer="127.0.0.1:1",
            received_at=now,
            body=bytes(1100),
            dedup_key=(number * BATCH + each).to_bytes(16, "big"),
            lanes=(1,),
        )
        for each in range(BATCH)
    ]
    await store.ingest(entries)
    session = await store.claim(BATCH)
    assert session is not None and len(session.items) == BATCH
    async with session:
        done = [item.work_id for item in session.items]
        ends = [ItemEnd(journal_id=item.journal_id, item=0, end="processed", channel="adt") for item in session.items]
        await session.commit(WriteSet(done=done, ends=ends))


_JOURNAL = (
    "INSERT INTO journal (journal_id, channel, kind, facility_id, peer, received_at, control_id, message_type, sender, "
    "digest, size, body, acknowledgement, config_version) "
)
_SEEN = "INSERT INTO seen (dedup_key, journal_id, seen_at) "
_END = "INSERT INTO item_end (journal_id, item, word, channel, at) "
_AT = "2026-01-01T00:00:00.000000Z"
FILL = {
    "sqlite": (
        "CREATE TEMP TABLE n AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {rows}) SELECT n FROM c",
        _JOURNAL
        + f"SELECT n, 'adt', 'hl7v2', 'general-hospital', 'p', '{_AT}', 'C' || n, 'ADT^A01', 's', randomblob(32), "
        f"{OLD_BODY}, zeroblob({OLD_BODY}), 'AA', 1 FROM n",
        _SEEN + f"SELECT randomblob(16), n, '{_AT}' FROM n",
        _END + f"SELECT n, 0, 'processed', 'adt', '{_AT}' FROM n",
        "UPDATE gateway_state SET value = '{rows}' WHERE name = 'last_id'",
    ),
    "postgresql": (
        _JOURNAL + f"SELECT n, 'adt', 'hl7v2', 'general-hospital', 'p', '{_AT}', 'C' || n, 'ADT^A01', 's', "
        f"sha256(n::text::bytea), {OLD_BODY}, decode(repeat('00', {OLD_BODY}), 'hex'), 'AA', 1 FROM generate_series(1, {{rows}}) n",
        _SEEN + f"SELECT decode(md5(n::text), 'hex'), n, '{_AT}' FROM generate_series(1, {{rows}}) n",
        _END + f"SELECT n, 0, 'processed', 'adt', '{_AT}' FROM generate_series(1, {{rows}}) n",
        "SELECT setval('arrival', {rows})",
        "ANALYZE",
    ),
}


async def _fill(store: Store, rows: int) -> None:
    """A history of `rows` finished messages."""
    await store.execute_write(
        lambda core: [core.exec_driver_sql(each.format(rows=rows)) for each in FILL[core.dialect.name]]
    )
