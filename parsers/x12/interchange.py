"""Interchanges of a body: ISA..IEA, GS..GE and ST..SE with their control numbers and counts (X12.5, X12.6).

The envelope is read in one pass over the control segments, before any set: the trailers decide what becomes of the
sets before them.  Of a set only its offsets are kept, so that a large file costs the memory of one set at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from parsers.content import Content, Unwrapped, visible
from parsers.errors import Oddity
from parsers.x12.control import control_segments, lines_cut_segments
from parsers.x12.header import Header, find_headers, header_flaws
from parsers.x12.segments import Segment, number, same_number
from parsers.x12.transaction_set import TransactionSets

MAX_ODDITIES = 100  # per interchange; a damaged file repeats the same oddity without end
MAX_GROUPS = 99_999  # per interchange: IEA01 has five digits
MAX_SETS = 999_999  # per interchange: GE01 has six digits
MAX_TA1 = 9_999  # per interchange; one sender means one
_ACKNOWLEDGING_GROUP = "FA"  # GS01 of 997 and 999
_ACKNOWLEDGING_SETS = frozenset({"997", "999"})


class FunctionalGroup:
    """GS..GE.  `errors` are AK905 codes; any of them rejects the group."""

    __slots__ = ("_others", "errors", "header", "sets", "trailer")

    def __init__(self, header: Segment, content: Content) -> None:
        self.header = header
        self.trailer: Segment | None = None
        self.sets = TransactionSets(content, header.delimiters, header.text(8))
        self.errors: list[str] = []
        self._others = False  # a set that is no acknowledgement

    def open_set(self, header: Segment, start: int) -> None:
        self.sets.open(start)
        self._others = self._others or header.text(1) not in _ACKNOWLEDGING_SETS

    @property
    def acknowledges(self) -> bool:
        """Whether it holds acknowledgements, which are never acknowledged themselves."""
        return self.functional_id == _ACKNOWLEDGING_GROUP or (len(self.sets) > 0 and not self._others)

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


def read_interchanges(body: Content) -> Iterator[Interchange]:
    """Every interchange of a body, in order, each judged by itself; none when no ISA is readable.

    Never raises for any bytes.  Cost is linear in the size of the body; memory is a window, and some bytes for each
    set of one interchange.
    """
    header: Header | None = None
    for following in find_headers(body):
        if header is not None:
            yield _read(body, header, following.start)
        elif visible(body, 0, following.start, b" \t\r\n\xef\xbb\xbf\x00"):
            following = msgspec.structs.replace(following, flags=(*following.flags, "leading-data"))
        header = following
    if header is not None:
        yield _read(body, header, len(body))


BROKEN = "isa-broken"
LOWER_CASE = "Segment identifiers are in lower case; they were read as if in upper case"
_GROUPS = {"270": "HS", "271": "HB", "278": "HI"}  # ST01 -> GS01
_STRUCTURE = "022"  # TA105
_FLAG_TEXTS = {
    "lower-case": LOWER_CASE,
    "isa-padding": "The ISA is not 106 bytes long: its elements are not padded to their fixed lengths",
    "isa-broken-lines": "The ISA is broken over lines",
    "isa-component-missing": "ISA16 is missing: the interchange has no component separator",
    "leading-data": "Data before the first ISA was skipped",
    BROKEN: "The ISA has not its sixteen elements: nothing of the interchange was read",
}


_FLAG_CODES = {"isa-component-missing": "027"}  # TA105


def _read(body: Content, header: Header, end: int) -> Interchange:
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
    start, content = header.end, body
    if lines_cut_segments(body, start, end, header.delimiters):
        interchange.note("warning", "wrapped-lines", "ISA", "Line breaks stand inside segments; they were removed")
        content = Unwrapped(body, start, end)
        start, end = 0, len(content)
    _EnvelopeReader(interchange, content, start, end).read()
    return interchange


class _EnvelopeReader:
    """The state machine over control segments: which interchange, group and set are open."""

    def __init__(self, interchange: Interchange, content: Content, start: int, end: int) -> None:
        self.interchange = interchange
        self.delimiters = interchange.header.delimiters
        self.content = content
        self.start = start
        self.end = end
        self.group: FunctionalGroup | None = None
        self.in_set = False
        self.lower_case = "lower-case" in interchange.header.flags  # told already
        self.sets = 0
        self.after = start  # where the last control segment outside a set ended

    def read(self) -> None:
        steps = {"GS": self._gs, "GE": self._ge, "ST": self._st, "SE": self._se, "TA1": self._ta1}
        for at, segment, stop in control_segments(self.content, self.start, self.end, self.delimiters):
            if not (self.lower_case or segment.content.startswith(segment.id.encode())):
                self.lower_case = True
                self.interchange.note("warning", "lower-case", segment.id, LOWER_CASE)
            if segment.id == "TA1" and self.in_set:
                continue  # content of the set, judged there
            if segment.id not in ("SE", "TA1"):
                self._close_set(at)
            if not self.in_set:
                self._check_gap(at)
            if segment.id == "IEA":
                self.after = stop
                self._iea(segment)
                return
            steps[segment.id](segment, at, stop)
            self.after = stop
        self._close_set(self.end)
        self._close_group()
        self.interchange.reject("023", "IEA", "The interchange ends without IEA")

    def _check_gap(self, at: int) -> None:
        """Between control segments outside a set nothing but layout belongs (ISB and ISE after the ISA apart)."""
        gap = visible(self.content, self.after, at, self.delimiters.segment + b" \t\r\n")
        if gap and not (self.group is None and gap == b"IS"):
            self.interchange.note("warning", "stray-segment", "GS", "Segments stand outside every transaction set")

    def _gs(self, segment: Segment, at: int, stop: int) -> None:
        self._close_group()
        self.group = FunctionalGroup(segment, self.content)
        if len(self.interchange.groups) < MAX_GROUPS:
            self.interchange.groups.append(self.group)
        else:
            self.interchange.reject("021", "GS", f"More than {MAX_GROUPS:,} functional groups")

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
        self.sets += 1
        if self.sets > MAX_SETS:
            self.interchange.reject("022", "ST", f"More than {MAX_SETS:,} transaction sets")
            return
        self.in_set = True
        if self.group.functional_id != _GROUPS.get(segment.text(1), self.group.functional_id):
            self.interchange.note("warning", "functional-id", "GS*1", "GS01 is not that of the transaction sets")
        self.group.open_set(segment, at)

    def _se(self, segment: Segment, at: int, stop: int) -> None:
        if not self.in_set:
            self.interchange.note("error", "stray-segment", "SE", "An SE stands without its ST")
        self._close_set(stop)

    def _close_set(self, end: int) -> None:
        if self.in_set and self.group is not None:
            self.group.sets.close(end)
            self.in_set = False
            self.after = end

    def _ta1(self, segment: Segment, at: int, stop: int) -> None:
        if self.group is not None:
            self.interchange.note("warning", "stray-segment", "TA1", "A TA1 stands inside a functional group")
        if len(self.interchange.ta1) < MAX_TA1:
            self.interchange.ta1.append(segment)
        else:
            self.interchange.note("warning", "stray-segment", "TA1", f"TA1 after the first {MAX_TA1:,} were skipped")

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
        if visible(self.content, self.after, self.end, self.delimiters.segment + b" \t\r\n\x00\x1a"):
            interchange.note("warning", "trailing-data", "IEA", "Data after IEA was skipped")
