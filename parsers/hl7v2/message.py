"""Lazy reading of one HL7 v2 message (chapter 2.6): segments are split when asked for, fields when a segment is read.

Reads any version and any separators.  Content never raises; the cost is linear in the size of the message.
Numbers are those of the standard: MSH-1 is the field separator, components and repetitions count from 1.
"""

from __future__ import annotations

import re

import msgspec

from parsers.errors import Oddity, ParseError
from parsers.hl7v2.encoding import (
    CharacterSet,
    Encoding,
    find_start,
    read_encoding,
    usable_separator,
)
from parsers.hl7v2.shifted import realign

MAX_SEGMENTS = 100_000
MAX_FIELDS = 4_096  # per segment; the standard's longest has under 100
MAX_REPETITIONS = 4_096  # per field


def _pick(raw: bytes, separator: bytes, number: int) -> bytes:
    """Part `number` (from 1) of `raw`, b"" when there are fewer."""
    if not separator or separator not in raw:
        return raw if number == 1 else b""
    parts = raw.split(separator, number)
    return parts[number - 1] if 0 < number <= len(parts) else b""


class Repetition:
    """One repetition of a field."""

    __slots__ = ("_encoding", "_whole", "raw")

    def __init__(self, raw: bytes, encoding: Encoding, whole: bool = False) -> None:
        self.raw = raw
        self._encoding = encoding
        self._whole = whole  # MSH-1 and MSH-2 hold the separators themselves

    def text(self, component: int = 1, subcomponent: int = 1) -> str:
        """Decoded and unescaped text; "" when absent, '""' for the HL7 null."""
        if self._whole:
            return self.raw.decode("latin-1") if component == subcomponent == 1 else ""
        raw = _pick(self.raw, self._encoding.separators.component, component)
        raw = _pick(raw, self._encoding.separators.subcomponent, subcomponent)
        return self._encoding.text(raw) if raw else ""

    def components(self) -> list[str]:
        """Decoded text of every component, subcomponents joined by "&"."""
        if self._whole:
            return [self.raw.decode("latin-1")]
        marks = self._encoding.separators
        parts = self.raw.split(marks.component) if marks.component else [self.raw]
        if not marks.subcomponent:
            return [self._encoding.text(part) for part in parts]
        return ["&".join(self._encoding.text(each) for each in part.split(marks.subcomponent)) for part in parts]


class Segment(msgspec.Struct, eq=False, gc=False):
    """One segment; its fields are split on first use."""

    _line: bytes
    name: str
    index: int
    _encoding: Encoding
    _fields: list[bytes] | None = None

    def _split(self) -> list[bytes]:
        separator = self._encoding.separators.field
        fields = self._line.split(separator, MAX_FIELDS)
        if self.index == 0:
            fields.insert(1, separator)
        if len(fields) > MAX_FIELDS:
            del fields[MAX_FIELDS:]
        self._fields = fields
        return fields

    @property
    def fields(self) -> list[bytes]:
        """Every field as `raw` gives it, by its number; at 0 the name."""
        return self._fields or self._split()

    def raw(self, field: int) -> bytes:
        """The field as sent, with its repetitions; b"" when absent (UTF-8 in the multi-byte sets of Asia)."""
        fields = self._fields or self._split()
        return fields[field] if 0 <= field < len(fields) else b""

    def realign(self) -> None:
        """Of an MSH with a separator too many or too few: read its fields where they belong."""
        fields = self._line.split(self._encoding.separators.field, MAX_FIELDS)
        realign(fields)
        self._fields = [fields[0], self._encoding.separators.field, *fields[1:]]

    def put(self, field: int, raw: bytes) -> None:
        """Read `raw` in the place of what was sent in `field` (from 1); `decoded` still gives what was sent."""
        fields = self._fields or self._split()
        fields.extend([b""] * (field + 1 - len(fields)))
        fields[field] = raw

    def text(self, field: int, component: int = 1, subcomponent: int = 1, repetition: int = 1) -> str:
        """Decoded and unescaped text of one subcomponent; "" when absent, '""' for the HL7 null."""
        raw = self.raw(field)
        if not raw:
            return ""
        encoding = self._encoding
        if self.index == 0 and field <= 2:
            return Repetition(raw, encoding, whole=True).text(component, subcomponent) if repetition == 1 else ""
        separators = encoding.separators
        raw = _pick(raw, separators.repetition, repetition)
        raw = _pick(raw, separators.component, component)
        raw = _pick(raw, separators.subcomponent, subcomponent)
        return encoding.text(raw) if raw else ""

    def whole(self, field: int) -> str:
        """Decoded and unescaped text of a field that has no parts, whatever separators stand in it (ST)."""
        raw = self.raw(field)
        return self._encoding.text(raw) if raw else ""

    def repetitions(self, field: int) -> list[Repetition]:
        """The repetitions of a field (MAX_REPETITIONS at most), empty ones in between included; [] when empty."""
        raw = self.raw(field)
        if not raw:
            return []
        if self.index == 0 and field <= 2:
            return [Repetition(raw, self._encoding, whole=True)]
        separator = self._encoding.separators.repetition
        parts = raw.split(separator, MAX_REPETITIONS) if separator else [raw]
        return [Repetition(part, self._encoding) for part in parts[:MAX_REPETITIONS]]

    @property
    def field_count(self) -> int:
        """Number of the last field that was sent (MSH-1 counted)."""
        return len(self._fields or self._split()) - 1

    def decoded(self) -> str:
        """The whole segment as text, separators and escapes as sent."""
        return self._encoding.decode(self._line)

    @property
    def overlong(self) -> bool:
        """True when there may be more fields or repetitions than are read."""
        line, separators = self._line, self._encoding.separators
        return (len(line) > MAX_FIELDS and line.count(separators.field) >= MAX_FIELDS) or (
            len(line) > MAX_REPETITIONS
            and separators.repetition != b""
            and line.count(separators.repetition) >= MAX_REPETITIONS
        )


