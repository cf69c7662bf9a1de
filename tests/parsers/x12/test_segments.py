"""Segments: elements, components, repetitions, and text in whatever bytes the sender wrote."""

from __future__ import annotations

import pytest

from parsers.x12.segments import Delimiters, Segment, number, same_number, split_segments

STANDARD = Delimiters(b"*", b":", b"^", b"~")
PLAIN = Delimiters(b"*", b"", b"", b"~")


def test_elements_count_from_one_and_absent_ones_are_empty() -> None:
    segment = Segment(b"NM1*IL*1* TESTER *ANNA", STANDARD)
    assert (segment.id, segment.text(1), segment.text(3), segment.text(9)) == ("NM1", "IL", "TESTER", "")
    assert segment.raw(3) == b" TESTER "


@pytest.mark.parametrize(
    ("delimiters", "component", "expected"),
    [(STANDARD, 0, "HC:71250"), (STANDARD, 2, "71250"), (STANDARD, 3, ""), (PLAIN, 1, "HC:71250"), (PLAIN, 2, "")],
)
def test_component_is_read_with_the_senders_separator(delimiters: Delimiters, component: int, expected: str) -> None:
    assert Segment(b"SV1*HC:71250", delimiters).text(1, component) == expected


@pytest.mark.parametrize(("delimiters", "expected"), [(STANDARD, ["30", "1", "35"]), (PLAIN, ["30^1^^35"])])
def test_repetitions_are_split_and_empty_ones_left_out(delimiters: Delimiters, expected: list[str]) -> None:
    assert Segment(b"EB*1**30^1^^35", delimiters).repetitions(3) == expected
    assert Segment(b"EB*1", delimiters).repetitions(3) == []


@pytest.mark.parametrize(("raw", "text"), [(b"Z\xc3\xbcrich", "Zürich"), (b"Z\xfcrich", "Zürich"), (b"\x00", "\x00")])
def test_text_is_utf8_else_latin1(raw: bytes, text: str) -> None:
    assert Segment(b"N4*" + raw, STANDARD).text(1) == text


def test_positions_skip_empty_segments() -> None:
    segments, empty = split_segments(b"ST*271~~\n BHT*0022~ ~HL*1", STANDARD)
    assert [(one.id, one.position) for one in segments] == [("ST", 1), ("BHT", 2), ("HL", 3)]
    assert empty == 2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("0001", "0001", True), ("0001", "1", True), ("A1", "A1", True), ("A1", "a1", False), ("", "0", False)],
)
def test_control_numbers_are_compared_as_sent_or_as_numbers(one: str, other: str, same: bool) -> None:
    assert same_number(one, other) is same


@pytest.mark.parametrize(("text", "value"), [("12", 12), ("", None), ("-1", None), ("1" * 19, None), ("٣", None)])
def test_count_is_read_only_from_ascii_digits(text: str, value: int | None) -> None:
    assert number(text) == value
