"""One transaction set judged: envelope, HL tree, and its guide where we have one; what of it rejects, by policy.

Whatever the policy, a set is rejected for what keeps it from being told apart from its neighbours (IK502 2, 3, 6, 7)
and for a tree in which no patient can be placed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import msgspec

from parsers.errors import Oddity
from parsers.x12.conformance import Conformance
from parsers.x12.finding import MAX_SEGMENT_ERRORS, SEEN, SegmentError
from parsers.x12.guide import guide_name
from parsers.x12.guide_reading import read_guide, standard_segments
from parsers.x12.hierarchy import DEPENDENT, SUBSCRIBER, Hierarchy, build_hierarchy
from parsers.x12.interchange import FunctionalGroup
from parsers.x12.policy import LENIENT, OFF, REJECT, Policy
from parsers.x12.segments import Segment, number, same_number
from parsers.x12.transaction_set import TransactionSet

HIERARCHICAL = frozenset({"270", "271", "278"})
_SEGMENTS_IN_ERROR, _IMPLEMENTATION_IN_ERROR, _COUNT, _REPEATED = "5", "I5", "4", "23"  # IK502
_HL_ELEMENTS = {1: "628", 2: "734"}  # data element numbers of HL01, HL02
_LONGEST = 40  # characters of a control number by which it is told from others; X12 has nine
_SET_ID = re.compile(r"[0-9]{3}")


class SetCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What one set came to.

    codes      IK502, in order of weight
    refusal    the one for which the set is rejected as sent; None where only its tree cannot be read
    guide      name of the guide that it was held against, "" when there is none
    """

    set: TransactionSet
    count: int  # of segments, ST and SE included, empty ones not
    codes: tuple[str, ...]
    errors: tuple[SegmentError, ...]
    refusal: str | None
    rejected: bool
    empty_segments: int
    guide: str = ""
    more_errors: int = 0  # than are listed

    @property
    def status(self) -> str:
        """What IK501 answers."""
        if self.rejected:
            return "rejected"
        return "accepted-with-errors" if self.codes else "accepted"

    @property
    def oddities(self) -> list[Oddity]:
        """The same for a person."""
        severity = "error" if self.rejected else "warning"
        found = [Oddity(severity, "IK502*" + code, "ST", _SET_TEXTS[code]) for code in self.codes if code in _SET_TEXTS]
        found += [Oddity(error.severity, error.told, error.location, error.text) for error in self.errors]
        if self.more_errors:
            found.append(Oddity("warning", "more-errors", "ST", f"{self.more_errors} further errors are not listed"))
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


def check_group(group: FunctionalGroup, policy: Policy = LENIENT) -> Iterator[tuple[SetCheck, Hierarchy]]:
    """Check every set of a group, in order, each with its content, which a caller may let go before the next."""
    numbers = _ControlNumbers()
    for transaction_set in group.sets:
        yield check_set(transaction_set, policy, repeated=numbers.stood_before(transaction_set.control_number))


class _ControlNumbers:
    """The control numbers of a group.  Those that count up, as they do, are kept as one run."""

    def __init__(self) -> None:
        self._run = range(0)
        self._others: set[int | str] = set()

    def stood_before(self, text: str) -> bool:
        """Whether the number came before; from now on it did."""
        one = number(text)
        key = text[:_LONGEST] if one is None else one
        if key in self._others or (one is not None and one in self._run):
            return True
        if one is not None and (not self._run or one == self._run.stop):
            self._run = range(self._run.start if self._run else one, one + 1)
        else:
            self._others.add(key)
        return False


def check_set(
    transaction_set: TransactionSet, policy: Policy = LENIENT, *, repeated: bool = False
) -> tuple[SetCheck, Hierarchy]:
    """Check one set; `repeated` says that its control number stood before in the group."""
    segments, empty = transaction_set.split()
    hierarchical = transaction_set.id in HIERARCHICAL
    hierarchy = build_hierarchy(transaction_set.id, segments if hierarchical else [])
    codes, refusal = _envelope_codes(transaction_set, len(segments), policy, repeated)
    guide = _guide_of(transaction_set, hierarchy) if hierarchical else ""
    errors: list[SegmentError] = []
    if hierarchical:
        refused = _judge(_errors(guide, hierarchy), policy, errors)
        errors.sort(key=_order)
        if errors:
            implementation = all(_of_the_guide(error) for error in errors)
            codes.append(_IMPLEMENTATION_IN_ERROR if implementation else _SEGMENTS_IN_ERROR)
        if refused:
            refusal = refusal or codes[-1]
    check = SetCheck(
        set=transaction_set,
        count=len(segments),
        codes=tuple(codes),
        errors=tuple(errors[:MAX_SEGMENT_ERRORS]),
        refusal=refusal,
        rejected=refusal is not None or _unreadable(hierarchy),
        empty_segments=empty,
        guide=guide,
        more_errors=max(0, len(errors) - MAX_SEGMENT_ERRORS),
    )
    return check, hierarchy


