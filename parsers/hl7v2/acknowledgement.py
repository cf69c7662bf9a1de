"""Acknowledgements from the header scan alone (chapter 2.9, tables 0008, 0155 and 0357; domain reference 8.1).

Nothing of the message but its header goes into an answer, so no text about a patient ever does.
"""

from __future__ import annotations

import re
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

# What of a header may go back to its sender.  Where fields slipped, these hold content of the message: it stays here.
_LONGEST_ID = 250  # bytes of MSH-10; the standard's longest is 199
_LONGEST_NAME = 227  # bytes of MSH-3 to MSH-6 (HD)
_USUAL = 100  # bytes of MSH-9.2, MSH-11 and MSH-12 together
_EVENT = re.compile(rb"[A-Za-z][A-Za-z0-9]{2}")
_VERSION = re.compile(rb"2(\.[0-9]{1,2}){1,3}")
_COUNTRY = re.compile(rb"[A-Za-z]{2,3}(?![A-Za-z0-9\s])")  # of VID.2 the code alone
_PROCESSING = re.compile(rb"[A-Za-z]")
_CHARACTER_SETS = re.compile(rb"[A-Za-z0-9 _./-]{1,40}")


class AckError(msgspec.Struct, frozen=True):
    """Why a message is not accepted.  `code` of table 0357, `location` as "PID^1^3", `text` without values."""

    code: str
    location: str = ""
    text: str = ""


def answer_code(header: Header, mode: str, verdict: str) -> str | None:
    """The code of the immediate answer, None when none is to be sent (to an ACK only where MSH-15 asks).

    mode     auto: MSH-15 and MSH-16 both empty is original mode, else MSH-15 decides (empty: NE) · original: always
             AA/AE/AR · enhanced: as auto, but when both are empty the accept answer is always sent
    verdict  accept · error: the content is at fault · reject: MSH-9, -11 or -12 is · refuse: not for its content
    """
    accept, application = _conditions(header)
    plain = not accept and not application
    if _is_answer(header) and (plain or mode == "original"):
        return None
    if mode == "original" or not header.readable or (mode == "auto" and plain):
        return _ORIGINAL[verdict]
    wanted = accept or (b"AL" if plain else b"NE")
    return _ENHANCED[verdict] if _asked_for(wanted, verdict) else None


def application_code(header: Header, mode: str, verdict: str, wanted: str = "auto") -> str | None:
    """The code of the application acknowledgement that follows processing; None when none is to be sent.

    Never in original mode (one answer is all there is), to an ACK, or to what has no MSH.

    mode, verdict  as in `answer_code`
    wanted         auto: MSH-16 decides (empty: NE) · always · never
    """
    accept, application = _conditions(header)
    plain = not accept and not application
    if mode == "original" or (mode == "auto" and plain) or not header.readable or _is_answer(header):
        return None
    condition = {"always": b"AL", "never": b"NE"}.get(wanted, application or b"NE")
    return _ORIGINAL[verdict] if _asked_for(condition, verdict) else None


def _is_answer(header: Header) -> bool:
    return header.message_code.upper() == b"ACK"


def _conditions(header: Header) -> tuple[bytes, bytes]:
    """MSH-15 and MSH-16 in upper case."""
    return (
        header.accept_ack.strip().replace(b'""', b"").upper(),
        header.application_ack.strip().replace(b'""', b"").upper(),
    )


def _asked_for(condition: bytes, verdict: str) -> bool:
    """Table 0155: AL always, NE never, ER on errors, SU on success; what is none of these counts as AL."""
    return not (
        condition == b"NE"
        or (condition == b"ER" and verdict == "accept")
        or (condition == b"SU" and verdict != "accept")
    )


class Ours(msgspec.Struct, frozen=True):
    """What an answer says for itself: our MSH-7, MSH-10, which answers we want (MSH-15, MSH-16; "": none named), and
    the expected sequence number (MSA-4) where that protocol is in use."""

    now: datetime
    control_id: str
    accept: str = ""
    application: str = ""
    expected: int | None = None


def build_acknowledgement(
    header: Header,
    code: str,
    *,
    now: datetime,
    control_id: str,
    error: AckError | None = None,
    expected: int | None = None,
) -> bytes:
    """The immediate answer's bytes: see `build_answer`."""
    return build_answer(header, code, Ours(now, control_id, expected=expected), error)


