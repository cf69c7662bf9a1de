"""Asking a payer from the command line: a gateway that serves, and the simulated payer at its folder."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.cli.conftest import ADMIT, _wait_until_ready, free_port
from tests.support.simulated_payer import PARTNER

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """(baton.toml, MLLP port) of `baton serve` with a partner, and `baton payer` beside it."""
    folder = tmp_path_factory.mktemp("asking")
    mllp, api = free_port(), free_port()
    config = folder / "baton.toml"
    config.write_text(
        f"""
[gateway]
data_dir = "{folder}/var"
[api]
port = {api}
[[facility]]
id = "general-hospital"
aliases = ["GENHOSP"]
[[channel]]
name = "adt"
kind = "mllp-listener"
port = {mllp}
default_facility = "general-hospital"
[[channel]]
name = "payers"
kind = "file-drop"
default_facility = "general-hospital"
poll_seconds = 0.1
stable_seconds = 0
{PARTNER}""",
        encoding="utf-8",
    )
    baton = [sys.executable, "-m", "gateway.cli"]
    gateway = subprocess.Popen([*baton, "serve", "--config", str(config)], stderr=subprocess.DEVNULL)
    payer = None
    try:
        _wait_until_ready(f"http://127.0.0.1:{api}/readyz", folder / "var" / "admin.key", gateway)
        payer = subprocess.Popen([*baton, "payer", "--config", str(config)], stdout=subprocess.DEVNULL)
        yield config, mllp
        payer.send_signal(signal.SIGTERM)
        assert payer.wait(20) == 0
        gateway.send_signal(signal.SIGTERM)
        assert gateway.wait(20) == 0
    finally:
        for process in (gateway, payer):
            if process is not None:
                process.kill()
                process.wait()


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_question_is_shown_sent_answered_and_gone_from_what_is_outstanding(
    baton: Any, asking: tuple[Path, int], tmp_path: Path
) -> None:
    path, mllp = asking
    config = ("--config", path)
    file = tmp_path / "one.hl7"
    file.write_text(ADMIT.format(id="ask"), newline="")
    assert baton("send", file, "--port", mllp).code == 0
    patient = until(lambda: baton("tasks", *config, "--json").rows)[0]["patient_id"]

    shown = baton("ask", "eligibility", patient, "--dry-run", *config)
    assert shown.code == 0 and "EQ*30~" in shown.out and "NM1*IL*1*ZZCANARY*GRACE****MI*MBR900700~" in shown.out
    assert "Nothing is outstanding." in baton("x12", "outstanding", *config).out

    asked = baton("ask", "eligibility", patient, "--actor", "jdoe", *config, "--json").rows[0]
    assert asked["status"] in ("sent", "accepted", "answered")
    until(lambda: "Nothing is outstanding." in baton("x12", "outstanding", *config).out)
    again = baton("x12", "resend", asked["inquiry_id"], "--dry-run", *config)
    assert f"BHT*0022*13*{asked['reference']}*" in again.out

    refused = baton("ask", "authorization", patient, "--kind", "inquiry", *config)
    assert refused.code == 1 and "it names no authorization of the patient" in refused.err
    acts = [row["action"] for row in baton("audit", *config, "--json").rows]
    assert "inquiry.eligibility" in acts


def test_partner_check_explains_what_came_back(baton: Any, asking: tuple[Path, int]) -> None:
    config = ("--config", asking[0])
    assert "*T*:~" in baton("partner", "check", "acme", "--dry-run", *config).out
    checked = baton("partner", "check", "acme", "--wait", "30", *config)
    assert checked.code == 0
    assert "999: the partner took it." in checked.out and "the coverage is active" in checked.out
    assert baton("partner", "check", "nobody", *config).code == 1
