"""What the simulated payer writes: the levels of the request again, with the outcome in the patient's place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from mappings.partners import TradingPartner
from mappings.x12_writing import SetWriter
from parsers.x12.hierarchy import DEPENDENT, EVENT, SERVICE, SUBSCRIBER, HierarchicalLevel, Hierarchy
from parsers.x12.interchange import FunctionalGroup
from parsers.x12.segments import Segment
from parsers.x12.structure import SetCheck

_Values = list[str | tuple[str, ...] | list[str]]
_COPIED = frozenset({"NM1", "REF", "DMG", "INS", "N3", "N4", "PRV", "UM", "DTP", "SV1", "SV2", "HSD", "HI"})
_NAMING = frozenset({"NM1", "REF", "N3", "N4"})  # before an AAA of 2100C and 2010C
_EB = {
    "active": (("EB", "1", "", "30", "", "GOLD PLAN"), ("EB", "C", "IND", "30", "", "", "23", "1500")),
    "inactive": (("EB", "6", "", "30"),),
    "not-covered": (("EB", "I", "", "30"),),
    "unknown": (("EB", "V", "", "30"),),
    "wrong": (("EB", "1", "", "30", "", "GOLD PLAN"),),
}
_ACTIONS = {
    "certified": "A1",
    "modified": "A6",
    "denied": "A3",
    "pended": "A4",
    "documents": "A4",
    "contact-payer": "CT",
    "not-required": "NA",
    "cancelled": "C",
}
_GRANTED = frozenset({"certified", "modified", "partial"})
_DAYS = 60
_WRONG_FAMILY, _WRONG_MEMBER, _WRONG_BIRTH_DATE = "OTHER", "SOMEBODY-ELSE", "19010203"


def member_of(level: HierarchicalLevel) -> str:
    """NM109 of the patient, else of his subscriber."""
    for one in (level, *level.ancestors()):
        if one.code in (SUBSCRIBER, DEPENDENT):
            name = next((segment for segment in one.segments if segment.id == "NM1"), None)
            if name is not None and name.text(9):
                return name.text(9)
    return ""


def refusal(partner: TradingPartner, group: FunctionalGroup, check: SetCheck, moment: datetime) -> bytes:
    """A 999 that rejects the set for a reason of its own: the payer's guide is not ours (IK502 = I5)."""
    writer = SetWriter(partner, "FA", "999", "005010X231A1", moment)
    writer.add("AK1", group.functional_id, group.control_number, group.version)
    writer.add("AK2", check.set.id, check.set.control_number, check.set.guide)
    writer.add("IK5", "R", "I5")
    writer.add("AK9", "R", "1", "1", "0")
    return writer.body()


def write(
    writer: SetWriter, hierarchy: Hierarchy, level: HierarchicalLevel, outcome: str, detail: str, number: int
) -> None:
    """Everything after ST."""
    bht = next((segment for segment in hierarchy.heading if segment.id == "BHT"), None)
    reference = bht.text(3) if bht else ""
    eligibility = bht is not None and bht.text(1) == "0022"
    writer.add("BHT", "0022" if eligibility else "0007", "11", reference, writer.date, writer.time)
    chain = [level, *level.ancestors()][::-1]
    if outcome == "down":
        _unavailable(writer, chain[0])
        return
    if not eligibility:
        chain += [one for one in level.descendants() if one.code == SERVICE]
    numbers: dict[int, int] = {}
    for one in chain:
        parent = numbers.get(id(one.parent), 0)
        deeper = one is not level and one.code != SERVICE
        below = one is level and not eligibility and any(under.code == SERVICE for under in one.descendants())
        numbers[id(one)] = writer.level(parent, one.code, children=deeper or below)
        _level(writer, one, one is level, outcome, detail, number)


def _unavailable(writer: SetWriter, source: HierarchicalLevel) -> None:
    """A payer that is down ends the set before any patient: only BHT03 tells which question it is."""
    writer.level(0, source.code, children=False)
    _copy(writer, source.segments, "NM1")
    writer.add("AAA", "Y", "", "42", "R")


def _level(writer: SetWriter, one: HierarchicalLevel, subject: bool, outcome: str, detail: str, number: int) -> None:
    for segment in one.segments[1:]:
        if segment.id == "TRN":
            writer.add("TRN", "2", *_values(segment)[1:])
    if subject and one.code in (EVENT, SERVICE):
        _decide(writer, one, outcome, detail, number)
        return
    refused = subject and outcome == "rejected"
    for segment in one.segments[1:]:
        if segment.id not in _COPIED or (segment.id == "DTP" and one.code not in (EVENT, SERVICE)):
            continue
        if refused and segment.id not in _NAMING:
            _refuse(writer, detail or "75")
            refused = False
        values = _values(segment)
        if outcome == "wrong" and one.code in (SUBSCRIBER, DEPENDENT):
            values = _of_somebody_else(segment.id, values)
        writer.add(segment.id, *values)
    if refused:
        _refuse(writer, detail or "75")
    if subject and outcome in _EB:
        writer.add("DTP", "346", "D8", f"{writer.date[:4]}0101")
        for row in _EB[outcome]:
            writer.add(*row)


def _of_somebody_else(name: str, values: _Values) -> _Values:
    """A trace alone must not make an answer the patient's: member id, family name and birth date are another's."""
    if name == "NM1":
        member = ["MI", _WRONG_MEMBER, *values[9:]] if len(values) > 8 else values[7:]
        return [*values[:2], _WRONG_FAMILY, *values[3:7], *member]
    return [values[0], _WRONG_BIRTH_DATE, *values[2:]] if name == "DMG" and len(values) > 1 else values


def _refuse(writer: SetWriter, reason: str) -> None:
    writer.add("AAA", "N", "", reason, "C")


def _decide(writer: SetWriter, event: HierarchicalLevel, outcome: str, detail: str, number: int) -> None:
    if outcome == "rejected":
        _refuse(writer, detail or "15")
    _copy(writer, event.segments, "UM")
    action = "A2" if outcome == "partial" else _ACTIONS.get(outcome)
    if action:
        granted = f"AUTH{number:09d}" if outcome in _GRANTED else ""
        reason = "0V" if outcome == "denied" else ""
        writer.add("HCR", action, granted or (f"TRACK{number:09d}" if action == "A4" else ""), reason)
    _copy(writer, event.segments, "DTP")
    if outcome in _GRANTED:
        ends = datetime.strptime(writer.date, "%Y%m%d") + timedelta(days=_DAYS)
        writer.add("DTP", "007", "RD8", f"{writer.date}-{ends:%Y%m%d}")
    if outcome == "documents":
        writer.add("PWK", "M1", "EL")
    if outcome == "denied":
        writer.add("MSG", "THE SUBMITTED RECORDS DO NOT SHOW THAT THE SERVICE IS NEEDED")


def _copy(writer: SetWriter, segments: Sequence[Segment], name: str) -> None:
    for segment in segments:
        if segment.id == name:
            writer.add(name, *_values(segment))


def _values(segment: Segment) -> _Values:
    """The elements as sent, taken apart so that they are written in whatever separators the answer has."""
    values: _Values = []
    for at in range(1, len(segment.elements)):
        separator = segment.delimiters.component
        if separator and separator in segment.raw(at):
            count = segment.raw(at).count(separator) + 1
            values.append(tuple(segment.text(at, part) for part in range(1, count + 1)))
        else:
            values.append(segment.text(at))
    return values
