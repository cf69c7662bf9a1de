"""The HL tree: who hangs under whom, and which levels nobody can place."""

from __future__ import annotations

import pytest

from parsers.x12.hierarchy import MAX_DEPTH, Hierarchy, build_hierarchy
from parsers.x12.segments import Delimiters, split_segments

STANDARD = Delimiters(b"*", b":", b"^", b"~")


def build(text: str, set_id: str = "271") -> Hierarchy:
    return build_hierarchy(set_id, split_segments(text.encode(), STANDARD)[0])


def damage(text: str) -> list[str | None]:
    return [level.damage for level in build(text).levels]


def test_levels_hang_under_their_parents_with_their_own_segments() -> None:
    tree = build("ST*271*1~BHT*0022~HL*1**20*1~NM1*PR~HL*2*1*21*1~HL*3*2*22*1~NM1*IL~DMG*D8~HL*4*3*23*0~NM1*03~SE*9*1~")
    source, receiver, subscriber, dependent = tree.levels
    assert [segment.id for segment in tree.heading] == ["ST", "BHT"]
    assert [segment.id for segment in subscriber.segments] == ["HL", "NM1", "DMG"]
    assert [segment.id for segment in dependent.segments] == ["HL", "NM1"]
    assert list(dependent.ancestors()) == [subscriber, receiver, source]
    assert list(source.descendants()) == [receiver, subscriber, dependent]
    assert dependent.nearest("20") is source
    assert [level.loop for level in tree.levels] == ["2000A", "2000B", "2000C", "2000D"]


def test_loops_of_a_278_are_named() -> None:
    tree = build("HL*1**20~HL*2*1*21~HL*3*2*22~HL*4*3*EV~HL*5*4*SS~HL*6*5*ZZ~", "278")
    assert [level.loop for level in tree.levels] == ["2000A", "2000B", "2000C", "2000E", "2000F", ""]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HL*1**20~HL*2*3*21~HL*3*2*22~", [None, "parent-later", "parent-damaged"]),
        ("HL*1**20~HL*3*9*22~", [None, "parent-missing"]),
        ("HL*1*1*20~", ["parent-later"]),
        ("HL*1**20~HL*3*1*22~HL*3*1*22~HL*4*3*23~", [None, "duplicate-id", "duplicate-id", "parent-damaged"]),
        ("HL*1**20~HL*3*9*22~HL*4*3*23~HL*5*1*22~", [None, "parent-missing", "parent-damaged", None]),
        ("HL*1**20~HL**1*22~HL**1*22~", [None, None, None]),
        ("HL*1**20~HL*2**22~", [None, None]),
    ],
)
def test_level_that_cannot_be_placed_is_damaged_alone(text: str, expected: list[str | None]) -> None:
    assert damage(text) == expected
    assert build(text).damaged is any(expected)


def test_nesting_is_bounded() -> None:
    text = "HL*1**22~" + "".join(f"HL*{at}*{at - 1}*22~" for at in range(2, MAX_DEPTH + 4))
    found = damage(text)
    assert found[:MAX_DEPTH] == [None] * MAX_DEPTH
    assert found[MAX_DEPTH:] == ["too-deep", "parent-damaged", "parent-damaged"]
