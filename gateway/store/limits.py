"""Sizes and spans that both stores keep to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from hashlib import blake2b

PART = 1024 * 1024
"""A larger body is stored in parts of this size (decision 8)."""

WHOLE = 128 * 1024
"""A larger body is not claimed: it is read part by part, for it may hold any number of messages."""

CLAIM_BYTES = 512 * 1024
"""Bodies of one claim, some 500 messages: the first item always comes, the others while they fit."""

FROM_ITS_BEGIN = b"0,0"
"""Payload of a work row: a body in parts is read from its first item on (`gateway.compute.parted.Cursor`)."""

UNANSWERED = b"0,1000000000"
"""The same, and none of the answers that it made before."""

LIFE = timedelta(days=14)
"""How long a dedup key is remembered (decision 5)."""

CLOSED_TASKS = timedelta(days=90)
"""How far back closed tasks are loaded with their patient."""


def parts(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The numbered parts of a body that is too large for one row; none of one that is not."""
    if len(body) > PART:
        for number, start in enumerate(range(0, len(body), PART)):
            yield number, body[start : start + PART]


CONTENT = 16
"""Bytes at the end of a dedup key that say with which content; those before them say whose control id it is."""


@lru_cache(maxsize=4096)
def _sender_key(channel: str, sender: str) -> bytes:
    return blake2b(f"{channel}\0{sender}".encode(), digest_size=8).digest()


def number_key(channel: str, sender: str, control_id: str) -> bytes:
    """What the dedup keys of one control id begin with; `CONTENT` bytes follow."""
    return _sender_key(channel, sender) + control_id.encode() + b"\0"


def neighbours(key: bytes) -> tuple[bytes, bytes]:
    """The first and the last key that one of the same control id can have."""
    return number_range(key[:-CONTENT])


def number_range(key: bytes) -> tuple[bytes, bytes]:
    """The first and the last dedup key that begins with this `number_key`."""
    return key, key + b"\xff" * (CONTENT + 1)
