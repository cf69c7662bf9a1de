"""A segment line as one regular expression, for the separators of an interchange: the quick look at most segments.

What a pattern takes is right; what it does not take wants a close look (parsers.x12.elements).  Patterns are made for
the first few sets of separators that are met: to compile them for whatever a sender thinks up would cost him nothing
and us much.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from parsers.x12.guide import Element, Line
from parsers.x12.segments import Delimiters

MAX_SEPARATORS = 8
_DAY = rb"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|1\d|2[0-8])"
_TIME = rb"(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?"
_REFUSED = rb"(?!)"
_PERIOD_FORM, _PERIOD = "1250", "1251"

_tables: dict[Delimiters, Patterns] = {}


class Patterns(dict[int, re.Pattern[bytes]]):
    """The patterns of one set of separators, by the identity of the line (which lives as long as the process)."""

    def __init__(self, delimiters: Delimiters) -> None:
        self._maker = _Maker(delimiters)

    def of(self, line: Line) -> re.Pattern[bytes]:
        found = self.get(id(line))
        if found is None:
            found = self[id(line)] = re.compile(self._maker.line(line))
        return found


def patterns_of(delimiters: Delimiters) -> Patterns | None:
    """None where there are none."""
    found = _tables.get(delimiters)
    if found is None and len(_tables) < MAX_SEPARATORS:
        found = _tables[delimiters] = Patterns(delimiters)
    return found


class _Maker:
    def __init__(self, delimiters: Delimiters) -> None:
        self.element = re.escape(delimiters.element)
        self.component = re.escape(delimiters.component)
        self.repetition = re.escape(delimiters.repetition)
        inner = b"".join(re.escape(one) for one in (delimiters.element, delimiters.component, delimiters.repetition))
        self.text = rb"[^\x00-\x1f\x7f-\xff" + inner + b"]"

    def line(self, line: Line) -> bytes:
        elements = line.elements
        if [element.number for element in elements[1:]] == [_PERIOD_FORM, _PERIOD]:
            return self._dated(line)
        return re.escape(line.segment.encode()) + self._sequence(elements, self.element, self._values)

    def _dated(self, line: Line) -> bytes:
        """DTP: kind, form and date; the form says what the date is."""
        forms = line.elements[1].codes or frozenset()
        choices = []
        if "D8" in forms:
            choices.append(b"D8" + self.element + _DAY)
        if "RD8" in forms:
            choices.append(b"RD8" + self.element + _DAY + b"-" + _DAY)
        dated = b"|".join(choices) or _REFUSED
        return b"%s%s%s%s(?:%s)" % (
            line.segment.encode(),
            self.element,
            self._value(line.elements[0]),
            self.element,
            dated,
        )

    def _sequence(
        self, elements: tuple[Element, ...], separator: bytes, value: Callable[[Element], bytes], first: bool = True
    ) -> bytes:
        """One after the other; what is behind the last required one may be left out."""
        needed = max((element.position for element in elements if element.usage == "R"), default=0)
        tail = b""
        for element in reversed(elements):
            body = b"" if element.usage == "N" else value(element)
            if body and element.usage != "R":
                body = b"(?:" + body + b")?"
            lead = separator if first or element.position > 1 else b""
            tail = lead + body + tail
            if element.position > needed:
                tail = b"(?:" + tail + b")?"
        return tail

    def _values(self, element: Element) -> bytes:
        if element.parts:
            return self._composite(element)
        value = self._value(element)
        if element.repeats > 1 and self.repetition:
            return value + b"(?:%s%s){0,%d}" % (self.repetition, value, element.repeats - 1)
        return value

    def _composite(self, element: Element) -> bytes:
        tied = {position for note in element.syntax for position in note.positions}

        def part(one: Element) -> bytes:
            return _REFUSED if one.position in tied and one.usage != "R" else self._value(one)

        parts = element.parts if self.component else element.parts[:1]
        # A composite whose every part may be absent is absent itself when nothing stands there: at least one character.
        return rb"(?=" + self.text + b")" + self._sequence(parts, self.component, part, first=False)

    def _value(self, element: Element) -> bytes:
        if element.codes is not None:
            return b"(?:" + b"|".join(re.escape(code.encode()) for code in sorted(element.codes)) + b")"
        size = b"{%d,%d}" % (element.least, element.most)
        match element.kind:
            case "DT":
                return _DAY
            case "TM":
                return _TIME
            case "N0":
                return rb"\d" + size
            case "R":
                return rb"\d{%d,%d}(?:\.\d{1,2})?" % (element.least, max(element.least, element.most - 2))
            case "ID":
                return b"(?:(?! )" + self.text + b")" + size
        return b"(?! )" + self.text + size
