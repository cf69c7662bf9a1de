"""A transaction set against its guide: every segment finds its place in a loop, is counted and looked into.

One pass over the levels of the HL tree; within a level a small stack of open loops.  The cost is linear in the number
of segments: a segment looks at most at every open loop (a guide nests four deep).
"""

from __future__ import annotations

from collections.abc import Iterator

from parsers.x12.elements import accepts, check_segment
from parsers.x12.finding import DERIVED, SEEN, SegmentError
from parsers.x12.guide import Entry, Guide, Line, Loop
from parsers.x12.hierarchy import HierarchicalLevel, Hierarchy
from parsers.x12.segments import Segment
from parsers.x12.situations import check_elements, check_loop

_UNKNOWN, _UNEXPECTED, _MISSING, _TOO_MANY_LOOPS, _TOO_MANY = "1", "2", "3", "4", "5"  # IK304
_NOT_IN_SET, _ORDER, _LOOP_MISSING, _SEGMENT_MISSING = "6", "7", "I7", "I8"


class _Frame:
    """One open loop: where it is, and what stood in it."""

    __slots__ = ("counts", "group", "implied", "loop", "opened", "seen")

    def __init__(self, loop: Loop, opened: Segment, *, implied: bool = False) -> None:
        self.loop = loop
        self.opened = opened
        self.implied = implied  # opened by a segment of its own that is not its first
        self.group = 0
        self.counts: dict[int, int] = {}
        self.seen: dict[str, int] = {}

    def count(self, entry: Entry, name: str) -> int:
        self.seen[name] = self.seen.get(name, 0) + 1
        self.counts[entry.at] = found = self.counts.get(entry.at, 0) + 1
        return found


