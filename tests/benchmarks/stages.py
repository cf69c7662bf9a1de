"""Rates: floor, durable intake and end to end, in alternating rounds; latency and cost at a paced rate."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.processes import cpu_seconds, difference, machine_seconds, peak_memory
from tests.benchmarks.setups import ROOT, Servers, Subject, floor, floor_load, gateway, own_load

Tell = Callable[[str], None]
SETUPS = ("sqlite", "postgres")
STAGES = ("intake", "end-to-end")


@dataclass(frozen=True)
class Plan:
    """How long and how often."""

    rounds: int = 5
    seconds: float = 3.0
    connections: tuple[int, ...] = (1, 32, 128)
    paced_rate: int = 1000
    paced_seconds: float = 10.0
    rows: int = 1_000_000
    batches: int = 60
    replayed: int = 20_000

    @staticmethod
    def quick() -> Plan:
        return Plan(
            rounds=1, seconds=0.3, connections=(1, 32), paced_seconds=1.0, rows=5_000, batches=4, replayed=1_500
        )


@dataclass
class Cell:
    """One measurement of one stage."""

    rate: float  # messages per second: acknowledged (intake), or ended and delivered (end to end)
    p50_ms: float
    p99_ms: float
    cpu_us: dict[str, float]  # per message by group of processes
    generator_us: float

    @property
    def total_us(self) -> float:
        return sum(self.cpu_us.values())


@dataclass
class Measured:
    floor: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    floor_by_own: list[float] = field(default_factory=list)
    cells: dict[tuple[str, str, int], list[Cell]] = field(default_factory=lambda: defaultdict(list))
    updates: dict[str, Cell] = field(default_factory=dict)
    paced: dict[str, Cell] = field(default_factory=dict)
    fdatasync_ms: list[float] = field(default_factory=list)
    memory: dict[str, dict[str, float]] = field(default_factory=dict)  # set-up -> group -> MiB
    stored: dict[str, float] = field(default_factory=dict)  # set-up -> bytes per message

    loaded_seconds: float = 0.0
    others_seconds: float = 0.0  # processor time of programs that are no part of the run, meanwhile

    @property
    def others(self) -> float:
        return self.others_seconds / max(self.loaded_seconds * (os.cpu_count() or 1), 1e-9)

    def share(self, setup: str, stage: str, connections: int) -> float:
        """Of the floor: each round against the floor of the same round, then the median."""
        pairs = zip(self.cells[setup, stage, connections], self.floor[connections], strict=True)
        return statistics.median(cell.rate / floor for cell, floor in pairs)

    def gain(self, setup: str, few: int, many: int) -> float:
        """Durable rate of many connections against that of few, round by round."""
        pairs = zip(self.cells[setup, "intake", few], self.cells[setup, "intake", many], strict=True)
        return statistics.median(other.rate / one.rate for one, other in pairs)

    def floor_rate(self, connections: int) -> float:
        return statistics.median(self.floor[connections])


def measure(plan: Plan, servers: Servers, tell: Tell) -> Measured:
    found = Measured()
    for number in range(1, plan.rounds + 1):
        tell(f"round {number} of {plan.rounds}")
        _measure_floor(plan, found)
        found.fdatasync_ms.append(fdatasync_ms())
        for setup in SETUPS:
            for stage in STAGES:
                _measure_stage(plan, setup, stage, servers, found)
                latest = {c: round(found.cells[setup, stage, c][-1].rate) for c in plan.connections}
                tell(f"  {setup} {stage}: {latest} msg/s by connections")
    for setup in SETUPS:
        found.paced[setup] = _measure_paced(plan, setup, servers)
    return found


def _measure_floor(plan: Plan, found: Measured) -> None:
    with floor() as port:
        for connections in plan.connections:
            found.floor[connections].append(floor_load(port, connections, plan.seconds / 2)["rate"])
        found.floor_by_own.append(own_load(port, plan.connections[-1], seconds=plan.seconds / 2)["rate"])


def _measure_stage(plan: Plan, setup: str, stage: str, servers: Servers, found: Measured) -> None:
    ends = stage == "end-to-end"
    with gateway(setup, servers, intake_only=not ends) as subject:
        sent = own_load(subject.port, 8, seconds=plan.seconds / 4)["messages"]
        if ends:
            subject.child.ask(f"settle {sent}")
        size, first = subject.stored_bytes(), sent
        for connections in plan.connections:
            started, busy = time.monotonic(), machine_seconds()
            cell, messages = _drive(subject, ends, sent, connections, seconds=plan.seconds)
            found.loaded_seconds += time.monotonic() - started
            ours = (cell.total_us + cell.generator_us) * messages / 1e6
            found.others_seconds += max(0.0, machine_seconds() - busy - ours)
            found.cells[setup, stage, connections].append(cell)
            sent += messages
        if ends:
            found.stored[setup] = (subject.stored_bytes() - size) / (sent - first)
            known = own_load(subject.port, 8, run="KNOWN", count=500)["messages"]
            subject.child.ask(f"settle {sent + known}")
            found.updates[setup], _ = _drive(
                subject, ends, sent + known, plan.connections[-1], seconds=plan.seconds, run="KNOWN", existing=500
            )
            pids = [(name, group) for name, group in subject.groups.items() if isinstance(group, int)]
            found.memory[setup] = {name: peak_memory(pid) for name, pid in pids}


def _drive(subject: Subject, ends: bool, sent: int, connections: int, **options: Any) -> tuple[Cell, int]:
    """One load; its figures and how many messages it sent.  End to end it lasts until everything ended."""
    before = cpu_seconds(subject.groups)
    load = own_load(subject.port, connections, **options)
    messages, seconds = load["messages"], load["seconds"]
    if set(load["codes"]) != {"AA"}:
        raise RuntimeError(f"not every message was accepted: {load['codes']}")
    if ends:
        settled = subject.child.ask(f"settle {sent + messages}")
        if set(settled) & {"filtered", "rejected", "parked"}:
            raise RuntimeError(f"not every message was processed: {settled}")
        seconds = settled["at"] - load["started"]
    used = difference(before, cpu_seconds(subject.groups))
    per_message = {name: value / messages * 1e6 for name, value in used.items()}
    return Cell(messages / seconds, load["p50_ms"], load["p99_ms"], per_message, load["generator_us"]), messages


def _measure_paced(plan: Plan, setup: str, servers: Servers) -> Cell:
    with gateway(setup, servers) as subject:
        sent = own_load(subject.port, 8, seconds=plan.seconds / 4)["messages"]
        subject.child.ask(f"settle {sent}")
        cell, _ = _drive(subject, True, sent, 32, seconds=plan.paced_seconds, rate=plan.paced_rate)
        return cell


def fdatasync_ms(count: int = 300) -> float:
    """Median of appending 4 kB to a file and syncing it, on the disk of the stores."""
    times: list[float] = []
    with tempfile.NamedTemporaryFile(prefix="baton-sync-", dir=ROOT / "var") as file:
        handle = os.open(Path(file.name), os.O_WRONLY)
        try:
            for _ in range(count):
                started = time.perf_counter()
                os.write(handle, bytes(4096))
                os.fdatasync(handle)
                times.append(time.perf_counter() - started)
        finally:
            os.close(handle)
    return statistics.median(times) * 1e3
