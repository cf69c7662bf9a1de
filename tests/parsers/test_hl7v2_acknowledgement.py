from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from parsers.hl7v2.acknowledgement import (
    AckError,
    Ours,
    answer_code,
    application_code,
    build_acknowledgement,
    build_answer,
)
from parsers.hl7v2.header import Header, scan_header
from parsers.hl7v2.message import Message

NOW = datetime(2026, 3, 12, 8, 15, 7, tzinfo=UTC)


def header(version: bytes = b"2.5.1", control_id: bytes = b"MSG1", event: bytes = b"ADT^A01^ADT_A01") -> Header:
    return scan_header(b"|".join((rb"MSH|^~\&|APP|FAC|RAPP|RFAC|2026|", event, control_id, b"P", version)))


def answer(to: Header, code: str = "AA", error: AckError | None = None) -> bytes:
    return build_acknowledgement(to, code, now=NOW, control_id="B1", error=error)


def test_build_acknowledgement_swaps_the_parties_and_mirrors_the_header() -> None:
    assert answer(header()) == (
        rb"MSH|^~\&|RAPP|RFAC|APP|FAC|20260312081507+0000||ACK^A01^ACK|B1|P|2.5.1" + b"\rMSA|AA|MSG1\r"
    )


def test_build_acknowledgement_without_event_is_plain_ack() -> None:
    assert b"||ACK|B1|" in answer(header(event=b"ADT"))
    assert b"||ACK|B1|" in answer(header(event=b""))


def test_build_acknowledgement_uses_the_separators_of_the_sender() -> None:
    to = scan_header(b"MSH^~|\\&^S^200M^R^200^2012^^ADT~A24^7^T^2.4^^^AL\r")
    error = AckError("101", "PID^1^3", "field ^ | missing")
    assert answer(to, "AE", error) == (
        b"MSH^~|\\&^R^200^S^200M^20260312081507+0000^^ACK~A24~ACK^B1^T^2.4\r"
        b"MSA^AE^7^field \\F\\ \\R\\ missing\r"
        b"ERR^PID~1~3~101&Required field missing&HL70357\r"
    )


@pytest.mark.parametrize("version", [b"2.5", b"2.5.1^USA", b"2.6", b"2.8", b"", b"junk"])
def test_build_acknowledgement_error_from_2_5_on_stands_in_err(version: bytes) -> None:
    error = AckError("101", "MSH^1^10", "MSH-10 is required")
    lines = answer(header(version), "AR", error).split(b"\r")
    assert lines[0].endswith(b"|P|" + (b"2.5.1" if version == b"junk" else version))
    assert lines[1:3] == [
        b"MSA|AR|MSG1",
        b"ERR||MSH^1^10|101^Required field missing^HL70357|E||||MSH-10 is required",
    ]


@pytest.mark.parametrize("version", [b"2.1", b"2.2", b"2.3", b"2.3.1", b"2.4"])
def test_build_acknowledgement_error_before_2_5_stands_in_msa_too(version: bytes) -> None:
    lines = answer(header(version), "AR", AckError("207")).split(b"\r")
    assert lines[1:3] == [
        b"MSA|AR|MSG1|Application internal error",
        b"ERR|^^^207&Application internal error&HL70357",
    ]


def test_build_acknowledgement_of_an_unreadable_frame_is_ar_with_defaults() -> None:
    reply = answer(scan_header(b"rubbish"), "AR", AckError("100", text="no readable MSH segment"))
    read = Message(reply)
    assert reply.startswith(rb"MSH|^~\&|||||20260312081507+0000||ACK|B1||2.5.1" + b"\rMSA|AR|\rERR||")
    assert read.first("MSA").text(1) == "AR"  # type: ignore[union-attr]


