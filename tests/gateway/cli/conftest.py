"""Commands as they are typed, some of them against a gateway that really serves in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli.commands import app

ADMIT = """\
MSH|^~\\&|ADT1|GENHOSP|CCGW|COORD|20260302090000||ADT^A01^ADT_A01|{id}|P|2.5.1\r\
EVN||20260302090000\r\
PID|1||900700^^^GENHOSP^MR||ZZCANARY^GRACE||19520419|F\r\
PV1|1|I|4W^401^A^GENHOSP|E|||A1077^ATTEND|||MED||||7||||IP|V70001^^^GENHOSP^VN|||||||||||||||||||||||||20260302085500\r\
IN1|1|PLAN9^GOLD|PAYER5|ACME HEALTH||||||||||||INSTANCE^GRACE|SEL|19520419||||||||||||||||||MBR900700\r\
""".replace("20260302", f"{datetime.now():%Y%m%d}")  # today: nothing is overdue while the story is told
NO_PATIENT = ADMIT.replace("900700^^^GENHOSP^MR", "")


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Baton = Callable[..., Ran]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def baton(monkeypatch: pytest.MonkeyPatch) -> Baton:
    """baton("tasks", "--json") -> exit code and what was printed."""
    for name in list(os.environ):
        if name.startswith("BATON_"):
            monkeypatch.delenv(name)

    def run(*words: str | Path) -> Ran:
        result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@dataclass(frozen=True)
class Served:
    config: Path
    folder: Path
    mllp: int
    api: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`baton serve` in a process of its own, with its own folder and ports."""
    folder = tmp_path_factory.mktemp("served")
    mllp, api = free_port(), free_port()
    config = folder / "baton.toml"
    config.write_text(
        f"""
[gateway]
data_dir = "{folder}/var"
[api]
port = {api}
[webhooks]
allow = ["127.0.0.1"]
[[facility]]
id = "main"
aliases = ["GENHOSP"]
[[channel]]
name = "adt"
kind = "mllp-listener"
port = {mllp}
""",
        encoding="utf-8",
    )
    log = (folder / "serve.log").open("wb")
    process = subprocess.Popen([sys.executable, "-m", "gateway.cli", "serve", "--config", str(config)], stderr=log)
    try:
        _wait_until_ready(f"http://127.0.0.1:{api}/readyz", folder / "var" / "admin.key", process)
        yield Served(config, folder, mllp, f"http://127.0.0.1:{api}")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        log.close()
    assert b"ZZCANARY" not in (folder / "serve.log").read_bytes()


def _wait_until_ready(url: str, key: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                if key.exists():
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    raise AssertionError("the gateway did not start")
