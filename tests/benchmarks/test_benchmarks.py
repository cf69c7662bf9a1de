"""The benchmark runs, prints every figure, and refuses to report on a store that does not sync.  Nothing is timed here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.report import BEGIN, END, write
from tests.benchmarks.setups import ROOT, UnsafeToReport, refuse_unsafe


@pytest.mark.timeout(400)
def test_benchmark_quick_prints_every_figure() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--quick"], capture_output=True, text=True, cwd=ROOT, timeout=380
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for words in (
        "Floor (driven by",
        "| durable intake, share of the floor, SQLite, embedded |",
        "| end to end, share of the floor, PostgreSQL + RabbitMQ |",
        "| ACK p99 at 1000/s, PostgreSQL + RabbitMQ |",
        "| publisher, processor time per confirmed event",
        "| SQLite, embedded, end to end | 32 |",
        "| PostgreSQL + RabbitMQ, paced 1000/s | 32 |",
        "| scan the header of one ADT^A01",
        "| open it and read 25 fields",
        "| read and map all of it",
        "bytes stored per message",
        "| shadow replay against the live rate of the same messages, SQLite, embedded |",
        "| shadow replay against the live rate of the same messages, PostgreSQL + RabbitMQ |",
        "| decide on an update of a stay, patient with 1 open stay, 200 open tasks",
        "| queue one due timer, PostgreSQL + RabbitMQ",
        "| HL7 batch of messages of",
        "| 271: full check with 999, against pyx12 as it is called |",
        "| pyx12 with its maps loaded beforehand, no 999",
    ):
        assert words in done.stdout
    assert "nan" not in done.stdout


@pytest.mark.parametrize(
    "settings",
    [
        {"journal_mode": "wal", "synchronous": "1"},
        {"journal_mode": "delete", "synchronous": "2"},
        {"fsync": "off", "synchronous_commit": "on", "full_page_writes": "on"},
        {"fsync": "on", "synchronous_commit": "off", "full_page_writes": "on"},
    ],
)
def test_report_of_an_unsafe_store_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(UnsafeToReport):
        refuse_unsafe(settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"journal_mode": "wal", "synchronous": "2"},
        {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"},
    ],
)
def test_report_of_a_safe_store_is_allowed(settings: dict[str, str]) -> None:
    refuse_unsafe(settings)


def test_figures_written_keep_the_rest_of_the_page(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"# Head\n{BEGIN}\nold\n{END}\ntail\n")
    write("new", page)
    assert page.read_text() == f"# Head\n{BEGIN}\n\nnew\n{END}\ntail\n"
