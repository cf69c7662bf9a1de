"""`baton partner check`: the test question, and what each thing that may come back is said to mean."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from gateway.partner_check import NotReady, Person, make_check, words_about
from gateway.payer.scenario import Scenario
from gateway.payer.simulator import SimulatedPayer
from mappings.partners import Payer, Provider, TradingPartner
from parsers.x12.acknowledgement import number_interchange
from tests.parsers.x12.interchanges import interchange

NOON = datetime(2026, 11, 10, 12, 0, tzinfo=UTC)
READY = TradingPartner(
    name="acme",
    channel="payers",
    id="PAYER5",
    own_id="CCGW",
    usage="P",
    payers=(Payer(id="PAYER5", name="ACME HEALTH"),),
    providers=(Provider(facility="main", npi="1234567893", name="MAIN"),),
)


def back(outcome: str, number: int = 7) -> list[tuple[str, bool, bool]]:
    """What comes of a check that the payer answers so."""
    body = number_interchange(make_check(READY, "main", Person(), "CHK1", NOON), 7)
    assert b"*T*:~" in body  # test traffic although the partner is live
    payer = SimulatedPayer(Scenario.model_validate({"default": {"eligibility": [outcome]}}))
    words = [word for one in payer.answer(body, NOON) for word in words_about(one.body, READY, number, "CHK1")]
    return [(word.text, word.final, word.good) for word in words]


@pytest.mark.parametrize(
    ("outcome", "says", "good"),
    [
        ("active", "the coverage is active", True),
        ("rejected:75", "the way works; the payer does not know this person. AAA 75", True),
        ("rejected:51", "the payer does not let us ask", False),
        ("down", "the way works and the payer is down", True),
    ],
)
def test_answer_is_explained_after_its_acknowledgement(outcome: str, says: str, good: bool) -> None:
    taken, answered = back(outcome)
    assert taken == ("999: the partner took it.", False, True)
    assert says in answered[0] and answered[1:] == (True, good)


def test_refusal_says_what_to_compare() -> None:
    ((text, final, good),) = back("refused")
    assert "refused the 270 (IK5 R I5, AK9 R 1)" in text and final and not good
    refused = interchange(["TA1*000000007*261110*1200*R*006"], trailer="IEA*0*000000101")
    (word,) = words_about(refused, READY, 7, "CHK1")
    assert "refused the envelope (TA1 R 006)" in word.text and word.final and not word.good


def test_what_is_about_something_else_says_nothing() -> None:
    assert back("refused", number=8) == []
    assert list(words_about(b"MSH|no", READY, 7, "CHK1")) == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"channel": ""}, "channel"),
        ({"own_id": ""}, "own_id"),
        ({"payers": ()}, "partner.payer"),
        ({"providers": ()}, "partner.provider"),
    ],
)
def test_incomplete_partner_is_told_what_is_missing(changes: dict[str, object], why: str) -> None:
    with pytest.raises(NotReady, match=why):
        make_check(msgspec.structs.replace(READY, **changes), "main", Person(), "CHK1", NOON)
