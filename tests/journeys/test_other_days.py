"""The demo on days on which samples would rot: the same tasks whatever today is (decision 32)."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.support.served_gateway import ROOT

pytestmark = pytest.mark.journey

DAYS = {
    "a day in March": date(2026, 3, 4),
    "Friday before a federal holiday": date(2026, 5, 22),
    "29 February": date(2028, 2, 29),
    "clocks go forward": date(2026, 3, 8),
    "clocks go back": date(2026, 11, 1),
    "in 400 days": date.today() + timedelta(days=400),
}
ORDINARY = "a day in March"
Outcome = frozenset[tuple[str, str, bool]]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Each day's folder, after `baton demo` of all days was run at once."""
    folders = {name: tmp_path_factory.mktemp("day") / "demo" for name in DAYS}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    running = {
        name: subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gateway.cli",
                "demo",
                "--no-keep",
                "--folder",
                str(folder),
                "--day",
                f"{DAYS[name]}",
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for name, folder in folders.items()
    }
    try:
        for name, process in running.items():
            said, _ = process.communicate(timeout=100)
            assert process.returncode == 0, f"{name}:\n{said.decode()[-2000:]}"
        yield folders
    finally:
        for process in running.values():
            process.kill()
            process.wait()


def tasks_of(folder: Path) -> Outcome:
    """(rule, record number, open) of every task."""
    connection = sqlite3.connect(f"file:{folder}/baton.db?mode=ro", uri=True)
    try:
        rows = connection.execute(
            "SELECT rule_id, COALESCE(mrn, '-'), closed_at IS NULL FROM tasks LEFT JOIN patients USING (patient_id)"
        )
        return frozenset((rule, mrn, bool(open_)) for rule, mrn, open_ in rows)
    finally:
        connection.close()


@pytest.mark.parametrize("name", [name for name in DAYS if name != ORDINARY])
def test_the_day_at_the_hospital_gives_the_same_tasks(played: dict[str, Path], name: str) -> None:
    ordinary = tasks_of(played[ORDINARY])

    assert len(ordinary) > 20
    assert tasks_of(played[name]) == ordinary
