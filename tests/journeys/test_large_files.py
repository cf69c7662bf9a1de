"""Files that no process holds whole: kill -9 at any moment, memory, and their bytes given back."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import urllib.request
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from gateway.api.keys import ADMIN_KEY_FILE
from gateway.store.migrate import migrate
from tests.support.configuration import Ground, write_configuration
from tests.support.evidence import Evidence
from tests.support.free_ports import free_ports
from tests.support.large_files import adt_pieces, spread, x12_pieces
from tests.support.served_gateway import ServedGateway
from tests.support.waiting import until

MIB = 1 << 20
ALLOWED = 64 * MIB
SEED = int(os.environ.get("KILL_SEED", str(random.SystemRandom().randrange(1 << 32))))

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]


class Served:
    """A gateway of its own process, and the folder that files are dropped into."""

    def __init__(self, ground: Ground) -> None:
        ports = free_ports(3)
        self.api = ports[2]
        self.folder = ground.folder
        self.drop = ground.folder / "var/payers/in"
        self.gateway = ServedGateway(write_configuration(ground, ports=(ports[0], ports[1], ports[2])))
        self.evidence = Evidence(ground.url)

    def put(self, name: str, pieces: Iterable[bytes]) -> tuple[int, bytes]:
        """Drop a file; its size and digest."""
        digest, size = hashlib.sha256(), 0
        hidden = self.drop / f".{name}"
        with hidden.open("wb") as file:
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
                size += len(piece)
        hidden.rename(self.drop / name)
        return size, digest.digest()

    async def ended(self) -> int:
        return await self.evidence.count("item_end")

    async def idle(self, ends: int) -> bool:
        return await self.ended() >= ends and await self.evidence.count("work") == 0

    def given_back(self, message_id: int) -> tuple[int, bytes]:
        """Size and digest of what the API gives as the body."""
        key = (self.folder / "var" / ADMIN_KEY_FILE).read_text().strip()
        url = f"http://127.0.0.1:{self.api}/api/v1/messages/m-{message_id}/body"
        asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
        digest, size = hashlib.sha256(), 0
        with urllib.request.urlopen(asked, timeout=60) as answer:
            while block := answer.read(MIB):
                digest.update(block)
                size += len(block)
        return size, digest.digest()


@pytest.fixture
async def served(ground: Ground) -> AsyncIterator[Served]:
    await asyncio.to_thread(migrate, ground.url)
    made = Served(ground)
    yield made
    made.gateway.end()


MESSAGES, ANSWERS = 900, 400


async def test_kills_while_large_files_are_taken_in_and_read_leave_nothing_half_and_nothing_twice(
    served: Served,
) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    await served.gateway.start()
    put = [
        await asyncio.to_thread(served.put, "batch.hl7", adt_pieces(MESSAGES, padding=16_000, patients=MESSAGES)),
        await asyncio.to_thread(served.put, "answers.x12", spread(x12_pieces(ANSWERS), 10_000)),
    ]
    for _ in range(3):  # while they are taken in
        await asyncio.sleep(chance.uniform(0.05, 0.4))
        served.gateway.kill()
        await served.gateway.start()
    for _ in range(3):  # while they are read
        seen = await served.ended()
        await until(lambda seen=seen: _more(served, seen + chance.randrange(1, 200)), 60)  # type: ignore[misc]
        if chance.random() < 0.5:
            served.gateway.kill_compute()
            continue
        served.gateway.kill()
        await served.gateway.start()
    await until(lambda: served.idle(MESSAGES + ANSWERS), 120, pause=0.1)
    await until(lambda: _empty(served.drop / ".working"), 30)
    await _reconciled(served, put)


async def _more(served: Served, than: int) -> bool:
    return await served.ended() > min(than, MESSAGES + ANSWERS - 1)


async def _empty(folder: Path) -> bool:
    return not any(folder.iterdir())  # noqa: ASYNC240


async def _reconciled(served: Served, put: list[tuple[int, bytes]]) -> None:
    rows = served.evidence.rows
    stored = await rows("SELECT journal_id, kind, size, digest FROM journal WHERE duplicate_of IS NULL ORDER BY kind")
    assert [(kind, size, bytes(digest)) for _, kind, size, digest in stored] == [
        ("hl7v2", *put[0]),
        ("x12", *put[1]),
    ]
    copies = await rows("SELECT journal_id FROM journal WHERE duplicate_of IS NOT NULL")
    ends: dict[Any, list[Any]] = {}
    for journal_id, item, word in await rows("SELECT journal_id, item, word FROM item_end ORDER BY journal_id, item"):
        ends.setdefault(journal_id, []).append((item, word))
    batch, answers = stored[0][0], stored[1][0]
    assert ends.pop(batch) == [(item, "processed") for item in range(MESSAGES)]
    assert [item for item, _ in ends.pop(answers)] == list(range(1, ANSWERS + 1))
    assert ends == {copy: [(0, "duplicate")] for (copy,) in copies}
    came = await rows("SELECT sum(count) FROM ledger WHERE channel = 'payers' AND word = 'received'")
    assert int(came[0][0]) == MESSAGES + ANSWERS + len(copies)
    assert await rows(f"SELECT kind FROM replies WHERE journal_id = {answers}") == [("999",)]
    events = await rows("SELECT event_id FROM events")
    assert len(events) == len(set(events)) >= MESSAGES
    for (journal_id, *_), whole in zip(stored, put, strict=True):
        assert await asyncio.to_thread(served.given_back, journal_id) == whole


async def test_large_files_cost_no_process_more_than_a_few_parts(served: Served) -> None:
    await served.gateway.start()
    served.put("small.hl7", adt_pieces(60))
    served.put("small.x12", x12_pieces(20))
    await until(lambda: served.idle(80), 60)
    pids = {"gateway": served.gateway.pid, "compute": served.gateway.compute_pid or 0}
    before = {name: _resident(pid) for name, pid in pids.items()}
    put = [
        await asyncio.to_thread(served.put, "batch.hl7", adt_pieces(600, padding=150_000)),
        await asyncio.to_thread(served.put, "answers.x12", spread(x12_pieces(700, control="000000102"), 60_000)),
    ]
    assert all(size > 40 * MIB for size, _ in put)
    await until(lambda: served.idle(80 + 1300), 120, pause=0.1)
    stored = await served.evidence.rows(f"SELECT journal_id, kind FROM journal WHERE size > {MIB} ORDER BY kind")
    for (journal_id, _), whole in zip(stored, put, strict=True):
        assert await asyncio.to_thread(served.given_back, journal_id) == whole
    grown = {name: _peak(pid) - before[name] for name, pid in pids.items()}
    print({name: f"{size / MIB:.0f} MiB" for name, size in grown.items()})
    assert max(grown.values()) < ALLOWED, grown


def _resident(pid: int) -> int:
    """Resident bytes now; the peak is counted from here on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return _status(pid, "VmRSS")


def _peak(pid: int) -> int:
    return _status(pid, "VmHWM")


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
