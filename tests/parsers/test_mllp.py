from __future__ import annotations

import pytest

from parsers.mllp import EVIDENCE, Frame, FrameReader, frame

LIMIT = 1000


def read(
    data: bytes, *, end: bytes = b"\x1c\r", limit: int = LIMIT, noise: int = 50, close: bool = False
) -> list[Frame]:
    reader = FrameReader(limit, end, noise)
    return reader.feed(data) + (reader.end() if close else [])


def bodies(frames: list[Frame]) -> list[tuple[bytes, str | None]]:
    return [(each.body, each.broken) for each in frames]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x0bMSH|a\x1c\r", [(b"MSH|a", None)]),
        (b"\x0bA\x1c\r\x0bB\x1c\r\x0bC\x1c\r", [(b"A", None), (b"B", None), (b"C", None)]),
        (b"\x0b\x1c\r", [(b"", None)]),
        (b"\r\n \x0bA\x1c\r\n\x00\x0bB\x1c\r", [(b"A", None), (b"B", None)]),
        (b"\x0bA\x1cB\x1c\x1c\r", [(b"A\x1cB\x1c", None)]),
        (b"\x0bA\x0bB\x1c\r", [(b"A\x0bB", None)]),
        (b"\x0bA\x0bMS\x1c\r", [(b"A\x0bMS", None)]),
        (b"\x0bA\x1c\x0bB\x1c\r", [(b"A", None), (b"B", None)]),
        (b"\x0bMSH|a\x0bMSH|b\x1c\r", [(b"MSH|a", "truncated"), (b"MSH|b", None)]),
        (b"\x0bMSH|a\x0bFHS|b\x1c\r", [(b"MSH|a", "truncated"), (b"FHS|b", None)]),
        (b"\x0bMSH|a\x0bBHS|b\x1c\r", [(b"MSH|a", "truncated"), (b"BHS|b", None)]),
        (b"\x0bMSH|a", []),
        (b"", []),
    ],
)
def test_feed_bytes_gives_frames_by_the_byte_rule(data: bytes, expected: list[tuple[bytes, str | None]]) -> None:
    assert bodies(read(data)) == expected


def test_feed_split_inside_the_end_block_waits_for_its_second_byte() -> None:
    reader = FrameReader(LIMIT)
    assert reader.feed(b"\x0bA\x1c") == []
    assert reader.open
    assert bodies(reader.feed(b"\r")) == [(b"A", None)]
    assert not reader.open


def test_feed_split_inside_a_new_start_waits_for_the_segment_id() -> None:
    reader = FrameReader(LIMIT)
    assert reader.feed(b"\x0bMSH|a\x0bM") == []
    assert bodies(reader.feed(b"SH|b\x1c\r")) == [(b"MSH|a", "truncated"), (b"MSH|b", None)]


@pytest.mark.parametrize("data", [b"\x0bA\x1c\x0bB\x1c", b"\x0bA\x1c\r\x0bB\x1c\r", b"\x0bA\x1c\r\n\x0bB\x1c"])
def test_feed_end_without_carriage_return_ends_at_each_1c(data: bytes) -> None:
    assert bodies(read(data, end=b"\x1c")) == [(b"A", None), (b"B", None)]


def test_feed_end_without_carriage_return_does_not_count_the_skipped_0d_as_noise() -> None:
    reader = FrameReader(LIMIT, b"\x1c", max_noise=0)
    for _ in range(100):
        assert bodies(reader.feed(b"\x0bA\x1c\r")) == [(b"A", None)]


@pytest.mark.parametrize("tail", [b"\x1c\r", b"", b"\x1c", b"\x0bMSH|b\x1c\r"])
def test_feed_body_of_the_limit_is_whole_and_one_more_is_oversize(tail: bytes) -> None:
    whole = read(b"\x0b" + b"x" * LIMIT + b"\x1c\r")
    assert bodies(whole) == [(b"x" * LIMIT, None)]
    over = read(b"\x0b" + b"x" * (LIMIT + 1) + tail)
    assert bodies(over) == [(b"x" * LIMIT, "oversize")]
    assert over[0].closing


def test_feed_oversize_keeps_the_first_64_kib_and_reads_nothing_more() -> None:
    reader = FrameReader(200_000)
    frames = reader.feed(b"\x0bMSH|" + b"x" * 5_000_000)
    assert [(len(each.body), each.broken) for each in frames] == [(EVIDENCE, "oversize")]
    assert reader.feed(b"\x0bA\x1c\r") == []
    assert reader.end() == []


def test_feed_large_chunk_buffers_no_more_than_the_limit_and_64_kib() -> None:
    reader = FrameReader(100_000)
    reader.feed(b"\x0b" + b"x" * 99_000)
    assert len(reader._buffer) <= 100_000 + 65536
    assert reader.feed(b"x" * 500_000)[0].broken == "oversize"
    assert len(reader._buffer) == 0


def test_feed_noise_beyond_the_allowance_closes() -> None:
    assert read(b"y" * 50 + b"\x0bA\x1c\r") == [Frame(b"A")]
    frames = read(b"y" * 51 + b"\x0bA\x1c\r")
    assert bodies(frames) == [(b"y" * 50, "noise")]
    assert frames[0].closing


def test_feed_noise_is_counted_per_gap_so_that_long_connections_live() -> None:
    reader = FrameReader(LIMIT, max_noise=10)
    for _ in range(50):
        assert bodies(reader.feed(b"\n\n\x0bA\x1c\r")) == [(b"A", None)]


@pytest.mark.parametrize("data", [b"\x0bMSH|a", b"\x0bMSH|a\x1c", b"\x0bMSH|a\x0bMS"])
def test_end_inside_a_frame_gives_it_as_truncated(data: bytes) -> None:
    assert bodies(read(data, close=True)) == [(data[1:], "truncated")]


def test_end_between_frames_gives_nothing() -> None:
    assert bodies(read(b"\x0bA\x1c\rnoise", close=True)) == [(b"A", None)]


def test_feed_many_false_marks_costs_linear_time() -> None:
    size = 2_000_000
    assert len(read(b"\x0b" + b"\x0bM" * (size // 2) + b"\x1c\r", limit=size)) == 1
    assert len(read(b"\x0b" + b"\x1c" * size + b"\x1c\r", limit=size + 1)) == 1
    assert len(read(b"\x0bA\x1c\r" * 100_000)) == 100_000


def test_frame_body_stands_between_the_block_characters() -> None:
    assert frame(b"MSH|") == b"\x0bMSH|\x1c\r"
    assert read(frame(b"MSH|")) == [Frame(b"MSH|")]
