"""Where claims begin to look: below it lie only index entries of work that is finished (limits of a queue table)."""

from __future__ import annotations

SPAN = 60.0
"""Seconds.  Longer than any statement runs, so than any work row stays uncommitted after it took its id."""

RESCAN = 20.0
"""Seconds between looks from the very first entry, for a row that was committed later still."""


class Floor:
    """The lowest id that may be pending.

    Ids are taken before commit: the oldest work that is visible now says nothing about a lower id that another
    transaction will show in a moment, and newer work of its lane must not be claimed before it.  So the floor is the
    lowest that was the oldest in a whole span, which every id taken meanwhile lies above.
    """

    def __init__(self) -> None:
        self._value = 0
        self._least = 0  # of the span
        self._span_began: float | None = None
        self._scanned = 0.0

    def at(self, now: float) -> int:
        """Where to begin at this moment of the monotonic clock."""
        if now - self._scanned >= RESCAN:
            self._scanned = now
            return 0
        return self._value

    def saw(self, now: float, oldest: int) -> None:
        """The oldest work that a look from `at(now)` found."""
        if self._span_began is None:
            self._span_began, self._least = now, oldest
        self._least = min(self._least, oldest)
        self._value = min(self._value, oldest)
        if now - self._span_began >= SPAN:
            self._value = self._least
            self._span_began, self._least = now, oldest
