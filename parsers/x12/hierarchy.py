"""The HL tree of a transaction set (X12N 270, 271, 278): levels, their segments, and what is damaged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from parsers.x12.segments import Segment

SOURCE, RECEIVER, SUBSCRIBER, DEPENDENT = "20", "21", "22", "23"
EVENT, SERVICE, PROVIDER = "EV", "SS", "19"
MAX_DEPTH = 16  # the guides nest six deep

_LOOPS = {
    "270": {SOURCE: "2000A", RECEIVER: "2000B", SUBSCRIBER: "2000C", DEPENDENT: "2000D"},
    "278": {
        SOURCE: "2000A",
        RECEIVER: "2000B",
        SUBSCRIBER: "2000C",
        DEPENDENT: "2000D",
        EVENT: "2000E",
        PROVIDER: "2000E",
        SERVICE: "2000F",
    },
}
_LOOPS["271"] = _LOOPS["270"]


class HierarchicalLevel:
    """One HL loop: its own segments (HL first, up to the next HL), its parent and children.

    code      HL03
    damage    None, or why the level cannot be placed: "duplicate-id", "parent-missing", "parent-later",
              "too-deep", "parent-damaged"
    """

    __slots__ = ("_head", "children", "code", "damage", "depth", "loop", "parent", "segments")

    def __init__(self, segment: Segment, loops: Mapping[str, str]) -> None:
        self.segments = [segment]
        self.code = segment.text(3)
        self.loop = loops.get(self.code, "")
        self.parent: HierarchicalLevel | None = None
        self.children: list[HierarchicalLevel] = []
        self.damage: str | None = None
        self.depth = 1
        self._head: list[Segment] | None = None

    @property
    def header(self) -> Segment:
        return self.segments[0]

    @property
    def head(self) -> list[Segment]:
        """Its segments before its first benefit (EB); looked up once, when the level is whole."""
        if self._head is None:
            first = next((at for at, one in enumerate(self.segments) if one.id == "EB"), len(self.segments))
            self._head = self.segments[:first]
        return self._head

    def ancestors(self) -> Iterator[HierarchicalLevel]:
        """From the parent up to the root; at most MAX_DEPTH, and free of cycles because a parent stands earlier."""
        level = self.parent
        while level is not None:
            yield level
            level = level.parent

    def descendants(self) -> Iterator[HierarchicalLevel]:
        """All levels below, in document order."""
        pending = list(reversed(self.children))
        while pending:
            level = pending.pop()
            yield level
            pending.extend(reversed(level.children))

    def nearest(self, *codes: str) -> HierarchicalLevel | None:
        """The closest ancestor with one of these HL03 codes."""
        return next((level for level in self.ancestors() if level.code in codes), None)


class Hierarchy:
    """`heading`: the segments before the first HL (ST, BHT, and whatever a sender put there)."""

    __slots__ = ("heading", "levels")

    def __init__(self, heading: list[Segment], levels: list[HierarchicalLevel]) -> None:
        self.heading = heading
        self.levels = levels

    @property
    def damaged(self) -> bool:
        return any(level.damage for level in self.levels)


def build_hierarchy(set_id: str, segments: list[Segment]) -> Hierarchy:
    """Place every level under its parent; linear in the number of segments.

    A parent must stand before its children, so cycles and dangling parents cannot be built: the levels concerned, and
    everything below them, carry their damage and have no parent.  An id used twice damages both levels and what hangs
    on them, because nobody can say whose children they are.
    """
    loops = _LOOPS.get(set_id, {})
    heading: list[Segment] = []
    levels: list[HierarchicalLevel] = []
    current = heading
    for segment in segments:
        if segment.id == "HL":
            level = HierarchicalLevel(segment, loops)
            levels.append(level)
            current = level.segments
        elif segment.id != "SE":
            current.append(segment)
    _place(levels)
    return Hierarchy(heading, levels)


def _place(levels: list[HierarchicalLevel]) -> None:
    seen: dict[str, int] = {}
    for level in levels:
        identifier = level.header.text(1)
        seen[identifier] = seen.get(identifier, 0) + 1
    placed: dict[str, HierarchicalLevel] = {}
    for level in levels:
        identifier, parent_id = level.header.text(1), level.header.text(2)
        if identifier and seen[identifier] > 1:
            level.damage = "duplicate-id"
        elif parent_id:
            _hang(level, placed.get(parent_id), parent_id in seen)
        if identifier:
            placed.setdefault(identifier, level)


def _hang(level: HierarchicalLevel, parent: HierarchicalLevel | None, known: bool) -> None:
    if parent is None:
        level.damage = "parent-later" if known else "parent-missing"
    elif parent.damage:
        level.damage = "parent-damaged"
    elif parent.depth >= MAX_DEPTH:
        level.damage = "too-deep"
    else:
        level.parent = parent
        level.depth = parent.depth + 1
        parent.children.append(level)
