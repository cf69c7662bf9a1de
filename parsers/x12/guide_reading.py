"""Reads the guides' TOML files, which are part of this package, and compiles each once.

A segment line is `NM1 R 1 seen | 01 R IL | &person | 08 S MI II (derived)`: segment, usage, repeat, status, then its
elements (usage, codes, status where it differs), `&name` for elements of shared.toml, `@name` for a list of codes.toml.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

from parsers.x12.finding import SEEN
from parsers.x12.guide import ANY, NAMES, Element, Entry, Guide, Line, Loop, Rule, SyntaxNote

_STATUS = re.compile(r"\((seen|derived|unconfirmed)\)")
_PLACE = re.compile(r"^(\d\d)(?:-(\d))?$")
_MEMBER = re.compile(r"^(C?\d+)([MO])(?:x(\d+))?$")
_PERIOD_FORM, _PERIOD = "1250", "1251"
_WEAKNESS = {"seen": 0, "derived": 1, "unconfirmed": 2}

Given = dict[str, Any]


class GuideError(Exception):
    """A guide's file says something that cannot be: a defect of ours, found when the guides are read."""


class Spec(dict[int, "Spec"]):
    """What a line says of one element (or, inside, of its components): usage, codes, statuses."""

    def __init__(self, usage: str = "", codes: frozenset[str] | None = None, status: str = "") -> None:
        super().__init__()
        self.usage, self.codes, self.status = usage, codes, status


@cache
def read_guide(name: str) -> Guide:
    """One of `guide.NAMES`, compiled."""
    return _Compiler(name).guide()


def all_guides() -> list[Guide]:
    return [read_guide(name) for name in NAMES]


@cache
def _file(name: str) -> Given:
    return tomllib.loads(files("parsers.x12.guides").joinpath(f"{name}.toml").read_text(encoding="utf-8"))


@cache
def _codes(name: str) -> frozenset[str]:
    return frozenset(_file("codes")[name].split())


@cache
def standard_segments() -> frozenset[str]:
    """Segments of the standard that any of our guides may meet."""
    return frozenset(_file("segments")["segments"]) | {"N2", "CR4"}


def weaker(one: str, other: str) -> str:
    """The status that promises less."""
    return max(one, other, key=_WEAKNESS.__getitem__)


