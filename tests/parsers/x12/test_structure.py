"""What the structure of one set says, and what of it rejects."""

from __future__ import annotations

import pytest

from parsers.x12.finding import MAX_SEGMENT_ERRORS
from parsers.x12.interchange import read_interchanges
from parsers.x12.structure import SetCheck, check_group
from tests.parsers.x12.interchanges import (
    ACTIVE,
    HEADING_271,
    PAYER,
    PROVIDER,
    SUBSCRIBER,
    group,
    interchange,
    transaction_set,
)

MEMBER = (*SUBSCRIBER, "EB*1**30")


def check(*sets: list[str]) -> list[SetCheck]:
    (found,) = read_interchanges(interchange(group(*sets)))
    return [one for one, _ in check_group(found.groups[0])]


def check_one(segments: list[str]) -> SetCheck:
    return check(segments)[0]


@pytest.mark.parametrize(
    ("segments", "codes", "status"),
    [
        (transaction_set(ACTIVE), (), "accepted"),
        (transaction_set(ACTIVE, count=99), ("4",), "accepted-with-errors"),
        (transaction_set(ACTIVE, control="0002"), ("3",), "rejected"),
        (list(ACTIVE), ("2",), "rejected"),
        (transaction_set(("ST*27X*0001", *ACTIVE[1:])), ("6",), "rejected"),
        (transaction_set(("ST*271**005010X279A1", *ACTIVE[1:])), ("7", "5"), "rejected"),
        (transaction_set(("ST*271*1234567890*005010X279A1", *ACTIVE[1:])), ("7", "5"), "rejected"),
        (transaction_set((*ACTIVE, "ZZZ*1")), ("5",), "accepted-with-errors"),
        (transaction_set(ACTIVE[:1] + ACTIVE[2:]), ("5",), "accepted-with-errors"),
        (transaction_set(("ST*850*0001", "BEG*00", "PO1*1")), (), "accepted"),
    ],
)
def test_set_gets_its_ik502_codes_and_status(segments: list[str], codes: tuple[str, ...], status: str) -> None:
    found = check_one(segments)
    assert (found.codes, found.status) == (codes, status)


def test_control_number_used_twice_in_a_group_warns() -> None:
    first, second = check(transaction_set(ACTIVE), transaction_set(ACTIVE))
    assert (first.codes, second.codes, second.status) == ((), ("23",), "accepted-with-errors")


@pytest.mark.parametrize(
    ("levels", "errors", "status"),
    [
        ([*PAYER, "HL*2*3*21", "HL*3*2*22"], [("HL", 5, "8", 2, "7"), ("HL", 6, "8", 2, "7")], "rejected"),
        ([*PAYER, *PROVIDER, "HL*3*9*22"], [("HL", 7, "8", 2, "7")], "rejected"),
        ([*PAYER, *PROVIDER, *MEMBER, "HL*4*9*22"], [("HL", 12, "8", 2, "7")], "accepted-with-errors"),
        ([*PAYER, *PROVIDER, "HL**2*22*0", *MEMBER[1:]], [("HL", 7, "8", 1, "1")], "accepted-with-errors"),
        ([*PAYER, "QQ*1", *PROVIDER, *MEMBER], [("QQ", 5, "1", 0, "")], "accepted-with-errors"),
    ],
)
def test_damage_names_its_segment_and_rejects_only_an_unreadable_tree(
    levels: list[str], errors: list[tuple[str, int, str, int, str]], status: str
) -> None:
    found = check_one(transaction_set([*HEADING_271, *levels]))
    told = [(one.segment, one.position, one.code, one.element, one.element_code) for one in found.errors]
    assert (told, found.status) == (errors, status)


def test_errors_without_end_are_told_a_bounded_number_of_times() -> None:
    found = check_one(transaction_set([*ACTIVE, *["ZZZ*1"] * (2 * MAX_SEGMENT_ERRORS)]))
    assert len(found.errors) == MAX_SEGMENT_ERRORS


def test_oddities_of_a_set_hold_places_and_no_values() -> None:
    found = check_one(transaction_set([*ACTIVE, "SECRET*1"], count=99))
    assert [(one.severity, one.code, one.location) for one in found.oddities] == [
        ("warning", "IK502*4", "ST"),
        ("warning", "IK304*1", "2110C SEC at 12"),
    ]
    assert not any("TESTER" in one.text for one in found.oddities)
