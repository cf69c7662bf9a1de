"""TA1 and 999: which is sent, what it says, and that an independent reader takes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest

from parsers.x12.acknowledgement import Acknowledgement, Answering, acknowledge, number_interchange
from parsers.x12.interchange import read_interchanges
from parsers.x12.oracle import second_opinion
from parsers.x12.structure import check_group
from tests.parsers.x12.guide_samples import ANSWER_271
from tests.parsers.x12.interchanges import ACTIVE, eligibility, group, interchange, transaction_set

STAMP = datetime(2026, 11, 10, 9, 30)
SOUND = transaction_set(ACTIVE)
WRONG_COUNT = transaction_set(ACTIVE, count=3)
MISMATCHED = transaction_set(ACTIVE, control="0009")
UNPLACED = transaction_set([*ACTIVE[:6], "HL*3*9*22"])
TA1 = ["TA1*000000100*261109*0823*A*000"]
ANSWER_999 = group(["ST*999*0001", "AK1*HS*1", "AK9*A*1*1*1", "SE*4*0001"], functional="FA")


def answers(body: bytes) -> list[Acknowledgement]:
    found: list[Acknowledgement] = []
    for one in read_interchanges(body):
        found += acknowledge(Answering(one, STAMP), [[check for check, _ in check_group(each)] for each in one.groups])
    return found


def lines(answer: Acknowledgement) -> list[str]:
    return answer.body.decode().rstrip("~").split("~")


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        (eligibility(*ACTIVE), [("999", "A")]),
        (eligibility(*ACTIVE, ack="1"), [("TA1", "000"), ("999", "A")]),
        (interchange(group(SOUND), trailer="IEA*1*9"), [("TA1", "001")]),
        (interchange(group(SOUND), group(SOUND, control="102")), [("999", "A"), ("999", "A")]),
        (interchange(ANSWER_999, ack="1"), []),
        (interchange(ANSWER_999, trailer="IEA*1*9"), []),
        (interchange(group(["ST*999*0001", "AK1*HS*1", "SE*3*0001"], functional="HB")), []),
        (interchange(TA1, trailer="IEA*0*000000101", ack="1"), []),
        (interchange(ANSWER_999, group(SOUND, control="102")), [("999", "A")]),
        (eligibility(*ACTIVE) + interchange(group(SOUND), trailer="IEA*1*9"), [("999", "A"), ("TA1", "001")]),
        (b"", []),
    ],
)
def test_interchange_gets_the_answers_it_deserves(body: bytes, kinds: list[tuple[str, str]]) -> None:
    assert [(one.kind, one.code) for one in answers(body)] == kinds


def test_ta1_stands_after_isa_and_addresses_the_sender() -> None:
    (answer,) = answers(interchange(group(SOUND), trailer="IEA*1*000000999"))
    assert lines(answer) == [
        "ISA*00*          *00*          *ZZ*CCGW           *ZZ*PAYER5         *261110*0930*^*00501*{ISA13}*0*P*:",
        "TA1*000000101*261110*0915*R*001",
        "IEA*0*{ISA13}",
    ]


def test_999_of_a_sound_group_says_accepted() -> None:
    (answer,) = answers(eligibility(*ACTIVE))
    assert lines(answer)[1:] == [
        "GS*FA*CCGW*PAYER5*20261110*0930*{GS06}*X*005010X231A1",
        "ST*999*{ST02}*005010X231A1",
        "AK1*HB*101*005010X279A1",
        "AK2*271*0001*005010X279A1",
        "IK5*A",
        "AK9*A*1*1*1",
        "SE*6*{ST02}",
        "GE*1*{GS06}",
        "IEA*1*{ISA13}",
    ]


@pytest.mark.parametrize(
    ("sets", "options", "told"),
    [
        ([WRONG_COUNT], {}, ["IK5*E*4", "AK9*E*1*1*1"]),
        ([MISMATCHED], {}, ["IK5*R*3", "AK9*R*1*1*0"]),
        ([list(ACTIVE)], {}, ["IK5*R*2", "AK9*R*1*1*0"]),
        ([SOUND, MISMATCHED], {}, ["IK5*A", "IK5*R*3*23", "AK9*P*2*2*1"]),
        ([UNPLACED], {}, ["IK3*HL*7**8", "IK4*2*734*7", "IK5*R*5", "AK9*R*1*1*0"]),
        ([transaction_set([*ACTIVE, "ZZZ*1"])], {}, ["IK3*ZZZ*12**1", "IK5*E*5", "AK9*E*1*1*1"]),
        ([SOUND], {"closing": "9"}, ["IK5*A", "AK9*R*1*1*0*4"]),
        ([SOUND], {"count": "4"}, ["IK5*A", "AK9*R*4*1*0*5"]),
        ([], {}, ["AK9*A*0*0*0"]),
    ],
)
def test_999_tells_each_set_and_the_group(sets: Sequence[list[str]], options: dict[str, str], told: list[str]) -> None:
    (answer,) = answers(interchange(group(*sets, **options)))
    assert [line for line in lines(answer) if line[:3] in ("IK3", "IK4", "IK5", "AK9")] == told


EVERY_KIND = interchange(
    group(SOUND, MISMATCHED, UNPLACED, WRONG_COUNT, transaction_set([*ACTIVE, "ZZZ*1"])), group(SOUND), ack="1"
)


@pytest.mark.parametrize(
    "body",
    [
        EVERY_KIND,
        EVERY_KIND.translate(bytes.maketrans(b"*:^~", b"|>!\\")),
        EVERY_KIND.replace(b"~", b"\n"),
        EVERY_KIND.replace(b"~", "…".encode()),
        EVERY_KIND.replace(b"*^*00501*", b"*U*00401*"),
        EVERY_KIND.replace(b"*:~", b"*~"),
        interchange(group(SOUND), trailer="IEA*1*9"),
        interchange(group(SOUND), trailer="IEA*1*9", version="00401", repetition="U"),
        interchange(group(SOUND, closing="9"), control="ABC"),
    ],
)
def test_pyx12_reads_every_answer_without_complaint(body: bytes) -> None:
    found = answers(body)
    assert found
    for number, answer in enumerate(found, start=1):
        filled = number_interchange(answer.body, number)
        assert b"{" not in filled
        assert second_opinion(filled) == []
        (back,) = read_interchanges(filled)
        assert (back.error, back.header.sender, back.header.receiver) == (None, "CCGW", "PAYER5")
        assert all(check.status == "accepted" for each in back.groups for check, _ in check_group(each))


FAULTY = [
    segment
    for segment in ANSWER_271
    if not segment.startswith(("LS", "MSG"))
]  # fmt: skip
FAULTY[FAULTY.index("INS*Y*18*001*25")] = "INS*Y*18*001"
FAULTY[FAULTY.index("EB*B**98****27.5*****Y")] = "EB*B**QQ****27,5*****Y*HC:99213:X"

GOLDEN_999 = [
    "ST*999*{ST02}*005010X231A1",
    "AK1*HB*101*005010X279A1",
    "AK2*271*0001*005010X279A1",
    "IK5*A",
    "AK2*271*0002*005010X279A1",
    "IK3*INS*16**8",
    "IK4*4*1203*I9",
    "CTX*SITUATIONAL TRIGGER*INS*16**3",
    "IK3*EB*21**8",
    "IK4*3*1365*I6",
    "IK4*7*782*6",
    "IK4*13:3*1339*4",
    "IK3*LS*26**I6",
    "CTX*SITUATIONAL TRIGGER*EB*21**1",
    "IK5*E*5",
    "AK9*E*2*2*2",
    "SE*17*{ST02}",
]
GOLDEN_997 = [
    "ST*997*{ST02}",
    "AK1*HB*101",
    "AK2*271*0001",
    "AK5*A",
    "AK2*271*0002",
    "AK3*INS*16**8",
    "AK4*4*1203*2",
    "AK3*EB*21**8",
    "AK4*3*1365*7",
    "AK4*7*782*6",
    "AK4*13:3*1339*4",
    "AK3*LS*26**3",
    "AK5*E*5",
    "AK9*E*2*2*2",
    "SE*15*{ST02}",
]
GUIDED = interchange(
    group(transaction_set(ANSWER_271), transaction_set([FAULTY[0].replace("0001", "0002"), *FAULTY[1:]]))
)


@pytest.mark.parametrize(("mode", "golden"), [("auto", GOLDEN_999), ("999", GOLDEN_999), ("997", GOLDEN_997)])
def test_golden_answer_names_each_fault_with_its_element_and_what_demanded_it(mode: str, golden: list[str]) -> None:
    (found,) = read_interchanges(GUIDED)
    checks = [[check for check, _ in check_group(each)] for each in found.groups]
    (answer,) = acknowledge(Answering(found, STAMP, mode), checks)
    assert lines(answer)[2:-2] == golden
    assert second_opinion(number_interchange(answer.body, 1)) == []
    assert acknowledge(Answering(found, STAMP, "none"), checks) == []


def test_group_of_004010_is_answered_by_a_997() -> None:
    old = GUIDED.replace(b"005010X279A1~ST", b"004010X092A1~ST").replace(b"*005010X279A1~BHT", b"~BHT")
    (answer,) = answers(old.replace(b"*^*00501*", b"*U*00401*"))
    assert (answer.kind, answer.code) == ("997", "A")
    assert lines(answer)[1].endswith("*X*004010") and b"*00401*" in answer.body[:106]
    assert second_opinion(number_interchange(answer.body, 1)) == []


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"*ZZ*PAYER5", b"*z *PAYER5", "005"),
        (b"*ZZ*CCGW           ", b"*ZZ*               ", "008"),
        (b"*261110*", b"*261310*", "014"),
        (b"*0915*^", b"*2575*^", "015"),
        (b"*0*P*:", b"*7*P*:", "019"),
        (b"*0*P*:", b"*0*X*:", "020"),
        (b"000000101*0", b"0000001AB*0", "018"),
        (b"*0*P*:~", b"*0*P*~", "027"),
    ],
)
def test_flaw_of_the_isa_is_told_and_harms_nothing(old: bytes, new: bytes, code: str) -> None:
    body = eligibility(*ACTIVE).replace(old, new, 1).replace(b"IEA*1*000000101", b"IEA*1*" + (
        b"0000001AB" if code == "018" else b"000000101"))  # fmt: skip
    found = answers(body)
    assert [(one.kind, one.code) for one in found] == [("TA1", code), ("999", "A")]
    assert lines(found[0])[1].split("*")[4] == "E"
    for answer in found:
        assert second_opinion(number_interchange(answer.body, 1)) == []


def test_values_cannot_break_out_of_their_element() -> None:
    hostile = eligibility(*ACTIVE, ack="1").replace(b"GS*HB*PAYER5*", b"GS*HB*P:{GS06}^\r\n*")
    for answer in answers(hostile):
        filled = number_interchange(answer.body, 1)
        assert second_opinion(filled) == []
        assert b"{" not in filled


def test_slots_are_filled_with_numbers_of_the_fixed_lengths() -> None:
    assert number_interchange(b"{ISA13}|{GS06}|{ST02}|{GS06}", 7) == b"000000007|7|0001|7"


ISA = eligibility(*ACTIVE)[:106]


@pytest.mark.parametrize(
    ("broken", "number", "code"),
    [
        (ISA.replace(b"*0*P*", b"*P*"), "000000101", "022"),
        (ISA.replace(b"*0*P*", b"*0*0*P*"), "000000101", "023"),
        (ISA.replace(b"*00501*000000101*0*P*", b"*"), "000000000", "022"),
        (b"\xef\xbb\xbf\r\n" + ISA.replace(b"*^*", b"*"), "000000101", "022"),
    ],
)
def test_isa_without_its_elements_is_answered_as_far_as_it_says_whose_it_is(
    broken: bytes, number: str, code: str
) -> None:
    (answer,) = answers(broken + eligibility(*ACTIVE)[106:])
    assert (answer.kind, answer.code) == ("TA1", code)
    assert lines(answer)[1].startswith(f"TA1*{number}*261110*09") and lines(answer)[1].endswith(f"*R*{code}")
    assert second_opinion(number_interchange(answer.body, 1)) == []


@pytest.mark.parametrize(
    "broken", [b"ISA*00*cut~GS*HB*", b"ISA*00*          *00*  ", b"MSG*" + ISA.replace(b"*^*", b"*")]
)
def test_isa_that_does_not_say_whose_it_is_is_no_header(broken: bytes) -> None:
    assert answers(broken) == []
