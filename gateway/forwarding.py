"""Who else is sent a message, decided from its header when it is taken in (in the commit that holds it)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from hashlib import blake2b

from parsers.hl7v2.header import Header


@dataclass(slots=True, frozen=True)
class ForwardRule:
    """`sink`: the channel that sends.  `types`: patterns of "ADT^A31", () for all.  `by_patient`: messages of different
    patients may overtake each other."""

    sink: str
    types: tuple[str, ...] = ()
    by_patient: bool = False


def forwards(
    rules: Sequence[ForwardRule], channel: str, message_type: str, header: Header
) -> tuple[tuple[str, str], ...]:
    """(sink, ordering key) of everybody who is sent this message."""
    found = (rule for rule in rules if _wanted(rule.types, message_type))
    return tuple((rule.sink, patient_key(header) if rule.by_patient else channel) for rule in found)


@lru_cache(maxsize=4096)
def _wanted(types: tuple[str, ...], message_type: str) -> bool:
    return not types or any(fnmatchcase(message_type, pattern) for pattern in types)


def patient_key(header: Header) -> str:
    """A key that tells patients apart and names none."""
    if not header.patient_ids:
        return "nobody"
    value, authority, _ = header.patient_ids[0]
    return blake2b(b"|".join((authority, value)), digest_size=12).hexdigest()
