"""Whatever the bytes: reading never raises, answers are sound, and delimiters or layout change no fact."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.inspect import settled
from mappings.profile import FeedProfile
from mappings.x12 import inspect_interchanges, read_x12
from parsers.x12.acknowledgement import number_interchange
from parsers.x12.elements import accepts, check_segment
from parsers.x12.guide import NAMES, Line
from parsers.x12.guide_reading import read_guide
from parsers.x12.interchange import read_interchanges
from parsers.x12.patterns import patterns_of
from parsers.x12.segments import Delimiters, Segment
from parsers.x12.structure import check_group
from tests.parsers.x12.guide_samples import SAMPLES
from tests.parsers.x12.interchanges import ACTIVE, group, interchange, isa, transaction_set

PROFILE = FeedProfile(channel="payer", usage=("P", "T"))
RECEIVED = datetime(2026, 11, 10, 15, 0, tzinfo=UTC)
REJECTED = [*ACTIVE[:-1], "AAA*N**72*C", "HL*4*9*23"]
DECIDED = ["ST*278*0002", "BHT*0007*11*R*20261110*0915", *ACTIVE[2:7], "HL*4*3*EV", "HCR*A4*X*0U", "HL*5*4*SS", "UM*HS"]
BODY = interchange(group(transaction_set(ACTIVE), transaction_set(REJECTED)), group(transaction_set(DECIDED)), ack="1")
SEGMENTS = [
    *BODY.decode().rstrip("~").split("~"),
    "TA1*1*2*3*A*000",
    "SE*1*1",
    "GE*1*1",
    "IEA*1*1",
    "HL*1*1*22",
    "",
    isa(),
]


def read_everything(body: bytes) -> None:
    reading = read_x12(body, PROFILE, RECEIVED)
    assert reading.items
    json.dumps([settled(one) for one in inspect_interchanges(body, PROFILE)])
    for reply in reading.replies:
        (back,) = read_interchanges(number_interchange(reply.body, 1))
        assert back.error is None and not any(one.errors for one in back.groups)
        assert all(check.status == "accepted" for one in back.groups for check, _ in check_group(one))


@settings(max_examples=200)
@given(st.binary(max_size=400), st.binary(max_size=40), st.integers(0, len(BODY)), st.integers(0, 60))
def test_any_bytes_anywhere_are_survived(noise: bytes, cut: bytes, at: int, length: int) -> None:
    read_everything(noise)
    read_everything(BODY[:at] + cut + BODY[at + length :])
    read_everything(noise + BODY[:106] + noise)


WORDS = st.one_of(
    st.sampled_from(
        ["", "1", "IL", "30", "D8", "RD8", "20261110", "20260230", "20261110-20261231", "HC", "0915", " ", "Y"]
    ),
    st.text("0123456789ABC .-^:é\x00", max_size=12),
)
KNOWN = [
    line for name in NAMES for loop in read_guide(name).loops.values() for entry in loop.entries if (line := entry.line)
]


@settings(max_examples=200)
@given(st.sampled_from(KNOWN), st.lists(WORDS, max_size=24))
def test_the_quick_look_at_a_segment_never_takes_what_the_close_look_refuses(line: Line, words: list[str]) -> None:
    raw = "*".join([line.segment, *words]).encode()
    segment = Segment(raw, Delimiters(b"*", b":", b"^", b"~"), 1)
    if accepts(line, segment, patterns_of(segment.delimiters)):
        assert list(check_segment(line, segment)) == []


@settings(max_examples=150)
@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_any_segments_in_any_order_are_held_against_a_guide(name: str, data: st.DataObject) -> None:
    segments = list(SAMPLES[name])
    pool = [segment for sample in SAMPLES.values() for segment in sample]
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(segments)))
        segments[at : at + data.draw(st.integers(0, 3))] = data.draw(st.lists(st.sampled_from(pool), max_size=3))
    read_everything(interchange(group([*segments, f"SE*{len(segments) + 1}*0001"])))


@settings(max_examples=200)
@given(st.lists(st.sampled_from(SEGMENTS), max_size=30))
def test_segments_in_any_order_are_survived(segments: list[str]) -> None:
    read_everything("~".join([isa(), *segments]).encode() + b"~")


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from("*|!^+<>;$%&#@\x1c\x1d\x1e\x1f:~"), min_size=4, max_size=4, unique=True),
    st.sampled_from(["", "\n", "\r\n", "\r\n  ", " \n"]),
    st.sampled_from(["", "\ufeff", "\n\n", "   "]),
)
def test_delimiters_and_layout_change_no_fact(chosen: list[str], layout: str, before: str) -> None:
    element, component, repetition, terminator = chosen
    table = str.maketrans({"*": element, ":": component, "^": repetition, "~": terminator + layout})
    other = (before + BODY.decode().translate(table)).encode()
    expected, found = read_x12(BODY, PROFILE, RECEIVED), read_x12(other, PROFILE, RECEIVED)
    assert found.items == expected.items
    assert [reply.kind for reply in found.replies] == [reply.kind for reply in expected.replies]


@settings(max_examples=100)
@given(st.lists(st.integers(0, 3), max_size=12))
def test_interchanges_of_one_body_are_read_as_if_alone(picks: list[int]) -> None:
    parts = [BODY, BODY.replace(b"IEA*2", b"IEA*9"), b"noise~", interchange(group(transaction_set(ACTIVE)))]
    body = b"\n".join(parts[pick] for pick in picks)
    alone = [reply for pick in picks for reply in read_x12(parts[pick], PROFILE, RECEIVED).replies]
    assert list(read_x12(body, PROFILE, RECEIVED).replies) == alone
