"""Mappings that misbehave on marked messages.  Imported by the compute process through `Configure.packages` (decision 18)."""

from __future__ import annotations

import os
from datetime import datetime

from mappings import registry
from mappings.profile import FeedProfile
from mappings.reading import Reading

_read = registry.read


class MappingError(Exception):
    """What a broken mapping raises."""


def read(kind: str, body: bytes, profile: FeedProfile, received_at: datetime, repeated: bool = False) -> Reading:
    """As the real one, but for messages whose patient's family name is POISON-<what to do>."""
    if b"POISON-RAISE" in body:
        raise MappingError(body.decode())
    if b"POISON-HANG" in body:
        while True:
            pass
    if b"POISON-EAT" in body:
        bytearray(2 << 30)
    if b"POISON-EXIT" in body:
        os._exit(3)
    return _read(kind, body, profile, received_at, repeated)


registry.read = read
