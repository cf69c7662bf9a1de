from __future__ import annotations

import pytest

from parsers.errors import ParseError
from parsers.hl7v2.message import MAX_FIELDS, MAX_REPETITIONS, MAX_SEGMENTS, Message, Segment

HEADER = b"MSH|^~\\&|APP|FAC|||20260312081500||ADT^A01^ADT_A01|1|P|2.5"


def message(*lines: bytes, end: bytes = b"\r", header: bytes = HEADER, default: str | None = None) -> Message:
    return Message(end.join((header, *lines)) + end, default)


def segment(line: bytes, header: bytes = HEADER, default: str | None = None) -> Segment:
    return message(line, header=header, default=default).segments[1]


def codes(read: Message) -> list[str]:
    return [odd.code for odd in read.oddities]


def test_message_header_is_numbered_by_the_standard() -> None:
    msh = message().segments[0]
    assert [msh.raw(number) for number in range(5)] == [b"MSH", b"|", b"^~\\&", b"APP", b"FAC"]
    assert [msh.text(number) for number in (1, 2, 3)] == ["|", "^~\\&", "APP"]
    assert (msh.text(9), msh.text(9, 2), msh.text(9, 3), msh.text(12)) == ("ADT", "A01", "ADT_A01", "2.5")
    assert [each.text() for each in msh.repetitions(2)] == ["^~\\&"]
    assert (msh.text(2, 2), msh.text(1, 1, 1, 2)) == ("", "")


def test_segment_text_finds_repetition_component_and_subcomponent() -> None:
    pid = segment(b"PID|1||A^^^H&1.2&ISO^MR~B^^^S^SS||Doe^Jo")
    assert pid.text(3) == "A"
    assert pid.text(3, 4) == "H"
    assert pid.text(3, 4, 2) == "1.2"
    assert pid.text(3, 5, repetition=2) == "SS"
    assert [(each.text(), each.text(4), each.raw) for each in pid.repetitions(3)] == [
        ("A", "H", b"A^^^H&1.2&ISO^MR"),
        ("B", "S", b"B^^^S^SS"),
    ]
    assert pid.field_count == 5


@pytest.mark.parametrize(
    "path", [(2,), (99,), (-1,), (1, 2), (1, 1, 2), (1, 1, 1, 2), (3, 9), (3, 1, 1, 9), (3, 0), (0, 2)]
)
def test_segment_text_of_what_is_absent_is_empty(path: tuple[int, ...]) -> None:
    assert segment(b"PID|1||A^^^H~B").text(*path) == ""


def test_segment_repetitions_of_an_empty_field_are_none() -> None:
    pid = segment(b"PID|1||~A")
    assert pid.repetitions(2) == [] == pid.repetitions(40)
    assert [each.text() for each in pid.repetitions(3)] == ["", "A"]


def test_segment_null_is_kept_and_differs_from_empty() -> None:
    pid = segment(b'PID|""||x^""')
    assert (pid.text(1), pid.text(2), pid.text(3, 2)) == ('""', "", '""')


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (rb"a\F\b\S\c\R\d\T\e\E\f", r"a|b^c~d&e\f"),
        (rb"one\.br\two", "one\ntwo"),
        (rb"\H\bold\N\ text", "bold text"),
        (rb"\X0D0A\x", "\r\nx"),
        (rb"caf\XC3A9\ \XC3\\XA9\ ", "café é "),
        (rb"C:\temp", r"C:\temp"),
        (rb"C:\temp and D:\F", r"C:\temp and D:\F"),
        (rb"\Zlocal\ \X0\ \XZZ\ \.sp3\ ", r"\Zlocal\ \X0\ \XZZ\ \.sp3\ "),
        (rb"\E\F\ ", r"\F\ "),
        (rb"\T\emp\ ", r"&emp\ "),
        (b"\\", "\\"),
        (b"\\" * 5, "\\" * 5),
    ],
)
def test_segment_text_unescapes_once_and_keeps_what_is_no_escape(raw: bytes, text: str) -> None:
    assert segment(b"NTE|1||" + raw).text(3) == text