@pytest.mark.parametrize("control_id", [b"a.b c", b"a^b~c", b"\xff\x00\xc3", b'""', b"", b"x" * 199, rb"a\F\b"])
def test_build_acknowledgement_control_id_comes_back_as_sent(control_id: bytes) -> None:
    assert Message(answer(header(control_id=control_id))).first("MSA").raw(2) == control_id  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("sent", "mirrored"),
    [
        (b"2.4^AUS&Australia&ISO3166_1^HL7AU-OO-201701&&L", b"2.4^AUS"),
        (b"2.5^DEU^2.16.840.1.113883.2.6.9.38", b"2.5^DEU"),
        (b" 2.5 ^", b"2.5"),
        (b"2.5^ANNA MARIA", b"2.5"),
    ],
)
def test_build_acknowledgement_mirrors_version_and_country(sent: bytes, mirrored: bytes) -> None:
    assert b"|B1|P|" + mirrored + b"\rMSA" in answer(header(version=sent))


@pytest.mark.parametrize("mark", [b"|", b"^"])
def test_build_acknowledgement_fields_that_slipped_stay_here(mark: bytes) -> None:
    secret = b"ZZNAME-19310713"
    body = b"MSH|^~\\&|A|B|C|D|2026|" + secret + b"|ADT^" + secret + b"^" + secret + b"|MSG1|" + secret + b"^" + secret
    to = scan_header(body + b"|" + secret + mark + secret + b"|||||||" + secret + b",\xff|")
    reply = answer(to, "AE", AckError("101", "PID^1^3", "x"))
    assert secret not in reply
    assert b"||ACK|B1|P|2.5.1\r" in reply


def test_build_acknowledgement_of_long_values_is_short() -> None:
    to = scan_header(b"MSH|^~\\&|" + b"|".join([b"x" * 9000] * 4) + b"|2026||ADT^A01|" + b"y" * 9000 + b"|P|2.5")
    assert len(answer(to)) < 1400


def test_build_acknowledgement_separators_that_slipped_stay_here() -> None:
    reply = answer(scan_header(b"MSH|ZZNAME^19310713|A|B|C|D|2026||ADT^A01|7|P|2.5\r"))
    assert b"ZZNAME" not in reply and Message(reply).first("MSA").text(2) == "7"  # type: ignore[union-attr]


def test_build_answer_says_which_answers_we_want() -> None:
    ours = Ours(NOW, "A7.0", "AL", "NE")
    assert build_answer(header(), "AA", ours).split(b"\r")[0].endswith(b"||ACK^A01^ACK|A7.0|P|2.5.1|||AL|NE")
    to = scan_header("MSH|^~\\&|Ärzte|F|R|G|2026||ADT^A01|7|P|2.5||||||8859/1\r".encode("latin-1"))
    assert build_answer(to, "AA", ours).split(b"\r")[0].endswith(b"|2.5|||AL|NE||8859/1")


