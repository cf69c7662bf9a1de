"""TA1 and 999: which is sent, what it says, and that an independent reader takes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest

from parsers.x12.acknowledgement import Acknowledgement, acknowledge, number_interchange
from parsers.x12.interchange import read_interchanges
from parsers.x12.oracle import second_opinion
from parsers.x12.structure import check_group
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
        found += acknowledge(one, [[check for check, _ in check_group(each)] for each in one.groups], STAMP)
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


def test_values_cannot_break_out_of_their_element() -> None:
    hostile = eligibility(*ACTIVE, ack="1").replace(b"GS*HB*PAYER5*", b"GS*HB*P:{GS06}^\r\n*")
    for answer in answers(hostile):
        filled = number_interchange(answer.body, 1)
        assert second_opinion(filled) == []
        assert b"{" not in filled


def test_slots_are_filled_with_numbers_of_the_fixed_lengths() -> None:
    assert number_interchange(b"{ISA13}|{GS06}|{ST02}|{GS06}", 7) == b"000000007|7|0001|7"
