"""Separators, escapes and character sets of one HL7 v2 message (chapter 2, sections 2.5.4, 2.7 and 2.15.9.18)."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

DEFAULT_ENCODING_CHARACTERS = b"^~\\&"
_LEADING = re.compile(rb"(?:\xef\xbb\xbf|[ \t\r\n\x0b\x00])*")
_FIRST_LETTERS = (b"MSH", b"FHS", b"BHS")
_NEVER_SEPARATORS = frozenset(b"\x00\r\n\x0b\x1c ")


class Separators(msgspec.Struct, frozen=True):
    """MSH-1 and MSH-2 as one-byte values; b"" where there is none that is free, so that nothing is split on it."""

    field: bytes = b"|"
    component: bytes = b"^"
    repetition: bytes = b"~"
    escape: bytes = b"\\"
    subcomponent: bytes = b"&"
    sent: bytes = DEFAULT_ENCODING_CHARACTERS  # MSH-2 as it came
    odd: bool = False  # MSH-2 held something that is no separator


def usable_separator(byte: bytes) -> bool:
    """True for one ASCII byte that is no letter, digit, blank, line end or MLLP block character."""
    return len(byte) == 1 and byte.isascii() and not byte.isalnum() and byte[0] not in _NEVER_SEPARATORS


_SHORT = 100  # bytes of a header's fields that are remembered: a longer one says nothing that comes again


def read_separators(field: bytes, sent: bytes) -> Separators:
    """The separators of MSH-1 `field` and MSH-2 `sent`, which may be of any length.

    A character that is missing or cannot separate (letter, blank, repeated) is replaced by the recommended one of
    chapter 2.5.4 where that is free.
    """
    return _separators(field, sent) if len(sent) < _SHORT else _separators.__wrapped__(field, sent)


@lru_cache(maxsize=256)
def _separators(field: bytes, sent: bytes) -> Separators:
    characters = sent
    odd = not 4 <= len(sent) <= 5
    if len(characters) >= 5 and characters[2] == characters[3]:  # "^~\\&": the escape written as in source code
        characters = characters[:3] + characters[4:]
        odd = True
    taken = [field]
    for position, recommended in enumerate(DEFAULT_ENCODING_CHARACTERS):
        byte = characters[position : position + 1]
        if not usable_separator(byte) or byte in taken:
            odd = True
            byte = bytes([recommended])
            if byte in taken or byte in characters[position + 1 :]:
                byte = b""
        taken.append(byte)
    return Separators(field, taken[1], taken[2], taken[3], taken[4], sent, odd)


def find_start(raw: bytes) -> int:
    """Offset of the first byte after a byte order mark, blanks, line ends and a stray 0B (64 KiB at most)."""
    if raw[:1].isalpha():
        return 0
    match = _LEADING.match(raw, 0, 65536)
    return match.end() if match else 0


def utf16_codec(raw: bytes) -> str:
    """The codec of UTF-16, told by its byte order mark or its NULs; "" for everything else."""
    head = raw[:2]
    if head in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if len(head) == 2 and head[1] == 0 and raw[:6:2] in _FIRST_LETTERS and raw[3:4] == b"\0":
        return "utf-16-le"
    if len(head) == 2 and head[0] == 0 and raw[1:6:2] in _FIRST_LETTERS and raw[2:3] == b"\0":
        return "utf-16-be"
    return ""


def from_utf16(raw: bytes) -> bytes:
    """UTF-16 as UTF-8; everything else as it is."""
    codec = utf16_codec(raw)
    return raw.decode(codec, "replace").encode("utf-8", "replace") if codec else raw


class CharacterSet(msgspec.Struct, frozen=True):
    """How to turn the bytes of one message into text."""

    codec: str
    wide: bool = False  # a second byte may look like a separator: read the message as a whole first
    problem: str | None = None


_CODECS = {
    "": "utf-8",
    "ASCII": "utf-8",
    "USASCII": "utf-8",
    "ISOIR6": "utf-8",
    "UTF8": "utf-8",
    "UNICODEUTF8": "utf-8",
    "UNICODE": "utf-8",
    "ISOIR192": "utf-8",  # the names of DICOM
    "ISOIR100": "iso8859-1",
    "UTF16": "utf-8",  # by then: see `from_utf16`
    "UNICODEUTF16": "utf-8",
    "CP437": "cp437",
    "CP850": "cp850",
    "LATIN1": "iso8859-1",
    "CP1250": "cp1250",
    "CP1251": "cp1251",
    "CP1252": "cp1252",
    "WINDOWS1250": "cp1250",
    "WINDOWS1251": "cp1251",
    "WINDOWS1252": "cp1252",
    "KSX1001": "euc_kr",
    "EUCKR": "euc_kr",
}
_CODECS |= {f"{prefix}8859{part}": f"iso8859-{part}" for part in range(1, 17) if part != 12 for prefix in ("", "ISO")}
_WIDE_CODECS = {
    "ISOIR13": "iso2022_jp_ext",
    "ISOIR14": "iso2022_jp_ext",
    "ISOIR87": "iso2022_jp_ext",
    "ISOIR159": "iso2022_jp_ext",
    "SHIFTJIS": "shift_jis",
    "GB180302000": "gb18030",
    "GB18030": "gb18030",
    "GB2312": "gb18030",
    "GBK": "gb18030",
    "BIG5": "big5",
}


def _normal(name: str) -> str:
    return "".join(letter for letter in name.upper() if letter.isalnum())


def read_character_set(names: tuple[bytes, ...], default: str | None) -> CharacterSet:
    """The character set of the repetitions of MSH-18 (table 0211); `default` when they are all empty.

    A name that is not known falls back to `default`, and says so in `problem`: never fatal.
    """
    known = [_normal(name[:64].decode("latin-1")) for name in names if name not in (b"", b'""')]
    for name in known:
        if name in _WIDE_CODECS:
            return CharacterSet(_WIDE_CODECS[name], wide=True)
    for name in known:
        if name and name in _CODECS:
            return CharacterSet(_CODECS[name])
    fallback = _normal(default or "")
    problem = "the character set is not known: the channel's default is used" if known else None
    if fallback in _WIDE_CODECS:
        return CharacterSet(_WIDE_CODECS[fallback], wide=True, problem=problem)
    return CharacterSet(_CODECS.get(fallback, "utf-8"), problem=problem)


@lru_cache(maxsize=64)
def _escape_pattern(escape: bytes) -> re.Pattern[bytes]:
    mark = re.escape(escape)
    return re.compile(mark + rb"([FSRTEHN]|\.(?:br|BR)|X(?:[0-9A-Fa-f]{2})+)" + mark)


class Encoding:
    """Separators and character set of one message; turns raw values into text."""

    __slots__ = ("_escape", "_meanings", "character_set", "codec", "separators", "transcoded")

    def __init__(self, separators: Separators, character_set: CharacterSet, transcoded: bool = False) -> None:
        self.separators = separators
        self.character_set = character_set
        self.transcoded = transcoded  # the message was wide: its values are UTF-8 by now, its hex escapes are not
        self.codec = "utf-8" if transcoded else character_set.codec
        self._escape = separators.escape
        self._meanings: dict[bytes, bytes] = {}

    def text(self, raw: bytes) -> str:
        """`raw` unescaped, then decoded; bytes that the character set does not hold are read as Windows-1252."""
        if self._escape and self._escape in raw:
            raw = self.unescape(raw)
        return self.decode(raw)

    def decode(self, raw: bytes) -> str:
        """`raw` as text, escapes as sent."""
        try:
            return raw.decode(self.codec)
        except UnicodeDecodeError:
            return raw.decode("cp1252", "replace")

    def unescape(self, raw: bytes) -> bytes:
        """Replace F, S, R, T, E, Xhh.. and .br between escape characters; highlighting goes, all else stays as sent."""
        if not self._meanings:
            marks = self.separators
            self._meanings = {
                b"F": marks.field,
                b"S": marks.component or b"^",
                b"R": marks.repetition or b"~",
                b"T": marks.subcomponent or b"&",
                b"E": marks.escape,
                b"H": b"",
                b"N": b"",
                b".br": b"\n",
                b".BR": b"\n",
            }
        return _escape_pattern(self._escape).sub(self._meaning, raw)

    def _meaning(self, match: re.Match[bytes]) -> bytes:
        code = match.group(1)
        if code[:1] != b"X":
            return self._meanings[code]
        value = bytes.fromhex(code[1:].decode("ascii"))
        if not self.transcoded:
            return value
        return value.decode(self.character_set.codec, "replace").encode("utf-8")


def read_encoding(field: bytes, sent: bytes, names: bytes, default: str | None) -> Encoding:
    """The encoding of a header: MSH-1, MSH-2, MSH-18 as sent, and the character set where that names none.

    Messages of a feed share one."""
    read = _encoding if len(sent) + len(names) < _SHORT else _encoding.__wrapped__
    return read(field, sent, names, default)


@lru_cache(maxsize=256)
def _encoding(field: bytes, sent: bytes, names: bytes, default: str | None) -> Encoding:
    separators = read_separators(field, sent)
    repeated = names.split(separators.repetition, 8) if separators.repetition else [names]
    chosen = read_character_set(tuple(repeated), default)
    return Encoding(separators, chosen, transcoded=chosen.wide)
