"""The simulated payer: a request's bytes in, its answers out.  No clock, no I/O: files, CORE and tests share it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gateway.payer import answers
from gateway.payer.scenario import Kind, Scenario
from mappings.partners import TradingPartner
from mappings.x12_writing import SetWriter
from parsers.x12.acknowledgement import Answering, acknowledge, number_interchange
from parsers.x12.hierarchy import DEPENDENT, EVENT, SUBSCRIBER, HierarchicalLevel, Hierarchy
from parsers.x12.interchange import FunctionalGroup, Interchange, read_interchanges
from parsers.x12.structure import SetCheck, check_group

_SEQUENCE = 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """One interchange to send after `delay` seconds.  kind: TA1 | 999 | 271 | 278."""

    kind: str
    body: bytes
    delay: float = 0.0


class SimulatedPayer:
    """Remembers how often each member was asked, so that outcomes follow each other, and its control numbers."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._asked: dict[tuple[str, str], int] = {}
        self._number = scenario.seed * _SEQUENCE % 999_000_000

    def answer(self, body: bytes, moment: datetime, mode: Literal["batch", "real-time"] = "batch") -> list[Answer]:
        """Everything that the payer sends for one body; `moment` is its local time.

        Batch: a 999 for every group, then the answers.  Real time: the answer alone, or what refuses the request."""
        found: list[Answer] = []
        for interchange in read_interchanges(body):
            found += self._interchange(interchange, moment, mode)
        return found

    def _interchange(self, interchange: Interchange, moment: datetime, mode: str) -> list[Answer]:
        groups = [(group, list(check_group(group))) for group in interchange.groups]
        checks = [[check for check, _ in sets] for _, sets in groups]
        acknowledged = [
            Answer(one.kind, self._numbered(one.body))
            for one in acknowledge(Answering(interchange, moment), checks)
            if mode == "batch" or one.code not in ("A", "000")
        ]
        if interchange.error is not None:
            return acknowledged
        answered: list[Answer] = []
        for group, sets in groups:
            if group.acknowledges or group.errors:
                continue
            for check, hierarchy in sets:
                if not check.rejected and check.set.id in ("270", "278"):
                    answered += self._set(interchange, group, check, hierarchy, moment)
        if any(one.kind == _REFUSED for one in answered):
            return [Answer("999", one.body) for one in answered if one.kind == _REFUSED]
        return acknowledged + answered

    def _set(
        self,
        interchange: Interchange,
        group: FunctionalGroup,
        check: SetCheck,
        hierarchy: Hierarchy,
        moment: datetime,
    ) -> list[Answer]:
        """The answers to one 270 or 278: one interchange per patient or event, so that each has its own outcome."""
        kind: Kind = "eligibility" if check.set.id == "270" else "authorization"
        set_id = "271" if kind == "eligibility" else "278"
        found: list[Answer] = []
        for level in _subjects(check.set.id, hierarchy):
            member = answers.member_of(level)
            asked = self._asked.get((member, kind), 0)
            self._asked[member, kind] = asked + 1
            delay = 0.0
            for step in self._scenario.word(member, kind, asked).split(">"):
                outcome, _, detail = step.partition(":")
                if outcome == "slow":
                    delay += float(detail or 30)
                    outcome = "active" if kind == "eligibility" else "certified"
                if outcome == "refused":
                    refusal = answers.refusal(_back(interchange, group), group, check, moment)
                    return [Answer(_REFUSED, self._numbered(refusal))]
                if outcome != "silent":
                    writer = SetWriter(_back(interchange, group), *_ids(set_id), check.set.guide, moment)
                    answers.write(writer, hierarchy, level, outcome, detail, self._number)
                    found.append(Answer(set_id, self._numbered(writer.body()), delay))
                delay += self._scenario.follow_seconds
        return found

    def _numbered(self, body: bytes) -> bytes:
        self._number += 1
        return number_interchange(body, self._number)


_REFUSED = "refused"


def answer(body: bytes, scenario: Scenario, moment: datetime) -> bytes:
    """The real-time answer to one request, for a payer who remembers nothing; b"" when the scenario is silent."""
    return b"".join(one.body for one in SimulatedPayer(scenario).answer(body, moment, "real-time"))


def _ids(set_id: str) -> tuple[str, str]:
    return ("HB" if set_id == "271" else "HI"), set_id


def _back(interchange: Interchange, group: FunctionalGroup) -> TradingPartner:
    """The sender as the partner who is answered, in his own separators where each is one character."""
    header, gs = interchange.header, group.header
    used = [part.decode("latin-1") for part in (header.delimiters.element, header.delimiters.component)]
    used += [part.decode("latin-1") for part in (header.delimiters.repetition, header.delimiters.segment)]
    usual = "*:^~"
    ours = all(len(part) == 1 and part.isascii() and part.isprintable() for part in used) and len(set(used)) == 4
    return TradingPartner(
        qualifier=header.elements[5],
        id=header.sender,
        application=gs.text(2),
        own_qualifier=header.elements[7],
        own_id=header.receiver,
        own_application=gs.text(3),
        separators="".join(used) if ours else usual,
        usage=header.elements[15] or "P",
    )


def _subjects(set_id: str, hierarchy: Hierarchy) -> list[HierarchicalLevel]:
    """Whom a 270 asks about; the events of a 278, or the patients where it has no event level."""
    patients = [
        level
        for level in hierarchy.levels
        if level.code == DEPENDENT
        or (level.code == SUBSCRIBER and not any(child.code == DEPENDENT for child in level.children))
    ]
    if set_id == "270":
        return [level for level in patients if not level.damage]
    events = [level for level in hierarchy.levels if level.code == EVENT and not level.damage]
    return events or [level for level in patients if not level.damage]
