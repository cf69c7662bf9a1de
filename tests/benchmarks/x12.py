"""Reading and checking a 271, beside pyx12 in the same run: processor time per transaction set, and the memory that a big file takes."""

from __future__ import annotations

import functools
import gc
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyx12.map_if
import pyx12.params
import pyx12.x12n_document

from mappings.eligibility import map_271_coverage, patient_levels
from mappings.profile import FeedProfile
from mappings.reading import ItemReading
from mappings.x12 import read_parts
from mappings.x12_facts import open_transaction
from parsers.content import WINDOW, PartedContent
from parsers.x12.acknowledgement import Answering, acknowledge
from parsers.x12.hierarchy import build_hierarchy
from parsers.x12.interchange import read_interchanges
from parsers.x12.structure import check_group
from tests.parsers.x12.guide_samples import ANSWER_271
from tests.parsers.x12.interchanges import group, interchange, transaction_set
from tests.parsers.x12.pyx12_maps import write_maps

PROFILE = FeedProfile(channel="payers")
GUIDE = "271-005010X279A1"
NOW = datetime(2026, 11, 10, 9, 30, tzinfo=UTC)
SAMPLE = [segment.replace("30^1^47", "30") for segment in ANSWER_271]  # pyx12 cannot read a repeated element


@dataclass
class Figures:
    """Microseconds of processor time per 271 of 29 segments; MiB by which a process grows over a file of so many sets."""

    extract_us: float
    validate_us: float
    pyx12_walk_us: float  # maps loaded once, no acknowledgement
    pyx12_validate_us: float  # maps loaded once, 999 written
    pyx12_shipped_us: float  # as it is called: maps loaded each time, 999 written
    memory_mib: dict[int, float]


