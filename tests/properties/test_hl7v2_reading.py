"""Any bytes: readers and answers never raise, and what was written is what is read."""

from __future__ import annotations

from datetime import UTC, datetime

import hl7
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.hl7v2.acknowledgement import AckError, answer_code, build_acknowledgement
from parsers.hl7v2.batch import split_batch
from parsers.hl7v2.datetimes import parse_timestamp, to_utc
from parsers.hl7v2.header import scan_header
from parsers.hl7v2.message import Message

NOW = datetime(2026, 3, 12, tzinfo=UTC)
PIECES = st.sampled_from(
    [
        *(b"MSH|^~\\&|", b"MSH", b"FHS|", b"BHS", b"BTS|1", b"FTS", b"PID|", b"MRG|", b"pid|", b"OBX|", b"\r", b"\n"),
        *(b"|", b"^", b"~", b"\\", b"&", b'""', b"\\F\\", b"\\XC3\\", b"\\.br\\", b"\x0b", b"\x1c", b"\x1c\r", b" "),
        *(b"ADT^A01", b"2.5", b"8859/1", b"ISO IR87", b"\x1b$B", b"\xef\xbb\xbf", b"\xff", b"\x00", b"A", b"1" * 9),
    ]
)
ANY = st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=40).map(b"".join))
HOSTILE = st.one_of(ANY, ANY.map(lambda tail: b"MSH" + tail), ANY.map(lambda tail: b"MSH|^~\\&|" + tail))


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
def test_any_bytes_are_scanned_split_and_answered(body: bytes) -> None:
    header = scan_header(body)
    for mode in ("auto", "original", "enhanced"):
        answer_code(header, mode, "reject")
    reply = build_acknowledgement(header, "AR", now=NOW, control_id="1", error=AckError("100", "MSH^1^9", "x"))
    answered = Message(reply).first("MSA")
    assert answered is not None
    assert answered.raw(2) == header.control_id.translate(None, b"\r\n\x0b\x1c")
    assert reply.endswith(b"\r") and not {b"\n", b"\x0b", b"\x1c"} & {bytes([byte]) for byte in reply}
    assert b"".join(split_batch(body).messages) in body or len(split_batch(body).messages) > 1


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
def test_any_bytes_are_read_when_the_header_is(body: bytes) -> None:
    header = scan_header(body)
    try:
        message = Message(body)
    except ParseError:
        assert not header.readable or header.batch
        return
    assert header.readable and not header.batch
    for segment in message.segments:
        assert not any("a" <= letter <= "z" for letter in segment.name)
        for field in range(segment.field_count + 2):
            segment.text(field, 2, 2, 2)
            for repetition in segment.repetitions(field):
                assert isinstance(repetition.text(), str)
    assert isinstance(message.oddities, list)


VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n|^~\\&"), max_size=8)
FIELDS = st.lists(st.lists(st.lists(VALUES, min_size=1, max_size=3), min_size=1, max_size=3), min_size=1, max_size=5)


@settings(max_examples=200, deadline=None)
@given(FIELDS)
def test_message_reads_what_was_written_as_python_hl7_does(fields: list[list[list[str]]]) -> None:
    line = "|".join("~".join("^".join(components) for components in field) for field in fields)
    text = f"MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5||||||UNICODE UTF-8\rZZZ|{line}\r"
    read = Message(text.encode()).segments[1]
    oracle = hl7.parse(text)[1] if text.rstrip() == text.rstrip("\r") else None
    for number, field in enumerate(fields, 1):
        for repeat, components in enumerate(field, 1):
            for place, value in enumerate(components, 1):
                assert read.text(number, place, 1, repeat) == value
                if oracle is not None and len(components) > 1:
                    assert str(oracle[number][repeat - 1][place - 1]) == value


ESCAPED = {"|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\", "\\": "\\E\\", "\n": "\\.br\\"}


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("|^~&\\\nabcFSRTEX.é "), max_size=30))
def test_message_reads_an_escaped_value_back(value: str) -> None:
    sent = "".join(ESCAPED.get(letter, letter) for letter in value)
    assert Message(f"MSH|^~\\&|A\rZZZ|x^{sent}^y\r".encode()).segments[1].text(1, 2) == value


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=30), st.from_regex(r"[0-9]{1,14}(\.[0-9]{1,4})?([+-][0-9]{4})?", fullmatch=True)))
def test_any_text_is_a_timestamp_or_none(text: str) -> None:
    stamp = parse_timestamp(text)
    if stamp is not None:
        moment, _ = to_utc(stamp, "America/New_York", -300)
        assert moment.tzinfo is UTC
