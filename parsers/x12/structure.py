"""Structure of one transaction set: envelope, known segments, BHT and the HL tree; no guide is checked here.

What rejects a set is decided in one place, `REJECTING`: only what keeps a set from being told apart from its
neighbours, or its tree from being read.  Payers' answers often carry a wrong SE01, so code 4 only warns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from parsers.errors import Oddity
from parsers.x12.hierarchy import DEPENDENT, SUBSCRIBER, Hierarchy, build_hierarchy
from parsers.x12.interchange import FunctionalGroup, TransactionSet
from parsers.x12.segments import Segment, number, same_number

REJECTING = frozenset({"2", "3", "6", "7"})  # IK502: trailer missing, ST02/SE02 differ, ST01 or ST02 unusable
MAX_SEGMENT_ERRORS = 100  # per set; a set that repeats one error for ever is told a hundred times

_HL_ELEMENTS = {1: "628", 2: "734"}  # data element numbers of HL01, HL02
_SEGMENTS = {
    "270": frozenset(
        [
            "ST",
            "BHT",
            "HL",
            "TRN",
            "NM1",
            "REF",
            "N3",
            "N4",
            "PER",
            "AAA",
            "PRV",
            "DMG",
            "INS",
            "HI",
            "DTP",
            "MPI",
            "EQ",
            "AMT",
            "III",
            "SE",
        ]
    ),
    "271": frozenset(
        [
            "ST",
            "BHT",
            "HL",
            "TRN",
            "NM1",
            "REF",
            "N3",
            "N4",
            "PER",
            "AAA",
            "PRV",
            "DMG",
            "INS",
            "HI",
            "DTP",
            "MPI",
            "EB",
            "HSD",
            "MSG",
            "III",
            "LS",
            "LE",
            "AMT",
            "SE",
        ]
    ),
    "278": frozenset(
        [
            "ST",
            "BHT",
            "HL",
            "TRN",
            "AAA",
            "UM",
            "HCR",
            "REF",
            "DTP",
            "HI",
            "HSD",
            "SV1",
            "SV2",
            "SV3",
            "TOO",
            "CL1",
            "CR1",
            "CR2",
            "CR4",
            "CR5",
            "CR6",
            "CRC",
            "PWK",
            "MSG",
            "NM1",
            "N2",
            "N3",
            "N4",
            "PER",
            "PRV",
            "DMG",
            "INS",
            "LS",
            "LE",
            "SE",
        ]
    ),
}
HIERARCHICAL = frozenset(_SEGMENTS)
_SET_ID = re.compile(r"[0-9]{3}")


class SegmentError(msgspec.Struct, frozen=True, kw_only=True):
    """One IK3, with its IK4 where an element is to blame."""

    segment: str
    position: int
    code: str  # IK304
    text: str
    loop: str = ""
    element: int = 0
    reference: str = ""  # data element number, IK402
    element_code: str = ""  # IK403

    @property
    def location(self) -> str:
        element = f"*{self.element}" if self.element else ""
        return f"{self.loop} {self.segment}{element} at {self.position}".lstrip()


class SetCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What the structure of one set says.  `codes` are IK502, in order of weight; `status` is what IK501 answers."""

    set: TransactionSet
    count: int  # of segments, ST and SE included, empty ones not
    codes: tuple[str, ...]
    errors: tuple[SegmentError, ...]
    rejected: bool
    empty_segments: int

    @property
    def status(self) -> str:
        if self.rejected:
            return "rejected"
        return "accepted-with-errors" if self.codes else "accepted"

    @property
    def oddities(self) -> list[Oddity]:
        """The same for a person."""
        severity = "error" if self.rejected else "warning"
        found = [Oddity(severity, "IK502*" + code, "ST", _SET_TEXTS[code]) for code in self.codes if code != "5"]
        found += [
            Oddity("error" if error.segment == "HL" else "warning", "IK304*" + error.code, error.location, error.text)
            for error in self.errors
        ]
        if self.empty_segments:
            found.append(Oddity("warning", "empty-segment", "ST", "Empty segments (doubled terminators) were skipped"))
        return found


