"""What HL7 v2 calls its fields, and which segments a message of each event has (dictionary.json says its source).

Facts for people and for the optional structure check; reading never asks it.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import msgspec

EVENT_STRUCTURES: dict[str, str] = {
    **dict.fromkeys(("A04", "A08", "A13"), "ADT_A01"),
    **dict.fromkeys(("A14", "A28", "A31"), "ADT_A05"),
    "A07": "ADT_A06",
    **dict.fromkeys(("A10", "A11"), "ADT_A09"),
    **dict.fromkeys(("A22", "A23", "A25", "A26", "A27", "A29", "A32", "A33"), "ADT_A21"),
    **dict.fromkeys(("A34", "A35", "A36", "A46", "A47", "A48", "A49"), "ADT_A30"),
    **dict.fromkeys(("A40", "A41", "A42"), "ADT_A39"),
    "A44": "ADT_A43",
    "A51": "ADT_A50",
    "A53": "ADT_A52",
    "A55": "ADT_A54",
    "A62": "ADT_A61",
}
"""Events whose structure has another event's name (table 0354); the others are named after themselves."""


class Field(msgspec.Struct, frozen=True, array_like=True):
    """One field of a segment."""

    name: str
    type: str  # data type: CX, XPN, TS ...
    required: bool  # in 2.5.1
    repeats: bool
    table: str  # "HL70004", or ""


class Dictionary(msgspec.Struct, frozen=True):
    """`structures` are in the abstract message syntax of chapter 2.12: [ ] optional, { } repeating."""

    source: str
    structures: dict[str, str]
    segments: dict[str, list[Field]]
    types: dict[str, list[str]]  # names of components

    def field(self, segment: str, number: int) -> Field | None:
        fields = self.segments.get(segment, [])
        return fields[number - 1] if 0 < number <= len(fields) and fields[number - 1].name else None

    def component(self, segment: str, number: int, component: int) -> str:
        """Name of a component, "" when there is none."""
        found = self.field(segment, number)
        parts = self.types.get(found.type, []) if found else []
        return parts[component - 1] if 0 < component <= len(parts) else ""


@lru_cache(maxsize=1)
def dictionary() -> Dictionary:
    """The dictionary, read once."""
    return msgspec.json.decode(files("parsers.hl7v2").joinpath("dictionary.json").read_bytes(), type=Dictionary)


def structure_of(trigger: str) -> str | None:
    """ "ADT^A04" -> "ADT_A01"; None when the dictionary has no structure for it."""
    kind, _, event = trigger.partition("^")
    name = "SIU_S12" if kind == "SIU" else EVENT_STRUCTURES.get(event, f"{kind}_{event}")
    return name if name in dictionary().structures else None
