"""A control number again with other content: a requester is told, an answer is taken."""

from __future__ import annotations

import msgspec
import pytest

from mappings.partners import TradingPartner
from mappings.x12 import read_x12
from parsers.x12.policy import Policy
from tests.mappings.payer_feed import PROFILE, RECEIVED
from tests.parsers.x12.guide_samples import ANSWER_271, DECISION_278, INQUIRY_270, REVIEW_278
from tests.parsers.x12.interchanges import group, interchange, transaction_set

NUMBERED = msgspec.structs.replace(PROFILE, unique_control_numbers=True)
ANSWER = interchange(group(transaction_set(ANSWER_271)))
INQUIRY = interchange(group(transaction_set(INQUIRY_270), functional="HS"))
REVIEW = interchange(group(transaction_set(REVIEW_278), functional="HI"))
DECISION = interchange(group(transaction_set(DECISION_278), functional="HI"))


def read(body: bytes, *, repeated: bool = True, level: str = "auto") -> tuple[set[str | None], list[str], list[str]]:
    """(reasons of items, kinds of replies, codes of problems about the interchange)."""
    partner = TradingPartner(name="acme", id="PAYER5", policy=Policy(duplicates=level))
    profile = msgspec.structs.replace(NUMBERED, partners=(partner,))
    reading = read_x12(body, profile, RECEIVED, repeated=repeated)
    reasons = {item.reason for item in reading.items if item.outcome == "rejected"}
    return reasons, [reply.kind for reply in reading.replies], [problem.code for problem in reading.problems]


@pytest.mark.parametrize("body", [INQUIRY, REVIEW])
def test_request_under_a_used_number_is_refused_by_a_ta1(body: bytes) -> None:
    assert read(body) == ({"envelope:025"}, ["TA1"], ["025"])
    (reply,) = read_x12(body, NUMBERED, RECEIVED, repeated=True).replies
    assert b"~TA1*000000101*261110*0915*R*025~" in reply.body


@pytest.mark.parametrize("body", [ANSWER, DECISION])
def test_answer_under_a_used_number_is_taken_and_flagged(body: bytes) -> None:
    assert read(body) == (set(), ["999"], ["TA105*025"])


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("off", (set(), ["999"], [])),
        ("warn", (set(), ["999"], ["TA105*025"])),
        ("reject", ({"envelope:025"}, ["TA1"], ["025"])),
    ],
)
def test_policy_decides_for_answers_too(level: str, expected: object) -> None:
    assert read(ANSWER, level=level) == expected


def test_number_that_an_earlier_interchange_of_the_same_body_has_is_a_used_one() -> None:
    other = INQUIRY.replace(b"000000101", b"000000102")
    again = INQUIRY.replace(b"TESTER*ANNA", b"TESTER*BETTY")
    assert read(INQUIRY + other + again, repeated=False) == ({"envelope:025"}, ["999", "999", "TA1"], ["025"])
    assert read(ANSWER + ANSWER, repeated=False) == (set(), ["999", "999"], ["TA105*025"])
    assert [reply.kind for reply in read_x12(INQUIRY + again, PROFILE, RECEIVED).replies] == ["999", "999"]


def test_number_is_not_judged_when_new_or_where_the_channel_does_not_count() -> None:
    assert read(INQUIRY, repeated=False)[0] == set()
    assert [reply.kind for reply in read_x12(INQUIRY, PROFILE, RECEIVED, repeated=True).replies] == ["999"]


def test_answers_to_an_alias_take_their_numbers_from_the_partners_one_sequence() -> None:
    partner = TradingPartner(name="acme", id="PAYER5", aliases=("PAYER5T",))
    profile = msgspec.structs.replace(PROFILE, partners=(partner,))
    for sender, expected in ((b"PAYER5 ", "PAYER5"), (b"PAYER5T", "PAYER5"), (b"PAYER6 ", "PAYER6")):
        (reply,) = read_x12(ANSWER.replace(b"PAYER5 ", sender, 1), profile, RECEIVED).replies
        assert reply.partner == expected


def test_answers_are_written_in_lines_where_the_partner_wants_them() -> None:
    partner = TradingPartner(name="acme", id="PAYER5", line_end="\r\n")
    profile = msgspec.structs.replace(PROFILE, partners=(partner,))
    (reply,) = read_x12(ANSWER, profile, RECEIVED).replies
    assert reply.body.count(b"~\r\n") == reply.body.count(b"~") == 10
    (by_line,) = read_x12(ANSWER.replace(b"~", b"\n"), profile, RECEIVED).replies
    assert b"\r" not in by_line.body


def test_later_interchange_of_the_body_has_a_number_of_its_own() -> None:
    assert read(ANSWER + INQUIRY.replace(b"000000101", b"000000102")) == (set(), ["999", "999"], ["TA105*025"])
