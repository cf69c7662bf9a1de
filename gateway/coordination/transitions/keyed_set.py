"""A set whose members are told whole or one by one, by messages in any order (domain reference 2.5 and 3.1).

Every member keeps the recorded time of the message that spoke of it last, a removed one too, and the set that of its
newest whole list: messages out of order leave the same members as in order.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
MOST = 500
"""Members kept of one set; what comes after is left out."""


class Member(msgspec.Struct, omit_defaults=True):
    at: datetime
    said: dict[str, str]
    removed: bool = False


class KeyedSet(msgspec.Struct, omit_defaults=True):
    since: datetime | None = None  # of the newest whole list
    items: dict[str, Member] = {}

    @property
    def standing(self) -> dict[str, dict[str, str]]:
        """The members that are not removed, by name."""
        return {name: one.said for name, one in self.items.items() if not one.removed}

    def tell(self, name: str, said: dict[str, str], at: datetime, *, removed: bool = False) -> None:
        """One member is so, or gone; older news than what is known changes nothing."""
        held = self.items.get(name)
        if held is None and (len(self.items) >= MOST or (self.since or _NEVER) > at):
            return  # the newest whole list, which is newer, does not name it
        if held is None or held.at <= at:
            self.items[name] = Member(at=at, said=said or (held.said if held else {}), removed=removed)

    def complete(self, named: Iterable[str], at: datetime) -> None:
        """A whole list: what it does not name is gone, unless a newer message spoke of it."""
        if self.since is None or at >= self.since:
            self.since = at
        names = set(named)
        for name, one in self.items.items():
            if name not in names and one.at <= at:
                self.items[name] = Member(at=at, said=one.said, removed=True)


def keyed_set(text: str) -> KeyedSet:
    """From a `*_json` column."""
    return msgspec.json.decode(text, type=KeyedSet)


def encoded_set(members: KeyedSet) -> str:
    """For a `*_json` column: members by name, so that equal sets are equal text."""
    return msgspec.json.encode(KeyedSet(since=members.since, items=dict(sorted(members.items.items())))).decode()
