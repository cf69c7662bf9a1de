"""Situational rules of a guide: what one element, segment or loop demands of another in the same loop.

A rule's `when`: `always`, `element NN [codes]` of its segment, `loop IDS`, `no level below`.
Its `needs`: `elements NN ..` of the same segment, `segments IDS`, `one of IDS`, `at most one of IDS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from parsers.x12.finding import SegmentError
from parsers.x12.guide import Line, Loop, Rule
from parsers.x12.segments import Segment

_DEPENDENT_MISSING = "I6"  # IK304
_DEPENDENT_SURPLUS = "I9"
_ELEMENT_MISSING = "I9"  # IK403


def check_elements(rules: Sequence[Rule], line: Line, segment: Segment) -> Iterator[SegmentError]:
    """Rules about this segment alone."""
    for rule in rules:
        if _holds(rule, segment):
            for word in rule.needs[1:]:
                if not segment.raw(int(word)).strip(b" "):
                    yield _element_missing(rule, line, segment, int(word))


def _holds(rule: Rule, segment: Segment) -> bool:
    value = segment.text(int(rule.when[1]))
    return value in rule.when[2:] if len(rule.when) > 2 else bool(value)


def _element_missing(rule: Rule, line: Line, segment: Segment, position: int) -> SegmentError:
    wanted, cause = line.elements[position - 1], int(rule.when[1])
    return SegmentError(
        segment=line.segment,
        position=segment.position,
        loop=line.loop,
        code="8",
        kind="situational",
        status=rule.status,
        element=position,
        reference=wanted.number if wanted.number.isdigit() else "",
        element_code=_ELEMENT_MISSING,
        trigger=(line.segment, segment.position, cause),
        text=f"{line.segment}{position:02d} ({wanted.label}) is missing; {line.segment}{cause:02d} demands it",
    )


def check_loop(loop: Loop, seen: Set[str], opened: Segment, end: int, *, below: bool = False) -> Iterator[SegmentError]:
    """Rules about a whole loop when it ends.

    `seen` are the ids of segments and loops that stood in it, `opened` is its first segment, `end` the position
    where it ended; `below`: levels hang under it.
    """
    for rule in loop.loop_rules:
        if not _applies(rule, seen, below):
            continue
        kind, ids = _needs(rule)
        if kind == "segments":
            for wanted in ids:
                if wanted not in seen:
                    yield _loop_error(loop, rule, wanted, (opened, end), f"{wanted} is missing in loop {loop.id}")
        elif kind == "one of" and seen.isdisjoint(ids):
            text = f"Loop {loop.id} holds none of {', '.join(ids)}"
            yield _loop_error(loop, rule, ids[0], (opened, end), text)
        elif kind == "at most one of":
            found = [one for one in ids if one in seen]
            if len(found) > 1:
                text = f"{found[1]} must not stand beside {found[0]} in loop {loop.id}"
                yield _loop_error(loop, rule, found[1], (opened, end), text, _DEPENDENT_SURPLUS)


def _applies(rule: Rule, seen: Set[str], below: bool) -> bool:
    if rule.when[0] == "loop":
        return not seen.isdisjoint(rule.when[1:])
    return not below if rule.when[0] == "no" else True


def _needs(rule: Rule) -> tuple[str, tuple[str, ...]]:
    for kind in ("at most one of", "one of", "segments"):
        words = tuple(kind.split())
        if rule.needs[: len(words)] == words:
            return kind, rule.needs[len(words) :]
    raise ValueError(rule.id)


def _loop_error(
    loop: Loop, rule: Rule, segment: str, place: tuple[Segment, int], text: str, code: str = _DEPENDENT_MISSING
) -> SegmentError:
    opened, end = place
    return SegmentError(
        segment=segment,
        position=end,
        loop=loop.id,
        code=code,
        kind="situational",
        status=rule.status,
        trigger=(opened.id[:3], opened.position, 1),
        text=text,
    )
