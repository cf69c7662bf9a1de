"""The answer to a real-time 270 or 278 whose payer could not be asked in time: AAA at the information source.

AAA03 42 says that the payer cannot answer now, 80 that no answer came in time; AAA04 says when to ask again
(docs/domain.md, section on reject reasons).  Only what the request says is echoed; `{ISA13}`, `{GS06}` and `{ST02}`
stand where control numbers go.
"""

from __future__ import annotations

from datetime import datetime

from parsers.x12.header import Header, find_headers
from parsers.x12.interchange import read_interchanges
from parsers.x12.segments import Segment

UNABLE, NO_ANSWER = "42", "80"
RESUBMIT_LATER = "P"
_GROUPS = {"270": ("HB", "271", "0022", "11"), "278": ("HI", "278", "0007", "11")}
_SOURCES = {"270": frozenset({"PR", "2B", "36", "GP", "P5"}), "278": frozenset({"X3"})}
_ECHOED = 9  # elements of NM1


def unable_to_answer(request: bytes, reason: str, stamp: datetime) -> bytes | None:
    """A 271, or 278 response, with AAA*Y**<reason>*P; None when the request is neither a sound 270 nor a sound 278.

    `stamp` is our local time."""
    header = next(find_headers(request[:65536]), None)
    interchange = next(read_interchanges(request), None) if header is not None else None
    if header is None or interchange is None or interchange.error or not interchange.groups:
        return None
    group = interchange.groups[0]
    first = group.sets[0] if group.sets else None
    if first is None or first.id not in _GROUPS:
        return None
    segments, _ = first.split()
    beginning = next((each for each in segments if each.id == "BHT"), None)
    source = next((e for e in segments if e.id == "NM1" and e.text(1) in _SOURCES[first.id]), None)
    if beginning is None or source is None:
        return None
    return _write(header, group.header, (first.id, beginning, source, reason), stamp)


def _write(header: Header, group: Segment, asked: tuple[str, Segment, Segment, str], stamp: datetime) -> bytes:
    set_id, beginning, source, reason = asked
    functional, answer, structure, purpose = _GROUPS[set_id]
    guide = group.text(8)
    element = header.delimiters.element.decode("latin-1")
    repetition = header.delimiters.repetition.decode("latin-1") or "^"
    e = header.elements
    day, hour = f"{stamp:%Y%m%d}", f"{stamp:%H%M}"
    body = [
        ["ST", answer, "{ST02}", guide],
        ["BHT", structure, purpose, beginning.text(3), day, hour],
        ["HL", "1", "", "20", "0"],
        ["AAA", "Y", "", reason, RESUBMIT_LATER],
        ["NM1", *(source.text(at) for at in range(1, _ECHOED + 1))],
    ]
    addresses = [e[7].ljust(2), e[8].ljust(15), e[5].ljust(2), e[6].ljust(15)]
    component = header.delimiters.component.decode("latin-1") or ":"
    sent = [f"{stamp:%y%m%d}", hour, repetition, e[12], "{ISA13}", "0", e[15] or "P", component]
    lines = [
        ["ISA", "00", " " * 10, "00", " " * 10, *addresses, *sent],
        ["GS", functional, group.text(3), group.text(2), day, hour, "{GS06}", "X", guide],
        body[0],
        *(_trimmed(line) for line in body[1:]),
        ["SE", str(len(body) + 1), "{ST02}"],
        ["GE", "1", "{GS06}"],
        ["IEA", "1", "{ISA13}"],
    ]
    terminator = header.delimiters.segment.decode("latin-1")
    return "".join(element.join(line) + terminator for line in lines).encode("latin-1", "replace")


def _trimmed(line: list[str]) -> list[str]:
    while line[-1] == "":
        line = line[:-1]
    return line