def _order(error: SegmentError) -> tuple[int, int, int, str]:
    return error.position, error.element, error.component, error.code


def _of_the_guide(error: SegmentError) -> bool:
    """True for codes that speak of the implementation guide, not of the standard."""
    return (error.element_code or error.code).startswith("I")


def _unreadable(hierarchy: Hierarchy) -> bool:
    return hierarchy.damaged and not any(
        level.code in (SUBSCRIBER, DEPENDENT) and not level.damage for level in hierarchy.levels
    )


def _judge(errors: Iterator[SegmentError], policy: Policy, kept: list[SegmentError]) -> bool:
    """Keep what the partner's policy lets be told; True when it rejects the set for one of them."""
    refused = False
    for error in errors:
        level = getattr(policy, error.kind)
        if level == OFF:
            continue
        if level == REJECT and error.status == SEEN:
            refused = True
            error = msgspec.structs.replace(error, severity="error")
        kept.append(error)
    return refused


def _envelope_codes(
    transaction_set: TransactionSet, count: int, policy: Policy, repeated: bool
) -> tuple[list[str], str | None]:
    """(IK502 codes, the one that rejects)."""
    codes = []
    trailer = transaction_set.trailer
    if not _SET_ID.fullmatch(transaction_set.id):
        codes.append("6")
    if not 1 <= len(transaction_set.control_number) <= 9:
        codes.append("7")
    if trailer is None:
        codes.append("2")
    elif not same_number(transaction_set.control_number, trailer.text(2)):
        codes.append("3")
    refusal = codes[0] if codes else None
    for code, level, found in (
        (_COUNT, policy.segment_count, trailer is not None and number(trailer.text(1)) != count),
        (_REPEATED, policy.set_control_number, repeated),
    ):
        if found and level != OFF:
            codes.append(code)
            if level == REJECT:
                refusal = refusal or code
    return codes, refusal


# -- segments ----------------------------------------------------------------------------------------------------------


def _guide_of(transaction_set: TransactionSet, hierarchy: Hierarchy) -> str:
    heading = next((segment for segment in hierarchy.heading if segment.id == "BHT"), None)
    purpose = heading.text(2) if heading else ""
    return guide_name(transaction_set.id, transaction_set.guide, purpose) or ""


@cache
def _conformance(guide: str) -> Conformance:
    return Conformance(read_guide(guide), standard_segments())


def _errors(guide: str, hierarchy: Hierarchy) -> Iterator[SegmentError]:
    for level in hierarchy.levels:
        if level.damage:
            element, text = _DAMAGE[level.damage]
            yield _hl_error(level.header, level.loop, element, "7", text)
        elif not level.header.text(1) and not guide:
            yield _hl_error(level.header, level.loop, 1, "1", "The HL id is missing")
    if guide:
        yield from _conformance(guide).errors(hierarchy)
    else:
        yield from _strange_segments(hierarchy)


def _strange_segments(hierarchy: Hierarchy) -> Iterator[SegmentError]:
    """Of a set without a guide: BHT is there, and every segment is one that we know."""
    if not any(segment.id == "BHT" for segment in hierarchy.heading[1:2]):
        yield SegmentError(segment="BHT", position=2, code="3", text="BHT does not follow ST")
    known = standard_segments()
    for parts, loop in ((hierarchy.heading, ""), *((level.segments, level.loop) for level in hierarchy.levels)):
        for segment in parts:
            if segment.id not in known:
                yield SegmentError(
                    segment=segment.id[:3] if segment.id[:3].isalnum() else "ZZZ",
                    position=segment.position,
                    loop=loop,
                    code="1",
                    text="The segment is not known in this transaction set",
                )


def _hl_error(header: Segment, loop: str, element: int, code: str, text: str) -> SegmentError:
    return SegmentError(
        segment="HL",
        position=header.position,
        loop=loop,
        code="8",
        text=text,
        kind="hierarchy",
        severity="error",
        element=element,
        reference=_HL_ELEMENTS[element],
        element_code=code,
    )