_SET_TEXTS = {
    "2": "The transaction set ends without SE",
    "3": "SE02 differs from ST02",
    "4": "SE01 differs from the number of segments",
    "6": "ST01 is no transaction set identifier",
    "7": "ST02 is missing or longer than nine characters",
    "23": "ST02 is used by an earlier set of the group",
}
_DAMAGE = {
    "duplicate-id": (1, "The HL id is used twice"),
    "parent-missing": (2, "The parent does not exist"),
    "parent-later": (2, "The parent stands later or the levels form a cycle"),
    "parent-damaged": (2, "A level above cannot be placed"),
    "too-deep": (2, "The levels are nested too deep"),
}


def check_group(group: FunctionalGroup) -> Iterator[tuple[SetCheck, Hierarchy]]:
    """Check every set of a group, in order, each with its content, which a caller may let go before the next."""
    seen: set[str] = set()
    for transaction_set in group.sets:
        control_number = transaction_set.control_number
        yield check_set(transaction_set, repeated=control_number in seen)
        seen.add(control_number)


def check_set(transaction_set: TransactionSet, *, repeated: bool = False) -> tuple[SetCheck, Hierarchy]:
    """Check one set; `repeated` says that its control number stood before in the group."""
    segments, empty = transaction_set.split()
    hierarchical = transaction_set.id in HIERARCHICAL
    hierarchy = build_hierarchy(transaction_set.id, segments if hierarchical else [])
    codes = _envelope_codes(transaction_set, len(segments), repeated)
    errors = _segment_errors(transaction_set.id, segments, hierarchy) if hierarchical else []
    if errors:
        codes.append("5")
    unreadable = hierarchy.damaged and not any(
        level.code in (SUBSCRIBER, DEPENDENT) and not level.damage for level in hierarchy.levels
    )
    check = SetCheck(
        set=transaction_set,
        count=len(segments),
        codes=tuple(codes),
        errors=tuple(errors[:MAX_SEGMENT_ERRORS]),
        rejected=unreadable or not REJECTING.isdisjoint(codes),
        empty_segments=empty,
    )
    return check, hierarchy


def _envelope_codes(transaction_set: TransactionSet, count: int, repeated: bool) -> list[str]:
    codes = []
    trailer = transaction_set.trailer
    if not _SET_ID.fullmatch(transaction_set.id):
        codes.append("6")
    if not 1 <= len(transaction_set.control_number) <= 9:
        codes.append("7")
    if trailer is None:
        codes.append("2")
    else:
        if not same_number(transaction_set.control_number, trailer.text(2)):
            codes.append("3")
        if number(trailer.text(1)) != count:
            codes.append("4")
    if repeated:
        codes.append("23")
    return codes


def _segment_errors(set_id: str, segments: list[Segment], hierarchy: Hierarchy) -> list[SegmentError]:
    errors = []
    known = _SEGMENTS[set_id]
    if len(segments) < 2 or segments[1].id != "BHT":
        errors.append(SegmentError(segment="BHT", position=2, code="3", text="BHT does not follow ST"))
    for parts, loop in ((hierarchy.heading, ""), *((level.segments, level.loop) for level in hierarchy.levels)):
        errors.extend(
            SegmentError(
                segment=segment.id[:3] if segment.id[:3].isalnum() else "ZZZ",
                position=segment.position,
                loop=loop,
                code="1",
                text="The segment is not known in this transaction set",
            )
            for segment in parts
            if segment.id not in known
        )
    for level in hierarchy.levels:
        if level.damage:
            element, text = _DAMAGE[level.damage]
            errors.append(_hl_error(level.header, level.loop, element, "7", text))
        elif not level.header.text(1):
            errors.append(_hl_error(level.header, level.loop, 1, "1", "The HL id is missing"))
    errors.sort(key=lambda error: error.position)
    return errors


def _hl_error(header: Segment, loop: str, element: int, code: str, text: str) -> SegmentError:
    return SegmentError(
        segment="HL",
        position=header.position,
        loop=loop,
        code="8",
        text=text,
        element=element,
        reference=_HL_ELEMENTS[element],
        element_code=code,
    )
