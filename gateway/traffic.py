"""What a channel received and answered since the start."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from gateway.peers import FOREIGN_SENDER, UNKNOWN_PEER
from gateway.sequencing import MISFITS, REPEAT_DIFFERS
from gateway.store.ports import JournalEntry, Stored

_MOST_FROZEN = 1000


@dataclass(slots=True)
class ChannelTraffic:
    """Counts of one channel's units (frames, files)."""

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    refused: int = 0  # by the store, one row alone
    foreign: int = 0  # of the rejected: whose peer may not send for their sender
    last_foreign: datetime | None = None
    reused: int = 0  # control ids that came with other content before
    misnumbered: int = 0  # sequence numbers that did not fit
    last_misnumbered: datetime | None = None
    frozen: set[str] = field(default_factory=set)  # senders whose newest number did not fit
    gave_up: int = 0  # hold budgets that ended
    answered: Counter[str] = field(default_factory=Counter)  # by acknowledgement code; "" when none was due
    last_received: datetime | None = None
    last_answered: datetime | None = None

    def count(self, entry: JournalEntry, result: Stored) -> bool:
        """Count one unit's end in a commit; True when it is new work."""
        if result.sequence:
            self._count_number(entry, result.sequence)
        if result.error is not None:
            self.refused += 1
        elif result.sequence in MISFITS:
            self.rejected += 1
        elif result.duplicate_of is not None:
            self.duplicates += 1
        elif entry.rejected is not None:
            self.rejected += 1
            if entry.rejected in (UNKNOWN_PEER, FOREIGN_SENDER):
                self.foreign += 1
                self.last_foreign = entry.received_at
        else:
            self.stored += 1
            self.reused += result.same_id_as is not None
            return True
        return False

    def _count_number(self, entry: JournalEntry, verdict: str) -> None:
        if verdict in MISFITS and len(self.frozen) < _MOST_FROZEN:
            self.frozen.add(entry.sender)
        elif verdict in ("accepted", "resynchronise"):
            self.frozen.discard(entry.sender)
        if verdict in (*MISFITS, REPEAT_DIFFERS):
            self.misnumbered += 1
            self.last_misnumbered = entry.received_at
