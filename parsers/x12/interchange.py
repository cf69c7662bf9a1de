"""Interchanges of a body: ISA..IEA, GS..GE and ST..SE with their control numbers and counts (X12.5, X12.6).

The envelope is found with one pass of a regular expression over the control segments.  A transaction set keeps only
its offsets and splits its segments when asked, so that a large file costs the memory of one set at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from parsers.errors import Oddity
from parsers.x12.header import Header, find_headers, header_flaws
from parsers.x12.segments import Delimiters, Segment, number, same_number, split_segments

MAX_ODDITIES = 100  # per interchange; a damaged file repeats the same oddity without end


class TransactionSet:
    """ST..SE.  `trailer` is None when SE is missing; the set then ends where the next control segment begins."""

    __slots__ = ("_body", "delimiters", "end", "guide", "header", "start", "trailer")

    def __init__(self, body: bytes, start: int, header: Segment, guide: str) -> None:
        self._body = body
        self.start = start
        self.end = start
        self.header = header
        self.trailer: Segment | None = None
        self.guide = guide
        self.delimiters = header.delimiters

    @property
    def id(self) -> str:
        return self.header.text(1)

    @property
    def control_number(self) -> str:
        return self.header.text(2)

    def split(self) -> tuple[list[Segment], int]:
        """(segments, empty segments skipped); splits anew on every call."""
        return split_segments(self._body[self.start : self.end], self.delimiters)


class FunctionalGroup:
    """GS..GE.  `errors` are AK905 codes; any of them rejects the group."""

    __slots__ = ("errors", "header", "sets", "trailer")

    def __init__(self, header: Segment) -> None:
        self.header = header
        self.trailer: Segment | None = None
        self.sets: list[TransactionSet] = []
        self.errors: list[str] = []

    @property
    def functional_id(self) -> str:
        return self.header.text(1)

    @property
    def control_number(self) -> str:
        return self.header.text(6)

    @property
    def version(self) -> str:
        return self.header.text(8)


class Interchange:
    """ISA..IEA.  `error` is the TA105 code of the first envelope error; None: the envelope is sound.  `flaw` is the
    TA105 code of what is wrong in the ISA and harms nothing (TA104 E)."""

    __slots__ = ("error", "flaw", "groups", "header", "oddities", "ta1", "trailer")

    def __init__(self, header: Header) -> None:
        self.header = header
        self.trailer: Segment | None = None
        self.groups: list[FunctionalGroup] = []
        self.ta1: list[Segment] = []
        self.oddities: list[Oddity] = []
        self.error: str | None = None
        self.flaw: str | None = None

    @property
    def control_number(self) -> str:
        return self.header.control_number

    def note(self, severity: str, code: str, location: str, text: str) -> None:
        if len(self.oddities) < MAX_ODDITIES:
            self.oddities.append(Oddity(severity, code, location, text))

    def reject(self, code: str, location: str, text: str) -> None:
        """Note an envelope error; the first one is what the TA1 reports."""
        self.note("error", code, location, text)
        self.error = self.error or code


def read_interchanges(body: bytes) -> Iterator[Interchange]:
    """Every interchange of a body, in order, each judged by itself; none when no ISA is readable.

    Never raises for any bytes.  Cost is linear in the size of the body.
    """
    header: Header | None = None
    for following in find_headers(body):
        if header is not None:
            yield _read(body, header, following.start)
        elif body[: following.start].strip(b" \t\r\n\xef\xbb\xbf\x00"):
            following = _flagged(following, "leading-data")
        header = following
    if header is not None:
        yield _read(body, header, len(body))


def _flagged(header: Header, flag: str) -> Header:
    return Header(
        start=header.start,
        end=header.end,
        elements=header.elements,
        delimiters=header.delimiters,
        flags=(*header.flags, flag),
    )


BROKEN = "isa-broken"
_STRUCTURE = "022"  # TA105
_FLAG_TEXTS = {
    "isa-padding": "The ISA is not 106 bytes long: its elements are not padded to their fixed lengths",
    "isa-broken-lines": "The ISA is broken over lines",
    "isa-component-missing": "ISA16 is missing: the interchange has no component separator",
    "leading-data": "Data before the first ISA was skipped",
    BROKEN: "The ISA has not its sixteen elements: nothing of the interchange was read",
}


_FLAG_CODES = {"isa-component-missing": "027"}  # TA105


def _read(body: bytes, header: Header, end: int) -> Interchange:
    interchange = Interchange(header)
    if BROKEN in header.flags:
        interchange.reject(_STRUCTURE, "ISA", _FLAG_TEXTS[BROKEN])
        return interchange
    for flag in header.flags:
        interchange.note("warning", flag, "ISA", _FLAG_TEXTS[flag])
        interchange.flaw = interchange.flaw or _FLAG_CODES.get(flag)
    for code, element, text in header_flaws(header):
        interchange.note("warning", f"TA105*{code}", f"ISA*{element}", text)
        interchange.flaw = interchange.flaw or code
    start = header.end
    broken = body.find(b"\n", start, end) >= 0 or body.find(b"\r", start, end) >= 0
    if broken and _wrapped(header.delimiters).search(body, start, end):
        interchange.note("warning", "wrapped-lines", "ISA", "Line breaks stand inside segments; they were removed")
        body = body[start:end].translate(None, b"\r\n")
        start, end = 0, len(body)
    _EnvelopeReader(interchange, body, start, end).read()
    return interchange


@lru_cache(maxsize=64)
def _wrapped(delimiters: Delimiters) -> re.Pattern[bytes]:
    if not delimiters.segment.strip():
        return _NEVER
    return re.compile(rb"[^\s" + re.escape(delimiters.segment[-1:]) + rb"][ \t]{0,8}[\r\n]\s*+\S")


_NEVER = re.compile(rb"(?!)")


@lru_cache(maxsize=64)
def _control_pattern(delimiters: Delimiters) -> re.Pattern[bytes]:
    """A control segment that begins after a terminator and layout."""
    terminator = delimiters.segment
    blanks = delimiters.blanks.translate(None, terminator)
    return re.compile(
        re.escape(terminator)
        + (b"[" + re.escape(blanks) + b"]*+" if blanks else b"")
        + rb"(GS|GE|ST|SE|TA1|IEA)(?="
        + re.escape(delimiters.element)
        + b"|"
        + re.escape(terminator)
        + b")"
    )


class _EnvelopeReader:
    """The state machine over control segments: which interchange, group and set are open."""

    def __init__(self, interchange: Interchange, body: bytes, start: int, end: int) -> None:
        self.interchange = interchange
        self.delimiters = interchange.header.delimiters
        self.body = body
        self.start = start
        self.end = end
        self.group: FunctionalGroup | None = None
        self.set: TransactionSet | None = None
        self.after = start  # where the last control segment outside a set ended

    def read(self) -> None:
        steps = {"GS": self._gs, "GE": self._ge, "ST": self._st, "SE": self._se, "TA1": self._ta1}
        for at, segment, stop in self._control_segments():
            if segment.id == "TA1" and self.set is not None:
                continue  # content of the set, judged there
            if segment.id not in ("SE", "TA1") and self.set is not None:
                self._close_set(at)
            if self.set is None:
                self._check_gap(at)
            if segment.id == "IEA":
                self.after = stop
                self._iea(segment)
                return
            steps[segment.id](segment, at, stop)
            self.after = stop
        if self.set is not None:
            self._close_set(self.end)
        self._close_group()
        self.interchange.reject("023", "IEA", "The interchange ends without IEA")

    def _control_segments(self) -> Iterator[tuple[int, Segment, int]]:
        terminator = self.delimiters.segment
        layout = self.delimiters.blanks
        for match in _control_pattern(self.delimiters).finditer(self.body, self.start, self.end):
            at = match.start(1)
            stop = self.body.find(terminator, at, self.end)
            stop = self.end if stop < 0 else stop
            raw = self.body[at:stop].strip(layout)
            yield at, Segment(raw, self.delimiters), stop

    def _check_gap(self, at: int) -> None:
        """Between control segments outside a set nothing but layout belongs (ISB and ISE after the ISA apart)."""
        gap = self.body[self.after : at].replace(self.delimiters.segment, b"").strip(b" \t\r\n")
        if gap and not (self.group is None and gap[:2] == b"IS"):
            self.interchange.note("warning", "stray-segment", "GS", "Segments stand outside every transaction set")

    def _gs(self, segment: Segment, at: int, stop: int) -> None:
        self._close_group()
        self.group = FunctionalGroup(segment)
        self.interchange.groups.append(self.group)

    def _ge(self, segment: Segment, at: int, stop: int) -> None:
        group = self.group
        if group is None:
            self.interchange.reject("022", "GE", "A GE stands outside every functional group")
            return
        group.trailer = segment
        if not same_number(group.control_number, segment.text(2)):
            self._group_error(group, "4", "GE*2", "GE02 differs from GS06")
        if number(segment.text(1)) != len(group.sets):
            self._group_error(group, "5", "GE*1", "GE01 differs from the number of transaction sets")
        self.group = None

    def _group_error(self, group: FunctionalGroup, code: str, location: str, text: str) -> None:
        group.errors.append(code)
        self.interchange.note("error", "AK905*" + code, location, text)

    def _close_group(self) -> None:
        if self.group is not None:
            self._group_error(self.group, "3", "GE", "The functional group ends without GE")
            self.group = None

    def _st(self, segment: Segment, at: int, stop: int) -> None:
        if self.group is None:
            self.interchange.reject("022", "ST", "A transaction set stands outside every functional group")
            return
        self.set = TransactionSet(self.body, at, segment, segment.text(3) or self.group.version)
        self.group.sets.append(self.set)

    def _se(self, segment: Segment, at: int, stop: int) -> None:
        if self.set is None:
            self.interchange.note("error", "stray-segment", "SE", "An SE stands without its ST")
            return
        self.set.trailer = segment
        self._close_set(stop)

    def _close_set(self, end: int) -> None:
        if self.set is not None:
            self.set.end = end
            self.set = None
            self.after = end

    def _ta1(self, segment: Segment, at: int, stop: int) -> None:
        if self.group is not None:
            self.interchange.note("warning", "stray-segment", "TA1", "A TA1 stands inside a functional group")
        self.interchange.ta1.append(segment)

    def _iea(self, segment: Segment) -> None:
        self._close_group()
        interchange = self.interchange
        interchange.trailer = segment
        if not same_number(interchange.control_number, segment.text(2)):
            interchange.reject("001", "IEA*2", "IEA02 differs from ISA13")
        groups = len(interchange.groups)
        # Senders of a TA1 alone write 0 or 1 here: the standard counts groups, many count what they put in.
        allowed = {0, 1} if groups == 0 and interchange.ta1 else {groups}
        if number(segment.text(1)) not in allowed:
            interchange.reject("021", "IEA*1", "IEA01 differs from the number of functional groups")
        rest = self.body[self.after : self.end].replace(self.delimiters.segment, b"")
        if rest.strip(b" \t\r\n\x00\x1a"):
            interchange.note("warning", "trailing-data", "IEA", "Data after IEA was skipped")