def measure(rounds: int, sets: tuple[int, ...] = (1_000, 100_000)) -> Figures:
    body = interchange(group(transaction_set(SAMPLE)))
    assert [answer.code for answer in validate(body)] == ["A"] and len(extract(body)) == 1
    with tempfile.TemporaryDirectory(prefix="baton-x12-") as folder:
        maps = write_maps(Path(folder) / GUIDE, GUIDE)
        peer = _Pyx12(body.decode(), maps)
        assert peer.shipped() and peer.cached() and peer.walked()
        times = {
            "extract": _median_us(lambda: extract(body), rounds, 200),
            "validate": _median_us(lambda: validate(body), rounds, 200),
            "walk": _median_us(peer.walked, rounds, 10),
            "cached": _median_us(peer.cached, rounds, 10),
            "shipped": _median_us(peer.shipped, max(3, rounds // 2), 1),
        }
    memory = {count: _memory(count) for count in sets}
    return Figures(times["extract"], times["validate"], times["walk"], times["cached"], times["shipped"], memory)


def extract(body: bytes) -> list[object]:
    """Every patient's coverage, as facts."""
    found: list[object] = []
    for one in read_interchanges(body):
        for each in one.groups:
            for transaction_set_ in each.sets:
                hierarchy = build_hierarchy(transaction_set_.id, transaction_set_.split()[0])
                transaction = open_transaction(transaction_set_.id, hierarchy, one.header, PROFILE, NOW)
                found += [map_271_coverage(transaction, level) for level in patient_levels(transaction)]
    return found


def validate(body: bytes) -> list[Any]:
    """The whole guide, and the 999."""
    answers = []
    for one in read_interchanges(body):
        checks = [[check for check, _ in check_group(each)] for each in one.groups]
        answers += acknowledge(Answering(one, NOW), checks)
    return answers


class _Pyx12:
    def __init__(self, text: str, maps: Path) -> None:
        self.text, self.maps = text, str(maps)
        self._load = pyx12.map_if.load_map_file
        self._loaded = functools.cache(lambda name: self._load(name, pyx12.params.ParamsBase(), self.maps))

    def shipped(self, *, acknowledged: bool = True) -> bool:
        sink = io.StringIO() if acknowledged else None
        done: bool = pyx12.x12n_document.x12n_document(
            pyx12.params.ParamsBase(), io.StringIO(self.text), sink, None, map_path=self.maps
        )
        return done

    def cached(self, *, acknowledged: bool = True) -> bool:
        pyx12.map_if.load_map_file = lambda name, param, path: self._loaded(name)
        try:
            return self.shipped(acknowledged=acknowledged)
        finally:
            pyx12.map_if.load_map_file = self._load

    def walked(self) -> bool:
        return self.cached(acknowledged=False)


def _median_us(work: Callable[[], object], rounds: int, count: int) -> float:
    """Garbage is collected between the rounds, as the gateway does between batches."""
    times = []
    for _ in range(rounds):
        gc.collect()
        gc.disable()
        started = time.process_time()
        for _ in range(count):
            work()
        times.append((time.process_time() - started) / count * 1e6)
        gc.enable()
    return statistics.median(times)


def _memory(count: int) -> float:
    """How much a process grows while it reads, checks and answers a file of so many sets."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.x12", f"{count}"], capture_output=True, check=True, text=True
    )
    return float(run.stdout)


def grow(count: int) -> float:
    """MiB of resident memory from before the first set to the largest; one set is read before that."""
    with tempfile.TemporaryFile() as file:
        size = 0
        for piece in _file_of(count):
            size += file.write(piece)
        file.flush()
        body = PartedContent(size, WINDOW, lambda part: os.pread(file.fileno(), WINDOW, part * WINDOW))
        assert len(list(read_parts(interchange(group(transaction_set(SAMPLE))), PROFILE, NOW))) == 2
        before = _resident("VmRSS")
        assert sum(isinstance(part, ItemReading) for part in read_parts(body, PROFILE, NOW)) == count
        return (_resident("VmHWM") - before) / 1024


def _file_of(count: int) -> Iterator[bytes]:
    head, tail = interchange(group([], count=f"{count}")).split(b"GE*")
    yield head
    for number in range(1, count + 1):
        segments = transaction_set([f"ST*271*{number:04d}*005010X279A1", *SAMPLE[1:]])
        yield ("~".join(segments) + "~").encode()
    yield b"GE*" + tail


def _resident(name: str) -> int:
    """KiB of this process."""
    line = next(line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith(name))
    return int(line.split()[1])


def rows(found: Figures) -> list[tuple[str, str, str, bool]]:
    """(target, wanted, found, met)."""
    extracting, validating = found.pyx12_shipped_us / found.extract_us, found.pyx12_shipped_us / found.validate_us
    few, many = min(found.memory_mib), max(found.memory_mib)
    growth = found.memory_mib[many] - found.memory_mib[few]
    allowed = 64 * many / 100_000
    return [
        ("271: read and extract, against pyx12 as it is called", "≥ 50x", f"{extracting:.0f}x", extracting >= 50),
        ("271: full check with 999, against pyx12 as it is called", "≥ 20x", f"{validating:.0f}x", validating >= 20),
        (
            f"X12 file of {many:,} sets, memory more than of {few:,}",
            f"≤ {allowed:.0f} MiB",
            f"{growth:.1f} MiB",
            growth <= allowed,
        ),
    ]


def lines(found: Figures) -> list[str]:
    """Rows of the table of steps; pyx12 with its maps loaded beforehand is the fairer one to a service."""
    memory = ", ".join(f"{count:,} sets {size:.1f} MiB" for count, size in found.memory_mib.items())
    walked, checked = found.pyx12_walk_us / found.extract_us, found.pyx12_validate_us / found.validate_us
    return [
        f"| read a 271 of {len(SAMPLE) + 1} segments and extract it | {found.extract_us:.0f} |",
        f"| hold it against its guide and write the 999 | {found.validate_us:.0f} |",
        f"| pyx12 with our map as it is called, with 999 | {found.pyx12_shipped_us:,.0f} |",
        f"| pyx12 with its maps loaded beforehand, no 999 ({walked:.0f}x of reading) | {found.pyx12_walk_us:,.0f} |",
        f"| the same with 999 ({checked:.0f}x of the full check) | {found.pyx12_validate_us:,.0f} |",
        f"| growth of the process while a file is read, checked and answered | {memory} |",
    ]


if __name__ == "__main__":
    print(grow(int(sys.argv[1])))
