"""Which reader reads which kind of body."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from mappings.hl7v2 import read_hl7v2
from mappings.profile import FeedProfile
from mappings.reading import Reading
from mappings.x12 import read_x12

READERS: dict[str, Callable[[bytes, FeedProfile, datetime], Reading]] = {"hl7v2": read_hl7v2, "x12": read_x12}


def read(
    kind: str,
    body: bytes,
    profile: FeedProfile,
    received_at: datetime,
    repeated: bool = False,
    used: Collection[int] = (),
) -> Reading:
    """Read a stored body.  `kind`: hl7v2 | x12 (KeyError for another: the journal writes no other).  `repeated` and
    `used`: which control numbers of X12 were used before, for other content (`read_parts`)."""
    if (repeated or used) and kind == "x12":
        return read_x12(body, profile, received_at, repeated=repeated, used=used)
    return READERS[kind](body, profile, received_at)
