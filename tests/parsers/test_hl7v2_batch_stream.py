from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.hl7v2.batch import split_batch
from parsers.hl7v2.batch_stream import TooLong, read_batch

A = b"MSH|^~\\&|A||||||ADT^A01|1\rPID|1\r"
B = b"MSH|^~\\&|B||||||ADT^A03|2\rPID|2\r"
FHS, BHS = b"FHS|^~\\&|X\r", b"BHS|^~\\&|X\r"
PIECES = [
    A,
    B,
    FHS,
    BHS,
    b"BTS|2\r",
    b"FTS\r",
    b"\r\n",
    b"  \t",
    b"NTE|1|MSH|9\r",
    b"\nmsh|^~\\&|c\r",
    b"OBX|1|" + b"x" * 90,
]


class Counted:
    """Content that knows how much of it was asked for at once, and in all."""

    def __init__(self, body: bytes) -> None:
        self.body, self.most, self.asked = body, 0, 0

    def __len__(self) -> int:
        return len(self.body)

    def __getitem__(self, at: slice, /) -> bytes:
        found = self.body[at]
        self.most, self.asked = max(self.most, len(found)), self.asked + len(found)
        return found


def whole(body: bytes) -> list[bytes]:
    return [message.strip() for message in split_batch(body).messages]


def streamed(body: bytes, window: int) -> list[bytes]:
    return [each.strip() for each in read_batch(body, window=window) if isinstance(each, bytes)]


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.integers(min_value=1, max_value=120))
def test_messages_are_those_of_the_whole_body_wherever_the_windows_end(pieces: list[bytes], window: int) -> None:
    body = b"".join(pieces)
    if not any(
        message.upper().startswith(b"MSH|^") for message in whole(body)
    ):  # one for its reader to refuse, or none
        assert [each for each in streamed(body, window) if b"MSH|^" in each.upper()] == []
        return
    assert [m for m in streamed(body, window) if m] == [m for m in whole(body) if m]


@pytest.mark.parametrize("window", [7, 50, 1000])
@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf\r\n" + A + B,
        BHS + A + b"BTS|3\r" + BHS + B + b"BTS|1\rFTS|2",
        A + B + b"\x1c\r",
        b"\x0b" + A + b"\x1c\r\x0b" + FHS + A + B + b"FTS|1\r\x1c\r",
        (A + B).decode().encode("utf-16"),
        (A + B).decode().encode("utf-16-le"),
    ],
)
def test_stored_frames_utf_16_and_odd_ends_are_read_alike(body: bytes, window: int) -> None:
    if window < 50 and body.startswith(b"\x0b"):
        window = 50  # a capture is told by its first window
    assert streamed(body, window) == whole(body)


def test_content_is_read_once_a_window_at_a_time() -> None:
    content = Counted(FHS + (A + B) * 20_000 + b"FTS|1\r")
    assert sum(1 for _ in read_batch(content, window=4096)) == 40_000
    assert content.most == 4096 and content.asked <= len(content) + 4096


def test_message_over_the_limit_is_told_and_its_neighbours_are_read() -> None:
    long = A + b"OBX|1|" + b"x" * 5000 + b"\r"
    found = list(read_batch(B + long + B, window=512, most=2000))
    assert [each if isinstance(each, bytes) else "too long" for each in found] == [B, "too long", B]
    framed = list(read_batch(b"\x0b" + B + b"\x1c\r\x0b" + long + b"\x1c\r", window=512, most=2000))
    assert framed[0] == B and isinstance(framed[1], TooLong)


def test_body_without_a_header_is_one_for_its_reader_to_refuse() -> None:
    assert list(read_batch(b"junk\rthat nobody reads", window=4)) == [b"junk"]


def test_empty_bodies_hold_no_message() -> None:
    assert list(read_batch(b"", window=4)) == [] == list(read_batch(b" \r\n \r\n \r\n", window=4))
