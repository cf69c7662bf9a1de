"""Senders that write down what they sent and what was acknowledged, outside the gateway.

Each sender owns some patients, so that the order of a patient's messages is the order of one connection.  After a
broken connection the same bytes go again, the oldest first.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.support import hospital_messages as hospital

START, END = b"\x0b", b"\x1c\r"
STEPS = ("admit", "update", "discharge")
PER_PATIENT = 30  # messages, then the key goes on with a new patient: state stays as small as a hospital's
_MSA = re.compile(rb"\rMSA\|([A-Z]{2})\|([^|\r]*)")


@dataclass(frozen=True, slots=True)
class Sent:
    """One message.  `sequence` orders the messages of one patient."""

    control_id: str
    mrn: str
    sequence: int
    step: str
    visit: str
    digest: bytes
    body: bytes


@dataclass(slots=True)
class SendersLedger:
    """What left and what came back."""

    sent: dict[str, Sent] = field(default_factory=dict)
    acked: set[str] = field(default_factory=set)
    resent: int = 0
    odd_answers: list[str] = field(default_factory=list)  # anything but AA for the oldest unanswered message


class Patients:
    """Gives each sender its next message: visits of admission, update and discharge, key after key in turn."""

    def __init__(self, keys: list[str], began: datetime) -> None:
        self._keys = deque(keys)
        self._counts = dict.fromkeys(keys, 0)
        self._began = began

    def next(self) -> Sent:
        key = self._keys[0]
        self._keys.rotate(-1)
        count = self._counts[key]
        self._counts[key] += 1
        mrn, sequence = f"{key}G{count // PER_PATIENT}", count % PER_PATIENT
        return make_message(mrn, sequence, self._began)


def make_message(mrn: str, sequence: int, began: datetime) -> Sent:
    number, step = sequence // len(STEPS), STEPS[sequence % len(STEPS)]
    visit, control_id = f"V{mrn}N{number}", f"{mrn}S{sequence}"
    at = began + timedelta(minutes=sequence)
    admitted = began + timedelta(minutes=number * len(STEPS))
    if step == "admit":
        body = hospital.admit(mrn, visit, at, control_id)
    elif step == "update":
        body = hospital.update(mrn, visit, admitted, at, control_id, f"55501{number:02d}")
    else:
        body = hospital.discharge(mrn, visit, admitted, at, control_id)
    return Sent(control_id, mrn, sequence, step, visit, hashlib.sha256(body).digest(), body)


class Sender:
    """One connection with up to `window` unanswered messages; it comes back until `finish` and all is answered."""

    def __init__(self, port: int, patients: Patients, ledger: SendersLedger, *, window: int = 1, pause: float) -> None:
        self._port = port
        self._patients = patients
        self._ledger = ledger
        self._window = window
        self._pause = pause
        self._unanswered: deque[Sent] = deque()
        self._finishing = False

    def finish(self) -> None:
        """Nothing new from now on; what is unanswered goes on until it is answered."""
        self._finishing = True

    async def run(self) -> None:
        while self._unanswered or not self._finishing:
            try:
                reader, writer = await self._connect()
            except OSError:
                await asyncio.sleep(0.02)
                continue
            try:
                await self._talk(reader, writer)
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                pass
            finally:
                writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ledger.resent += len(self._unanswered)
        writer.writelines(START + each.body + END for each in self._unanswered)
        while True:
            while len(self._unanswered) < self._window and not self._finishing:
                each = self._patients.next()
                self._unanswered.append(each)
                self._ledger.sent[each.control_id] = each
                writer.write(START + each.body + END)
            if not self._unanswered:
                return
            await self._take(await reader.readuntil(END))
            if self._pause:
                await asyncio.sleep(self._pause)

    async def _take(self, answer: bytes) -> None:
        found = _MSA.search(answer)
        expected = self._unanswered[0]
        if found is None or found[1] != b"AA" or found[2].decode() != expected.control_id:
            self._ledger.odd_answers.append(f"{found[0] if found else answer!r} for {expected.control_id}")
            raise ConnectionError
        self._unanswered.popleft()
        self._ledger.acked.add(expected.control_id)
