"""A transaction set against its guide: every segment finds its place in a loop, is counted and looked into.

One pass over the levels of the HL tree; within a level a small stack of open loops.  The cost is linear in the number
of segments: a segment looks at most at every open loop (a guide nests four deep).
"""

from __future__ import annotations

from parsers.x12.elements import accepts, check_segment
from parsers.x12.finding import DERIVED, SEEN, SegmentError
from parsers.x12.guide import Entry, Guide, Line, Loop
from parsers.x12.hierarchy import HierarchicalLevel, Hierarchy
from parsers.x12.patterns import Patterns, patterns_of
from parsers.x12.segments import Segment
from parsers.x12.situations import check_elements, check_loop

_UNKNOWN, _UNEXPECTED, _MISSING, _TOO_MANY_LOOPS, _TOO_MANY = "1", "2", "3", "4", "5"  # IK304
_NOT_IN_SET, _ORDER, _LOOP_MISSING, _SEGMENT_MISSING = "6", "7", "I7", "I8"
_TOO_OFTEN = "occurs more often than the guide allows"


class _Frame:
    """One open loop: where it is, and what stood in it."""

    __slots__ = ("counts", "group", "implied", "loop", "opened", "seen")

    def __init__(self, loop: Loop, opened: Segment, *, implied: bool = False) -> None:
        self.loop = loop
        self.opened = opened
        self.implied = implied  # opened by a segment of its own that is not its first
        self.group = 0
        self.counts: dict[int, int] = {}
        self.seen: set[str] = set()

    def count(self, entry: Entry, name: str) -> int:
        self.seen.add(name)
        self.counts[entry.at] = found = self.counts.get(entry.at, 0) + 1
        return found


class Found(list[SegmentError]):
    """What is wrong in one set, and the patterns of its separators."""

    def __init__(self, patterns: Patterns | None) -> None:
        self.patterns = patterns


