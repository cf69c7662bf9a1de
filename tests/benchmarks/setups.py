"""What is measured: a fresh gateway on one of the two set-ups, the floor, and the loads that drive them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.store.migrate import migrate
from tests.benchmarks.processes import Group
from tests.support.postgres_server import PostgresServer
from tests.support.rabbitmq_server import RabbitServer

ROOT = Path(__file__).resolve().parents[2]
TITLES = {"sqlite": "SQLite, embedded", "postgres": "PostgreSQL + RabbitMQ"}
OUTSIDE_TOOL = ROOT.parent / "shared" / "tools" / "mllp_load.py"
SAFE = {
    "journal_mode": ("wal",),
    "synchronous": ("2", "3"),
    "fsync": ("on",),
    "synchronous_commit": ("on", "remote_apply"),
    "full_page_writes": ("on",),
}
CONFIGURATION = """
[gateway]
data_dir = "{folder}"
[store]
url = "{store}"
[api]
port = 0
[[facility]]
id = "general-hospital"
aliases = ["GENHOSP"]
zone = "America/New_York"
[[channel]]
name = "adt"
kind = "mllp-listener"
port = 0
default_facility = "general-hospital"
default_authority = "GENHOSP"
[[channel]]
name = "files"
kind = "file-drop"
default_facility = "general-hospital"
default_authority = "GENHOSP"
stable_seconds = 0
"""
BUS = """
[bus]
url = "{bus}"
[[bus.queue]]
name = "benchmark"
bindings = ["#"]
max_length = 200000
"""


class UnsafeToReport(Exception):
    """A store would acknowledge what is not on the disk: figures of it would be lies (decision 30)."""


@dataclass
class Servers:
    """PostgreSQL and RabbitMQ of this run."""

    postgres: PostgresServer = field(default_factory=lambda: PostgresServer(settings="shared_buffers = 1GB"))
    rabbitmq: RabbitServer = field(default_factory=RabbitServer)

    @contextmanager
    def running(self) -> Iterator[Servers]:
        try:
            self.postgres.start()
            self.rabbitmq.start()
            yield self
        finally:
            self.rabbitmq.remove()
            self.postgres.remove()

    def groups(self) -> dict[str, Group]:
        broker = self.rabbitmq._process
        assert broker is not None
        return {"postgres": f"tree:{self.postgres.pid}", "rabbitmq": f"tree:{broker.pid}"}


class Child:
    """A process of ours that is spoken to by lines of JSON."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> Any:
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        if not text:
            raise RuntimeError(f"the process ended with {self.process.wait()}")
        return json.loads(text)

    def ask(self, words: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        return self.line()

    def end(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


@contextmanager
def floor() -> Iterator[int]:
    """The port of a floor server."""
    child = Child("tests.benchmarks.floor")
    try:
        yield child.line()
    finally:
        child.end()


@dataclass
class Subject:
    """A running gateway."""

    child: Child
    port: int
    groups: dict[str, Group]
    database: Path | str
    servers: Servers
    config: Path

    @property
    def pids(self) -> list[int]:
        return [group for group in self.groups.values() if isinstance(group, int)]

    def stored_bytes(self) -> int:
        """Size of the store with its log; the broker's is not counted."""
        if isinstance(self.database, Path):
            return sum(path.stat().st_size for path in self.database.parent.glob(f"{self.database.name}*"))
        return int(self.servers.postgres.execute(f"select pg_database_size('{self.database}')"))


@contextmanager
def gateway(setup: str, servers: Servers, *, intake_only: bool = False) -> Iterator[Subject]:
    """A gateway on a fresh store.  `setup`: sqlite (embedded, no broker) | postgres (with RabbitMQ)."""
    with tempfile.TemporaryDirectory(prefix="baton-bench-", dir=ROOT / "var") as name:
        folder = Path(name)
        database: Path | str = folder / "baton.db"
        url = f"sqlite:///{database}"
        text = CONFIGURATION
        if setup == "postgres":
            url = servers.postgres.new_database()
            database = url.rpartition("/")[2]
            text += BUS.format(bus=servers.rabbitmq.url)
        migrate(url)
        (folder / "baton.toml").write_text(text.replace("{folder}", name).replace("{store}", url))
        child = Child(
            "tests.benchmarks.served", str(folder / "baton.toml"), *(["--intake-only"] if intake_only else [])
        )
        try:
            ready = child.line()
            refuse_unsafe(ready["settings"])
            groups: dict[str, Group] = {"gateway": child.pid, "compute": ready["compute"]}
            if setup == "postgres":
                groups |= servers.groups()
            yield Subject(child, ready["port"], groups, database, servers, folder / "baton.toml")
        finally:
            child.end()
            if setup == "postgres":
                servers.postgres.drop_database(url)


def refuse_unsafe(settings: dict[str, str]) -> None:
    for name, found in settings.items():
        if found not in SAFE[name]:
            raise UnsafeToReport(f"the store answers {name}={found}: its commits are not synced, nothing is reported")


def own_load(port: int, connections: int, **options: object) -> dict[str, Any]:
    """Drive a server with the generator of `tests/benchmarks/load.py`."""
    command = [sys.executable, "-m", "tests.benchmarks.load", str(port), "--connections", str(connections)]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900, cwd=ROOT)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def outside_load(port: int, connections: int, seconds: float) -> dict[str, Any]:
    """Drive a server with the tool that decision 31 names."""
    command = [sys.executable, str(OUTSIDE_TOOL), "127.0.0.1", str(port), "-c", str(connections), "--uvloop"]
    done = subprocess.run(
        [*command, "--seconds", str(seconds), "--warmup", "0.5"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=ROOT,
    )
    found = json.loads(done.stdout)
    return {"rate": found["msgs_per_s"], "generator_us": found["generator_us_per_msg"]}


def floor_load(port: int, connections: int, seconds: float) -> dict[str, Any]:
    """As the floor is defined: with the outside tool where it is present, else with ours."""
    if OUTSIDE_TOOL.exists():
        return outside_load(port, connections, seconds)
    return own_load(port, connections, seconds=seconds)