class Message:
    """One HL7 v2 message.  `character_set` is the channel's default for when MSH-18 is empty or unknown, or what is
    taken whatever MSH-18 says (`forced`).

    Raises ParseError when the bytes do not begin with an MSH that has a usable field separator.
    """

    __slots__ = ("_body", "_by_name", "_noted", "_segments", "_shifted", "encoding", "raw")

    _by_name: dict[str, list[Segment]]

    def __init__(self, raw: bytes, character_set: str | None = None, *, forced: bool = False) -> None:
        self.raw = raw
        self._segments: list[Segment] | None = None
        self._noted: list[Oddity] = []
        self._shifted = False
        start = find_start(raw)
        if (raw[start : start + 3] != b"MSH" and raw[start : start + 3].upper() != b"MSH") or not usable_separator(
            raw[start + 3 : start + 4]
        ):
            raise ParseError(Oddity("error", "100", "message", "no MSH segment with a usable field separator"))
        if raw.startswith(b"\xef\xbb\xbf"):
            self._note("information", "byte-order-mark", "message", "a byte order mark stands before MSH")
        self._body = raw[start:] if start else raw
        self.encoding = self._read_encoding(character_set, forced)

    def _note(self, severity: str, code: str, location: str, text: str) -> None:
        self._noted.append(Oddity(severity, code, location, text))

    def _read_encoding(self, default: str | None, forced: bool) -> Encoding:
        body = self._body
        end = body.find(b"\r")
        lf = body.find(b"\n", 0, end) if end >= 0 else body.find(b"\n")
        header = body[: lf if lf >= 0 else end] if lf >= 0 or end >= 0 else body
        fields = header.split(header[3:4], 19)
        if wrong := realign(fields):
            self._shifted = True
            self._note("warning", "header-shifted", "MSH^1^9", wrong)
        names = fields[17] if len(fields) > 17 and not forced else b""
        encoding = read_encoding(header[3:4], fields[1], names, default)
        if encoding.separators.odd:
            self._note("warning", "separators", "MSH^1^2", "MSH-2 is not the four or five separators of the standard")
        if encoding.character_set.problem:
            self._note("warning", "character-set", "MSH^1^18", encoding.character_set.problem)
        if body.isascii() and not (encoding.transcoded and b"\x1b" in body):
            return encoding
        self._check_bytes(encoding.character_set, declared=forced or bool(names))
        return encoding

    def _check_bytes(self, chosen: CharacterSet, declared: bool) -> None:
        body = self._body
        try:
            text = body.decode(chosen.codec)
            if not declared:
                self._note("information", "character-set", "MSH^1^18", "bytes beyond ASCII without a character set")
            elif chosen.codec.startswith(("iso8859", "cp125")) and _is_utf8(body):
                self._note("warning", "character-set", "MSH^1^18", "what is sent is valid UTF-8, not what is declared")
        except UnicodeDecodeError:
            self._note("warning", "character-set", "MSH^1^18", "bytes that are not valid in the character set")
            text = body.decode(chosen.codec, "replace") if chosen.wide else ""
        if chosen.wide:
            # The second byte of a character may equal a separator (Shift JIS, Big5, GB 18030, ISO 2022).
            self._body = text.encode("utf-8", "replace")

    @property
    def segments(self) -> list[Segment]:
        """All segments in order, blank lines left out, at most MAX_SEGMENTS."""
        if self._segments is None:
            self._segments = self._split()
        return self._segments

    def first(self, name: str) -> Segment | None:
        """The first segment called `name` (upper case)."""
        if self._segments is None:
            self._segments = self._split()
        found = self._by_name.get(name)
        return found[0] if found else None

    def all(self, name: str) -> list[Segment]:
        """Every segment called `name` (upper case), in order."""
        if self._segments is None:
            self._segments = self._split()
        return self._by_name.get(name, [])

    @property
    def oddities(self) -> list[Oddity]:
        """What was odd in structure and character set (the segments are split for it)."""
        overlong = [
            Oddity("warning", "too-many-fields", segment.name, "more fields or repetitions than are read")
            for segment in self.segments
            if segment.overlong
        ]
        return self._noted + overlong

    def _split(self) -> list[Segment]:
        body = self._body.rstrip(b"\r\n")
        separator = self.encoding.separators.field
        cr = body.find(b"\r")
        lf = body.find(b"\n", 0, cr) if cr >= 0 else body.find(b"\n")
        if lf >= 0:  # what follows MSH decides: an LF inside a field of a CR-terminated message is content
            body = body.replace(b"\r", b"\n")
            self._note("information", "segment-end", "MSH", "segments end with LF instead of CR")
        elif b"\n" in body:  # mixed ends: an LF right before a segment id ends a segment all the same
            body, count = re.subn(rb"\r?\n(?=[A-Z][A-Z0-9]{2}" + re.escape(separator) + rb")", b"\r", body)
            if count:
                self._note("information", "segment-end", "message", "segments end with LF and with CR")
        lines = body.split(b"\n" if lf >= 0 else b"\r", MAX_SEGMENTS)
        if len(lines) > MAX_SEGMENTS:
            del lines[MAX_SEGMENTS:]
            self._note("warning", "too-many-segments", "message", f"only the first {MAX_SEGMENTS} segments are read")
        segments: list[Segment] = []
        by_name: dict[str, list[Segment]] = {}
        lower, stray = False, 0
        encoding = self.encoding
        for line in lines:
            if (usual := _USUAL.get(line[:3])) is not None and line[3:4] == separator:
                segment = Segment(line, usual, len(segments), encoding)
                segments.append(segment)
                if usual in by_name:
                    by_name[usual].append(segment)
                else:
                    by_name[usual] = [segment]
                continue
            if line[:1] in _BLANKS:
                line = line.lstrip(b" \t\n")
                if not line:
                    continue
            if line[3:4] == separator:
                name = line[:3]
            else:
                name = line.partition(separator)[0][:32]
                if not _SEGMENT_ID.fullmatch(name):
                    stray += 1
                    name = name.upper()
            upper = name.upper()
            lower = lower or upper != name
            segments.append(Segment(line, upper.decode("latin-1"), len(segments), encoding))
            by_name.setdefault(segments[-1].name, []).append(segments[-1])
        self._by_name = by_name
        if self._shifted:
            segments[0].realign()
        if stray:
            text = f"{stray} lines that do not begin with a segment id: what stands in them is not read"
            self._note("warning", "no-segment", "message", text)
        if lower:
            self._note("information", "segment-case", "message", "segment ids in lower case")
        return segments


def _is_utf8(body: bytes) -> bool:
    """True for bytes beyond ASCII that make sense as UTF-8; in a single-byte set that is hardly ever chance."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


_SEGMENT_ID = re.compile(rb"[A-Za-z][A-Za-z0-9]{2}")
_BLANKS = frozenset((b"", b" ", b"\t", b"\n"))
_USUAL = {
    name.encode(): name
    for name in [
        "MSH",
        "EVN",
        "PID",
        "PD1",
        "NK1",
        "PV1",
        "PV2",
        "ROL",
        "PRT",
        "DB1",
        "OBX",
        "AL1",
        "DG1",
        "DRG",
        "PR1",
        "GT1",
        "IN1",
        "IN2",
        "IN3",
        "ACC",
        "UB1",
        "UB2",
        "PDA",
        "MRG",
        "NPU",
        "IAM",
        "SFT",
        "SCH",
        "TQ1",
        "NTE",
        "RGS",
        "AIS",
        "AIG",
        "AIL",
        "AIP",
    ]
}
"""Segments of ADT and SIU as they are nearly always sent."""
