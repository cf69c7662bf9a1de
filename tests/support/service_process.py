"""A server process of our own: in its own session, gone when its starter is gone, with its log in a file."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
# The death signal comes when the starting thread ends, not the process: so one thread that lasts starts everything.
_starter = ThreadPoolExecutor(1, thread_name_prefix="service-starter")


class ServiceMissing(Exception):
    """The server is not installed.  The text says what to do."""


class ServiceFailed(Exception):
    """The server did not start.  The text ends with the tail of its log."""


def account_for(name: str) -> str | None:
    """The unprivileged account to run a server as: `name` for root, nobody else's for other users."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(name)
    except KeyError:
        return None
    return name


def give_to(path: Path, account: str | None) -> None:
    """Make `account` the owner of a folder (root only)."""
    if account is not None:
        shutil.chown(path, account, account)


def start_process(
    command: Sequence[str], log: Path, *, account: str | None, environment: Mapping[str, str], orphan_signal: int
) -> subprocess.Popen[bytes]:
    """Start `command` in a new session; the kernel sends it `orphan_signal` when this process is gone."""
    with log.open("ab") as output:
        return _starter.submit(
            subprocess.Popen,
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environment),
            cwd="/",
            user=account,
            group=account,
            extra_groups=[] if account else None,
            start_new_session=True,
            preexec_fn=lambda: _libc.prctl(PR_SET_PDEATHSIG, orphan_signal),
        ).result()


def wait_until(answers: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, *, seconds: float) -> None:
    """Return when `answers()`; ServiceFailed when the process ends first or the time is over."""
    deadline = time.monotonic() + seconds
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            why = f"exit code {process.poll()}" if process.poll() is not None else f"no answer in {seconds:g} s"
            tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise ServiceFailed(f"{process.args!r}: {why}\n{tail}")
        time.sleep(0.05)


def end_process(process: subprocess.Popen[bytes], *, by: int = signal.SIGTERM, seconds: float = 20.0) -> None:
    """Ask the process to end, insist after `seconds`, and collect it."""
    if process.poll() is None:
        process.send_signal(by)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
