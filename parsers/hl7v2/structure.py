"""The structure of a message held against that of its event (chapter 2.12): segments missing, foreign or out of order,
required fields empty.  Linear in the number of segments.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from parsers.errors import Oddity
from parsers.hl7v2.dictionary import dictionary, structure_of
from parsers.hl7v2.message import Message

_WORDS = re.compile(r"[\[\]{}<>]|[A-Z][A-Z0-9]{2}")


class Structure(msgspec.Struct, frozen=True):
    """What can be asked of a message as a whole."""

    names: frozenset[str]
    required: tuple[str, ...]  # segments that no optional part encloses
    places: dict[str, int]  # of segments that have one place


@lru_cache(maxsize=64)
def read_structure(syntax: str) -> Structure:
    """`syntax`: abstract message syntax, as "MSH EVN PID [PD1] [{NK1}]"."""
    order: list[str] = []
    required: list[str] = []
    optional = 0
    for word in _WORDS.findall(syntax):
        if word in "[]":
            optional += 1 if word == "[" else -1
        elif word not in "{}<>":
            if not optional:
                required.append(word)
            order.append(word)
    places = {name: place for place, name in enumerate(order) if order.count(name) == 1}
    return Structure(frozenset(order), tuple(dict.fromkeys(required)), places)


def check_structure(message: Message, trigger: str) -> list[Oddity]:
    """What does not fit, with the codes of table 0357: 100 segment sequence, 101 required field missing.

    Z segments fit everywhere.  An event without a structure in the dictionary is not checked.
    """
    name = structure_of(trigger)
    if name is None:
        return []
    structure = read_structure(dictionary().structures[name])
    present = {segment.name for segment in message.segments}
    found = [
        Oddity("error", "100", missing, f"{missing} is required in {name}")
        for missing in structure.required
        if missing not in present
    ]
    counts: dict[str, int] = {}
    highest = 0
    for segment in message.segments:
        row = counts[segment.name] = counts.get(segment.name, 0) + 1
        if segment.name.startswith("Z"):
            continue
        if segment.name not in structure.names:
            found.append(Oddity("warning", "100", f"{segment.name}^{row}", f"the segment is not part of {name}"))
            continue
        place = structure.places.get(segment.name)
        if place is not None and row == 1:
            if place < highest:
                found.append(Oddity("warning", "100", f"{segment.name}^{row}", f"out of the order of {name}"))
            highest = max(highest, place)
        for number, field in enumerate(dictionary().segments.get(segment.name, []), 1):
            if field.required and segment.raw(number) in (b"", b'""'):
                place_text = f"{segment.name}^{row}^{number}"
                found.append(Oddity("error", "101", place_text, f"{segment.name}-{number} {field.name} is required"))
    return found
