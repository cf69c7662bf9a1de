"""Headers with one separator too many or too few."""

from __future__ import annotations

import pytest

from parsers.hl7v2.header import scan_header
from parsers.hl7v2.message import Message

PID = b"\rPID|1||12345^^^HOSP^MR||TESTER^ANNA\r"
SHIFTED = {
    "before MSH-5": b"MSH|^~\\&|SEND|FAC||RCV||20260322||ADT^A01|C1|P|2.7",
    "before MSH-7": b"MSH|^~\\&|SEND|FAC|RCV|CITY||20260322101500||ADT^A01|C1|P|2.7",
    "before MSH-9": b"MSH|^~\\&|SEND|FAC|RCV|CITY|20260322|||ADT^A01|C1|P|2.7",
    "one too few before MSH-9": b"MSH|^~\\&|SEND|FAC|RCV|CITY|20260322|ADT^A01|C1|P|2.7",
    "one too few before MSH-7": b"MSH|^~\\&|SEND|FAC|CITY|20260322||ADT^A01|C1|P|2.7",
}


@pytest.mark.parametrize("header", SHIFTED.values(), ids=SHIFTED)
def test_shifted_header_is_read_as_it_was_meant(header: bytes) -> None:
    message = Message(header + PID)
    msh = message.segments[0]
    assert (msh.text(9), msh.text(9, 2), msh.text(10), msh.text(11), msh.text(12)) == ("ADT", "A01", "C1", "P", "2.7")
    assert msh.text(7).startswith("20260322")
    assert [odd.code for odd in message.oddities] == ["header-shifted"]


@pytest.mark.parametrize("header", SHIFTED.values(), ids=SHIFTED)
def test_shifted_header_scan_finds_type_control_id_and_patient(header: bytes) -> None:
    scanned = scan_header(header + PID)
    assert (scanned.message_code, scanned.trigger_event, scanned.control_id) == (b"ADT", b"A01", b"C1")
    assert scanned.patient_ids == ((b"12345", b"HOSP", b"MR"),)


@pytest.mark.parametrize(
    "header",
    [
        b"MSH|^~\\&|SEND|FAC|RCV|CITY|20260322||ADT^A01|C1|P|2.7",
        b"MSH|^~\\&|SEND|FAC|RCV|CITY|20260322|||MSG-1|P|2.7",  # MSH-9 is missing, nothing is shifted
        b"MSH|^~\\&|SEND|FAC|RCV|CITY|20260322||",
    ],
)
def test_header_that_is_not_shifted_is_left_alone(header: bytes) -> None:
    message = Message(header + PID)
    assert message.segments[0].fields[1:] == [b"|", *header.split(b"|")[1:]]
    assert message.oddities == []
