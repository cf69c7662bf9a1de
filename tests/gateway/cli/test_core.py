from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from channels.core_partners import fits, hash_password
from gateway.settings.check import load
from gateway.store.migrate import migrate
from tests.gateway.cli.conftest import Baton


def hashed(typed: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway.cli", "core", "password"]
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=60)


def test_core_password_prints_a_hash_that_fits_and_not_the_password() -> None:
    ran = hashed("a-long-enough-secret\n")
    made = ran.stdout.strip()
    assert (ran.returncode, ran.stderr) == (0, "") and "a-long-enough-secret" not in ran.stdout
    assert fits("a-long-enough-secret", made) and not fits("another", made)


def test_core_password_too_short_is_refused() -> None:
    ran = hashed("short\n")
    assert ran.returncode == 2 and "12 characters" in ran.stderr and ran.stdout == ""


def test_core_report_shows_each_measure_of_a_partner_and_refuses_a_stranger(baton: Baton, tmp_path: Path) -> None:
    config = tmp_path / "baton.toml"
    config.write_text(
        f'[gateway]\ndata_dir = "{tmp_path}/var"\n[[channel]]\nname = "core"\nkind = "core-endpoint"\n'
        f'[[channel.partner]]\nname = "hospital"\nuser = "h"\npassword_hash = "{hash_password("x")}"\n'
    )
    settings = load(config)
    migrate(settings.store.url)
    ran = baton("core", "report", "--partner", "hospital", "--month", "2026-03", "--json", "--config", config)
    assert ran.code == 0 and [row["name"] for row in ran.rows] == ["real-time", "999", "results", "availability"]
    assert {row["verdict"] for row in ran.rows} <= {"nothing to measure", "met"}
    assert {row["partner"] for row in ran.rows} == {"hospital"}
    with config.open("a") as file:
        file.write('[[channel]]\nname = "payer"\nkind = "core-client"\nurl = "http://127.0.0.1:1/"\n')
        file.write('sender_id = "A"\nreceiver_id = "B"\n')
    everybody = baton("core", "report", "--month", "2026-03", "--json", "--config", config)
    assert [row["partner"] for row in everybody.rows] == ["hospital"] * 4 + ["payer"] * 3
    assert baton("core", "report", "--partner", "nobody", "--config", config).code == 2
    assert baton("core", "report", "--partner", "hospital", "--month", "March", "--config", config).code == 2
