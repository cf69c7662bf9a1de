"""Elements of one segment against its line in a guide: usage, repeats, type, length, codes, syntax notes (X12.6)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from parsers.x12.finding import SEEN, SegmentError
from parsers.x12.guide import Element, Line, SyntaxNote
from parsers.x12.patterns import Patterns
from parsers.x12.segments import Segment, decode

_MISSING, _CONDITIONAL, _SURPLUS, _SHORT, _LONG, _CHARACTER = "1", "2", "3", "4", "5", "6"
_DATE, _TIME, _EXCLUDED, _REPEATED, _COMPONENTS, _CODE, _UNUSED = "8", "9", "10", "12", "13", "I6", "I10"
_ELEMENT_ERROR, _UNKNOWN_SEGMENT = "8", "1"  # IK304
_NUMBER = re.compile(r"-?\d+")
_DECIMAL = re.compile(r"-?(?:\d+\.?\d*|\.\d+)")
_DAY = re.compile(r"\d{8}")
_MOMENT = re.compile(r"(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d(?:\d{1,2})?)?")
_TEXTS = {
    _MISSING: "is missing; the guide requires it",
    _CONDITIONAL: "is missing beside what the segment holds",
    _SURPLUS: "holds a value, but the segment has no such element",
    _SHORT: "is too short",
    _LONG: "is too long",
    _CHARACTER: "holds a character that X12 does not allow there",
    _DATE: "is no calendar day in the form that is said",
    _TIME: "is no time of day",
    _EXCLUDED: "must not stand beside the other one",
    _REPEATED: "is repeated more often than the guide allows",
    _COMPONENTS: "has more components than it may",
    _CODE: "holds a code that the guide does not list there",
    _UNUSED: "must be empty in this guide",
}
_KINDS = {_CODE: "codes"}


class _Fault(NamedTuple):
    code: str  # IK403
    number: str  # of the data element, IK402
    status: str
    label: str = ""
    kind: str = ""


def accepts(line: Line, segment: Segment, patterns: Patterns | None) -> bool:
    """A quick look: True is certain, False wants `check_segment`.  `patterns` are those of the segment's separators."""
    if patterns is None or patterns.of(line).fullmatch(segment.content) is None:
        return False
    if line.periods and line.segment != "DTP":  # whose pattern looks at the date
        elements = segment.elements
        for form, value in line.periods:
            if value < len(elements) and elements[value]:
                if _period_fault(decode(elements[form]), decode(elements[value])):
                    return False
            elif form < len(elements) and elements[form]:
                return False
    return len(segment.elements) - 1 <= line.notes_from or _notes_hold(line.syntax, segment.elements)


def _notes_hold(notes: Sequence[SyntaxNote], elements: Sequence[bytes]) -> bool:
    count = len(elements)
    for kind, positions in notes:
        filled = [position for position in positions if position < count and elements[position]]
        if kind == "P":
            if filled and len(filled) < len(positions):
                return False
        elif kind == "R":
            if not filled:
                return False
        elif kind == "E":
            if len(filled) > 1:
                return False
        elif positions[0] in filled and len(filled) < len(positions) and (kind == "C" or len(filled) == 1):
            return False
    return True


def check_segment(line: Line, segment: Segment) -> Iterator[SegmentError]:
    """Everything that is wrong with the elements of one segment; linear in its size."""
    if not segment.content.startswith(line.segment.encode()):
        yield SegmentError(
            segment=line.segment,
            position=segment.position,
            loop=line.loop,
            code=_UNKNOWN_SEGMENT,
            text=f"{line.segment} is in lower case",
        )
    present = []
    for rule in line.elements:
        raw = segment.raw(rule.position)
        filled = bool(raw.strip(b" "))
        present.append(filled)
        if not filled:
            if rule.usage == "R":
                yield _error(line, segment, rule, _MISSING, rule.usage_status)
        elif rule.usage == "N":
            yield _error(line, segment, rule, _UNUSED, rule.usage_status)
        else:
            yield from _check_element(line, segment, rule, raw)
    for position in range(len(line.elements) + 1, len(segment.elements)):
        if segment.elements[position].strip(b" "):
            yield _told(line, segment, (position, 0), _Fault(_SURPLUS, "", SEEN))
            break
    for form, value in line.periods:
        fault = _period_fault(segment.text(form), segment.text(value)) if segment.raw(value) else ""
        if fault:
            yield _error(line, segment, line.elements[value - 1], fault, SEEN)
    for position, code in _broken_notes(line.syntax, present):
        yield _error(line, segment, line.elements[position - 1], code, SEEN)


def _check_element(line: Line, segment: Segment, rule: Element, raw: bytes) -> Iterator[SegmentError]:
    repetition = segment.delimiters.repetition
    values = raw.split(repetition) if repetition else [raw]
    if len(values) > rule.repeats:
        yield _error(line, segment, rule, _REPEATED, SEEN)
        values = values[: rule.repeats]
    component = segment.delimiters.component
    told: set[tuple[str, int]] = set()  # an error that comes with every repetition is told once
    for value in values:
        parts = value.split(component) if component else [value]
        if rule.parts:
            found = _check_parts(line, segment, rule, parts)
        elif len(parts) > 1:
            found = iter([_error(line, segment, rule, _COMPONENTS, SEEN)])
        else:
            found = _check_value(line, segment, rule, value, (rule.position, 0))
        for error in found:
            if (error.element_code, error.component) not in told:
                told.add((error.element_code, error.component))
                yield error


