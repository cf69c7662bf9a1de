"""Implementation guides compiled: loops, segment lines, elements, and which guide a transaction set follows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

ANY = 0  # no limit to a repeat


class SyntaxNote(NamedTuple):
    """X12.6: P paired, R required, E exclusion, C conditional, L list conditional, over element positions."""

    kind: str
    positions: tuple[int, ...]


class Element(NamedTuple):
    """One element or component at its place.

    kind      ID, AN, DT, TM, N0, R, or "" for a composite, whose `parts` say more
    usage     R, S, N;  `least` and `most` count characters
    """

    position: int
    number: str
    label: str
    kind: str
    least: int
    most: int
    repeats: int
    usage: str
    usage_status: str
    codes: frozenset[str] | None
    codes_status: str
    parts: tuple[Element, ...]
    syntax: tuple[SyntaxNote, ...]


class Line(NamedTuple):
    """One segment at its place in a loop.

    qualifiers   codes of its first element, by which lines with the same segment are told apart; None: any
    periods      positions of (form, value) of dates whose form another element says
    notes_from   a segment with no element behind this position breaks no syntax note
    """

    segment: str
    usage: str
    repeat: int
    status: str
    loop: str
    elements: tuple[Element, ...]
    syntax: tuple[SyntaxNote, ...]
    qualifiers: frozenset[bytes] | None
    periods: tuple[tuple[int, int], ...]
    notes_from: int


class Rule(NamedTuple):
    """What one thing of a loop demands of another (parsers.x12.situations)."""

    id: str
    segment: str  # "" for a rule about a whole loop
    when: tuple[str, ...]
    needs: tuple[str, ...]
    status: str


class Entry(NamedTuple):
    """What may stand in a loop: a segment line or a loop.  Entries of one `group` may come in any order."""

    group: int
    at: int
    line: Line | None
    loop: Loop | None
    qualifiers: frozenset[bytes] | None = None  # of its line, or of the first line of its loop

    @property
    def repeat(self) -> int:
        return self.line.repeat if self.line else self.loop.repeat if self.loop else ANY


class Loop:
    """One loop.  `level` is its HL03, "" when it begins with another segment."""

    __slots__ = (
        *("entries", "id", "level", "name", "repeat", "required", "rules", "status", "table", "under", "usage"),
        *("element_rules", "loop_rules"),
    )

    def __init__(self, id: str, name: str, level: str, under: frozenset[str]) -> None:
        self.id = id
        self.name = name
        self.level = level
        self.under = under
        self.usage = "S"
        self.repeat = ANY
        self.status = "seen"
        self.entries: tuple[Entry, ...] = ()
        self.required: tuple[Entry, ...] = ()
        self.table: dict[str, tuple[Entry, ...]] = {}  # segment -> where it may stand; a loop by its first segment
        self.rules: tuple[Rule, ...] = ()
        self.loop_rules: tuple[Rule, ...] = ()  # of these, those about the whole loop
        self.element_rules: dict[str, tuple[Rule, ...]] = {}  # and those about one segment, by its id

    @property
    def first(self) -> Line:
        line = self.entries[0].line
        assert line is not None, f"loop {self.id} begins with a loop"
        return line

    def close(self) -> None:
        """Fill what follows from the entries, once those of all loops are there."""
        self.entries = tuple(
            entry._replace(qualifiers=(entry.line or (entry.loop.first if entry.loop else self.first)).qualifiers)
            for entry in self.entries
        )
        table: dict[str, list[Entry]] = {}
        for entry in self.entries:
            line = entry.line or (entry.loop.first if entry.loop else None)
            if line is not None:
                table.setdefault(line.segment, []).append(entry)
        self.table = {segment: tuple(found) for segment, found in table.items()}
        self.loop_rules = tuple(rule for rule in self.rules if not rule.segment)
        for rule in self.rules:
            if rule.segment:
                self.element_rules[rule.segment] = (*self.element_rules.get(rule.segment, ()), rule)
        self.required = tuple(entry for entry in self.entries if _usage(entry) == "R")


def _usage(entry: Entry) -> str:
    return entry.line.usage if entry.line else entry.loop.usage if entry.loop else ""


class Guide(NamedTuple):
    """One guide.  `levels`: loops that begin with HL, by HL03; `segments`: all that it knows."""

    name: str
    title: str
    set_id: str
    versions: tuple[str, ...]
    purposes: frozenset[str]
    sources: tuple[str, ...]
    heading: Loop
    levels: Mapping[str, Loop]
    loops: Mapping[str, Loop]
    segments: frozenset[str]


NAMES = (
    "270-005010X279A1",
    "271-005010X279A1",
    "278-005010X217-request",
    "278-005010X217-response",
    "278-005010X216-notification",
    "278-005010X216-acknowledgment",
    "278-005010X215-inquiry",
    "278-005010X215-response",
)
_RESPONSES = frozenset(("278-005010X217-response", "278-005010X216-acknowledgment", "278-005010X215-response"))
_VERSION = re.compile(r"005010X[0-9]{3}")
_ANSWER = "11"  # BHT02


def guide_name(set_id: str, version: str, purpose: str) -> str | None:
    """The guide of a set by ST01, ST03 (or GS08) and BHT02; None when there is none.

    Request and response of a 278 share their version: BHT02 11 is the response, everything else the request.
    """
    found = _VERSION.match(version.upper())
    if found is None:
        return None
    names = [name for name in NAMES if name.startswith(f"{set_id}-{found[0]}")]
    if set_id == "278":
        names = [name for name in names if (name in _RESPONSES) is (purpose == _ANSWER)]
    return names[0] if names else None
