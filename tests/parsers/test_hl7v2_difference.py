"""Two messages held against each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from parsers.hl7v2.difference import Difference, compare
from parsers.hl7v2.message import Message

MSH = b"MSH|^~\\&|A|B|C|D|20260322||ADT^A01|1|P|2.5.1\r"


def places(before: bytes, after: bytes) -> list[tuple[str, str, str]]:
    return [(one.place, one.before, one.after) for one in compare(Message(before), Message(after))]


def test_same_message_with_other_separators_and_line_ends_is_the_same() -> None:
    other = b"MSH#*~\\&#A#B#C#D#20260322##ADT*A01#1#P#2.5.1\nPID#1##1***H*MR\n"
    assert places(MSH + b"PID|1||1^^^H^MR\r", other) == []


def test_component_that_changed_is_named_with_both_values() -> None:
    assert places(MSH + b"PID|1||1||DOE^ANNA\r", MSH + b"PID|1||1||DOE^BETH\r") == [("PID^1^5^1^2", "ANNA", "BETH")]


def test_repetition_and_segment_on_one_side_only_are_shown() -> None:
    before = MSH + b"PID|1||1~2\r"
    after = MSH + b"PID|1||1\rNK1|1|A\r"
    assert places(before, after) == [("PID^1^3^2", "2", ""), ("NK1^1", "", "NK1|1|A")]


def test_second_segment_of_a_name_is_compared_with_the_second() -> None:
    one = MSH + b"DG1|1||I10\rDG1|2||J18\r"
    other = MSH + b"DG1|1||I10\rDG1|2||J44\r"
    assert list(compare(Message(one), Message(other))) == [Difference("DG1^2^3", "DG1", 3, 0, "J18", "J44")]


@given(st.binary(max_size=200))
def test_a_message_never_differs_from_itself(content: bytes) -> None:
    assert places(MSH + content, MSH + content) == []