def _check_parts(line: Line, segment: Segment, rule: Element, parts: list[bytes]) -> Iterator[SegmentError]:
    if len(parts) > len(rule.parts) and any(part.strip(b" ") for part in parts[len(rule.parts) :]):
        yield _error(line, segment, rule, _COMPONENTS, SEEN)
    present = []
    for part in rule.parts:
        raw = parts[part.position - 1] if part.position <= len(parts) else b""
        filled = bool(raw.strip(b" "))
        present.append(filled)
        place = (rule.position, part.position)
        if not filled:
            if part.usage == "R":
                yield _told(line, segment, place, _Fault(_MISSING, part.number, part.usage_status, part.label))
        elif part.usage == "N":
            yield _told(line, segment, place, _Fault(_UNUSED, part.number, part.usage_status, part.label))
        else:
            yield from _check_value(line, segment, part, raw, place)
    for form, value in _periods_of(rule):
        if present[value - 1] and _period_fault(decode(parts[form - 1]), decode(parts[value - 1])):
            yield _told(line, segment, (rule.position, value), _Fault(_DATE, rule.parts[value - 1].number, SEEN))
    for position, code in _broken_notes(rule.syntax, present):
        yield _told(line, segment, (rule.position, position), _Fault(code, rule.parts[position - 1].number, SEEN))


def _periods_of(rule: Element) -> Iterator[tuple[int, int]]:
    for one, other in pairwise(rule.parts):
        if one.number == "1250" and other.number == "1251":
            yield one.position, other.position


def _check_value(
    line: Line, segment: Segment, rule: Element, raw: bytes, place: tuple[int, int]
) -> Iterator[SegmentError]:
    text = decode(raw)
    code = _fault(rule, text)
    if code:
        status = rule.codes_status if code == _CODE else SEEN
        yield _told(line, segment, place, _Fault(code, rule.number, status, rule.label))
    if not _allowed(text):
        yield _told(line, segment, place, _Fault(_CHARACTER, rule.number, SEEN, rule.label, "characters"))


def _allowed(text: str) -> bool:
    """The basic and extended character sets, without those that depend on the language (X12.6)."""
    return text.isascii() and text.isprintable()


def _fault(rule: Element, text: str) -> str:
    """IK403 of the value, "" when it is right."""
    match rule.kind:
        case "DT":
            return "" if is_day(text) else _DATE
        case "TM":
            return "" if _MOMENT.fullmatch(text) else _TIME
        case "N0":
            return _length(rule, text.lstrip("-")) if _NUMBER.fullmatch(text) else _CHARACTER
        case "R":
            return _length(rule, text.lstrip("-").replace(".", "")) if _DECIMAL.fullmatch(text) else _CHARACTER
    if rule.codes is not None:
        return "" if text.strip(" ") in rule.codes else _CODE
    return _length(rule, text if rule.kind == "AN" else text.strip(" "))


def _length(rule: Element, text: str) -> str:
    if len(text) < rule.least:
        return _SHORT
    return _LONG if len(text.rstrip(" ")) > rule.most else ""


def is_day(text: str) -> bool:
    """CCYYMMDD of the calendar."""
    if not (_DAY.fullmatch(text) and text.isascii()):
        return False
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


def _period_fault(form: str, value: str) -> str:
    """A date whose form another element says: D8 a day, RD8 two days, DT a day with a time; others are not judged."""
    match form.strip():
        case "D8":
            return "" if is_day(value.strip()) else _DATE
        case "RD8":
            first, dash, last = value.strip().partition("-")
            return "" if dash and is_day(first) and is_day(last) else _DATE
        case "DT":
            return "" if is_day(value.strip()[:8]) and _MOMENT.fullmatch(value.strip()[8:]) else _DATE
    return ""


def _broken_notes(notes: Sequence[SyntaxNote], present: Sequence[bool]) -> Iterator[tuple[int, str]]:
    """(position, IK403) of each syntax note that does not hold."""
    count = len(present)
    for kind, positions in notes:
        filled = [position for position in positions if position <= count and present[position - 1]]
        if kind == "R":
            if not filled:
                yield positions[0], _CONDITIONAL
        elif kind == "E":
            if len(filled) > 1:
                yield filled[1], _EXCLUDED
        elif kind == "P":
            if filled and len(filled) < len(positions):
                yield next(position for position in positions if position not in filled), _CONDITIONAL
        elif positions[0] in filled:  # C wants all others, L one of them
            others = [position for position in positions[1:] if position not in filled]
            if others and (kind == "C" or len(others) == len(positions) - 1):
                yield others[0], _CONDITIONAL


def _error(line: Line, segment: Segment, rule: Element, code: str, status: str) -> SegmentError:
    return _told(line, segment, (rule.position, 0), _Fault(code, rule.number, status, rule.label))


def _told(line: Line, segment: Segment, place: tuple[int, int], fault: _Fault) -> SegmentError:
    element, component = place
    name = f"{line.segment}{element:02d}" + (f"-{component}" if component else "")
    label = f" ({fault.label})" if fault.label else ""
    return SegmentError(
        segment=line.segment,
        position=segment.position,
        loop=line.loop,
        code=_ELEMENT_ERROR,
        kind=fault.kind or _KINDS.get(fault.code, "elements"),
        status=fault.status,
        element=element,
        component=component,
        reference=fault.number if fault.number.isdigit() else "",
        element_code=fault.code,
        text=f"{name}{label} {_TEXTS[fault.code]}",
    )
