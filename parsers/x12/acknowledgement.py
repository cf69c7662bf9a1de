"""TA1, 999 (005010X231A1) and 997 (004010) that answer an interchange, as bytes with slots for the control numbers.

Each acknowledgement is an interchange of its own, in the sender's delimiters, addressed back to him.  `{ISA13}`,
`{GS06}` and `{ST02}` stand where the control numbers of our stored sequence go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby

import msgspec

from parsers.x12.finding import SegmentError
from parsers.x12.header import Header, header_flaws
from parsers.x12.interchange import FunctionalGroup, Interchange
from parsers.x12.segments import Delimiters, number
from parsers.x12.structure import SetCheck

GUIDE = "005010X231A1"
OLD_RELEASE = "004010"
_ACKNOWLEDGING_GROUP = "FA"  # GS01 of 997 and 999
_ACKNOWLEDGING_SETS = frozenset({"997", "999"})
_SET_CODES = {"accepted": "A", "accepted-with-errors": "E", "rejected": "R"}
_ELEMENT_ERRORS = "8"  # IK304, AK304
# What the 997 of 004010 has no code for, in its own words: segments, then elements.
_OLD_SEGMENT_CODES = {"I4": "2", "I6": "3", "I7": "3", "I8": "3", "I9": "2"}
_OLD_ELEMENT_CODES = {"12": "3", "13": "3", "I6": "7", "I9": "2", "I10": "10", "I11": "1", "I12": "7", "I13": "10"}
_OLD_SET_CODES = {"I5": "5", "I6": "5"}


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """One answer.  kind: TA1 | 999 | 997.  `code`: TA105, or AK901."""

    kind: str
    code: str
    body: bytes


def acknowledge(
    interchange: Interchange,
    checks: Sequence[Sequence[SetCheck]],
    stamp: datetime,
    mode: str = "auto",
    line_end: str = "",
) -> list[Acknowledgement]:
    """What the sender gets back.

    TA1 for a broken or flawed envelope, or when ISA14 asks; a 999 for every functional group of a sound envelope;
    nothing for an interchange that holds only acknowledgements.  `checks` has one sequence per group; `stamp` is our
    local time.  mode: auto (997 to groups of 004010, else 999) | 999 | 997 | none.  `line_end` follows each segment.
    """
    groups = interchange.groups
    answerable = [not acknowledges(group) for group in groups]
    if (groups and not any(answerable)) or (interchange.ta1 and not groups):
        return []
    answers = []
    if interchange.error or interchange.flaw or interchange.header.elements[14] == "1":
        answers.append(_ta1(interchange, stamp))
    if interchange.error is None and mode != "none":
        for group, group_checks, wanted in zip(groups, checks, answerable, strict=True):
            if wanted:
                old = mode == "997" or (mode == "auto" and group.version.startswith(OLD_RELEASE))
                write = _functional if old else _implementation
                answers.append(write(interchange.header, group, group_checks, stamp))
    terminator = _reply_delimiters(interchange.header.delimiters).segment
    if line_end and terminator not in b"\r\n":
        end = terminator + line_end.encode()
        answers = [msgspec.structs.replace(one, body=one.body.replace(terminator, end)) for one in answers]
    return answers


def acknowledges(group: FunctionalGroup) -> bool:
    """Whether a group holds acknowledgements, which are never acknowledged themselves."""
    ids = {transaction_set.id for transaction_set in group.sets}
    return group.functional_id == _ACKNOWLEDGING_GROUP or (bool(ids) and ids <= _ACKNOWLEDGING_SETS)


def number_interchange(body: bytes, number: int) -> bytes:
    """Fill the control-number slots of an interchange that we send: `number` (1 to 999999999, from the partner's
    stored sequence) is ISA13 and the GS06 of its only group; ST02 of its first transaction set is 0001."""
    return body.replace(b"{ISA13}", b"%09d" % number).replace(b"{GS06}", b"%d" % number).replace(b"{ST02}", b"0001")


def _ta1(interchange: Interchange, stamp: datetime) -> Acknowledgement:
    header = interchange.header
    writer = _Writer(header, stamp, version=header.version if header.version == "00401" else "00501")
    code = interchange.error or interchange.flaw or "000"
    flawed = {element for _, element, _ in header_flaws(header)}
    writer.add(
        "TA1",
        f"{number(header.control_number) or 0:09d}"[-9:],
        f"{stamp:%y%m%d}" if 9 in flawed else header.elements[9],
        f"{stamp:%H%M}" if 10 in flawed else header.elements[10],
        "R" if interchange.error else "E" if interchange.flaw else "A",
        code,
    )
    return Acknowledgement(kind="TA1", code=code, body=writer.close(groups=0))


def _implementation(
    header: Header, group: FunctionalGroup, checks: Sequence[SetCheck], stamp: datetime
) -> Acknowledgement:
    writer = _Writer(header, stamp, version="00501")
    _open_group(writer, group, stamp, GUIDE)
    writer.begin_set("ST", "999", "{ST02}", GUIDE)
    writer.add("AK1", *_group_echo(group), group.version[:12])
    for check in checks:
        head = check.set.header
        writer.add("AK2", head.text(1)[:3], head.text(2)[:9] or "0000", head.text(3)[:12])
        for error, elements in _by_segment(check.errors):
            # IK303 and CTX04 stay empty: element 447 has four characters, the loops of these guides have more.
            writer.add("IK3", error.segment, f"{error.position}"[-10:], "", error.code)
            if not elements and error.trigger:
                writer.add_trigger(error.trigger)
            for one in elements:
                writer.add_element("IK4", one, one.element_code)
                if one.trigger:
                    writer.add_trigger(one.trigger)
        writer.add("IK5", _SET_CODES[check.status], *check.codes[:5])
    return _close_group(writer, group, checks, "999")


def _functional(header: Header, group: FunctionalGroup, checks: Sequence[SetCheck], stamp: datetime) -> Acknowledgement:
    writer = _Writer(header, stamp, version="00401")
    _open_group(writer, group, stamp, OLD_RELEASE)
    writer.begin_set("ST", "997", "{ST02}")
    writer.add("AK1", *_group_echo(group))
    for check in checks:
        head = check.set.header
        writer.add("AK2", head.text(1)[:3], head.text(2)[:9] or "0000")
        for error, elements in _by_segment(check.errors):
            code = _OLD_SEGMENT_CODES.get(error.code, error.code)
            writer.add("AK3", error.segment, f"{error.position}"[-6:], "", code)
            for one in elements:
                writer.add_element("AK4", one, _OLD_ELEMENT_CODES.get(one.element_code, one.element_code))
        writer.add("AK5", _SET_CODES[check.status], *(_OLD_SET_CODES.get(one, one) for one in check.codes[:5]))
    return _close_group(writer, group, checks, "997")


def _open_group(writer: _Writer, group: FunctionalGroup, stamp: datetime, version: str) -> None:
    gs = group.header
    address = (gs.text(3)[:15], gs.text(2)[:15])
    writer.add("GS", "FA", *address, f"{stamp:%Y%m%d}", f"{stamp:%H%M}", "{GS06}", "X", version)


def _group_echo(group: FunctionalGroup) -> tuple[str, str]:
    return group.functional_id[:2], f"{number(group.control_number) or 0}"[-9:]


def _close_group(writer: _Writer, group: FunctionalGroup, checks: Sequence[SetCheck], kind: str) -> Acknowledgement:
    code = _group_code(group, checks)
    accepted = 0 if group.errors else sum(not check.rejected for check in checks)
    declared = number(group.trailer.text(1)) if group.trailer else None
    included = len(checks) if declared is None else declared
    counts = (f"{count}"[-6:] for count in (included, len(checks), accepted))
    writer.add("AK9", code, *counts, *group.errors[:5])
    writer.end_set()
    writer.add("GE", "1", "{GS06}")
    return Acknowledgement(kind=kind, code=code, body=writer.close(groups=1))


def _by_segment(errors: Sequence[SegmentError]) -> Iterator[tuple[SegmentError, list[SegmentError]]]:
    """(error of the segment, its element errors): those of one segment go under one IK3."""
    for _, together in groupby(errors, key=lambda error: (error.position, error.code, error.code == _ELEMENT_ERRORS)):
        found = list(together)
        if found[0].code == _ELEMENT_ERRORS:
            yield found[0], [error for error in found if error.element]
        else:
            for error in found:
                yield error, []


def _group_code(group: FunctionalGroup, checks: Sequence[SetCheck]) -> str:
    """AK901: P when some sets were rejected and some not; any group error rejects the whole group."""
    rejected = sum(check.rejected for check in checks)
    if group.errors or (checks and rejected == len(checks)):
        return "R"
    if rejected:
        return "P"
    return "E" if any(check.codes for check in checks) else "A"


@lru_cache(maxsize=64)
def _blanked(delimiters: bytes) -> bytes:
    """A table that makes blanks of what would break out of an element, or stand for a slot."""
    unsafe = delimiters + b"{}"
    return bytes(0x20 if byte in unsafe or byte < 0x20 else byte for byte in range(256))


class _Writer:
    """Writes one interchange back to the sender; values never break out of their element."""

    def __init__(self, header: Header, stamp: datetime, version: str) -> None:
        self.delimiters = _reply_delimiters(header.delimiters)
        self.segments: list[bytes] = []
        self.set_start = 0
        self.blanked = _blanked(b"".join(self.delimiters))
        repetition = "U" if version == "00401" else self.delimiters.repetition.decode("latin-1")
        elements = header.elements
        fields = ["ISA", "00", " " * 10, "00", " " * 10]
        for qualifier, address in ((elements[7], elements[8]), (elements[5], elements[6])):
            fields += [self._fixed(qualifier, 2), self._fixed(address, 15)]
        fields += [f"{stamp:%y%m%d}", f"{stamp:%H%M}", repetition, version, "{ISA13}", "0"]
        fields += [self._fixed(elements[15] or "P", 1)]
        joined = self.delimiters.element.join(field.encode("latin-1") for field in fields)
        self.segments.append(joined + self.delimiters.element + self.delimiters.component)

    def _clean(self, value: str) -> str:
        if (value.isascii() and value.isalnum()) or value in ("{GS06}", "{ST02}"):
            return value
        return value.encode("latin-1", "replace").translate(self.blanked).decode("latin-1").strip()

    def _fixed(self, value: str, length: int) -> str:
        return self._clean(value)[:length].ljust(length)

    def add(self, *values: str) -> None:
        fields = [self._clean(value) for value in values]
        while fields[-1] == "":
            fields.pop()
        self.segments.append(self.delimiters.element.join(field.encode("latin-1") for field in fields))

    def add_element(self, segment: str, error: SegmentError, code: str) -> None:
        """IK4 or AK4: where in the segment, which data element, what is wrong."""
        self._add_raw(segment, self._place(error.element, error.component), error.reference, code)

    def add_trigger(self, trigger: tuple[str, int, int]) -> None:
        """CTX: the segment and element that demand what is missing."""
        segment, position, element = trigger
        self._add_raw("CTX", "SITUATIONAL TRIGGER", segment, f"{position}", "", f"{element}")

    def _place(self, element: int, component: int) -> str:
        inner = self.delimiters.component.decode("latin-1")
        return f"{element}{inner}{component}" if component else f"{element}"

    def _add_raw(self, *values: str) -> None:
        """Values that are ours, with a component separator among them."""
        joined = self.delimiters.element.decode("latin-1").join(values)
        self.segments.append(joined.encode("latin-1").rstrip(self.delimiters.element))

    def begin_set(self, *values: str) -> None:
        self.set_start = len(self.segments)
        self.add(*values)

    def end_set(self) -> None:
        self.add("SE", f"{len(self.segments) - self.set_start + 1}", "{ST02}")

    def close(self, groups: int) -> bytes:
        terminator = self.delimiters.segment
        trailer = self.delimiters.element.join((b"IEA", b"%d" % groups, b"{ISA13}"))
        return terminator.join([*self.segments, trailer]) + terminator


def _reply_delimiters(theirs: Delimiters) -> Delimiters:
    """The sender's own, with a usual one where his is missing or too long for the fixed ISA."""
    taken = {theirs.element}
    chosen = []
    for wanted, usual in ((theirs.segment, b"~\n"), (theirs.component, b":>"), (theirs.repetition, b"^!")):
        options = [wanted] if len(wanted) == 1 else []
        options += [usual[at : at + 1] for at in range(len(usual))] + [b"|", b"\\"]
        choice = next(option for option in options if option not in taken)
        taken.add(choice)
        chosen.append(choice)
    segment, component, repetition = chosen
    return Delimiters(theirs.element, component, repetition, segment)
