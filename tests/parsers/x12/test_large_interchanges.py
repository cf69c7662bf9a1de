"""Interchanges larger than the window that is looked at at once: the same as small ones, wherever the window ends."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from mappings.x12 import read_parts
from parsers.content import WINDOW, PartedContent
from parsers.x12 import interchange as limits
from parsers.x12.header import find_headers
from parsers.x12.interchange import Interchange, read_interchanges
from tests.mappings.payer_feed import PROFILE, RECEIVED
from tests.parsers.x12.guide_samples import ANSWER_271
from tests.parsers.x12.interchanges import ACTIVE, group, interchange, isa, transaction_set

FILLER = "NTE*ADD*" + "X" * 1016  # with its terminator a divisor of the window


def structure(found: Interchange) -> list[object]:
    sets = [[(one.id, one.control_number, len(one.split()[0])) for one in each.sets] for each in found.groups]
    return [found.error, [odd.code for odd in found.oddities], [each.errors for each in found.groups], sets]


def filled(segments: list[str], at: int, shift: int, end: str) -> bytes:
    """The segments with filler before segment `at`, so that the window ends `shift` bytes before it begins."""
    before, after = (end.join([*some, ""]).encode() for some in (segments[:at], segments[at:]))
    size = len(FILLER + end)
    missing = WINDOW - shift - len(before) + 105  # the window begins at the terminator of the ISA
    filler = (FILLER + end).encode() * (missing // size)
    odd = missing % size
    return before + filler + (b"N" * (odd - len(end)) + end.encode() if odd > len(end) else b"") + after


@pytest.mark.parametrize("end", ["~", "~\r\n  "])
@pytest.mark.parametrize("at", [4, 5, 6, 7, 8])
def test_control_segments_are_found_wherever_the_window_ends(at: int, end: str) -> None:
    foreign = [transaction_set((f"ST*834*000{n}", "BGN*00"), control=f"000{n}") for n in (1, 2)]
    segments = interchange(group(*foreign)).decode().rstrip("~").split("~")
    segments = [*segments, isa(control="000000102"), "IEA*0*000000102"]
    for shift in range(-1, 10):
        body = filled(segments, at, shift, end)
        first, second = read_interchanges(body)
        assert [first.error, len(first.groups[0].sets), first.groups[0].errors] == [None, 2, []], shift
        assert second.control_number == "000000102"
        assert all(one.trailer is not None for one in first.groups[0].sets)


@pytest.mark.parametrize("shift", [-110, -105, -50, -4, -1, 0, 1])
def test_header_is_found_wherever_the_window_ends(shift: int) -> None:
    body = b"x" * (WINDOW + shift - 1) + b" " + interchange(group(transaction_set(ACTIVE)))
    (header,) = find_headers(body)
    assert header.start == WINDOW + shift
    assert [header.start for header in find_headers(b"x" * (WINDOW + shift) + isa().encode() + b"~")] == []


def test_parts_and_wrapped_lines_change_nothing() -> None:
    sets = [transaction_set([f"ST*271*{n:04d}*005010X279A1", *ANSWER_271[1:]]) for n in range(1, 2001)]
    body = interchange(group(*sets))
    assert len(body) > WINDOW
    wrapped = body[:106] + b"\r\n".join(body[at : at + 80] for at in range(106, len(body), 80))
    (expected,) = read_interchanges(body)
    for other in (body, wrapped):
        parted = PartedContent(len(other), 60_000, lambda n, whole=other: whole[n * 60_000 : (n + 1) * 60_000])
        (found,) = read_interchanges(parted)
        codes = ["wrapped-lines"] if other is wrapped else []
        assert structure(found) == [None, codes, *structure(expected)[2:]]


@pytest.mark.parametrize(
    "body",
    [b"ISA*" * 400_000, b" " * 1_500_000 + b"ISA*", isa().encode() + b"~" + b"GS*HB~" * 250_000, b"\n~ " * 500_000],
    ids=["candidates", "blanks", "groups", "layout"],
)
def test_hostile_content_is_read_a_few_times_over_at_most(body: bytes) -> None:
    read = 0

    def fetch(number: int) -> bytes:
        nonlocal read
        part = body[number * 100_000 : (number + 1) * 100_000]
        read += len(part)
        return part

    assert len(list(read_interchanges(PartedContent(len(body), 100_000, fetch)))) <= 1
    assert read <= 5 * len(body)


def test_more_groups_or_sets_than_x12_can_count_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_SETS", 3)
    monkeypatch.setattr(limits, "MAX_GROUPS", 2)
    one = transaction_set(ACTIVE)
    (sets,) = read_interchanges(interchange(group(one, one), group(one, one)))
    assert sets.error == "022" and sum(len(each.sets) for each in sets.groups) == 3
    (groups,) = read_interchanges(interchange(group(one), group(one), group(one)))
    assert groups.error == "021" and len(groups.groups) == 2


def test_memory_does_not_grow_with_the_number_of_sets() -> None:
    def peak(count: int) -> int:
        sets = [transaction_set([f"ST*271*{n:04d}*005010X279A1", *ACTIVE[1:]]) for n in range(1, count + 1)]
        body = interchange(group(*sets))
        tracemalloc.start()
        try:
            for number, _ in enumerate(read_parts(body, PROFILE, RECEIVED)):
                if number % 20 == 0:  # as after each answer of the compute process
                    gc.collect()
            assert number == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)
    few, many = peak(100), peak(600)
    assert many - few < 500 * 400  # a longer window, offsets of sets, their lines in the 999
