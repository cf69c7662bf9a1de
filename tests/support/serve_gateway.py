"""Runs a gateway as `baton serve` does, in a process that a test can kill: CONFIGURATION READY-FILE.

The ready file appears when messages are taken.  MUTANT in the environment names a planted fault (tests.support.mutants).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import uvloop

from gateway.cli.running import run_gateway
from gateway.settings.check import load
from gateway.telemetry import configure_logging


def main(config: Path, ready: Path) -> int:
    settings = load(config)
    configure_logging(settings.gateway.log_level, settings.gateway.log_format)
    if name := os.environ.get("MUTANT"):
        from tests.support import mutants

        mutants.plant(name)
    return uvloop.run(run_gateway(settings, lambda port: ready.touch(), config=config))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
