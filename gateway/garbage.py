"""When Python looks for garbage cycles: rarely amid a batch, and never among what was loaded at the start."""

from __future__ import annotations

import gc

OBJECTS = 50_000
"""New objects before a collection: a batch makes and drops thousands at a time."""


def collect_rarely() -> None:
    """Call it when the process is ready."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS, 20, 20)


def collect_by_hand() -> None:
    """As `collect_rarely`, for a process that calls `gc.collect` itself where it costs nobody anything."""
    gc.collect()
    gc.freeze()
    gc.disable()
