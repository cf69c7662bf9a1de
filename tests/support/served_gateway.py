"""A gateway in a process group of its own, to be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.service_process import start_process

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0


class ServedGateway:
    """start() / kill() / stop() of one gateway over the same configuration.  `ready_seconds`: of each start."""

    def __init__(self, config: Path, mutant: str = "") -> None:
        self.config = config
        self.log = config.with_name("gateway.log")
        self.ready_seconds: list[float] = []
        self._ready = config.with_name("ready")
        self._mutant = mutant
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def compute_pid(self) -> int | None:
        """The compute process; None while there is none."""
        try:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    async def start(self, *, wait: bool = True) -> None:
        """Start the process; with `wait`, return when it takes messages."""
        self._ready.unlink(missing_ok=True)
        started = time.monotonic()
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "MUTANT": self._mutant}
        command = [sys.executable, "-m", "tests.support.serve_gateway", str(self.config), str(self._ready)]
        self._process = start_process(
            command, self.log, account=None, environment=environment, orphan_signal=signal.SIGKILL
        )
        if not wait:
            return
        while not self._ready.exists():
            if self._process.poll() is not None or time.monotonic() > started + START_SECONDS:
                raise AssertionError(f"the gateway did not start:\n{self.tail()}")
            await asyncio.sleep(0.005)
        self.ready_seconds.append(time.monotonic() - started)

    def kill(self) -> None:
        """SIGKILL to the gateway and its compute process, as one."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def kill_compute(self) -> bool:
        """SIGKILL to the compute process alone; False when there is none just now."""
        pid = self.compute_pid
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self._process.wait, 20)

    async def exit_code(self, seconds: float) -> int:
        """Wait for its end."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, seconds)

    def end(self) -> None:
        """Make sure that nothing of it is left."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""
