"""A document on its way through us: other addresses and control numbers out, the asker's own back in (X12.5).

Only ISA05 to ISA08, ISA13, GS02, GS03, GS06 and their trailers change; in an answer also what TA101 and AK102 refer to.
Linear in the length of a document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise

import msgspec

from parsers.x12.header import Header, find_headers
from parsers.x12.segments import Delimiters

_MOST = 999_999_999  # of a control number
_ISA = 17  # elements, its name among them
_CHANGED = rb"(GS|GE|TA1|AK1|IEA)"


class Address(msgspec.Struct, frozen=True):
    """One end: ISA05 and ISA06, or ISA07 and ISA08; `application` is GS02 or GS03."""

    qualifier: str
    id: str
    application: str


class Route(msgspec.Struct, frozen=True):
    """As whom a document is passed on, and to whom."""

    sender: Address
    receiver: Address


class _Original(msgspec.Struct):
    """What a document said before: its ends, and its control numbers by those that it was passed on with."""

    sender: tuple[bytes, bytes] = (b"", b"")
    receiver: tuple[bytes, bytes] = (b"", b"")
    applications: tuple[bytes, bytes] = (b"", b"")  # GS02, GS03
    interchanges: dict[int, bytes] = {}
    groups: dict[int, bytes] = {}


def numbers_wanted(document: bytes) -> int:
    """How many control numbers in a row `forward` uses: one for each group, and for an interchange without any."""
    return sum(max(1, len(groups)) for _, groups in _numbers(document))


def addressable(document: bytes, route: Route) -> bool:
    """Whether it can have these addresses: they hold none of its separators, and each ISA has its 16 elements."""
    words = [part for end in (route.sender, route.receiver) for part in (end.qualifier, end.id, end.application)]
    text = "".join(words).encode("latin-1", "replace")
    return all(
        not any(each and each in text for each in header.delimiters)
        and len(document[header.start : header.end].split(header.delimiters.element)) == _ISA
        for header in find_headers(document)
    )


def forward(document: bytes, route: Route, first: int) -> bytes:
    """An addressable document under the route's addresses, numbered from `first`."""
    ends = (route.sender, route.receiver)
    numbers = iter([*_placed(document, first)])
    interchange, group, groups = 0, 0, iter([0])

    def head(elements: list[bytes]) -> None:
        nonlocal interchange, groups
        interchange, named = next(numbers)
        groups = iter(named)
        parts = (ends[0].qualifier, ends[0].id, ends[1].qualifier, ends[1].id)
        elements[5:9] = (_fixed(part, size) for part, size in zip(parts, (2, 15, 2, 15), strict=True))
        elements[13] = b"%09d" % interchange

    def change(name: bytes, elements: list[bytes]) -> None:
        nonlocal group
        if name == b"GS":
            group = next(groups, group)
            elements[2:4] = (end.application.encode("latin-1", "replace") for end in ends)
            elements[6:7] = [b"%d" % group]
        elif name == b"GE":
            elements[2:3] = [b"%d" % group]
        elif name == b"IEA":
            elements[2:3] = [b"%09d" % interchange]

    return _rewritten(document, head, change)


def back(answer: bytes, document: bytes, first: int) -> bytes:
    """An answer to what `forward` made of `document` from `first` on, as the asker would have had it."""
    known = _original(document, first)

    def head(elements: list[bytes]) -> None:
        elements[5:7], elements[7:9] = known.receiver, known.sender
        elements[13] = _known(known.interchanges, elements[13])

    def change(name: bytes, elements: list[bytes]) -> None:
        if name == b"GS":
            elements[2:4] = known.applications[1], known.applications[0]
        place = {b"GS": 6, b"GE": 2, b"IEA": 2, b"TA1": 1, b"AK1": 2}[name]
        numbers = known.interchanges if name in (b"IEA", b"TA1") else known.groups
        if len(elements) > place:
            elements[place] = _known(numbers, elements[place])

    return _rewritten(answer, head, change)


def _rewritten(body: bytes, head: Callable[[list[bytes]], None], change: Callable[[bytes, list[bytes]], None]) -> bytes:
    """Each ISA and control segment with its elements changed in place; everything else byte for byte."""
    made = bytearray()
    at = 0
    for header, end in _interchanges(body):
        separator = header.delimiters.element
        isa = body[header.start : header.end].split(separator)
        made += body[at : header.start]
        if len(isa) == _ISA:
            head(isa)

        def replaced(match: re.Match[bytes], separator: bytes = separator) -> bytes:
            elements = match[0][len(match[1]) :].split(separator)
            change(match[2], elements)
            return match[1] + separator.join(elements)

        made += separator.join(isa) + _pattern(header.delimiters).sub(replaced, body[header.end : end])
        at = end
    return bytes(made + body[at:])


def _interchanges(body: bytes) -> Iterator[tuple[Header, int]]:
    """(ISA, where what belongs to it ends)."""
    for header, following in pairwise([*find_headers(body), None]):
        if header is not None:
            yield header, following.start if following is not None else len(body)


@lru_cache(maxsize=64)
def _pattern(delimiters: Delimiters) -> re.Pattern[bytes]:
    """A changed segment after a terminator and layout; group 1 is what stands before it."""
    terminator, blanks = re.escape(delimiters.segment), re.escape(delimiters.blanks)
    layout = b"[" + blanks + b"]{0,64}+" if blanks else b""
    end = b"[^" + re.escape(delimiters.segment[:1]) + b"]*+"
    return re.compile(
        b"(" + terminator + layout + b")" + _CHANGED + b"(?=" + re.escape(delimiters.element) + b")" + end
    )


def _numbers(document: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
    """(ISA13, GS06 of each group) of each interchange."""
    for header, end in _interchanges(document):
        isa = document[header.start : header.end].split(header.delimiters.element)
        yield (isa[13] if len(isa) == _ISA else b""), [gs[6] for gs in _group_headers(document, header, end)]


def _group_headers(document: bytes, header: Header, end: int) -> Iterator[list[bytes]]:
    """The elements of each GS, filled up to GS08."""
    for match in _pattern(header.delimiters).finditer(document, header.end, end):
        if match[2] == b"GS":
            yield match[0][len(match[1]) :].split(header.delimiters.element) + [b""] * 8


def _placed(document: bytes, first: int) -> Iterator[tuple[int, list[int]]]:
    """The numbers of each interchange and its groups, in their order."""
    for _, groups in _numbers(document):
        count = max(1, len(groups))
        numbers = [(first + each - 1) % _MOST + 1 for each in range(count)]
        yield numbers[0], numbers
        first += count


def _original(document: bytes, first: int) -> _Original:
    known = _Original(interchanges={}, groups={})
    found = next(_interchanges(document), None)
    if found is None:
        return known
    header, end = found
    isa = document[header.start : header.end].split(header.delimiters.element) + [b""] * _ISA
    known.sender, known.receiver = (isa[5], isa[6]), (isa[7], isa[8])
    known.applications = next(((gs[2], gs[3]) for gs in _group_headers(document, header, end)), (b"", b""))
    for (number, groups), (interchange, named) in zip(_placed(document, first), _numbers(document), strict=True):
        known.interchanges[number] = interchange
        known.groups |= dict(zip(groups, named, strict=False))
    return known


def _known(numbers: dict[int, bytes], given: bytes) -> bytes:
    return numbers.get(int(given), given) if given.isdigit() and len(given) <= 9 else given


def _fixed(text: str, size: int) -> bytes:
    return text.encode("latin-1", "replace")[:size].ljust(size)