class Conformance:
    """Checks sets of one guide.  Errors come in no particular order; callers sort by position."""

    def __init__(self, guide: Guide, known: frozenset[str]) -> None:
        self.guide = guide
        self.known = known  # segments of the standard, for telling a strange one from a misplaced one
        self._heading_lines = {entry.line.segment: entry.line for entry in guide.heading.entries if entry.line}
        self._required = [loop for loop in guide.levels.values() if loop.usage == "R" and loop.under]

    def errors(self, hierarchy: Hierarchy) -> Found:
        found = Found(patterns_of(hierarchy.heading[0].delimiters) if hierarchy.heading else None)
        self._heading(hierarchy, found)
        below = _levels_below(hierarchy) if self._required and not hierarchy.damaged else {}
        counts: dict[tuple[int, str], int] = {}
        for index, level in enumerate(hierarchy.levels, start=1):
            if level.damage:
                continue  # told by the structure; what a level without a place must hold, nobody knows
            loop = self.guide.levels.get(level.code)
            if loop is None:
                text = "HL03 names a level that the guide does not have"
                found.append(self._level_error(level, 3, "I6", SEEN, text))
                continue
            self._level(level, loop, index, found)
            place = (id(level.parent) if level.parent else 0, loop.id)
            counts[place] = counts.get(place, 0) + 1
            if loop.repeat and counts[place] == loop.repeat + 1:
                found.append(self._loop_error(loop, level.header, _TOO_MANY_LOOPS, _TOO_OFTEN))
            self._walk(level, loop, found)
            if below:
                self._levels_missing(level, loop, below[id(level)], found)
        if not hierarchy.levels:
            found.append(SegmentError(segment="HL", position=3, code=_MISSING, text="The set has no HL segment"))
        return found

    # -- heading and levels ------------------------------------------------------------------------------------------

    def _heading(self, hierarchy: Hierarchy, found: Found) -> None:
        seen = set()
        for segment in hierarchy.heading:
            line = self._heading_lines.get(segment.id)
            if line is None:
                found.append(self._stray(segment, ""))
            elif segment.id in seen:
                found.append(self._line_error(line, segment, _TOO_MANY, "stands more than once"))
            elif not accepts(line, segment, found.patterns):
                found.extend(check_segment(line, segment))
            seen.add(segment.id)
        for name, line in self._heading_lines.items():
            if name not in seen:
                text = f"{line.segment} is missing"
                found.append(SegmentError(segment=name, position=2, code=_MISSING, text=text))

    def _level(self, level: HierarchicalLevel, loop: Loop, index: int, found: Found) -> None:
        if loop.under and (level.parent is None or level.parent.loop not in loop.under):
            text = f"A level of loop {loop.id} must hang under {' or '.join(sorted(loop.under))}"
            found.append(self._level_error(level, 2, "7", SEEN, text))
        if level.header.text(1) not in ("", str(index)):
            found.append(self._level_error(level, 1, "7", DERIVED, "HL01 does not count the levels from 1"))
        if level.children and level.header.text(4) == "0":
            found.append(self._level_error(level, 4, "7", DERIVED, "HL04 denies the levels below"))

    def _levels_missing(self, level: HierarchicalLevel, loop: Loop, inside: set[str], found: Found) -> None:
        if any(segment.id == "AAA" for segment in level.segments):
            return  # a rejection may end the tree
        for wanted in self._required:
            if loop.id in wanted.under and wanted.id not in inside:
                text = f"is missing under loop {loop.id}"
                found.append(self._loop_error(wanted, level.header, _LOOP_MISSING, text))

    def _level_error(self, level: HierarchicalLevel, element: int, code: str, status: str, text: str) -> SegmentError:
        return SegmentError(
            segment="HL",
            position=level.header.position,
            loop=level.loop,
            code="8",
            kind="hierarchy",
            status=status,
            element=element,
            reference=("628", "734", "735", "736")[element - 1],
            element_code=code,
            text=text,
        )

    # -- the segments of one level -----------------------------------------------------------------------------------

    def _walk(self, level: HierarchicalLevel, loop: Loop, found: Found) -> None:
        segments = level.segments
        stack = [_Frame(loop, segments[0])]
        for segment in segments:
            frame = stack[-1]
            first = frame.loop.table.get(segment.id)
            if first is not None:  # the usual case: it follows in the innermost loop
                entry = first[0]
                if (
                    entry.line is not None
                    and entry.group >= frame.group
                    and (entry.at or len(stack) == 1)
                    and _qualifies(entry, segment)
                ):
                    frame.group = entry.group
                    self._look(frame, entry, entry.line, segment, found)
                    continue
            place = self._place(stack, segment)
            if place is None and self._open_implied(stack, segment):
                place = self._place(stack, segment)
            if place is None:
                found.append(self._stray(segment, stack[-1].loop.id))
                continue
            depth, entry, ordered = place
            while len(stack) > depth + 1:
                self._close(stack, segment.position, found)
            self._enter(stack, entry, ordered, segment, found)
        end = segments[-1].position + 1
        while len(stack) > 1:
            self._close(stack, end, found)
        self._close(stack, end, found, below=bool(level.children))

    def _enter(self, stack: list[_Frame], entry: Entry, ordered: bool, segment: Segment, found: Found) -> None:
        """The segment takes its place, which may open a loop."""
        frame = stack[-1]
        if ordered:
            frame.group = entry.group
        line, inner = entry.line, entry.loop
        if inner is not None:
            if frame.count(entry, inner.id) == inner.repeat + 1 and inner.repeat:
                found.append(self._loop_error(inner, segment, _TOO_MANY_LOOPS, _TOO_OFTEN))
            frame = _Frame(inner, segment)
            stack.append(frame)
            entry = inner.entries[0]
            line = entry.line
        assert line is not None
        if not ordered:
            found.append(self._line_error(line, segment, _ORDER, "stands in the wrong place of its loop"))
        self._look(frame, entry, line, segment, found)

    def _look(self, frame: _Frame, entry: Entry, line: Line, segment: Segment, found: Found) -> None:
        """Count the segment in its loop, and look into it."""
        if frame.count(entry, segment.id) == line.repeat + 1:
            found.append(self._line_error(line, segment, _TOO_MANY, _TOO_OFTEN))
        if not accepts(line, segment, found.patterns):
            found.extend(check_segment(line, segment))
        rules = frame.loop.element_rules.get(segment.id)
        if rules is not None:
            found.extend(check_elements(rules, line, segment))

    def _place(self, stack: list[_Frame], segment: Segment) -> tuple[int, Entry, bool] | None:
        """(depth of the open loop, where in it, in order): ahead in the innermost loop that knows it, then behind."""
        fallback = None
        for depth in range(len(stack) - 1, -1, -1):
            frame = stack[depth]
            candidates = frame.loop.table.get(segment.id)
            if candidates is None:
                continue
            for entry in candidates:
                if entry.group >= frame.group and (entry.at or not depth):  # a loop's first segment opens another one
                    if _qualifies(entry, segment):
                        return depth, entry, True
                    fallback = fallback or (depth, entry, True)
        for depth in range(len(stack) - 1, -1, -1):
            for entry in stack[depth].loop.table.get(segment.id, ()):
                behind = entry.at and entry.group < stack[depth].group
                late = not entry.at and stack[depth].implied and not stack[depth].counts.get(0)
                if (behind or late) and _qualifies(entry, segment):
                    return depth, entry, False
        return fallback

    def _open_implied(self, stack: list[_Frame], segment: Segment) -> bool:
        """Open a loop that knows the segment and whose first segment is missing, so that it alone is told."""
        frame = stack[-1]
        for entry in frame.loop.entries:
            inner = entry.loop
            if inner is None or segment.id not in inner.table:
                continue
            if entry.group >= frame.group and entry.at not in frame.counts:
                frame.group = entry.group
                frame.count(entry, inner.id)
                stack.append(_Frame(inner, segment, implied=True))
                return True
        return False

    def _close(self, stack: list[_Frame], end: int, found: Found, *, below: bool = False) -> None:
        """The innermost loop ends at position `end`; what stood in it stood in the loops around it too."""
        frame = stack.pop()
        loop = frame.loop
        if stack:
            stack[-1].seen |= frame.seen
        for entry in loop.required:
            if entry.at not in frame.counts:
                found.append(self._missing(loop, entry, end))
        if loop.loop_rules:
            found.extend(check_loop(loop, frame.seen, frame.opened, end, below=below))

    # -- what is said --------------------------------------------------------------------------------------------------

    def _missing(self, loop: Loop, entry: Entry, end: int) -> SegmentError:
        line, inner = entry.line, entry.loop
        if line is not None:
            segment, code, status, where = line.segment, _SEGMENT_MISSING, line.status, loop.id
            text = f"{line.segment} is missing in loop {loop.id} ({loop.name})"
        else:
            assert inner is not None
            segment, code, status, where = inner.first.segment, _LOOP_MISSING, inner.status, inner.id
            text = f"Loop {inner.id} ({inner.name}) is missing: it begins with {segment}"
        return SegmentError(segment=segment, position=end, code=code, loop=where, status=status, text=text)

    def _loop_error(self, loop: Loop, segment: Segment, code: str, what: str) -> SegmentError:
        return SegmentError(
            segment=segment.id[:3],
            position=segment.position,
            code=code,
            loop=loop.id,
            status=loop.status,
            text=f"Loop {loop.id} ({loop.name}) {what}",
        )

    def _line_error(self, line: Line, segment: Segment, code: str, what: str) -> SegmentError:
        return SegmentError(
            segment=line.segment,
            position=segment.position,
            code=code,
            loop=line.loop,
            status=line.status,
            text=f"{line.segment} {what}",
        )

    def _stray(self, segment: Segment, loop: str) -> SegmentError:
        if segment.id in self.guide.segments:
            code, text = _UNEXPECTED, "The segment has no place here in this guide"
        elif segment.id in self.known:
            code, text = _NOT_IN_SET, "The segment is not used in this transaction set"
        else:
            code, text = _UNKNOWN, "The segment is not known in this transaction set"
        return SegmentError(
            segment=segment.id[:3] if segment.id[:3].isalnum() else "ZZZ",
            position=segment.position,
            code=code,
            loop=loop,
            text=text,
        )


def _levels_below(hierarchy: Hierarchy) -> dict[int, set[str]]:
    """Loops at and below each level, by the level's identity."""
    below: dict[int, set[str]] = {}
    for level in reversed(hierarchy.levels):
        below[id(level)] = {level.loop}.union(*(below[id(child)] for child in level.children))
    return below


def _qualifies(entry: Entry, segment: Segment) -> bool:
    wanted = entry.qualifiers
    if wanted is None:
        return True
    elements = segment.elements
    if len(elements) > 1 and elements[1] in wanted:
        return True
    return segment.text(1, 1).encode() in wanted
