"""The order of system calls of running processes, by strace: what was written, synced and sent, in one sequence."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.service_process import ServiceMissing

MISSING = "strace is not installed: run scripts/install-services.sh (Debian package strace)"
_CALLS = "read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,pwritev,fsync,fdatasync"
_WHOLE_PAGE = "20000"  # bytes of a buffer to show: a page of the store, or an answer of the server
_LINE = re.compile(r"(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))")
_READS = frozenset(("read", "readv", "recvfrom", "recvmsg"))
_WRITES = frozenset(("write", "writev", "sendto", "sendmsg"))
_SYNCS = frozenset(("fsync", "fdatasync"))
_READY = r"Z\0\0\0\5I"  # ReadyForQuery, idle: the statement's own transaction is committed


@dataclass(frozen=True, slots=True)
class Call:
    """One line.  `place`: the descriptor with its file or socket; `done`: the call has returned by this line."""

    pid: int
    name: str
    place: str
    text: str
    done: bool


class SyncTrace:
    """Between `start` and `stop` the system calls of `pids`, their threads and children go to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, pids: Sequence[int]) -> None:
        """Returns when every process is traced."""
        if shutil.which("strace") is None:
            raise ServiceMissing(MISSING)
        attached = [word for pid in pids for word in ("-p", str(pid))]
        command = ["strace", "-f", "-yy", "-s", _WHOLE_PAGE, "-e", f"trace={_CALLS}", "-o", str(self._path), *attached]
        self._process = await asyncio.to_thread(subprocess.Popen, command, stderr=subprocess.PIPE)
        assert self._process.stderr is not None
        waiting = set(pids)
        while waiting:
            line = (await asyncio.to_thread(self._process.stderr.readline)).decode()
            assert line, "strace could not attach: it needs to be root, or a kernel that lets it"
            if found := re.search(r"Process (\d+) attached", line):
                waiting.discard(int(found[1]))

    async def stop(self) -> list[Call]:
        assert self._process is not None and self._process.stderr is not None
        self._process.send_signal(signal.SIGINT)
        await asyncio.to_thread(self._process.stderr.read)
        await asyncio.to_thread(self._process.wait)
        self._process.stderr.close()
        return read_calls(self._path.read_text(errors="replace"))


def read_calls(text: str) -> list[Call]:
    """Lines in order.  A call that was interrupted by another line is there twice: entered, and resumed."""
    calls: list[Call] = []
    places: dict[tuple[int, str], str] = {}
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        pid, entered, arguments, resumed, rest = int(found[1]), found[2], found[3], found[4], found[5]
        if entered:
            place = arguments.partition(",")[0].removesuffix(" <unfinished ...>")
            done = not arguments.endswith("<unfinished ...>")
            places[pid, entered] = place
            calls.append(Call(pid, entered, place, arguments, done))
        else:
            calls.append(Call(pid, resumed, places.get((pid, resumed), ""), rest, True))
    return calls


def _find(calls: Sequence[Call], names: frozenset[str], start: int, *, text: str = "", place: str = "") -> int | None:
    """Index of the first such call from `start` on."""
    for index in range(start, len(calls)):
        call = calls[index]
        if call.name in names and text in call.text and place in call.place:
            return index
    return None


def _find_sync(calls: Sequence[Call], start: int, place: str) -> int | None:
    """Index of the first sync of `place` that began and ended after `start`."""
    begun: set[int] = set()
    for index in range(start, len(calls)):
        call = calls[index]
        if call.name not in _SYNCS or place not in call.place:
            continue
        entered = not call.text.startswith(")")
        if entered and not call.done:
            begun.add(call.pid)
        elif entered or call.pid in begun:
            return index
    return None


MLLP = "MSA|AA|{}"
"""What an answer to a message says, with its id; no statement to the server says it."""


def unsynced_on_sqlite(calls: Sequence[Call], control_ids: Sequence[str], says: str = MLLP) -> list[str]:
    """Messages whose answer left before a sync of the log that began after their row was written to it."""
    bad = []
    for control_id in control_ids:
        answered = _find(calls, _WRITES, 0, text=says.format(control_id))
        written = _find(calls, frozenset(("pwrite64", "pwritev")), 0, text=control_id, place="-wal")
        synced = None if written is None else _find_sync(calls, written, "-wal")
        if answered is None or synced is None or synced > answered:
            bad.append(control_id)
    return bad


def unsynced_on_postgres(calls: Sequence[Call], control_ids: Sequence[str], says: str = MLLP) -> list[str]:
    """Messages whose answer left before the server replied to their statement, or whose reply left the server before
    a sync of its log that began after the statement came."""
    bad = []
    for control_id in control_ids:
        answered = _find(calls, _WRITES, 0, text=says.format(control_id))
        asked = _asked(calls, control_id, says.partition("{}")[0])
        if answered is None or asked is None:
            bad.append(control_id)
            continue
        gateway, socket = calls[asked].pid, calls[asked].place
        replied = _find_reply(calls, asked, gateway, socket)
        came = _find_statement(calls, asked, gateway, control_id)
        synced = None if came is None else _find_sync(calls, came, "pg_wal")
        if replied is None or synced is None or not synced < replied < answered:
            bad.append(control_id)
    return bad


def _asked(calls: Sequence[Call], control_id: str, answer: str) -> int | None:
    """The gateway's statement with this message: a write that is neither the sender's frame nor an answer."""
    for index, call in enumerate(calls):
        if call.name in _WRITES and control_id in call.text and "TCP" in call.place and answer not in call.text:
            return index
    return None


def _find_statement(calls: Sequence[Call], start: int, gateway: int, control_id: str) -> int | None:
    """The server reads it."""
    for index in range(start, len(calls)):
        call = calls[index]
        if call.name in _READS and call.pid != gateway and control_id in call.text:
            return index
    return None


def _find_reply(calls: Sequence[Call], start: int, gateway: int, socket: str) -> int | None:
    """The gateway reads on the same connection that the server is ready again, outside a transaction."""
    for index in range(start, len(calls)):
        call = calls[index]
        if call.name in _READS and call.pid == gateway and call.place == socket and _READY in call.text:
            return index
    return None