class _Compiler:
    def __init__(self, name: str) -> None:
        self.name = name
        self.given = _file(name)
        self.cap = self.given.get("status", SEEN)  # no line of the guide is surer than this
        self.loops: dict[str, Loop] = {}

    def guide(self) -> Guide:
        given = self.given
        heading = Loop("", "Heading", "", frozenset())
        heading.entries = tuple(
            Entry(at, at, self.line(text, "", SEEN), None) for at, text in enumerate(given["heading"])
        )
        heading.close()
        written = self._written()
        for described in written.values():
            cap = SEEN if described in given.get("loop", []) else self.cap
            self.loops[described["id"]] = self._loop(described, cap)
        for described in written.values():
            self._fill(self.loops[described["id"]], described)
        self._drop_unused()
        for rule in self._rules():
            for loop_id in rule["loops"]:
                if loop_id in self.loops:
                    self.loops[loop_id].rules += (self._rule(rule),)
        for loop in self.loops.values():
            loop.close()
        lines = [entry.line for loop in (heading, *self.loops.values()) for entry in loop.entries if entry.line]
        return Guide(
            name=self.name,
            title=given["name"],
            set_id=given["set"],
            versions=tuple(given["guides"]),
            purposes=frozenset(given.get("purposes", ())),
            sources=tuple(given["sources"]),
            heading=heading,
            levels={loop.level: loop for loop in self.loops.values() if loop.level},
            loops=self.loops,
            segments=frozenset(line.segment for line in lines) | {"SE"},
        )

    def _written(self) -> dict[str, Given]:
        """Loops by id: of the guide that this one is like, then its own, which take their place."""
        base = _file(self.given["like"]).get("loop", []) if "like" in self.given else []
        return {loop["id"]: loop for loop in (*base, *self.given.get("loop", []))}

    def _drop_unused(self) -> None:
        """Loops of the guide that this one is like and that it has no place for."""
        inner = {entry.loop.id for loop in self.loops.values() for entry in loop.entries if entry.loop}
        self.loops = {name: loop for name, loop in self.loops.items() if loop.level or name in inner}

    def _rules(self) -> list[Given]:
        base = _file(self.given["like"]).get("rule", []) if "like" in self.given else []
        found = [*base, *self.given.get("rule", [])]
        if self.cap != SEEN:
            found = [{**rule, "status": weaker(rule["status"], self.cap)} for rule in found]
        return found

    def _loop(self, given: Given, cap: str) -> Loop:
        loop = Loop(given["id"], given["name"], given.get("level", ""), frozenset(given.get("under", ())))
        loop.usage, loop.repeat = given["usage"], given.get("repeat", ANY)
        loop.status = weaker(given["status"], cap)
        loop.entries = ()
        return loop

    def _fill(self, loop: Loop, given: Given) -> None:
        cap = SEEN if given in self.given.get("loop", []) else self.cap
        entries: list[Entry] = []
        group, before = -1, ""
        for index, text in enumerate(given["segments"]):
            kind, _, rest = text.partition(" ")
            line = None if kind == "loop" else self.line(text, loop.id, cap)
            inner = self.loops[rest] if kind == "loop" else None
            segment = kind if kind != "loop" else "loop"
            if segment != before:
                group += 1
            before = segment
            entries.append(Entry(group, index, line, inner))
        loop.entries = tuple(entries)

    def _rule(self, given: Given) -> Rule:
        return Rule(
            id=given["id"],
            segment=given.get("segment", ""),
            when=tuple(given["when"].split()),
            needs=tuple(given["needs"].split()),
            status=given["status"],
        )

    # -- lines -------------------------------------------------------------------------------------------------------

    def line(self, text: str, loop: str, cap: str) -> Line:
        head, *parts = [part.strip() for part in text.split("|")]
        segment, usage, repeat, status = head.split()
        status = weaker(status, cap)
        base = _file("segments")["segments"][segment]
        specs = Spec()
        for part in parts:
            self._specify(specs, part)
        elements = _elements(base["elements"], specs, status, cap)
        notes = _notes(base.get("syntax", ""))
        first = elements[0]
        codes = first.parts[0].codes if first.parts else first.codes
        return Line(
            segment=segment,
            usage=usage,
            repeat=int(repeat),
            status=status,
            loop=loop,
            elements=elements,
            syntax=notes,
            qualifiers=None if codes is None else frozenset(code.encode() for code in codes),
            periods=_periods(elements),
            notes_from=min((-1 if kind == "R" else min(places) - 1 for kind, places in notes), default=len(elements)),
        )

    def _specify(self, specs: Spec, part: str) -> None:
        if part.startswith("&"):
            for inner in _file("shared")[part[1:]].split("|"):
                self._specify(specs, inner.strip())
            return
        found = _STATUS.search(part)
        words = _STATUS.sub("", part).split()
        place = _PLACE.match(words[0])
        if place is None or words[1] not in ("R", "S", "N"):
            raise GuideError(f"{self.name}: {part}")
        codes: set[str] = set()
        for word in words[2:]:
            codes |= _codes(word[1:]) if word.startswith("@") else {word}
        spec = Spec(words[1], frozenset(codes) or None, found[1] if found else "")
        position = int(place[1])
        if place[2]:
            specs.setdefault(position, Spec())[int(place[2])] = spec
        else:
            inner_specs = specs.get(position, Spec())
            spec.update(inner_specs)
            specs[position] = spec


def _elements(text: str, specs: Spec, status: str, cap: str) -> tuple[Element, ...]:
    found = []
    for position, member in enumerate(text.split(), start=1):
        match = _MEMBER.match(member)
        assert match is not None, member
        spec = specs.get(position, Spec())
        found.append(_element(position, match, spec, weaker(spec.status or status, cap)))
    unknown = [position for position in specs if position > len(found)]
    if unknown:
        raise GuideError(f"no element {unknown[0]} in {text}")
    return tuple(found)


def _element(position: int, match: re.Match[str], spec: Spec, status: str) -> Element:
    number, requirement, repeats = match[1], match[2], int(match[3] or 1)
    usage = spec.usage or ("R" if requirement == "M" else "S")
    parts: tuple[Element, ...] = ()
    syntax: tuple[SyntaxNote, ...] = ()
    if number.startswith("C"):
        base = _file("segments")["composites"][number]
        parts = _elements(base["elements"], spec, status, status)
        syntax = _notes(base.get("syntax", ""))
        kind, least, most, label = "", 0, 0, parts[0].label
    else:
        form, _, label = _file("elements")[number].partition(" | ")
        kind, low, high = form.split()
        least, most = int(low), int(high)
    return Element(
        position=position,
        number=number,
        label=label,
        kind=kind,
        least=least,
        most=most,
        repeats=repeats,
        usage=usage,
        usage_status=SEEN if requirement == "M" and usage == "R" else status,
        codes=spec.codes,
        codes_status=status,
        parts=parts,
        syntax=syntax,
    )


def _notes(text: str) -> tuple[SyntaxNote, ...]:
    return tuple(
        SyntaxNote(note[0], tuple(int(note[at : at + 2]) for at in range(1, len(note), 2))) for note in text.split()
    )


def _periods(elements: tuple[Element, ...]) -> tuple[tuple[int, int], ...]:
    return tuple(
        (one.position, other.position)
        for one, other in pairwise(elements)
        if one.number == _PERIOD_FORM and other.number == _PERIOD
    )
