"""Any split of the same bytes gives the same frames and the same closing."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.mllp import Frame, FrameReader, frame

PIECES = st.sampled_from(
    [b"\x0b", b"\x1c", b"\r", b"\x1c\r", b"M", b"S", b"H", b"MSH|", b"FHS|", b"BHS", b"x", b"\n", b"0123456789abcdef"]
)
STREAMS = st.lists(PIECES, max_size=60).map(b"".join)
ENDS = st.sampled_from([b"\x1c\r", b"\x1c"])


def read(chunks: list[bytes], end: bytes, limit: int, noise: int) -> tuple[list[Frame], bool]:
    reader = FrameReader(limit, end, noise)
    frames = [each for chunk in chunks for each in reader.feed(chunk)]
    closed = reader.closed
    return frames + reader.end(), closed


@settings(max_examples=300, deadline=None)
@given(STREAMS, st.lists(st.integers(0, 500), max_size=10), ENDS, st.integers(1, 80), st.integers(0, 40))
def test_feed_any_split_gives_the_same_frames(data: bytes, cuts: list[int], end: bytes, limit: int, noise: int) -> None:
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[a:b] for a, b in pairwise(edges)]
    whole = read([data], end, limit, noise)
    assert read(chunks, end, limit, noise) == whole
    assert read([data[i : i + 1] for i in range(len(data))], end, limit, noise) == whole


@settings(max_examples=150, deadline=None)
@given(STREAMS, st.integers(1, 80), st.integers(0, 40))
def test_feed_any_bytes_keeps_the_limits(data: bytes, limit: int, noise: int) -> None:
    frames, closed = read([data], b"\x1c\r", limit, noise)
    for each in frames:
        # a frame cut at the end of the stream may still hold a mark that was never decided
        assert len(each.body) <= (max(limit + 3, noise) if each.broken else limit)
    assert closed == any(each.closing for each in frames)
    assert [each.closing for each in frames[:-1]] == [False] * (len(frames) - 1 if frames else 0)


BODIES = st.binary(max_size=60).filter(
    lambda body: b"\x0b" not in body and b"\x1c\r" not in body and not body.endswith(b"\x1c")
)


@settings(max_examples=150, deadline=None)
@given(st.lists(BODIES, max_size=8), st.integers(1, 40))
def test_feed_framed_bodies_come_back_in_order(messages: list[bytes], step: int) -> None:
    data = b"".join(map(frame, messages))
    frames, closed = read([data[i : i + step] for i in range(0, len(data), step)], b"\x1c\r", 1000, 0)
    assert [each.body for each in frames] == messages
    assert not closed and all(each.broken is None for each in frames)
