"""Transaction sets against their guides: sound ones pass in silence, each fault is told once, in its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from parsers.x12.finding import SegmentError
from parsers.x12.guide import NAMES
from parsers.x12.interchange import read_interchanges
from parsers.x12.policy import LENIENT, Policy
from parsers.x12.structure import SetCheck, check_group
from tests.parsers.x12.guide_samples import ANSWER_271, DECISION_278, INQUIRY_270, REVIEW_278, SAMPLES
from tests.parsers.x12.interchanges import group, interchange, transaction_set

STRICT = Policy(**dict.fromkeys(Policy.__struct_fields__, "reject"))


def check(segments: Sequence[str], policy: Policy = STRICT, **options: int) -> SetCheck:
    body = interchange(group(transaction_set(segments, **options)))
    (found,) = read_interchanges(body)
    ((one, _),) = check_group(found.groups[0], policy)
    return one


def told(errors: Sequence[SegmentError]) -> list[tuple[str, str]]:
    return [(error.told, error.location) for error in errors]


def changed(segments: Sequence[str], old: str, *new: str) -> list[str]:
    """The segments with `old` (a whole segment, or its start) replaced; gone when nothing is given for it."""
    at = next(at for at, segment in enumerate(segments) if segment.startswith(old))
    return [*segments[:at], *new, *segments[at + 1 :]]


@pytest.mark.parametrize("name", NAMES)
def test_sample_of_a_guide_passes_in_silence_under_the_strictest_policy(name: str) -> None:
    found = check(SAMPLES[name])
    assert (found.guide, found.status, told(found.errors)) == (name, "accepted", [])


FAULTS_271: list[tuple[str, list[str], list[tuple[str, str]]]] = [
        # segments and loops
        ("MSG", [], []),
        ("TRN*2", [], []),
        ("NM1*IL", [], [("IK304*I8", "2100C NM1 at 28")]),
        ("REF", ["DMG*D8*19480217*F"], [("IK304*5", "2100C DMG at 15"), ("IK304*7", "2100C N3 at 13"), ("IK304*7", "2100C N4 at 14")]),
        ("BHT", [], [("IK304*3", "BHT at 2")]),
        ("ST*", ["ST*271*0001*005010X279A1", "ZZZ*1"], [("IK304*1", "ZZZ at 2")]),
        ("MSG", ["MSG*A", "UM*HS"], [("IK304*6", "2110C UM at 22")]),
        ("N3", ["N3*1 MAIN ST", "EQ*30"], [("IK304*6", "2100C EQ at 14")]),
        ("N3", ["N3*1 MAIN ST", "N3*2 MAIN ST"], [("IK304*5", "2100C N3 at 14")]),
        ("DMG", [], []),
        ("INS", ["N3*LATE"], [("IK304*5", "2100C N3 at 16"), ("IK304*7", "2100C N3 at 16")]),
        ("LS", [], [("IK304*I6", "2110C LS at 27")]),
        ("LE", [], [("IK304*I6", "2110C LE at 27")]),
        ("HL*3", ["HL*3*2*22*0", "NM1*IL*1*ONE*OTTO****MI*M1", "EB*1**30", "HL*4*1*22*0"], [("IK403*7", "2000C HL*2 at 11")]),
        ("HL*2", ["HL*2*1*ZZ*1"], [("IK403*I6", "HL*3 at 6"), ("IK403*7", "2000C HL*2 at 8")]),
        # elements
        ("NM1*IL", ["NM1*IL*1*TESTER*ANNA*Q***MI"], [("IK403*2", "2100C NM1*9 at 11")]),
        ("NM1*IL", ["NM1*IL*1*TESTER*ANNA*Q***MI*M*X"], [("IK403*4", "2100C NM1*9 at 11"), ("IK403*I10", "2100C NM1*10 at 11")]),
        ("NM1*IL", ["NM1*IL*3*TESTER"], [("IK403*I6", "2100C NM1*2 at 11")]),
        ("NM1*IL", ["NM1*IL"], [("IK403*1", "2100C NM1*2 at 11")]),
        ("NM1*IL", ["NM1*IL*1*TESTER:X"], [("IK403*13", "2100C NM1*3 at 11")]),
        ("NM1*IL", ["NM1*IL*1*" + "X" * 61], [("IK403*5", "2100C NM1*3 at 11")]),
        ("NM1*IL", ["NM1*IL*1*TÉSTER"], [("IK403*6", "2100C NM1*3 at 11")]),
        ("NM1*IL", ["NM1*IL*1*A^B"], [("IK403*12", "2100C NM1*3 at 11")]),
        ("N4", ["N4**OH**US***X"], [("IK403*10", "2100C N4*7 at 14")]),
        ("N4", ["N4*TOWN*OH*43001*US*RJ"], [("IK403*I10", "2100C N4*5 at 14")]),
        ("INS", ["INS*Y*18*001"], [("IK403*I9", "2100C INS*4 at 16")]),
        ("DMG", ["DMG*D8*19481317*F"], [("IK403*8", "2100C DMG*2 at 15")]),
        ("DMG", ["DMG*D8"], [("IK403*2", "2100C DMG*2 at 15")]),
        ("DTP*346", ["DTP*346*RD8*20260101"], [("IK403*8", "2100C DTP*3 at 17")]),
        ("DTP*346", ["DTP*999*D8*20260101"], [("IK403*I6", "2100C DTP*1 at 17")]),
        ("EB*1", ["EB*1*IND*30^ZZ*HM"], [("IK403*I6", "2110C EB*3 at 18")]),
        ("EB*1", ["EB*1********VS"], [("IK403*2", "2110C EB*10 at 18")]),
        ("EB*1", ["EB*1******12,50"], [("IK403*6", "2110C EB*7 at 18")]),
        ("EB*1", ["EB*1************ZZZ:99213"], [("IK403*I6", "2110C EB*13-1 at 18")]),
        ("EB*1", ["EB*1************HC"], [("IK403*1", "2110C EB*13-2 at 18")]),
        ("EB*1", ["EB*1*************1:2:3:4:5"], [("IK403*13", "2110C EB*14 at 18")]),
        ("EB*1", ["EB*1" + "*" * 15 + "X"], [("IK403*3", "2110C EB*16 at 18")]),
        ("HSD", ["HSD*VS*12****X"], [("IK403*2", "2110C HSD*5 at 19"), ("IK403*6", "2110C HSD*6 at 19")]),
        ("BHT", ["BHT*0022*11*REQ*20261110*2575"], [("IK403*9", "BHT*5 at 2")]),
        ("BHT", ["BHT*0022*11*REQ*20261131*0915"], [("IK403*8", "BHT*4 at 2")]),
    ]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), FAULTS_271)
def test_fault_of_a_271_is_told_in_its_place(old: str, new: list[str], expected: list[tuple[str, str]]) -> None:
    assert sorted(told(check(changed(ANSWER_271, old, *new)).errors)) == sorted(expected)


FAULTS_OF_OTHERS: list[tuple[Sequence[str], str, list[str], list[tuple[str, str]]]] = [
        (INQUIRY_270, "EQ", ["EQ"], [("IK403*2", "2110D EQ*1 at 17")]),
        (INQUIRY_270, "NM1*IL", ["NM1*IL*1*A", "NM1*IL*1*B"], [("IK304*4", "2100C NM1 at 10")]),
        (REVIEW_278, "UM", [], [("IK304*I8", "2000E UM at 16")]),
        (REVIEW_278, "NM1*71", ["NM1*ZZ*1*A"], [("IK403*I6", "2010EA NM1*1 at 16")]),
        (REVIEW_278, "PWK", ["PWK*M1*EL"], [("IK403*I9", "2000E PWK*5 at 15"), ("IK403*I9", "2000E PWK*6 at 15")]),
        (REVIEW_278, "SV1", ["SV1*HC:71250**UN*1", "SV2*0450"], [("IK304*I9", "2000F SV2 at 22")]),
        (REVIEW_278, "HL*4", ["HL*4*2*EV*1"], [("IK304*I7", "2000E HL at 7"), ("IK403*7", "2000E HL*2 at 10")]),
        (DECISION_278, "HCR*A1", ["HCR*A1"], [("IK403*I9", "2000F HCR*2 at 17")]),
        (DECISION_278, "HCR*A3", ["HCR*A3"], [("IK403*I9", "2000F HCR*3 at 24")]),
        (DECISION_278, "HCR*A3", ["HCR*A3**1^2^3^4^5^6"], [("IK403*12", "2000F HCR*3 at 24")]),
        (DECISION_278, "DTP*102", ["DTP*472*D8*20261116"], [("IK304*5", "2000F DTP at 19")]),
    ]  # fmt: skip


@pytest.mark.parametrize(("segments", "old", "new", "expected"), FAULTS_OF_OTHERS)
def test_fault_of_other_sets_is_told_in_its_place(
    segments: Sequence[str], old: str, new: list[str], expected: list[tuple[str, str]]
) -> None:
    assert sorted(told(check(changed(segments, old, *new)).errors)) == sorted(expected)


def test_sentence_names_element_and_place_and_no_value() -> None:
    (error,) = check(changed(ANSWER_271, "EB*1", "EB*1*IND*SECRET")).errors
    assert error.text == "EB03 (service type) holds a code that the guide does not list there"
    assert error.location == "2110C EB*3 at 18"


def policies(kind: str) -> Iterator[tuple[str, bool, int]]:
    for level in ("off", "warn", "reject"):
        yield level, level == "reject", 0 if level == "off" else 1


FAULTS = {
    "segments": changed(ANSWER_271, "N3", "N3*1 MAIN ST", "N3*2 MAIN ST"),
    "elements": changed(ANSWER_271, "DMG", "DMG*D8*19481317*F"),
    "codes": changed(ANSWER_271, "EB*1", "EB*ZZ"),
    "situational": changed(ANSWER_271, "INS", "INS*Y*18*001"),
    "hierarchy": changed(ANSWER_271, "HL*3", "HL*3*1*22*0"),
    "characters": changed(ANSWER_271, "N3", "N3*ÜBERWEG"),
}


@pytest.mark.parametrize(("kind", "segments"), FAULTS.items())
def test_policy_decides_what_a_fault_costs(kind: str, segments: list[str]) -> None:
    for level, rejected, count in policies(kind):
        found = check(segments, Policy(**{kind: level}))
        assert (found.rejected, len(found.errors)) == (rejected, count)
        assert [error.severity for error in found.errors] == ["error" if rejected else "warning"] * count


def test_policy_decides_what_a_wrong_segment_count_costs() -> None:
    found = [check(ANSWER_271, Policy(segment_count=level), count=3) for level in ("off", "warn", "reject")]
    assert [(one.codes, one.status) for one in found] == [
        ((), "accepted"),
        (("4",), "accepted-with-errors"),
        (("4",), "rejected"),
    ]


def test_lines_that_are_not_confirmed_warn_at_most() -> None:
    found = check(changed(ANSWER_271, "HL*3", "HL*7*2*22*0"))
    assert [(error.status, error.severity) for error in found.errors] == [("derived", "warning")]
    assert (found.status, found.codes) == ("accepted-with-errors", ("5",))


def test_errors_of_the_guide_alone_are_told_as_such() -> None:
    assert check(changed(ANSWER_271, "INS", "INS*Y*18*001"), LENIENT).codes == ("I5",)


def test_rejection_may_end_the_tree_of_an_answer() -> None:
    refused = [*ANSWER_271[:3], "AAA*Y**42*P", "NM1*PR*2*ACME HEALTH*****PI*PAYER5"]
    assert told(check(refused).errors) == []