def test_message_other_separators_are_read_from_the_header() -> None:
    read = Message(b"MSH^~|\\&^S^F^R^G^2012^^ADT~A24^7^T^2.4\rPID^1^^11~~~FOO&&03~NI|12\r")
    assert (read.segments[0].text(9, 2), read.first("PID").text(3, 4)) == ("A24", "FOO")  # type: ignore[union-attr]
    assert read.first("PID").text(3, 1, 1, 2) == "12"  # type: ignore[union-attr]
    odd = Message(b"MSH#!@%*#S\rPID#1##a!b*c@d%S%e\r").segments[1]
    assert (odd.text(3, 2, 2), odd.text(3, 1, 1, 2)) == ("c", "d!e")


@pytest.mark.parametrize(
    ("sent", "odd"),
    [
        (b"^~\\&", False),
        (b"^~\\&#", False),
        (b"^~\\\\&", True),
        (b"^~", True),
        (b"^", True),
        (b"", True),
        (b"0000", True),
    ],
)
def test_message_second_field_of_any_length_reads_the_rest_rightly(sent: bytes, odd: bool) -> None:
    read = Message(b"MSH|" + sent + b"|APP||||||ADT^A01|7\rPID|||A^^^H&1~B\\T\\C\r")
    pid = read.first("PID")
    assert pid is not None
    assert (read.segments[0].text(3), read.segments[0].text(10)) == ("APP", "7")
    assert (pid.text(3, 4, 2), pid.text(3, 1, 1, 2)) == ("1", "B&C")
    assert ("separators" in codes(read)) is odd


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\r\r", b"\n\n", b"\r\n  "])
def test_message_any_segment_end_gives_the_same_segments(end: bytes) -> None:
    read = message(b"EVN|A01", b"PID|1||X", end=end)
    assert [(each.name, each.index) for each in read.segments] == [("MSH", 0), ("EVN", 1), ("PID", 2)]
    assert read.first("PID").text(3) == "X"  # type: ignore[union-attr]


def test_message_line_feed_in_a_field_of_a_cr_message_is_content() -> None:
    read = message(b"OBX|1|TX|||one\ntwo|F", b"PID|1")
    assert [each.name for each in read.segments] == ["MSH", "OBX", "PID"]
    assert read.segments[1].text(5) == "one\ntwo"


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\r\n", b"\n \t", b"\x0b", b"\x00\x00"])
def test_message_bytes_before_the_header_are_skipped(before: bytes) -> None:
    read = Message(before + HEADER + b"\rPID|1")
    assert [each.name for each in read.segments] == ["MSH", "PID"]
    assert ("byte-order-mark" in codes(read)) == (before == b"\xef\xbb\xbf")
    assert read.raw.startswith(before)


@pytest.mark.parametrize(
    "raw", [b"", b"MSH", b"MSHA", b"PID|1", b"MSH\r|^~", b"MSH\x00|", b"\xff\xfeM\x00S\x00", b"xMSH|^~\\&|"]
)
def test_message_without_a_readable_header_is_refused(raw: bytes) -> None:
    with pytest.raises(ParseError) as refused:
        Message(raw)
    assert refused.value.oddity.code == "100"


def test_message_segment_ids_are_upper_case_and_of_any_form() -> None:
    read = message(b"pid|1", b"ZPV|1", b"LONGNAME|2", b"EVN", b"X", b"?? text")
    assert [each.name for each in read.segments[1:]] == ["PID", "ZPV", "LONGNAME", "EVN", "X", "?? TEXT"]
    assert "segment-case" in codes(read)


def test_message_all_and_first_find_segments_in_order() -> None:
    read = message(b"PID|1", b"IN1|1", b"IN1|2")
    assert [each.text(1) for each in read.all("IN1")] == ["1", "2"]
    assert read.first("IN1") is read.segments[2]
    assert (read.first("ZZZ"), read.all("ZZZ")) == (None, [])


def with_set(name: bytes) -> bytes:
    return HEADER + b"||||||" + name


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        (b"8859/1", "iso8859-1"),
        (b"ISO-8859-1", "iso8859-1"),
        (b"8859/15", "iso8859-15"),
        (b"8859/2", "iso8859-2"),
        (b"UNICODE UTF-8", "utf-8"),
        (b"UTF-8", "utf-8"),
        (b"UNICODE", "utf-8"),
        (b"~8859/9", "iso8859-9"),
        (b"", "utf-8"),
    ],
)
def test_message_character_set_names_are_read(name: bytes, codec: str) -> None:
    word = "Ärzteä"
    pid = segment(b"PID|||||" + word.encode(codec), header=with_set(name))
    assert pid.text(5) == word


