"""HL7 v2 fields as facts: text, flags, persons and locations of one message's segments.

Everywhere: None for an empty field, `events.DELETE` for the HL7 null where a fact can be withdrawn.
"""

from __future__ import annotations

import re

from mappings.events import DELETE, Location, Person
from parsers.hl7v2.encoding import Encoding
from parsers.hl7v2.message import Segment

NULL = DELETE.encode()
FLAGS = {"Y": True, "YES": True, "1": True, "N": False, "NO": False, "0": False, DELETE: False}

_PLAIN = re.compile(rb"[ !-%'-Z\[\]_`a-}]+").fullmatch
"""Printable ASCII without the four recommended encoding characters: what is sent is the text."""


class Fields:
    """Reads values of one message.  Text is stripped of surrounding blanks, and of NULs, which no text column takes."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        marks = encoding.separators
        self._component, self._subcomponent, self._repetition = marks.component, marks.subcomponent, marks.repetition
        self._usual = (marks.component, marks.repetition, marks.escape, marks.subcomponent) == (b"^", b"~", b"\\", b"&")

    def text(self, segment: Segment, field: int) -> str | None:
        """First subcomponent of the first repetition."""
        fields = segment.fields
        if field >= len(fields) or not (raw := fields[field]):
            return None
        if self._usual:
            if raw.isalnum():
                return raw.decode("ascii")
            if _PLAIN(raw):
                return raw.decode("ascii").strip() or None
        return self._first(raw)

    def value(self, segment: Segment, field: int) -> str | None:
        """As `text`, for facts that cannot be withdrawn: the HL7 null is no information."""
        found = self.text(segment, field)
        return None if found == DELETE else found

    def part(self, segment: Segment, field: int, component: int) -> str | None:
        """Component `component` of the first repetition."""
        raw = segment.raw(field)
        return self.pick(self._split(raw), component) if raw else None

    def parts(self, segment: Segment, field: int) -> list[bytes]:
        """The components of the first repetition, for `pick`; [] when the field is empty."""
        raw = segment.raw(field)
        return self._split(raw) if raw else []

    def repetitions(self, segment: Segment, field: int) -> list[list[bytes]]:
        """The components of every repetition, for `pick`."""
        raw = segment.raw(field)
        if not raw:
            return []
        mark = self._repetition
        return [self._components(each) for each in (raw.split(mark) if mark else [raw])]

    def pick(self, parts: list[bytes], component: int, subcomponent: int = 1) -> str | None:
        """One value of `parts`; the HL7 null inside is no information."""
        if len(parts) < component or not (raw := parts[component - 1]):
            return None
        if subcomponent == 1 and self._usual and (raw.isalnum() or _PLAIN(raw)):
            found = raw.decode("ascii").strip()
        elif (mark := self._subcomponent) and mark in raw:
            pieces = raw.split(mark, subcomponent)
            found = self._clean(pieces[subcomponent - 1]) if len(pieces) >= subcomponent else ""
        else:
            found = self._clean(raw) if subcomponent == 1 else ""
        return found if found and found != DELETE else None

    def flag(self, segment: Segment, field: int) -> bool | None:
        """ID of table 0136: True for Y, False for N and the HL7 null."""
        found = self.text(segment, field)
        return None if found is None else FLAGS.get(found.upper())

    def number(self, segment: Segment, field: int) -> int | None:
        """SI or NM that is a small whole number."""
        found = self.text(segment, field)
        return int(found) if found and found.isascii() and found.isdigit() and len(found) < 6 else None

    def person(self, segment: Segment, field: int) -> Person | None:
        """XCN: id, family, given of the first repetition."""
        raw = segment.raw(field)
        if not raw:
            return None
        if raw == NULL:
            return Person(id=DELETE)
        parts = self._split(raw)
        code, family = self.pick(parts, 1), self.pick(parts, 2)
        return Person(id=code, family=family, given=self.pick(parts, 3)) if code or family else None

    def location(self, segment: Segment, field: int) -> Location | None:
        """PL: point of care, room, bed, facility."""
        raw = segment.raw(field)
        if not raw:
            return None
        if raw == NULL:
            return Location(point_of_care=DELETE)
        parts = self._split(raw)
        unit, room, bed, facility = (self.pick(parts, component) for component in (1, 2, 3, 4))
        if not (unit or room or bed or facility):
            return None
        return Location(point_of_care=unit, room=room, bed=bed, facility=facility)

    def _first(self, raw: bytes) -> str | None:
        found = self._split(raw)[0]
        if (mark := self._subcomponent) and mark in found:
            found = found.partition(mark)[0]
        return self._clean(found) or None

    def _split(self, raw: bytes) -> list[bytes]:
        if (mark := self._repetition) and mark in raw:
            raw = raw.partition(mark)[0]
        return self._components(raw)

    def _components(self, raw: bytes) -> list[bytes]:
        return raw.split(self._component) if self._component else [raw]

    def _clean(self, raw: bytes) -> str:
        return self._encoding.text(raw).replace("\0", "").strip()
