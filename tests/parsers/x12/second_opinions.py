"""Where pyx12 and we differ about one set, told by kind of difference; what no kind explains is left over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from parsers.x12.finding import SegmentError
from parsers.x12.segments import Segment
from parsers.x12.structure import SetCheck
from parsers.x12.transaction_set import TransactionSet
from tests.parsers.x12.pyx12_maps import GROUPS, judge, write_maps

Told = tuple[str, int, str]
_MISSING = ("3", "I7", "I8")
_SYNTAX = ("2", "3", "10")


class Opinions:
    """Compares set by set; the maps of each guide are written once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.maps: dict[str, Path] = {}

    def differences(self, check: SetCheck) -> set[str]:
        """Kinds of difference, `left over: ...` for what none explains; empty when both say the same."""
        if check.guide not in self.maps:
            self.maps[check.guide] = write_maps(self.folder / check.guide, check.guide)
        try:
            theirs = judge(_alone(check.set, check.guide), self.maps[check.guide])
        except (IndexError, AttributeError, AssertionError):
            return {"crash"}
        return compare(check.errors, [one for one in theirs if not one[2].startswith("st:")])


def _alone(transaction_set: TransactionSet, guide: str) -> str:
    """The set in an envelope of its own, with separators that pyx12 knows and a guide that its maps name."""
    segments, _ = transaction_set.split()
    body = [_plain(segment) for segment in segments]
    version = guide[4:14] if guide.startswith("278") else "005010X279A1"
    head = (
        f"ISA*00*{' ' * 10}*00*{' ' * 10}*ZZ*{'PAYER5':15}*ZZ*{'CCGW':15}*261110*0915*^*00501*000000101*0*P*:",
        f"GS*{GROUPS[guide[:3]]}*PAYER5*CCGW*20261110*0915*101*X*{version}",
    )
    return "~".join([*head, *body, "GE*1*101", "IEA*1*000000101"]) + "~"


def _plain(segment: Segment) -> str:
    element, component, repetition, _ = segment.delimiters
    raw = segment.content
    for theirs, ours in ((element, b"\x1d"), (component, b"\x1f"), (repetition, b"\x1e")):
        raw = raw.replace(theirs, ours) if theirs else raw
    raw = b"".join(b" " if bytes([byte]) in (b"*", b":", b"^", b"~") else bytes([byte]) for byte in raw)
    return raw.translate(bytes.maketrans(b"\x1d\x1f\x1e", b"*:^")).decode("latin-1")


def compare(ours: Sequence[SegmentError], theirs: Sequence[Told]) -> set[str]:
    found: set[str] = set()
    explained: set[Told] = set()
    for error in ours:
        same = [one for one in theirs if _same_place(error, one)]
        explained.update(same)
        found |= _explain(error, same)
    lost = any(error.code in _MISSING or error.element == 1 or error.segment == "HL" for error in ours)
    for one in theirs:
        if one not in explained:
            found.add(_theirs_alone(one, lost))
    return found


def _same_place(error: SegmentError, one: Told) -> bool:
    if error.code in _MISSING:
        return one[0] == error.segment and one[2] == "3"
    return one[:2] == (error.segment, error.position)


def _theirs_alone(one: Told, lost: bool) -> str:
    segment, position, code = one
    if lost and code in ("1", "2", "3"):
        return "cascade"
    if code == "SEG1":
        return "trailing"
    if code == "ele:8":
        return "date"
    return f"left over: pyx12 {segment} at {position}: {code}"


def _explain(error: SegmentError, same: Sequence[Told]) -> set[str]:
    """The kind of difference about one of our errors; `same` is what pyx12 says of the same place."""
    mine = f"ele:{error.element_code}" if error.element_code else error.code
    if any(one[2] == mine and one[1] == error.position for one in same):
        return set()
    if error.kind == "hierarchy" or (error.segment == "HL" and not same):
        return {"tree"}
    if error.kind == "situational":
        return {"situation"}
    if not same:
        return _unsaid(error)
    if error.code in _MISSING:
        return {"missing"}
    if error.element_code in _SYNTAX:
        return {"note"}
    return {"words" if error.element_code and any(one[2].startswith("ele:") for one in same) else "place"}


def _unsaid(error: SegmentError) -> set[str]:
    """What pyx12 is silent about."""
    if error.element_code == "12" or error.reference in ("1365", "1271"):
        return {"repetition"}  # it is given the first value alone
    if error.code in _MISSING:
        return {"missing"}
    if error.code in ("4", "5", "7"):
        return {"place"}  # told elsewhere, or once as unknown
    if error.segment == "ST":
        return {"heading"}  # it holds ST against its control map
    return {f"left over: ours {error.told} {error.location}"}
