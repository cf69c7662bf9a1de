from __future__ import annotations

import subprocess
import sys

from channels.core_partners import fits
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
