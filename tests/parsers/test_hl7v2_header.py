from __future__ import annotations

import pytest

from parsers.hl7v2.header import MAX_IDENTIFIERS, SCANNED, scan_header

MSH = rb"MSH|^~\&|APP^1.2^ISO|FAC|RAPP|RFAC|20260312081500-0500^S||ADT^A01^ADT_A01|id.1~x|P^A|2.5^USA|||AL|NE||8859/1"
PID = b"PID|1||A^^^H&1.2&ISO^MR~B^^^S~~C||Doe^Jo"


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_scan_header_reads_every_value_as_sent(end: bytes) -> None:
    header = scan_header(MSH + end + b"EVN|A01" + end + PID + end)
    assert header.readable and header.reason is None and not header.batch
    assert header.separators.field + header.separators.sent == b"|^~\\&"
    assert (header.sending_application, header.sending_facility) == (b"APP^1.2^ISO", b"FAC")
    assert (header.receiving_application, header.receiving_facility) == (b"RAPP", b"RFAC")
    assert (header.message_code, header.trigger_event, header.message_structure) == (b"ADT", b"A01", b"ADT_A01")
    assert (header.control_id, header.processing_id, header.processing_mode) == (b"id.1~x", b"P", b"A")
    assert (header.version, header.accept_ack, header.application_ack) == (b"2.5", b"AL", b"NE")
    assert (header.character_set, header.sent_at) == (b"8859/1", b"20260312081500-0500")
    assert header.patient_ids == ((b"A", b"H", b"MR"), (b"B", b"S", b""), (b"C", b"", b""))
    assert header.prior_ids == header.other_patient_ids == ()


def test_scan_header_finds_merged_and_further_patients() -> None:
    lines = [MSH, PID, b"MRG|OLD^^^H^MR~OLDER", b"PID|2||D^^^H", b"MRG|D2^^^H"]
    header = scan_header(b"\r".join(lines))
    assert [each[0] for each in header.patient_ids] == [b"A", b"B", b"C"]
    assert header.prior_ids == ((b"OLD", b"H", b"MR"), (b"OLDER", b"", b""), (b"D2", b"H", b""))
    assert header.other_patient_ids == ((b"D", b"H", b""),)


@pytest.mark.parametrize(
    "body",
    [
        MSH + b"\rpid|1||A",
        MSH + b"\r  PID|1||A",
        MSH + b"\r\n\nPID|1||A",
        MSH + b"\nOBX|1\n pid|1||A",
        b"\xef\xbb\xbf\r\n " + MSH + b"\rPID|1||A",
        b"\x0b" + MSH + b"\rPID|1||A\r",
        MSH + b"\rNTE|1||PID|9||B\rPID|1||A",
        MSH + b"\rNTE|1||text\nof PID|9||B\rPID|1||A",
        MSH + b"\rEVN|A01\nPID|1||A\nPV1|1|I",
    ],
)
def test_scan_header_finds_the_patient_by_segment_start_only(body: bytes) -> None:
    assert scan_header(body).patient_ids == ((b"A", b"", b""),)


def test_scan_header_uses_the_separators_of_the_message() -> None:
    header = scan_header(b"MSH^~|\\&^S^200M^R^200^2012^^ADT~A24^7^T^2.4\rPID^1^^11~~~FOO&&03~NI|12\r")
    assert (header.message_code, header.trigger_event, header.control_id) == (b"ADT", b"A24", b"7")
    assert header.patient_ids == ((b"11", b"FOO", b"NI"), (b"12", b"", b""))


@pytest.mark.parametrize(
    "body", [b"MSH|", b"MSH|\r", b"MSH|^~\\&", b"MSH|^~\\&|A\rPID", b"msh|^~\\&|A|B", b"MSH||||||||||"]
)
def test_scan_header_short_header_is_readable_with_absent_values_empty(body: bytes) -> None:
    header = scan_header(body)
    assert header.readable
    assert header.control_id == header.version == header.message_code == b""


@pytest.mark.parametrize(
    "body", [b"", b"MSH", b"MSHX", b"MSH\r\n", b"MSH\x00", b"PID|1", b"hello", b"\x00" * 100, b"MSH\xff"]
)
def test_scan_header_without_a_header_says_so(body: bytes) -> None:
    header = scan_header(body)
    assert (header.readable, header.reason) == (False, "no-header")
    assert header.control_id == b"" and header.separators.field == b"|"


@pytest.mark.parametrize("name", [b"FHS", b"BHS"])
def test_scan_header_of_a_batch_is_readable_and_marked(name: bytes) -> None:
    header = scan_header(name + rb"|^~\&|A|B|C|D|2026||file||77|" + b"\r" + MSH)
    assert header.readable and header.batch
    assert (header.sending_application, header.receiving_facility) == (b"A", b"D")
    assert (header.control_id, header.message_code) == (b"77", b"")


def test_scan_header_looks_no_further_than_64_kib() -> None:
    assert scan_header(MSH + b"\r" + b"x" * SCANNED + b"\rPID|1||A").patient_ids == ()
    assert scan_header(MSH[:20] + b"x" * 10_000_000).readable


def test_scan_header_hostile_bytes_stay_bounded() -> None:
    many = scan_header(MSH + b"\rPID|||" + b"a~" * 40_000)
    assert len(many.patient_ids) == MAX_IDENTIFIERS
    for body in (b"\rPID|" * 20_000, b"\r" * 70_000 + b" pid|", b"\r " * 40_000 + b"\rpid|", b"PID|" * 20_000):
        assert scan_header(MSH + b"\r" + body).readable


@pytest.mark.parametrize(
    ("lines", "own", "prior", "further"),
    [
        ([b"PID|1||A", b"ZPV|x", b"PV1|1|I"], [b"A"], [], []),
        ([b"PID|1||A", b"ZPV|x", b"mrg|B"], [b"A"], [b"B"], []),
        ([b"PID|1||A", b" MRG|B"], [b"A"], [b"B"], []),
        ([b"PID|1||", b"PID|2||B"], [], [], [b"B"]),
        ([b"PID|1||A", b"PID|2||B"], [b"A"], [], [b"B"]),
        ([b"PIDX|1||C", b"PID|1||A"], [b"A"], [], []),
        ([b"words that are no segment", b"PID|1||A"], [b"A"], [], []),
        ([b"PV1|1|I|text\nPID|2||C", b"PID|1||A"], [b"C"], [], [b"A"]),
        ([b"PID|1||A", b"", b"MRG|B"], [b"A"], [b"B"], []),
    ],
)
def test_scan_header_reads_the_usual_and_the_odd_alike(
    lines: list[bytes], own: list[bytes], prior: list[bytes], further: list[bytes]
) -> None:
    header = scan_header(b"\r".join([MSH.partition(b"\r")[0], *lines]))
    found = (header.patient_ids, header.prior_ids, header.other_patient_ids)
    assert [[one[0] for one in ids] for ids in found] == [own, prior, further]
