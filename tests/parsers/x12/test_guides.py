"""The guides themselves: complete, consistent, and found by what a set says of itself."""

from __future__ import annotations

import pytest

from parsers.x12.finding import DERIVED, SEEN, UNCONFIRMED
from parsers.x12.guide import NAMES, Element, Guide, guide_name
from parsers.x12.guide_reading import GuideError, _Compiler, read_guide, standard_segments, weaker
from parsers.x12.interchange import read_interchanges
from parsers.x12.patterns import MAX_SEPARATORS, patterns_of
from parsers.x12.segments import Delimiters, Segment
from parsers.x12.structure import check_group
from tests.parsers.x12.guide_samples import ANSWER_271
from tests.parsers.x12.interchanges import group, interchange, transaction_set

GUIDES = [read_guide(name) for name in NAMES]
STATUSES = {SEEN, DERIVED, UNCONFIRMED}


@pytest.mark.parametrize(
    ("set_id", "version", "purpose", "name"),
    [
        ("270", "005010X279A1", "13", "270-005010X279A1"),
        ("271", "005010X279", "11", "271-005010X279A1"),
        ("278", "005010X217", "13", "278-005010X217-request"),
        ("278", "005010X217", "01", "278-005010X217-request"),
        ("278", "005010X217E2", "11", "278-005010X217-response"),
        ("278", "005010X216", "CN", "278-005010X216-notification"),
        ("278", "005010X216", "11", "278-005010X216-acknowledgment"),
        ("278", "005010X215", "28", "278-005010X215-inquiry"),
        ("278", "005010X215", "11", "278-005010X215-response"),
        ("278", "005010X217", "", "278-005010X217-request"),
        ("271", "004010X092A1", "11", None),
        ("271", "005010", "11", None),
        ("271", "", "", None),
        ("835", "005010X221A1", "", None),
    ],
)
def test_guide_is_found_by_set_version_and_purpose(set_id: str, version: str, purpose: str, name: str | None) -> None:
    assert guide_name(set_id, version, purpose) == name


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_guide_hangs_together(guide: Guide) -> None:
    inner = {entry.loop.id for loop in guide.loops.values() for entry in loop.entries if entry.loop}
    assert inner | {loop.id for loop in guide.levels.values()} == set(guide.loops)
    for loop in guide.loops.values():
        assert loop.first.usage == "R" and loop.status in STATUSES and loop.usage in ("R", "S")
        assert loop.under <= set(guide.loops)
        assert (loop.first.segment == "HL") is bool(loop.level)
        groups = [entry.group for entry in loop.entries]
        assert groups == sorted(groups) and [entry.at for entry in loop.entries] == list(range(len(groups)))
    assert guide.segments <= standard_segments() and guide.sources


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_codes_fit_their_elements_and_lines_that_share_a_place_are_told_apart(guide: Guide) -> None:
    for loop in (guide.heading, *guide.loops.values()):
        for entry in loop.entries:
            if entry.line:
                assert entry.line.status in STATUSES and entry.line.repeat > 0
                for element in entry.line.elements:
                    _codes_fit(element)
        for found in loop.table.values():
            told = [entry.qualifiers for entry in found]
            assert len(told) == 1 or None not in told
            twice = [
                code for code in frozenset().union(*filter(None, told)) if sum(code in one for one in told if one) > 1
            ]
            assert twice in ([], [b"FA"])  # a facility may be the event's provider or the contact: the first is taken


def _codes_fit(element: Element) -> None:
    assert {element.usage_status, element.codes_status} <= STATUSES
    for code in element.codes or ():
        assert element.least <= len(code) <= element.most, (element.number, code)
    for part in element.parts:
        _codes_fit(part)


def test_guide_made_from_another_is_no_surer_than_its_own_status() -> None:
    guide = read_guide("278-005010X215-inquiry")
    assert guide.loops["2010C"].status == DERIVED and guide.loops["2010C"].first.status == DERIVED
    assert weaker(SEEN, UNCONFIRMED) == weaker(UNCONFIRMED, DERIVED) == UNCONFIRMED


@pytest.mark.parametrize("text", ["NM1 R 1 seen | 1 R IL", "NM1 R 1 seen | 01 X IL", "NM1 R 1 seen | 99 R"])
def test_line_that_cannot_be_is_a_defect_found_when_it_is_read(text: str) -> None:
    with pytest.raises(GuideError):
        _Compiler(NAMES[0]).line(text, "2100A", SEEN)


def test_patterns_are_made_for_few_separators_and_the_others_are_looked_at_closely() -> None:
    made = []
    for number in range(3 * MAX_SEPARATORS):
        delimiters = Delimiters(b"*", b":", b"^", bytes([0x80 + number]))
        made.append(patterns_of(delimiters) is not None)
    assert 0 < sum(made) <= MAX_SEPARATORS or not any(made)
    assert not made[-1]
    strange = interchange(group(transaction_set(ANSWER_271))).replace(b"~", b"\xf7")
    (found,) = read_interchanges(strange)
    ((check, _),) = check_group(found.groups[0])
    assert check.status == "accepted"


def test_segment_keeps_its_bytes_for_the_pattern() -> None:
    assert Segment(b"NM1*IL", Delimiters(b"*", b":", b"^", b"~")).content == b"NM1*IL"
