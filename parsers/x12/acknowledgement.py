"""TA1 and 999 (005010X231A1) that answer an interchange, as bytes with slots for the control numbers.

Each acknowledgement is an interchange of its own, in the sender's delimiters, addressed back to him.  `{ISA13}`,
`{GS06}` and `{ST02}` stand where the control numbers of our stored sequence go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parsers.x12.header import Header
from parsers.x12.interchange import FunctionalGroup, Interchange
from parsers.x12.segments import Delimiters, number
from parsers.x12.structure import SetCheck

GUIDE = "005010X231A1"
_ACKNOWLEDGING_GROUP = "FA"  # GS01 of 997 and 999
_ACKNOWLEDGING_SETS = frozenset({"997", "999"})
_SET_CODES = {"accepted": "A", "accepted-with-errors": "E", "rejected": "R"}


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """One answer.  kind: TA1 | 999.  `code`: TA105, or AK901."""

    kind: str
    code: str
    body: bytes


def acknowledge(
    interchange: Interchange, checks: Sequence[Sequence[SetCheck]], stamp: datetime
) -> list[Acknowledgement]:
    """What the sender gets back.

    TA1 for a broken envelope, or when ISA14 asks; a 999 for every functional group of a sound envelope; nothing for
    an interchange that holds only acknowledgements.  `checks` has one sequence per group; `stamp` is our local time.
    """
    groups = interchange.groups
    answerable = [not acknowledges(group) for group in groups]
    if (groups and not any(answerable)) or (interchange.ta1 and not groups):
        return []
    answers = []
    if interchange.error or interchange.header.elements[14] == "1":
        answers.append(_ta1(interchange, stamp))
    if interchange.error is None:
        for group, group_checks, wanted in zip(groups, checks, answerable, strict=True):
            if wanted:
                answers.append(_implementation(interchange.header, group, group_checks, stamp))
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
    code = interchange.error or "000"
    writer.add(
        "TA1",
        f"{number(header.control_number) or 0:09d}"[-9:],
        _digits(header.elements[9], 6, f"{stamp:%y%m%d}"),
        _digits(header.elements[10], 4, f"{stamp:%H%M}"),
        "R" if interchange.error else "A",
        code,
    )
    return Acknowledgement(kind="TA1", code=code, body=writer.close(groups=0))


def _implementation(
    header: Header, group: FunctionalGroup, checks: Sequence[SetCheck], stamp: datetime
) -> Acknowledgement:
    writer = _Writer(header, stamp, version="00501")
    gs = group.header
    writer.add("GS", "FA", gs.text(3)[:15], gs.text(2)[:15], f"{stamp:%Y%m%d}", f"{stamp:%H%M}", "{GS06}", "X", GUIDE)
    writer.begin_set()
    group_echo = (gs.text(1)[:2], f"{number(gs.text(6)) or 0}"[-9:], gs.text(8)[:12])
    writer.add("AK1", *group_echo)
    for check in checks:
        _add_set(writer, check)
    code = _group_code(group, checks)
    accepted = 0 if group.errors else sum(not check.rejected for check in checks)
    declared = number(group.trailer.text(1)) if group.trailer else None
    included = len(checks) if declared is None else declared
    writer.add("AK9", code, f"{included}"[-6:], f"{len(checks)}"[-6:], f"{accepted}"[-6:], *group.errors[:5])
    writer.end_set()
    writer.add("GE", "1", "{GS06}")
    return Acknowledgement(kind="999", code=code, body=writer.close(groups=1))


def _add_set(writer: _Writer, check: SetCheck) -> None:
    header = check.set.header
    writer.add("AK2", header.text(1)[:3], header.text(2)[:9] or "0000", header.text(3)[:12])
    for error in check.errors:
        # IK303 stays empty: element 447 has four characters, the loops of these guides have five.
        writer.add("IK3", error.segment, f"{error.position}"[-10:], "", error.code)
        if error.element:
            writer.add("IK4", f"{error.element}", error.reference, error.element_code)
    writer.add("IK5", _SET_CODES[check.status], *check.codes[:5])


def _group_code(group: FunctionalGroup, checks: Sequence[SetCheck]) -> str:
    """AK901: P when some sets were rejected and some not; any group error rejects the whole group."""
    rejected = sum(check.rejected for check in checks)
    if group.errors or (checks and rejected == len(checks)):
        return "R"
    if rejected:
        return "P"
    return "E" if any(check.codes for check in checks) else "A"


def _digits(text: str, length: int, otherwise: str) -> str:
    return text if len(text) == length and number(text) is not None else otherwise


class _Writer:
    """Writes one interchange back to the sender; values never break out of their element."""

    def __init__(self, header: Header, stamp: datetime, version: str) -> None:
        self.delimiters = _reply_delimiters(header.delimiters)
        self.segments: list[bytes] = []
        self.set_start = 0
        unsafe = b"".join(self.delimiters) + b"{}\r\n\x00"
        self.blanked = bytes(0x20 if byte in unsafe or byte < 0x20 else byte for byte in range(256))
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
        if value in ("{GS06}", "{ST02}"):
            return value
        return value.encode("latin-1", "replace").translate(self.blanked).decode("latin-1").strip()

    def _fixed(self, value: str, length: int) -> str:
        return self._clean(value)[:length].ljust(length)

    def add(self, *values: str) -> None:
        fields = [self._clean(value) for value in values]
        while fields[-1] == "":
            fields.pop()
        self.segments.append(self.delimiters.element.join(field.encode("latin-1") for field in fields))

    def begin_set(self) -> None:
        self.set_start = len(self.segments)
        self.add("ST", "999", "{ST02}", GUIDE)

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
