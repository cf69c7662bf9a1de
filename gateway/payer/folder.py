"""The simulated payer at a folder: takes what a gateway wrote out, drops its answers where the gateway reads."""

from __future__ import annotations

import heapq
import re
import stat
from datetime import datetime, timedelta
from pathlib import Path

from channels.drop_folder import write_whole
from gateway.payer.scenario import Scenario
from gateway.payer.simulator import Answer, SimulatedPayer

ANSWERED = "answered"
"""Folder below `questions` into which each question goes when it was read; acknowledgements stay where they are."""
_MOST_BYTES = 16 << 20
_QUESTION = re.compile(rb"ST[^0-9A-Za-z]27[08][^0-9]")


class FolderPayer:
    """`questions`: the gateway's out folder.  `answers`: its in folder.  Counters: `read`, `written`."""

    def __init__(self, scenario: Scenario, questions: Path, answers: Path) -> None:
        self._payer = SimulatedPayer(scenario)
        self._questions = questions
        self._answers = answers
        self._later: list[tuple[datetime, int, Answer]] = []
        self._seen: set[str] = set()
        self.read = 0
        self.written = 0

    def make(self) -> None:
        """Raises OSError."""
        for folder in (self._questions / ANSWERED, self._answers):
            folder.mkdir(parents=True, exist_ok=True)

    def step(self, now: datetime, *, wait: bool = True) -> int:
        """Read what is there and write what is due; returns how many files were written.  `now` is local time.

        `wait` False: answers that should come later come now.  Raises OSError when a folder cannot be used."""
        for path in sorted(self._questions.iterdir()):
            if path.name.startswith(".") or not stat.S_ISREG(path.lstat().st_mode):
                continue
            if path.stat().st_size > _MOST_BYTES:
                continue
            if path.name in self._seen:
                continue
            self._seen.add(path.name)
            body = path.read_bytes()
            if not _QUESTION.search(body):
                continue
            for answer in self._payer.answer(body, now):
                due = now + timedelta(seconds=answer.delay if wait else 0)
                heapq.heappush(self._later, (due, self.read * 1000 + len(self._later), answer))
            path.rename(self._questions / ANSWERED / path.name)
            self.read += 1
        return self._write(now)

    def _write(self, now: datetime) -> int:
        count = 0
        while self._later and self._later[0][0] <= now:
            answer = heapq.heappop(self._later)[2]
            self.written += 1
            count += 1
            write_whole(self._answers, f"{answer.kind.lower()}-{self.written:06d}.x12", answer.body)
        return count
