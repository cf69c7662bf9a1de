"""Acknowledgements from the header scan alone (chapter 2.9, tables 0008, 0155 and 0357; domain reference 8.1).

Nothing of the message but its header goes into an answer, so no text about a patient ever does.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

import msgspec

from parsers.hl7v2.encoding import Separators
from parsers.hl7v2.header import Header

CONDITIONS = {
    "0": "Message accepted",
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application internal error",
}
"""Table 0357, message error condition codes."""

_ORIGINAL = {"accept": "AA", "error": "AE", "reject": "AR", "refuse": "AR"}
_ENHANCED = {"accept": "CA", "error": "CE", "reject": "CR", "refuse": "CE"}
_FRAMING = b"\r\n\x0b\x1c"


class AckError(msgspec.Struct, frozen=True):
    """Why a message is not accepted.  `code` of table 0357, `location` as "PID^1^3", `text` without values."""

    code: str
    location: str = ""
    text: str = ""


def answer_code(header: Header, mode: str, verdict: str) -> str | None:
    """The code of the immediate answer, None when none is to be sent (an ACK has none in original mode).

    mode     auto: MSH-15 and MSH-16 both empty is original mode, else MSH-15 decides (empty: NE) · original: always
             AA/AE/AR · enhanced: as auto, but when both are empty the accept answer is always sent
    verdict  accept · error: the content is at fault · reject: MSH-9, -11 or -12 is · refuse: not for its content
    """
    accept, application = (value.strip().replace(b'""', b"") for value in (header.accept_ack, header.application_ack))
    plain = not accept and not application
    if mode == "original" or not header.readable or (mode == "auto" and plain):
        return None if header.message_code == b"ACK" else _ORIGINAL[verdict]
    wanted = accept.upper() or (b"AL" if plain else b"NE")
    if wanted == b"NE" or (wanted == b"ER" and verdict == "accept") or (wanted == b"SU" and verdict != "accept"):
        return None
    return _ENHANCED[verdict]


def build_acknowledgement(
    header: Header, code: str, *, now: datetime, control_id: str, error: AckError | None = None
) -> bytes:
    """The answer's bytes, segments ended by CR, without MLLP framing.

    Version, separators and processing id are the sender's; applications and facilities change places; MSA-2 is his
    control id as sent.  `now` is written as given, with its offset when it has one.  `control_id` is our MSH-10.
    """
    marks = header.separators
    field = marks.field
    stamp = _stamp(now, now.utcoffset())
    kind = b"ACK"
    if header.trigger_event and marks.component:
        kind = marks.component.join((b"ACK", header.trigger_event, b"ACK"))
    own_id = _escape(control_id, marks)
    version = header.version_field if header.readable and not header.batch else b"2.5.1"
    parts = [b"MSH", _encoding_characters(marks), header.receiving_application, header.receiving_facility]
    parts += [header.sending_application, header.sending_facility, stamp, b"", kind, own_id]
    parts += [header.processing, version]
    msh = field.join(parts)
    if header.character_set and not msh.isascii():
        msh += field * 6 + header.character_set
    lines = [msh, field.join((b"MSA", code.encode("ascii"), header.control_id))]
    if error is not None:
        lines[1:] = _error_lines(lines[1], header, error)
    return b"".join([line.translate(None, _FRAMING) + b"\r" for line in lines])


@lru_cache(maxsize=16)
def _stamp(now: datetime, offset: timedelta | None) -> bytes:
    """The many answers of one commit have one time; equal moments of two zones are written differently."""
    return now.strftime("%Y%m%d%H%M%S%z").encode("ascii")


def _encoding_characters(marks: Separators) -> bytes:
    """MSH-2 as sent, unless its reader would not find the separators that are used here."""
    if not marks.odd:
        return marks.sent
    used = marks.component + marks.repetition + marks.escape + marks.subcomponent
    return used if len(used) == 4 else marks.sent


def _error_lines(msa: bytes, header: Header, error: AckError) -> list[bytes]:
    marks = header.separators
    field, component, sub = marks.field, marks.component or b" ", marks.subcomponent or b" "
    condition = CONDITIONS.get(error.code, "Application internal error")
    coded = [_escape(each, marks) for each in (error.code, condition, "HL70357")]
    place = [_escape(each, marks) for each in error.location.split("^")] if error.location else []
    text = _escape(error.text, marks)
    if _before_2_5(header.version):
        place += [b""] * (3 - len(place))
        location = component.join([*place[:3], sub.join(coded)])
        return [field.join((msa, text or coded[1])), field.join((b"ERR", location))]
    err = [b"ERR", b"", component.join(place), component.join(coded), b"E"]
    if text:
        err += [b"", b"", b"", text]
    return [msa, field.join(err)]


def _before_2_5(version: bytes) -> bool:
    """True for 2.1 to 2.4; what cannot be read as one of these is taken for a later version."""
    return version[:3] in (b"2.1", b"2.2", b"2.3", b"2.4")


def _escape(text: str, marks: Separators) -> bytes:
    """Our own ASCII text with the separators of this message escaped, or blanked where it has no escape."""
    raw = text.encode("ascii", "replace")
    letters = (
        (marks.escape, b"E"),
        (marks.field, b"F"),
        (marks.component, b"S"),
        (marks.repetition, b"R"),
        (marks.subcomponent, b"T"),
    )
    if not any(mark and mark in raw for mark, _ in letters):
        return raw
    for mark, letter in letters:
        if mark and mark in raw:
            raw = raw.replace(mark, marks.escape + letter + marks.escape if marks.escape else b" ")
    return raw
