"""The ISA segment (X12.5): found wherever it stands, read by its fixed positions, else by its elements."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from parsers.content import WINDOW, Content, skip
from parsers.x12.segments import Delimiters, decode

_CANDIDATE = re.compile(rb"(?i:ISA)([^0-9A-Za-z\s])[0-9A-Za-z \r\n]{0,4}\1")
_SEPARATORS_AT = (3, 6, 17, 20, 31, 34, 50, 53, 69, 76, 81, 83, 89, 99, 101, 103)
_LOOK = 512  # an ISA has 106 bytes; the rest is room for a sender's bad padding
_LONGEST_ELEMENT = 40
_BLANKS = b" \t\r\n"
_LAYOUT = _BLANKS + b"\xef\xbb\xbf\x00"
_FIRST_REPETITION_VERSION = "00402"


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """One readable ISA.

    start, end    offsets in the body: of "ISA", and of the terminator that ends the segment
    elements      ISA01..ISA16 without padding, index 0 = "ISA"
    flags         what was odd: "lower-case", "isa-padding", "isa-broken-lines", "isa-component-missing"; "isa-broken":
                  elements are missing or surplus, the others are guessed, nothing but a TA1 can be made of it
    """

    start: int
    end: int
    elements: tuple[str, ...]
    delimiters: Delimiters
    flags: tuple[str, ...] = ()

    @property
    def control_number(self) -> str:
        return self.elements[13]

    @property
    def sender(self) -> str:
        return self.elements[6]

    @property
    def receiver(self) -> str:
        return self.elements[8]

    @property
    def version(self) -> str:
        return self.elements[12]


def find_headers(body: Content) -> Iterator[Header]:
    """Every readable ISA of a body, in order.  Never raises; cost is linear (a bounded look per candidate)."""
    first = skip(body, 0, len(body), _LAYOUT)
    for at in range(first, len(body), WINDOW):
        window = body[at : at + WINDOW + _LOOK]
        for match in _CANDIDATE.finditer(window):
            start = match.start()
            if start >= WINDOW:
                break  # of the next window
            before = window[start - 1 : start] if start else body[max(at - 1, 0) : at]
            if before.isalnum():
                continue
            look = window[start : start + _LOOK]
            header = _read_header(look, at + start)
            if header is None and at + start == first:
                header = _read_broken(look, at + start)
            if header is not None:
                yield header


def _read_header(window: bytes, start: int) -> Header | None:
    element = window[3:4]
    flags = [] if window.startswith(b"ISA") else ["lower-case"]
    if len(window) > _SEPARATORS_AT[-1] and all(window[at : at + 1] == element for at in _SEPARATORS_AT):
        pieces = window[:104].split(element, 16)
        tail_at = 104
    else:
        pieces = window.split(element, 16)
        if len(pieces) < 17 or not _plausible(pieces):
            return None
        tail_at = len(window) - len(pieces[16])
        flags.append("isa-padding")
    if any(b"\n" in piece or b"\r" in piece for piece in pieces[:16]):
        flags.append("isa-broken-lines")
    component, terminator, length = _endings(window[tail_at:], element)
    if component.isalnum() or component == element:
        component = b""  # it cannot separate anything
    if not terminator or terminator in (element, component):
        return None
    if not component:
        flags.append("isa-component-missing")
    elements = _texts(pieces[:16], element)
    delimiters = Delimiters(element, component, _repetition(elements, (element, component, terminator)), terminator)
    return Header(
        start=start,
        end=start + tail_at + length,
        elements=(*elements, decode(component)),
        delimiters=delimiters,
        flags=tuple(flags),
    )


def _read_broken(window: bytes, start: int) -> Header | None:
    """An ISA at the start of a body with too few or too many elements, when its addresses and the GS can be found: its
    sender can be told at least."""
    element = window[3:4]
    following = re.search(rb"(?<=[^0-9A-Za-z])(?i:GS)" + re.escape(element), window)
    if following is None:
        return None
    content = window[: following.start()].rstrip(_BLANKS)
    terminator = content[-1:]
    pieces = content[:-1].split(element)
    if len(pieces) < 9 or terminator.isalnum() or terminator == element:
        return None
    texts = [decode(_joined(piece)).strip() for piece in pieces]
    numbers = [text for text in texts[9:] if len(text) == 9 and text.isascii() and text.isdigit()]
    elements = [*texts[:9], "", "", "", "00501", numbers[0] if numbers else "", "0", "", ""]
    return Header(
        start=start,
        end=start + len(content) - 1,
        elements=tuple(elements),
        delimiters=Delimiters(element, b"", b"", terminator),
        flags=("isa-broken",),
    )


def _texts(pieces: list[bytes], element: bytes) -> tuple[str, ...]:
    together = element.join(pieces)
    if together.isascii() and element.isascii():
        return tuple([text.strip() for text in _joined(together).decode().split(element.decode())])
    return tuple(decode(_joined(piece)).strip() for piece in pieces)


def _joined(piece: bytes) -> bytes:
    return piece.translate(None, b"\r\n")


def _plausible(pieces: list[bytes]) -> bool:
    """An ISA whose padding is off still has a version of digits in ISA12 and one letter in ISA15."""
    return (
        _joined(pieces[12]).strip().isdigit()
        and len(_joined(pieces[15]).strip()) <= 1
        and all(len(piece) <= _LONGEST_ELEMENT for piece in pieces[:16])
    )


def _endings(tail: bytes, element: bytes) -> tuple[bytes, bytes, int]:
    """(component separator, segment terminator, offset in `tail` where the terminator begins).

    What stands between ISA15 and the next segment is the component separator and the terminator, then layout.
    """
    following = re.search(rb"(?<![0-9A-Za-z])[A-Za-z][0-9A-Za-z]{1,2}" + re.escape(element), tail[:48])
    if following is None:
        return tail[:1], _first_character(tail[1:]), 1
    between = tail[: following.start()]
    component = between[:1]
    if len(between) < 2 or component in (b"\r", b"\n"):
        return b"", _terminator(between), 0
    return component, _terminator(between[1:]), 1


def _terminator(between: bytes) -> bytes:
    visible = between.strip(_BLANKS)
    if visible:
        if visible[:1].isalnum() or len(visible) > 8:
            return b""
        return visible[:1] if len(set(visible)) == 1 else visible.split(None, 1)[0]
    return b"\n" if b"\n" in between else between[:1]


def _first_character(tail: bytes) -> bytes:
    if tail[:2] == b"\r\n":
        return b"\n"
    lead = tail[0] if tail else 0
    length = 4 if lead >= 0xF0 else 3 if lead >= 0xE0 else 2 if lead >= 0xC0 else 1
    return b"" if tail[:1].isalnum() else tail[:length]


def _repetition(elements: tuple[str, ...], taken: tuple[bytes, ...]) -> bytes:
    """ISA11 is the repetition separator from 00402 on; before, and where senders kept the old "U", there is none."""
    candidate = elements[11]
    if elements[12] < _FIRST_REPETITION_VERSION or len(candidate) != 1 or candidate.isalnum():
        return b""
    raw = candidate.encode("utf-8")
    return b"" if raw in taken else raw


_FORMS = (  # element, TA105, what it must look like, what is said
    (5, "005", re.compile(r"[0-9A-Z]{2}"), "ISA05 is no qualifier"),
    (6, "006", re.compile(r".+"), "ISA06, the sender, is empty"),
    (7, "007", re.compile(r"[0-9A-Z]{2}"), "ISA07 is no qualifier"),
    (8, "008", re.compile(r".+"), "ISA08, the receiver, is empty"),
    (9, "014", re.compile(r"\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"), "ISA09 is no date YYMMDD"),
    (10, "015", re.compile(r"(?:[01]\d|2[0-3])[0-5]\d"), "ISA10 is no time HHMM"),
    (12, "017", re.compile(r"\d{5}"), "ISA12 is no version"),
    (13, "018", re.compile(r"\d{9}"), "ISA13 is no control number of nine digits"),
    (14, "019", re.compile(r"[01]"), "ISA14 is neither 0 nor 1"),
    (15, "020", re.compile(r"[IPT]"), "ISA15 is neither P, T nor I"),
)


def header_flaws(header: Header) -> Iterator[tuple[str, int, str]]:
    """(TA105, element, sentence) of every element of the ISA that is not what it should be."""
    for element, code, form, text in _FORMS:
        if not form.fullmatch(header.elements[element]):
            yield code, element, text
