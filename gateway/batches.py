"""Which work goes into one batch of the pipeline: how much of it, none that was tried before, none beyond its lanes."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.compute.protocol import ItemKeys
from gateway.coordination.records import Patient, Timer
from gateway.store.ports import Loaded, WorkItem

HOLD_MS, SMALLEST = 20.0, 32
"""Longest time for which one write may hold SQLite's only writer, and the smallest batch: acknowledgements wait behind
it (decision 19)."""

BRIEF_HOLD_MS, BRIEF_SMALLEST = 4.0, 8
"""The same while no more than `FEW` items wait, when larger batches would gain nothing."""

FEW = 500

MERGED_INTO = Patient.__struct_fields__.index("merged_into")
TIMER_PATIENT = Timer.__struct_fields__.index("patient_id")


class BatchSize:
    """How many items the next batch takes: `largest` at most."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self.size = largest  # by how long the store is held
        self._trusted = largest  # below `size` after a batch failed as a whole, until some went through

    @property
    def limit(self) -> int:
        return min(self.size, self._trusted)

    def wrote(self, held_ms: float, waiting: int) -> None:
        """A batch went through.  `held_ms`: how long it kept other writers waiting, `waiting`: items behind it."""
        longest, smallest = (BRIEF_HOLD_MS, BRIEF_SMALLEST) if waiting <= FEW else (HOLD_MS, SMALLEST)
        if held_ms > longest:
            self.size = int(self.size * longest / held_ms)
        elif held_ms < longest / 2:
            self.size += max(smallest, self.size // 4)
        self.size = min(max(self.size, smallest), self._largest)
        self._trusted = min(self._trusted * 2, self._largest)

    def failed(self, count: int) -> None:
        """A batch of `count` failed, and nothing says at which item: halves find it."""
        self._trusted = max(1, count // 2)


def isolate_suspect(items: Sequence[WorkItem]) -> Sequence[WorkItem]:
    """Items that were tried before run alone: the batch ends before the first of them, or is that one."""
    return untried(items) or items[:1]


def beside_parted(items: Sequence[WorkItem]) -> Sequence[WorkItem]:
    """The first body in parts of the batch, of which a group is done, and what is in none of its lanes: it may take
    minutes, and nobody but its lanes waits for it."""
    if not any(item.size for item in items):
        return items
    chosen: list[WorkItem] = []
    held: set[int] = set()
    for item in items:
        free = held.isdisjoint(item.lanes) and not (item.size and held)
        if free:
            chosen.append(item)
        if item.size or not free:
            held.update(item.lanes)
    return chosen


def untried(items: Sequence[WorkItem]) -> Sequence[WorkItem]:
    """The items before the first that was tried before."""
    return items[: next((index for index, item in enumerate(items) if item.attempts), len(items))]


def fitting(
    keys: Sequence[ItemKeys], batch: Sequence[WorkItem], loaded: Loaded, held: frozenset[int]
) -> tuple[int, frozenset[int] | None]:
    """(how many items of the batch need no lane beyond those held, the lanes that the next one needs).

    A patient into whom others were merged is in all of their lanes (merge protocol, rule 2).  `held` empty: the store
    has one writer and holds them all.
    """
    if not held:
        return len(batch), None
    roots = resolve_roots(loaded)
    for index, (key, item) in enumerate(zip(keys, batch, strict=True)):
        needed = set(item.lanes)
        named = [("", item.body.decode())] if item.kind == "timer" else key.identifiers
        for name in named:
            needed.update(loaded.lanes.get(roots.get(name, ""), ()))
        if not needed <= held:
            return index, frozenset(needed)
    return len(batch), None


def resolve_roots(loaded: Loaded) -> dict[tuple[str, str], str]:
    """Identifier, or ("", timer id) -> surviving patient, from the rows as loaded (column order of `records`)."""
    merged = {row[0]: row[MERGED_INTO] for row in loaded.rows.get("patients", ())}
    roots = {(row[0], row[1]): row[2] for row in loaded.rows.get("patient_identifiers", ())}
    roots |= {("", row[0]): row[TIMER_PATIENT] for row in loaded.rows.get("timers", ())}
    for name, patient_id in roots.items():
        root = patient_id
        for _ in range(32):
            root = merged.get(root) or root
        roots[name] = root
    return roots
