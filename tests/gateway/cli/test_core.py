from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from channels.core_partners import fits, hash_password
from gateway.settings_check import load
from gateway.store.migrate import migrate
from tests.gateway.cli.conftest import Baton


def test_core_password_prints_a_hash_that_fits_and_not_the_password() -> None:
    command = [sys.executable, "-m", "gateway.cli", "core", "password"]
    ran = subprocess.run(
        command, input="a-long-enough-secret\n", capture_output=True, text=True, timeout=60, check=True
    )
    hashed = ran.stdout.splitlines()[-1].removeprefix("Password:").strip()
    assert fits("a-long-enough-secret", hashed) and not fits("another", hashed)
    assert "a-long-enough-secret" not in ran.stdout


def test_core_password_too_short_is_refused(baton: Baton) -> None:
    ran = baton("core", "password", "--password", "short")
    assert ran.code == 2 and "12 characters" in ran.err


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
    assert baton("core", "report", "--partner", "nobody", "--config", config).code == 2
    assert baton("core", "report", "--partner", "hospital", "--month", "March", "--config", config).code == 2