class Conformance:
    """Checks sets of one guide.  `errors` yields in no particular order; callers sort by position."""

    def __init__(self, guide: Guide, known: frozenset[str]) -> None:
        self.guide = guide
        self.known = known  # segments of the standard, for telling a strange one from a misplaced one

    def errors(self, hierarchy: Hierarchy) -> Iterator[SegmentError]:
        yield from self._heading(hierarchy)
        below: dict[int, set[str]] = {}
        for level in reversed(hierarchy.levels):
            inside = {level.loop}.union(*(below[id(child)] for child in level.children))
            below[id(level)] = inside
        counts: dict[tuple[int, str], int] = {}
        for index, level in enumerate(hierarchy.levels, start=1):
            if level.damage:
                continue  # told by the structure; what a level without a place must hold, nobody knows
            loop = self.guide.levels.get(level.code)
            if loop is None:
                yield self._level_error(level, 3, "I6", SEEN, "HL03 names a level that the guide does not have")
                continue
            yield from self._level(level, loop, index)
            place = (id(level.parent) if level.parent else 0, loop.id)
            counts[place] = counts.get(place, 0) + 1
            if loop.repeat and counts[place] == loop.repeat + 1:
                yield self._loop_error(loop, level.header, _TOO_MANY_LOOPS, "occurs more often than the guide allows")
            yield from self._walk(level.segments, loop, bool(level.children))
            if not hierarchy.damaged:  # else nobody knows where the rest belongs
                yield from self._levels_missing(level, loop, below[id(level)])
        if not hierarchy.levels:
            yield SegmentError(segment="HL", position=3, code=_MISSING, text="The set has no HL segment")

    # -- heading and levels ------------------------------------------------------------------------------------------

    def _heading(self, hierarchy: Hierarchy) -> Iterator[SegmentError]:
        lines = {entry.line.segment: entry.line for entry in self.guide.heading.entries if entry.line}
        seen = set()
        for segment in hierarchy.heading:
            line = lines.get(segment.id)
            if line is None:
                yield self._stray(segment, "")
            elif segment.id in seen:
                yield self._line_error(line, segment, _TOO_MANY, "stands more than once")
            elif not accepts(line, segment):
                yield from check_segment(line, segment)
            seen.add(segment.id)
        for name, line in lines.items():
            if name not in seen:
                yield SegmentError(segment=name, position=2, code=_MISSING, text=f"{line.segment} is missing")

    def _level(self, level: HierarchicalLevel, loop: Loop, index: int) -> Iterator[SegmentError]:
        if loop.under and (level.parent is None or level.parent.loop not in loop.under):
            text = f"A level of loop {loop.id} must hang under {' or '.join(sorted(loop.under))}"
            yield self._level_error(level, 2, "7", SEEN, text)
        if level.header.text(1) not in ("", str(index)):
            yield self._level_error(level, 1, "7", DERIVED, "HL01 does not count the levels from 1")
        if level.header.text(4) == "0" and level.children:
            yield self._level_error(level, 4, "7", DERIVED, "HL04 denies the levels below")

    def _levels_missing(self, level: HierarchicalLevel, loop: Loop, inside: set[str]) -> Iterator[SegmentError]:
        if any(segment.id == "AAA" for segment in level.segments):
            return  # a rejection may end the tree
        for wanted in self.guide.levels.values():
            if wanted.usage == "R" and loop.id in wanted.under and wanted.id not in inside:
                yield self._loop_error(wanted, level.header, _LOOP_MISSING, f"is missing under loop {loop.id}")

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

    def _walk(self, segments: list[Segment], loop: Loop, below: bool) -> Iterator[SegmentError]:
        header = segments[0]
        stack = [_Frame(loop, header)]
        for segment in segments:
            found = self._place(stack, segment)
            if found is None and self._open_implied(stack, segment):
                found = self._place(stack, segment)
            if found is None:
                yield self._stray(segment, stack[-1].loop.id)
                continue
            depth, entry, ordered = found
            while len(stack) > depth + 1:
                yield from self._close(stack, segment.position)
            frame = stack[-1]
            if ordered:
                frame.group = entry.group
            line = entry.line
            if line is None:
                assert entry.loop is not None
                yield from self._count_loop(frame, entry, entry.loop, segment)
                line = entry.loop.first
                frame = _Frame(entry.loop, segment)
                stack.append(frame)
                entry = entry.loop.entries[0]
            elif not ordered:
                yield self._line_error(line, segment, _ORDER, "stands in the wrong place of its loop")
            if frame.count(entry, segment.id) == line.repeat + 1:
                yield self._line_error(line, segment, _TOO_MANY, "occurs more often than the guide allows")
            if not accepts(line, segment):
                yield from check_segment(line, segment)
            if frame.loop.rules:
                yield from check_elements(frame.loop, line, segment)
        end = segments[-1].position + 1
        while len(stack) > 1:
            yield from self._close(stack, end)
        yield from self._close(stack, end, below=below)

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

    def _count_loop(self, frame: _Frame, entry: Entry, loop: Loop, segment: Segment) -> Iterator[SegmentError]:
        if frame.count(entry, loop.id) == loop.repeat + 1 and loop.repeat:
            yield self._loop_error(loop, segment, _TOO_MANY_LOOPS, "occurs more often than the guide allows")

    def _close(self, stack: list[_Frame], end: int, *, below: bool = False) -> Iterator[SegmentError]:
        """The innermost loop ends at position `end`; what stood in it stood in the loops around it too."""
        frame = stack.pop()
        loop = frame.loop
        if stack:
            around = stack[-1].seen
            for name, count in frame.seen.items():
                around[name] = around.get(name, 0) + count
        for entry in loop.required:
            if entry.at not in frame.counts:
                if entry.line is not None:
                    text = f"{entry.line.segment} is missing in loop {loop.id} ({loop.name})"
                    yield SegmentError(
                        segment=entry.line.segment,
                        position=end,
                        code=_SEGMENT_MISSING,
                        loop=loop.id,
                        status=entry.line.status,
                        text=text,
                    )
                elif entry.loop is not None:
                    yield self._missing_loop(entry.loop, end)
        if loop.rules:
            yield from check_loop(loop, frame.seen, frame.opened, end, below=below)

    # -- what is said --------------------------------------------------------------------------------------------------

    def _missing_loop(self, loop: Loop, end: int) -> SegmentError:
        return SegmentError(
            segment=loop.first.segment,
            position=end,
            code=_LOOP_MISSING,
            loop=loop.id,
            status=loop.status,
            text=f"Loop {loop.id} ({loop.name}) is missing: it begins with {loop.first.segment}",
        )

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


def _qualifies(entry: Entry, segment: Segment) -> bool:
    line = entry.line or (entry.loop.first if entry.loop else None)
    if line is None or line.qualifiers is None:
        return True
    elements = segment.elements
    if len(elements) > 1 and elements[1] in line.qualifiers:
        return True
    return segment.text(1, 1).encode() in line.qualifiers
