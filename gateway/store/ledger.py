"""The ledger (decision 7): counters that change in the transaction of what they count, and the two equations.

Words of a channel: received, processed, filtered, duplicate, rejected, parked.  Words of a sink, whose channel is
`sink:<name>`: committed, confirmed, unrouted, parked.  What is in flight or pending is counted in its own table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Select, func, select

from gateway.store.schema import ledger, outbox, work

ENDS = ("processed", "filtered", "duplicate", "rejected", "parked")
SETTLED = ("confirmed", "unrouted", "parked")
SINK = "sink:"
REUSED = "control-id-reused"
"""Counted beside the equation: messages whose control id their sender had given to other content (decision 5)."""

Counts = Counter[tuple[str, str]]
"""(channel, word) -> how much to add."""


class Balance(msgspec.Struct, kw_only=True):
    """One side of the ledger: what came in, what became of it by word, what is not settled yet."""

    came: int = 0
    words: dict[str, int] = msgspec.field(default_factory=dict)
    open: int = 0
    reused: int = 0  # control ids

    @property
    def balanced(self) -> bool:
        return self.came == sum(self.words.values()) + self.open


class Ledger(msgspec.Struct, kw_only=True):
    """Both equations at one moment: per channel (open: in flight) and per sink (open: pending)."""

    channels: dict[str, Balance] = msgspec.field(default_factory=dict)
    sinks: dict[str, Balance] = msgspec.field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        return all(b.balanced for b in (*self.channels.values(), *self.sinks.values()))


COUNTED: Select[Any] = select(ledger.c.channel, ledger.c.word, func.sum(ledger.c.count)).group_by(
    ledger.c.channel, ledger.c.word
)
_items = select(work.c.channel, work.c.journal_id, work.c.item).where(work.c.kind != "timer").distinct().subquery()
IN_FLIGHT: Select[Any] = select(_items.c.channel, func.count()).group_by(_items.c.channel)
PENDING: Select[Any] = select(outbox.c.sink, func.count()).group_by(outbox.c.sink)


def balance(
    counted: Iterable[tuple[str, str, int]],
    in_flight: Iterable[tuple[str, int]],
    pending: Iterable[tuple[str, int]],
) -> Ledger:
    """The ledger from the rows of `COUNTED`, `IN_FLIGHT` and `PENDING`, read in one snapshot."""
    result = Ledger()
    for channel, word, count in counted:
        sink = channel.startswith(SINK)
        found = result.sinks if sink else result.channels
        name = channel.removeprefix(SINK) if sink else channel
        entry = found.setdefault(name, Balance(words=dict.fromkeys(SETTLED if sink else ENDS, 0)))
        if word in ("received", "committed"):
            entry.came += int(count)
        elif word == REUSED:
            entry.reused = int(count)
        else:
            entry.words[word] = entry.words.get(word, 0) + int(count)
    for channel, count in in_flight:
        result.channels.setdefault(channel, Balance(words=dict.fromkeys(ENDS, 0))).open = count
    for sink_name, count in pending:
        result.sinks.setdefault(sink_name, Balance(words=dict.fromkeys(SETTLED, 0))).open = count
    return result
