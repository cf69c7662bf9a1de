"""The sequence number protocol, number by number (HL7 v2, chapter 2.10.1)."""

from __future__ import annotations

import pytest

from gateway.sequencing import judge
from parsers.hl7v2.sequence import read_sequence_number


@pytest.mark.parametrize(
    ("number", "last", "verdict", "expected", "after"),
    [
        (0, None, "start", -1, None),
        (0, 41, "start", 42, 41),
        (-1, 41, "resynchronise", -1, None),
        (17, None, "accepted", 17, 17),
        (42, 41, "accepted", 42, 42),
        (41, 41, "repeat", 42, 41),
        (40, 41, "behind", 42, 41),
        (43, 41, "gap", 42, 41),
    ],
)
def test_number_behind_the_last_one(number: int, last: int | None, verdict: str, expected: int, after: int) -> None:
    said = judge(number, last)
    assert (said.verdict, said.expected, said.last) == (verdict, expected, after)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"7", 7), (b" +7 ", 7), (b"007", 7), (b"0", 0), (b"-1", -1),
        (b"", None), (b'""', None), (b"-2", None), (b"1.5", None), (b"7^8", None), (b"9" * 16, None), (b"x" * 10**6, None),
    ],
)  # fmt: skip
def test_msh_13_as_sent(sent: bytes, read: int | None) -> None:
    assert read_sequence_number(sent) == read