@pytest.mark.parametrize(
    ("accept", "application", "mode", "wanted", "codes"),
    [
        (b"", b"", "auto", "auto", (None, None, None)),
        (b"", b"", "auto", "always", (None, None, None)),
        (b"AL", b"AL", "original", "always", (None, None, None)),
        (b"", b"", "enhanced", "auto", (None, None, None)),
        (b"", b"", "enhanced", "always", ("AA", "AE", "AR")),
        (b"AL", b"", "auto", "auto", (None, None, None)),
        (b"AL", b"AL", "auto", "auto", ("AA", "AE", "AR")),
        (b"NE", b"al ", "auto", "auto", ("AA", "AE", "AR")),
        (b"", b"ER", "auto", "auto", (None, "AE", "AR")),
        (b"", b"SU", "auto", "auto", ("AA", None, None)),
        (b"AL", b"NE", "auto", "always", ("AA", "AE", "AR")),
        (b"AL", b"AL", "auto", "never", (None, None, None)),
    ],
)
def test_application_code_follows_msh_16_in_enhanced_mode_only(
    accept: bytes, application: bytes, mode: str, wanted: str, codes: tuple[str | None, ...]
) -> None:
    to = scan_header(b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|7|P|2.5|||" + accept + b"|" + application)
    assert tuple(application_code(to, mode, verdict, wanted) for verdict in ("accept", "error", "reject")) == codes


def test_application_code_an_acknowledgement_and_rubbish_have_none() -> None:
    to = scan_header(b"MSH|^~\\&|A|B|C|D|2026||ACK^A01|7|P|2.5|||AL|AL")
    assert application_code(to, "auto", "accept", "always") is None
    assert application_code(scan_header(b"rubbish"), "enhanced", "error", "always") is None


def test_build_acknowledgement_values_cannot_break_segments_or_frames() -> None:
    to = scan_header(b"MSH|^~\\&|A\nPID|F\x0bA\x1cC|||||ADT^A01|I\nD\x1c|P|2.5\rPID|1")
    reply = answer(to, "AA", AckError("207", "X\rY", "t\nu\x1c"))
    assert reply.count(b"\r") == 3
    assert not any(mark in reply for mark in (b"\n", b"\x0b", b"\x1c"))


@pytest.mark.parametrize("sent", [b"", b"^", b"0000", rb"^~\\&", b"^~\\&#", b"\xff\xff"])
def test_build_acknowledgement_odd_separators_give_a_readable_answer(sent: bytes) -> None:
    to = scan_header(b"MSH|" + sent + b"|A|B|C|D|2026||ADT^A01|7|P|2.5\r")
    read = Message(answer(to, "AE", AckError("101", "PID^1^3", "x")))
    assert (read.segments[0].text(9), read.segments[0].text(9, 2)) == ("ACK", "A01")
    assert read.first("MSA").text(2) == "7"  # type: ignore[union-attr]
    assert read.first("ERR").text(2, 3) == "3"  # type: ignore[union-attr]


def test_build_acknowledgement_character_set_is_named_when_bytes_need_it() -> None:
    to = scan_header("MSH|^~\\&|Ärzte|F|R|G|2026||ADT^A01|7|P|2.5||||||8859/1\r".encode("latin-1"))
    read = Message(answer(to))
    assert (read.segments[0].text(5), read.segments[0].text(18)) == ("Ärzte", "8859/1")


def test_build_acknowledgement_time_is_written_with_its_own_offset() -> None:
    eastern = NOW.astimezone(timezone(timedelta(hours=-5)))
    reply = build_acknowledgement(header(), "AA", now=eastern, control_id="B1")
    assert b"|20260312031507-0500|" in reply


@pytest.mark.parametrize(
    ("accept", "application", "mode", "codes"),
    [
        (b"", b"", "auto", ("AA", "AE", "AR")),
        (b"", b"", "original", ("AA", "AE", "AR")),
        (b"", b"", "enhanced", ("CA", "CE", "CR")),
        (b"AL", b"NE", "auto", ("CA", "CE", "CR")),
        (b"al ", b"", "auto", ("CA", "CE", "CR")),
        (b"AL", b"AL", "original", ("AA", "AE", "AR")),
        (b"NE", b"AL", "auto", (None, None, None)),
        (b"", b"AL", "auto", (None, None, None)),
        (b"", b"AL", "enhanced", (None, None, None)),
        (b'""', b'""', "auto", ("AA", "AE", "AR")),
        (b"ER", b"", "auto", (None, "CE", "CR")),
        (b"SU", b"", "auto", ("CA", None, None)),
        (b"??", b"", "auto", ("CA", "CE", "CR")),
    ],
)
def test_answer_code_follows_the_mode_and_the_conditions_of_the_header(
    accept: bytes, application: bytes, mode: str, codes: tuple[str | None, ...]
) -> None:
    to = scan_header(b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|7|P|2.5|||" + accept + b"|" + application)
    assert tuple(answer_code(to, mode, verdict) for verdict in ("accept", "error", "reject")) == codes


def test_answer_code_an_acknowledgement_is_not_acknowledged() -> None:
    assert answer_code(header(event=b"ACK^A01"), "auto", "accept") is None
    assert answer_code(header(event=b"ACK^A01"), "original", "accept") is None
    assert answer_code(header(event=b"ACK^A01"), "enhanced", "accept") is None
    assert answer_code(header(event=b"ack^a01"), "auto", "accept") is None


@pytest.mark.parametrize("mode", ["auto", "original", "enhanced"])
def test_answer_code_of_an_unreadable_frame_is_of_the_original_mode(mode: str) -> None:
    assert answer_code(scan_header(b"rubbish"), mode, "reject") == "AR"
