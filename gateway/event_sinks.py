"""Where events go besides the log itself: each sink says which of them it takes.

The filter is applied once, when the outbox rows are written, so that a delivery which nobody asked for is never stored,
counted or looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

PATTERN = r"^(\*|[a-z][a-z0-9-]*\.(\*|[a-z][a-z0-9-]*))$"
"""A type (`encounter.discharged`), a family (`task.*`), or everything (`*`)."""


class EventSink(msgspec.Struct, frozen=True):
    """One taker of events.

    `types`: patterns of event types, () for all; `facilities`: those whose events it takes, None for all.
    `restricted`: it may see what restricted events say; without it a renderer gives it their minimal form.
    """

    name: str
    types: tuple[str, ...] = ()
    facilities: frozenset[str] | None = None
    restricted: bool = False

    @property
    def takes_all(self) -> bool:
        return not self.types and self.facilities is None

    def takes(self, type_: str, facility_id: str) -> bool:
        return matches(self.types, type_) and (self.facilities is None or facility_id in self.facilities)


BUS = EventSink("bus")


@lru_cache(maxsize=4096)
def matches(patterns: tuple[str, ...], type_: str) -> bool:
    """True when one of the patterns means this event type; no patterns mean every type."""
    family = type_.partition(".")[0]
    return not patterns or any(pattern in (type_, "*", f"{family}.*") for pattern in patterns)


def is_event_sink(sinks: Sequence[EventSink], name: str) -> bool:
    """False: the name is that of a channel whose outbox rows are replies."""
    return any(sink.name == name for sink in sinks)


def chosen(patterns: tuple[str, ...], types: Iterable[str]) -> tuple[str, ...]:
    """Those of the types that the patterns mean."""
    return tuple(type_ for type_ in types if matches(patterns, type_))
