"""A large file through a whole gateway: how much the processes grow, and how long it takes.

`python -m tests.benchmarks.large` measures it alone, on SQLite.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.processes import peak_memory, reset_peak
from tests.benchmarks.setups import Servers, Subject, gateway
from tests.support.large_files import adt_pieces, spread, x12_pieces

ALLOWED_MIB = 64
SMALL = 500
"""Items of each file of the warming up, after which the store's own caches are filled as by any load."""


@dataclass
class Figures:
    """One file: its size, items, seconds until the last one ended, and growth in MiB over what small files left."""

    what: str
    mib: float
    items: int
    seconds: float
    grown: dict[str, float]


def measure(servers: Servers, items: int, mib: int, setups: tuple[str, ...]) -> dict[str, list[Figures]]:
    """A batch of so many messages and a file of so many 271, each of `mib` MiB; by set-up."""
    found: dict[str, list[Figures]] = {}
    each = (mib << 20) // items
    for setup in setups:
        with gateway(setup, servers) as subject:
            drop(subject, "small.x12", x12_pieces(SMALL))
            for first in range(0, items // 4, SMALL):
                drop(subject, f"small-{first}.hl7", adt_pieces(SMALL, patients=SMALL, first=first))
            ended = SMALL + -(-items // 4 // SMALL) * SMALL
            subject.child.ask(f"settle {ended}")
            found[setup] = []
            for name, what, pieces in (
                ("large.hl7", "HL7 batch of messages", adt_pieces(items, padding=each - 300, patients=items // 4)),
                ("large.x12", "X12 file of 271", spread(x12_pieces(items, control="000000102"), each - 900)),
            ):
                processes = {group: subject.groups[group] for group in ("gateway", "compute")}
                before = {group: reset_peak(int(pid)) for group, pid in processes.items()}
                size, started = drop(subject, name, pieces)
                ended += items
                at = subject.child.ask(f"settle {ended}")["at"]
                grown = {group: peak_memory(int(pid)) - before[group] for group, pid in processes.items()}
                found[setup].append(Figures(what, size / (1 << 20), items, at - started, grown))
    return found


def drop(subject: Subject, name: str, pieces: Iterator[bytes]) -> tuple[int, float]:
    """(bytes, when it was there)."""
    folder = subject.config.parent / "files/in"
    size = 0
    with (folder / f".{name}").open("wb") as file:
        for piece in pieces:
            size += file.write(piece)
    os.rename(folder / f".{name}", folder / name)
    return size, time.perf_counter()


def rows(found: dict[str, list[Figures]], titles: dict[str, str]) -> list[tuple[str, str, str, bool]]:
    """(target, wanted, found, met)."""
    return [
        (
            f"{one.what} of {one.mib:,.0f} MiB, growth of the larger process, {titles[setup]}",
            f"≤ {ALLOWED_MIB} MiB",
            f"{max(one.grown.values()):.0f} MiB",
            max(one.grown.values()) <= ALLOWED_MIB,
        )
        for setup, figures in found.items()
        for one in figures
    ]


def lines(found: dict[str, list[Figures]], titles: dict[str, str]) -> list[str]:
    """A table of its own."""
    head = ["\n| Large file | items | seconds to the end | growth, MiB |", "|---|---|---|---|"]
    return head + [
        f"| {one.what}, {one.mib:,.0f} MiB, {titles[setup]} | {one.items:,} | {one.seconds:.0f} | "
        f"gateway {one.grown['gateway']:.0f}, compute {one.grown['compute']:.0f} |"
        for setup, figures in found.items()
        for one in figures
    ]


if __name__ == "__main__":
    Path("var").mkdir(exist_ok=True)
    measured = measure(Servers(), 20_000, 200, ("sqlite",))
    print("\n".join(lines(measured, {"sqlite": "SQLite, embedded"})))
