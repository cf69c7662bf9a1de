"""Content in parts, and without its line breaks: the same slices as of bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from parsers.content import PartedContent, Unwrapped, visible

BODIES = st.binary(max_size=60)
PLACES = st.integers(-5, 70)


def parted(body: bytes, part: int) -> PartedContent:
    return PartedContent(len(body), part, lambda number: body[number * part : (number + 1) * part])


@given(BODIES, st.integers(1, 9), st.lists(st.tuples(PLACES, PLACES), max_size=8))
def test_parts_give_the_slices_of_the_whole(body: bytes, part: int, places: list[tuple[int, int]]) -> None:
    content = parted(body, part)
    assert len(content) == len(body)
    assert content[:] == body
    assert [content[begin:end] for begin, end in places] == [body[begin:end] for begin, end in places]


def test_parts_read_in_order_are_fetched_once() -> None:
    fetched: list[int] = []

    def fetch(number: int) -> bytes:
        fetched.append(number)
        return b"0123456789"[number * 4 : number * 4 + 4]

    content = PartedContent(10, 4, fetch)
    assert b"".join(content[at : at + 2] for at in range(0, 10)) == b"01122334455667788999"[:19]
    assert fetched == [0, 1, 2]


@given(st.lists(st.sampled_from([b"A" * 40_000, b"B\r\n", b"\n", b"C" * 30_000]), max_size=12), st.data())
def test_unwrapped_content_is_the_content_without_line_breaks(pieces: list[bytes], data: st.DataObject) -> None:
    body = b"".join(pieces)
    start = data.draw(st.integers(0, len(body)))
    content = Unwrapped(body, start, len(body))
    left = body[start:].translate(None, b"\r\n")
    assert len(content) == len(left)
    for _ in range(4):
        begin, end = data.draw(st.integers(0, len(left))), data.draw(st.integers(0, len(left) + 9))
        assert content[begin:end] == left[begin:end]


def test_visible_is_the_first_that_is_no_blank_however_far_it_stands() -> None:
    far = b" " * ((1 << 20) - 1) + b"XYZ"
    assert visible(far, 0, len(far), b" ") == b"XY"
    assert visible(far, 0, len(far) - 2, b" ") == b"X"
    assert visible(far, 0, len(far) - 3, b" ") == b""
