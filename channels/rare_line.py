"""What may happen often and is told rarely."""

from __future__ import annotations

_SECONDS = 60.0


class RareLine:
    """What may happen often and is told once a minute at most: `count` since it was told, `what` of the last."""

    def __init__(self) -> None:
        self.count = 0
        self.what = ""
        self._told = float("-inf")

    def due(self, now: float) -> int:
        """The count, when it is time to tell it; it then starts anew."""
        if not self.count or now - self._told < _SECONDS:
            return 0
        count, self.count, self._told = self.count, 0, now
        return count
