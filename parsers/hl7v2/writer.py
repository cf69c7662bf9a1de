"""Writes HL7 v2 segments: recommended separators, values escaped, nothing that could break a segment or a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Value = str | Sequence["Value"]
"""A field: text, or its components; a component: text, or its subcomponents."""

ENCODING_CHARACTERS = "^~\\&"
_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\"})
_MARKS = ("^", "&")
_LINE_ENDS = ("\r\n", "\r", "\n")


def write_text(text: str) -> str:
    """One value escaped; a line end becomes `\\.br\\`, other control characters a blank."""
    escaped = text.translate(_ESCAPES)
    for end in _LINE_ENDS:
        escaped = escaped.replace(end, "\\.br\\")
    return escaped if escaped.isprintable() else "".join(one if one.isprintable() else " " for one in escaped)


def write_field(value: Value, level: int = 0) -> str:
    """A field with its components and subcomponents; empty ones at the end are left out."""
    if isinstance(value, str):
        return write_text(value)
    mark = _MARKS[level]
    return mark.join(write_field(part, level + 1) for part in value).rstrip(mark)


def write_segment(name: str, fields: Mapping[int, Value]) -> str:
    """`fields` by number, as in the standard; those not given are empty.  Ended by CR."""
    last = max((number for number, value in fields.items() if value), default=0)
    written = [write_field(fields.get(number, "")) for number in range(1, last + 1)]
    return "|".join([name, *written]).rstrip("|") + "\r"


def write_header(fields: Mapping[int, Value]) -> str:
    """MSH with `fields` from MSH-3 on."""
    last = max(fields)
    written = [write_field(fields.get(number, "")) for number in range(3, last + 1)]
    return "|".join(["MSH", ENCODING_CHARACTERS, *written]).rstrip("|") + "\r"
