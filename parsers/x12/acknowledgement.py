"""TA1, 999 (005010X231A1) and 997 (004010) that answer an interchange, as bytes with slots for the control numbers.

Each acknowledgement is an interchange of its own, in the sender's delimiters, addressed back to him.  `{ISA13}`,
`{GS06}` and `{ST02}` stand where the control numbers of our stored sequence go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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


class Answering(msgspec.Struct, frozen=True):
    """How one interchange is answered.

    stamp     our local time
    mode      auto (997 to groups of 004010, else 999) | 999 | 997 | none
    line_end  follows each segment
    """

    interchange: Interchange
    stamp: datetime
    mode: str = "auto"
    line_end: str = ""

    @property
    def _silent(self) -> bool:
        """An interchange that holds only acknowledgements gets none."""
        groups = self.interchange.groups
        return all(group.acknowledges for group in groups) if groups else bool(self.interchange.ta1)

    def ta1(self) -> Acknowledgement | None:
        """For a broken or flawed envelope, or when ISA14 asks."""
        interchange = self.interchange
        wanted = interchange.error or interchange.flaw or interchange.header.elements[14] == "1"
        return None if not wanted or self._silent else _ta1(interchange, self.stamp, self.line_end)

    def of_group(self, group: FunctionalGroup) -> GroupAnswer | None:
        """The 999 or 997 of a group in a sound envelope, to which the checks of its sets are added."""
        if self.interchange.error is not None or self.mode == "none" or group.acknowledges:
            return None
        old = self.mode == "997" or (self.mode == "auto" and group.version.startswith(OLD_RELEASE))
        writer = _Writer(self.interchange.header, self.stamp, "00401" if old else "00501", self.line_end)
        return GroupAnswer(writer, group, old=old)


def acknowledge(answering: Answering, checks: Sequence[Iterable[SetCheck]]) -> list[Acknowledgement]:
    """All that the sender gets back; `checks` holds those of each group."""
    ta1 = answering.ta1()
    answers = [ta1] if ta1 else []
    for group, found in zip(answering.interchange.groups, checks, strict=True):
        answer = answering.of_group(group)
        if answer is not None:
            for check in found:
                answer.add(check)
            answers.append(answer.close())
    return answers


def number_interchange(body: bytes, number: int) -> bytes:
    """Fill the control-number slots of an interchange that we send: `number` (1 to 999999999, from the partner's
    stored sequence) is ISA13 and the GS06 of its only group; ST02 of its first transaction set is 0001."""
    return body.replace(b"{ISA13}", b"%09d" % number).replace(b"{GS06}", b"%d" % number).replace(b"{ST02}", b"0001")


def _ta1(interchange: Interchange, stamp: datetime, line_end: str) -> Acknowledgement:
    header = interchange.header
    writer = _Writer(header, stamp, header.version if header.version == "00401" else "00501", line_end)
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


class GroupAnswer:
    """A 999 or 997 in writing: `add` every set in order, then `close`.  Holds the text alone, no check."""

    def __init__(self, writer: _Writer, group: FunctionalGroup, *, old: bool) -> None:
        self._writer = writer
        self._group = group
        self._old = old
        self._sets = self._rejected = self._faulty = 0
        gs = group.header
        stamp = writer.stamp
        day, time = f"{stamp:%Y%m%d}", f"{stamp:%H%M}"
        release = OLD_RELEASE if old else GUIDE
        writer.add("GS", "FA", gs.text(3)[:15], gs.text(2)[:15], day, time, "{GS06}", "X", release)
        writer.begin_set("ST", "997", "{ST02}") if old else writer.begin_set("ST", "999", "{ST02}", GUIDE)
        echo = ("AK1", group.functional_id[:2], f"{number(group.control_number) or 0}"[-9:])
        writer.add(*echo) if old else writer.add(*echo, group.version[:12])

    def add(self, check: SetCheck) -> None:
        self._sets += 1
        self._rejected += check.rejected
        self._faulty += bool(check.codes)
        head = check.set.header
        reference = (head.text(1)[:3], head.text(2)[:9] or "0000")
        codes = check.codes[:5]
        if self._old:
            self._writer.add("AK2", *reference)
            self._old_errors(check)
            codes = tuple(_OLD_SET_CODES.get(code, code) for code in codes)
            self._writer.add("AK5", _SET_CODES[check.status], *codes)
        else:
            self._writer.add("AK2", *reference, head.text(3)[:12])
            self._errors(check)
            self._writer.add("IK5", _SET_CODES[check.status], *codes)

    def _errors(self, check: SetCheck) -> None:
        writer = self._writer
        for error, elements in _by_segment(check.errors):
            # IK303 and CTX04 stay empty: element 447 has four characters, the loops of these guides have more.
            writer.add("IK3", error.segment, f"{error.position}"[-10:], "", error.code)
            if not elements and error.trigger:
                writer.add_trigger(error.trigger)
            for one in elements:
                writer.add_element("IK4", one, one.element_code)
                if one.trigger:
                    writer.add_trigger(one.trigger)

    def _old_errors(self, check: SetCheck) -> None:
        for error, elements in _by_segment(check.errors):
            code = _OLD_SEGMENT_CODES.get(error.code, error.code)
            self._writer.add("AK3", error.segment, f"{error.position}"[-6:], "", code)
            for one in elements:
                self._writer.add_element("AK4", one, _OLD_ELEMENT_CODES.get(one.element_code, one.element_code))

    def close(self) -> Acknowledgement:
        group, writer, code = self._group, self._writer, self._code()
        accepted = 0 if group.errors else self._sets - self._rejected
        declared = number(group.trailer.text(1)) if group.trailer else None
        included = self._sets if declared is None else declared
        counts = (f"{count}"[-6:] for count in (included, self._sets, accepted))
        writer.add("AK9", code, *counts, *group.errors[:5])
        writer.end_set()
        writer.add("GE", "1", "{GS06}")
        return Acknowledgement(kind="997" if self._old else "999", code=code, body=writer.close(groups=1))

    def _code(self) -> str:
        """AK901: P when some sets were rejected and some not; any group error rejects the whole group."""
        if self._group.errors or (self._sets and self._rejected == self._sets):
            return "R"
        if self._rejected:
            return "P"
        return "E" if self._faulty else "A"


def _by_segment(errors: Sequence[SegmentError]) -> Iterator[tuple[SegmentError, list[SegmentError]]]:
    """(error of the segment, its element errors): those of one segment go under one IK3."""
    for _, together in groupby(errors, key=lambda error: (error.position, error.code, error.code == _ELEMENT_ERRORS)):
        found = list(together)
        if found[0].code == _ELEMENT_ERRORS:
            yield found[0], [error for error in found if error.element]
        else:
            for error in found:
                yield error, []


@lru_cache(maxsize=64)
def _blanked(delimiters: bytes) -> bytes:
    """A table that makes blanks of what would break out of an element, or stand for a slot."""
    unsafe = delimiters + b"{}"
    return bytes(0x20 if byte in unsafe or byte < 0x20 else byte for byte in range(256))


class _Writer:
    """Writes one interchange back to the sender; values never break out of their element."""

    def __init__(self, header: Header, stamp: datetime, version: str, line_end: str) -> None:
        self.stamp = stamp
        delimiters = self.delimiters = _reply_delimiters(header.delimiters)
        self._blanked = _blanked(b"".join(delimiters))
        self._end = delimiters.segment + (b"" if delimiters.segment in b"\r\n" else line_end.encode())
        self._text = bytearray()
        self._count = 0  # of segments in the set
        repetition = "U" if version == "00401" else delimiters.repetition.decode("latin-1")
        elements = header.elements
        fields = ["ISA", "00", " " * 10, "00", " " * 10]
        for qualifier, address in ((elements[7], elements[8]), (elements[5], elements[6])):
            fields += [self._fixed(qualifier, 2), self._fixed(address, 15)]
        fields += [f"{stamp:%y%m%d}", f"{stamp:%H%M}", repetition, version, "{ISA13}", "0"]
        fields += [self._fixed(elements[15] or "P", 1), delimiters.component.decode("latin-1")]
        self._write(fields)

    def _write(self, fields: Iterable[str]) -> None:
        self._text += self.delimiters.element.decode("latin-1").join(fields).encode("latin-1") + self._end
        self._count += 1

    def _clean(self, value: str) -> str:
        if (value.isascii() and value.isalnum()) or value in ("{GS06}", "{ST02}"):
            return value
        return value.encode("latin-1", "replace").translate(self._blanked).decode("latin-1").strip()

    def _fixed(self, value: str, length: int) -> str:
        return self._clean(value)[:length].ljust(length)

    def add(self, *values: str) -> None:
        fields = [self._clean(value) for value in values]
        while fields[-1] == "":
            fields.pop()
        self._write(fields)

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
        self._write(values if values[-1] else values[:-1])

    def begin_set(self, *values: str) -> None:
        self._count = 0
        self.add(*values)

    def end_set(self) -> None:
        self.add("SE", f"{self._count + 1}", "{ST02}")

    def close(self, groups: int) -> bytes:
        self._write(("IEA", f"{groups}", "{ISA13}"))
        return bytes(self._text)


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
