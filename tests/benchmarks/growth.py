"""What must not grow: deciding with the number of a patient's open items, firing with the number of timers that wait."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from gateway.coordination.changes import Cause, CoordinationSettings
from gateway.coordination.decide import decide
from gateway.coordination.scope import Scope
from gateway.store.migrate import migrate
from mappings.events import AppointmentFacts, CanonicalEvent, EncounterFacts, Identifier, PatientFacts, Person
from tests.benchmarks.costs import Store, open_bare
from tests.benchmarks.processes import Group, cpu_seconds
from tests.benchmarks.setups import ROOT, TITLES, Servers
from tests.benchmarks.stages import Plan, Tell

ITEMS = (1, 20, 200)
"""Missed visits of one patient, each with its open task, and as many booked ones; beside one open stay."""
STAYS = 200
"""Open stays of another patient at once, each with its task: more than anybody has."""
DUE = 5_000
AT_ONCE = 500
SETTINGS = CoordinationSettings(facilities={"main": ("America/New_York", "us-federal")})
START = datetime(2026, 3, 2, 15, tzinfo=UTC)
_KEY = Identifier(value="1001", authority="GH", type="MR")


@dataclass
class Growth:
    """Microseconds of processor time."""

    decide_us: dict[str, float]  # what the patient has open -> one update of one stay
    fire_us: dict[str, tuple[float, float]]  # set-up -> per due timer, with as many timers as are due and with `rows`


def measure(plan: Plan, servers: Servers, tell: Tell) -> Growth:
    tell("deciding about patients with many open items")
    scopes = {what_is_open(count): _patient(1, count) for count in ITEMS}
    scopes[f"{STAYS} open stays"] = _patient(STAYS, 0)
    decide_us = {what: statistics.median(times) for what, times in _updates(scopes, 5 * plan.batches).items()}
    fire_us = {}
    for setup in ("sqlite", "postgres"):
        tell(f"firing {DUE:,} timers of {waiting(plan):,}: {setup}")
        fire_us[setup] = _fire(setup, servers, plan)
    return Growth(decide_us, fire_us)


def waiting(plan: Plan) -> int:
    """Timers in all."""
    return max(plan.rows, 2 * DUE)


def what_is_open(count: int) -> str:
    return f"1 open stay, {count} open tasks, {count} booked visits"


def rows(found: Growth, plan: Plan) -> list[tuple[str, str, str, bool]]:
    """What is wanted, and whether it is so."""
    least, most = (found.decide_us[what_is_open(count)] for count in (ITEMS[0], ITEMS[-1]))
    made = [(f"deciding with {ITEMS[-1]} open tasks and visits against {ITEMS[0]}", 2.0, most / least)]
    made += [
        (f"queueing a due timer beside {waiting(plan):,} timers against none, {TITLES[setup]}", 1.5, many / few)
        for setup, (few, many) in found.fire_us.items()
    ]
    return [(what, f"≤ {bar:.2f}x", f"{ratio:.2f}x", ratio <= bar) for what, bar, ratio in made]


def lines(found: Growth, plan: Plan) -> list[str]:
    rows = ["\n| What must not grow | processor µs |", "|---|---|"]
    for what, us in found.decide_us.items():
        rows.append(f"| decide on an update of a stay, patient with {what} | {us:.0f} |")
    for setup, (few, many) in found.fire_us.items():
        rows.append(
            f"| queue one due timer, {TITLES[setup]}: of {DUE:,} / {waiting(plan):,} timers, {DUE:,} due | {few:.0f} / {many:.0f} |"
        )
    return rows


# -- one patient -------------------------------------------------------------------------------------------------------


def _patient(stays: int, visits: int) -> Scope:
    scope = Scope()
    for number in range(stays):
        stay = EncounterFacts(
            key=Identifier(value=f"V{number}", authority="GH"),
            visit_number=f"V{number}",
            class_="inpatient",
            patient_class="I",
            admitted_at=START,
        )
        _tell(scope, number, "encounter.admitted", "ADT^A01", encounter=stay)
    for number in range(visits):
        missed = AppointmentFacts(filler_id=f"M{number}", start=START - timedelta(hours=number), service=f"M{number}")
        ahead = AppointmentFacts(filler_id=f"F{number}", start=START + timedelta(days=40, hours=number), service="S")
        _tell(scope, stays + 2 * number, "appointment.no-showed", "SIU^S26", appointment=missed)
        _tell(scope, stays + 2 * number + 1, "appointment.booked", "SIU^S12", appointment=ahead)
    assert scope.subject is not None and sum(1 for _ in scope.subject.tasks.open_tasks()) >= stays + visits
    return scope


def _updates(scopes: dict[str, Scope], rounds: int) -> dict[str, list[float]]:
    """Turn by turn, so that what disturbs one disturbs all."""
    times: dict[str, list[float]] = {what: [] for what in scopes}
    for number in range(rounds):
        for what, scope in scopes.items():
            doctor = Person(id=f"D{number}", family="ATTEND")
            stay = EncounterFacts(key=Identifier(value="V0", authority="GH"), visit_number="V0", attending=doctor)
            started = time.process_time()
            _tell(scope, 10_000 + number, "encounter.updated", "ADT^A08", encounter=stay)
            times[what].append((time.process_time() - started) * 1e6)
    return times


def _tell(scope: Scope, number: int, type_: str, trigger: str, **facts: object) -> None:
    at = START + timedelta(seconds=number)
    event = CanonicalEvent(
        type=type_,
        trigger=trigger,
        recorded_at=at,
        occurred_at=at,
        facility="main",
        patient=PatientFacts(key=_KEY, identifiers=(_KEY,), family="MANY"),
        **facts,  # type: ignore[arg-type]
    )
    cause = Cause(message_id=f"m-{number}", channel="adt", received_at=at, lanes=(1,))
    changes = decide(scope, event, cause, at, SETTINGS, bytes(32))
    assert changes.outcome == "processed" and not changes.failures
    msgspec.msgpack.encode(changes.upserts)


# -- timers ------------------------------------------------------------------------------------------------------------

_TIMERS = (
    "INSERT INTO timers (timer_id, facility_id, patient_id, lane, channel, rule_id, kind, cycle, fire_at, set_at, "
    "message_id) "
)
FILL = {
    "sqlite": "WITH RECURSIVE c(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM c WHERE n < {last}) " + _TIMERS
    + "SELECT 'tmr_' || n, 'main', 'pat_' || n, n % 16 + 1, 'adt', 'discharge-contact-2bd', 'due', '', "
    "strftime('%Y-%m-%dT%H:%M:%S', '{at}', '+' || ({every} * (n - {first})) || ' seconds') || '.000000Z', "
    "'2026-01-01T00:00:00.000000Z', 'm-1' FROM c",
    "postgresql": _TIMERS
    + "SELECT 'tmr_' || n, 'main', 'pat_' || n, n % 16 + 1, 'adt', 'discharge-contact-2bd', 'due', '', "
    "timestamptz '{at}+00' + {every} * (n - {first}) * interval '1 second', '2026-01-01+00', 'm-1' "
    "FROM generate_series({first}, {last}) n",
}  # fmt: skip
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def _fire(setup: str, servers: Servers, plan: Plan) -> tuple[float, float]:
    """(with no other timers, with `plan.rows` that wait), measured in turns."""
    with tempfile.TemporaryDirectory(prefix="baton-bench-", dir=ROOT / "var") as folder:
        urls = []
        for name in ("few", "many"):
            url = f"sqlite:///{folder}/{name}.db" if setup == "sqlite" else servers.postgres.new_database()
            migrate(url)
            urls.append(url)
        try:
            groups: dict[str, Group] = {} if setup == "sqlite" else {"postgres": servers.groups()["postgres"]}
            return asyncio.run(_fire_in_turns(urls, groups, plan))
        finally:
            for url in urls:
                if setup == "postgres":
                    servers.postgres.drop_database(url)


async def _fire_in_turns(urls: list[str], groups: dict[str, Group], plan: Plan) -> tuple[float, float]:
    stores = [open_bare(url) for url in urls]
    for store in stores:
        await store.open()
        await _fill(store, 1, DUE, "2026-05-01 00:00:00", 60)
    await _fill(stores[1], DUE + 1, waiting(plan), "2026-06-02 00:00:00", 30)
    used = [0.0, 0.0]  # of the server in ticks of 10 ms: only sums say something
    for _ in range(DUE // AT_ONCE):
        for which, store in enumerate(stores):
            before = time.process_time() + sum(cpu_seconds(groups).values())
            queued = await store.due_timers(NOW, AT_ONCE, {})
            after = time.process_time() + sum(cpu_seconds(groups).values())
            assert queued == AT_ONCE
            used[which] += after - before
    for store in stores:
        assert await store.due_timers(NOW, AT_ONCE, {}) == 0
        await store.close()
    return used[0] / DUE * 1e6, used[1] / DUE * 1e6


async def _fill(store: Store, first: int, last: int, at: str, every: int) -> None:
    """Timers `first` to `last`, from `at` on, one every so many seconds."""

    def write(core: object) -> None:
        text = FILL[core.dialect.name].format(first=first, last=last, at=at, every=every)  # type: ignore[attr-defined]
        core.exec_driver_sql(text)  # type: ignore[attr-defined]
        core.exec_driver_sql("ANALYZE")  # type: ignore[attr-defined]

    await store.execute_write(write)