@pytest.mark.parametrize(
    ("name", "codec"),
    [(b"~ISO IR87", "iso2022_jp"), (b"ISO IR87", "iso2022_jp"), (b"BIG-5", "big5"), (b"GB 18030-2000", "gb18030")],
)
def test_message_bytes_that_look_like_separators_inside_a_wide_character_do_not_split(name: bytes, codec: str) -> None:
    word = "功許山田|太郎功" if codec != "iso2022_jp" else "山田太郎"
    sent = word.replace("|", "\\F\\").encode(codec)
    pid = segment(b"PID|||||" + sent + b"^x||19480217", header=with_set(name))
    assert (pid.text(5), pid.text(5, 2), pid.text(7)) == (word, "x", "19480217")


def test_message_hex_escape_in_a_wide_character_set_is_decoded_by_it() -> None:
    hexed = "功".encode("big5").hex().upper().encode()
    assert segment(b"PID|||||\\X" + hexed + b"\\", header=with_set(b"BIG-5")).text(5) == "功"


@pytest.mark.parametrize("name", [b"ISO IR 999", b"junk", b"\xff\xfe", b"hex", b"0"])
def test_message_unknown_character_set_falls_back_and_says_so(name: bytes) -> None:
    read = message(b"PID|||||Zo\xc3\xab", header=with_set(name))
    assert read.segments[1].text(5) == "Zoë"
    assert "character-set" in codes(read)


def test_message_without_character_set_uses_the_default_given() -> None:
    assert segment(b"PID|||||Zo\xeb", default="iso-8859-1").text(5) == "Zoë"
    assert segment(b"PID|||||Zo\xc3\xab").text(5) == "Zoë"


def test_message_bytes_invalid_in_the_character_set_are_read_as_windows_1252() -> None:
    read = message(b"PID|||||Zo\xeb^\xc3\xab^ok\x81", header=with_set(b"UTF-8"))
    pid = read.segments[1]
    assert (pid.text(5), pid.text(5, 2), pid.text(5, 3)) == ("Zoë", "ë", "ok�")
    assert codes(read) == ["character-set"]


def test_message_oddities_never_repeat_a_value() -> None:
    read = message(b"pid|||||SECRET\xff", header=HEADER + b"||||||CANARY", end=b"\n")
    assert len(read.oddities) >= 4
    assert not any("SECRET" in odd.text or "CANARY" in odd.text for odd in read.oddities)


def test_message_more_parts_than_the_caps_are_noted_not_read() -> None:
    read = message(*[b"X"] * (MAX_SEGMENTS + 5))
    assert len(read.segments) == MAX_SEGMENTS
    assert "too-many-segments" in codes(read)
    wide = message(b"PID" + b"|x" * (MAX_FIELDS + 5))
    assert wide.segments[1].field_count < MAX_FIELDS
    assert wide.segments[1].text(MAX_FIELDS + 2) == ""
    assert "too-many-fields" in codes(wide)
    long = message(b"PID|" + b"x~" * (MAX_REPETITIONS + 5))
    assert len(long.segments[1].repetitions(1)) == MAX_REPETITIONS
    assert "too-many-fields" in codes(long)


@pytest.mark.parametrize("stray", ["rest of a note", "ZZZZ|1", "ISA*00*          *00*"])
def test_message_line_without_a_segment_id_is_noted(stray: str) -> None:
    message = Message(f"MSH|^~\\&|A\rNTE|1||first line\r{stray}\rPV1\r".encode())
    assert [odd.code for odd in message.oddities] == ["no-segment"]


def test_message_that_is_utf_8_under_the_name_of_a_single_byte_set_is_noted_and_read_as_declared() -> None:
    message = Message(b"MSH|^~\\&|A|||||||||||||||8859/1\rPID|||||M\xc3\xbcller\r")
    assert message.segments[1].text(5) == "M\u00c3\u00bcller"
    assert [odd.code for odd in message.oddities] == ["character-set"]
    assert Message(b"MSH|^~\\&|A|||||||||||||||8859/1\rPID|||||M\xfcller\r").oddities == []
