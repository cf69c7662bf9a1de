"""What the parts of an X12 body came to, and their numbers as items."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mappings.events import CanonicalEvent, Problem
from mappings.reading import ItemReading

MAX_PROBLEMS = 100  # of one item or of a body
_MOST_RUNS = 10_000  # kinds of filtered findings that wait; who changes them more often has them numbered


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one part of a body came to, before the items are numbered."""

    outcome: str
    reason: str | None = None
    event: CanonicalEvent | None = None
    problems: tuple[Problem, ...] = ()


class Numbering:
    """Numbers findings as items.  What is filtered waits for something to act on, and is one item without it."""

    def __init__(self) -> None:
        self._number = 0
        self._waiting: list[tuple[Finding, int]] | None = []  # runs of equal ones, each with its length

    def add(self, finding: Finding) -> Iterator[ItemReading]:
        waiting = self._waiting
        if waiting is None:
            yield self._item(finding)
        elif finding.outcome == "filtered" and len(waiting) < _MOST_RUNS:
            if waiting and waiting[-1][0] == finding:
                finding, length = waiting.pop()
                waiting.append((finding, length + 1))
            else:
                waiting.append((finding, 1))
        else:
            self._waiting = None
            for earlier, length in waiting:
                for _ in range(length):
                    yield self._item(earlier)
            yield self._item(finding)

    def close(self) -> Iterator[ItemReading]:
        if self._waiting:
            problems = tuple(problem for finding, _ in self._waiting for problem in finding.problems)[:MAX_PROBLEMS]
            reason = self._waiting[0][0].reason
            yield ItemReading(item=0, outcome="filtered", reason=reason, problems=problems)

    def _item(self, finding: Finding) -> ItemReading:
        self._number += 1
        return ItemReading(
            item=self._number,
            outcome=finding.outcome,
            reason=finding.reason,
            events=(finding.event,) if finding.event else (),
            problems=finding.problems,
        )