def build_answer(header: Header, code: str, ours: Ours, error: AckError | None = None) -> bytes:
    """An answer's bytes, segments ended by CR, without MLLP framing.

    Version, separators and processing id are the sender's where they are such; applications and facilities change
    places; MSA-2 is his control id as sent.  The time is written as given, with its offset when it has one.
    """
    marks = header.separators
    field = marks.field
    stamp = _stamp(ours.now, ours.now.utcoffset())
    kind, processing, version = _mirrored(header)
    parts = [b"MSH", _encoding_characters(marks)]
    parts += [name[:_LONGEST_NAME] for name in (header.receiving_application, header.receiving_facility)]
    parts += [name[:_LONGEST_NAME] for name in (header.sending_application, header.sending_facility)]
    parts += [stamp, b"", kind, _escape(ours.control_id, marks), processing, version]
    answers = [ours.accept.encode(), ours.application.encode()]
    character_set = b"" if b"".join(parts).isascii() else _character_set(header)
    if character_set or any(answers):
        parts += [b"", b"", *answers, b"", character_set]
    msh = field.join(parts).rstrip(field) if any(answers) and not character_set else field.join(parts)
    msa = [b"MSA", code.encode("ascii"), header.control_id[:_LONGEST_ID]]
    text, err = _tell(header, error) if error is not None else (b"", b"")
    if ours.expected is not None:
        msa += [text, str(ours.expected).encode("ascii")]
    elif text:
        msa.append(text)
    lines = [msh, field.join(msa), err] if err else [msh, field.join(msa)]
    return b"".join([line.translate(None, _FRAMING) + b"\r" for line in lines])


@lru_cache(maxsize=16)
def _stamp(now: datetime, offset: timedelta | None) -> bytes:
    """The many answers of one commit have one time; equal moments of two zones are written differently."""
    return now.strftime("%Y%m%d%H%M%S%z").encode("ascii")


def _mirrored(header: Header) -> tuple[bytes, bytes, bytes]:
    """MSH-9, MSH-11 and MSH-12 of the answer.  Headers of a feed say the same over and over."""
    said = (header.separators.component, header.trigger_event, header.version_field, header.processing)
    look = _mirror if sum(map(len, said)) < _USUAL else _mirror.__wrapped__
    kind, processing, version = look(*said)
    return kind, processing, version if header.readable and not header.batch else b"2.5.1"


@lru_cache(maxsize=1024)
def _mirror(component: bytes, event: bytes, version: bytes, processing: bytes) -> tuple[bytes, bytes, bytes]:
    kind = component.join((b"ACK", event, b"ACK")) if component and _EVENT.fullmatch(event) else b"ACK"
    return kind, _processing(component, processing), _version(component, version)


def _version(component: bytes, field: bytes) -> bytes:
    """MSH-12: the version and its country; 2.5.1 for what is no version."""
    version, *rest = field.split(component, 2) if component else [field]
    if not field.strip():
        return field
    if not _VERSION.fullmatch(version.strip()):
        return b"2.5.1"
    country = _COUNTRY.match(rest[0]) if rest else None
    return component.join((version.strip(), country.group())) if country else version.strip()


def _processing(component: bytes, field: bytes) -> bytes:
    """MSH-11: id, and mode where there is one; P for what is no id."""
    id_, *rest = field.split(component, 2) if component else [field]
    if not id_.strip():
        return b""
    if not _PROCESSING.fullmatch(id_.strip()):
        return b"P"
    return component.join((id_.strip(), *(one for one in rest[:1] if _PROCESSING.fullmatch(one))))


def _character_set(header: Header) -> bytes:
    sets = header.character_set.split(header.separators.repetition or b"~", 3)[:3]
    return (header.separators.repetition or b"~").join(one for one in sets if _CHARACTER_SETS.fullmatch(one))


def _encoding_characters(marks: Separators) -> bytes:
    """MSH-2 as sent, unless its reader would not find the separators that are used here, or it holds something else."""
    if not marks.odd:
        return marks.sent
    used = marks.component + marks.repetition + marks.escape + marks.subcomponent
    plain = 1 <= len(marks.sent) <= 5 and not any(byte in b"\r\n\x00" or chr(byte).isalnum() for byte in marks.sent)
    return used if len(used) == 4 or not plain else marks.sent


def _tell(header: Header, error: AckError) -> tuple[bytes, bytes]:
    """(MSA-3, where the text stood before 2.5; ERR)."""
    marks = header.separators
    field, component, sub = marks.field, marks.component or b" ", marks.subcomponent or b" "
    condition = CONDITIONS.get(error.code, "Application internal error")
    coded = [_escape(each, marks) for each in (error.code, condition, "HL70357")]
    place = [_escape(each, marks) for each in error.location.split("^")] if error.location else []
    text = _escape(error.text, marks)
    if _before_2_5(header.version):
        place += [b""] * (3 - len(place))
        location = component.join([*place[:3], sub.join(coded)])
        return text or coded[1], field.join((b"ERR", location))
    err = [b"ERR", b"", component.join(place), component.join(coded), b"E"]
    if text:
        err += [b"", b"", b"", text]
    return b"", field.join(err)


def _before_2_5(version: bytes) -> bool:
    """True for 2.1 to 2.4; what cannot be read as one of these is taken for a later version."""
    return version[:3] in (b"2.1", b"2.2", b"2.3", b"2.4")


def _escape(text: str, marks: Separators) -> bytes:
    """Our own ASCII text with the separators of this message escaped, or blanked where it has no escape."""
    raw = text.encode("ascii", "replace")
    if raw.isalnum():
        return raw  # no separator is a letter or a digit
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
