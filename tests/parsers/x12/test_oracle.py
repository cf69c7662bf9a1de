"""The second opinion: guarded against what pyx12 is known to do, silent about values."""

from __future__ import annotations

import pytest

from parsers.x12.oracle import second_opinion
from tests.parsers.x12.interchanges import ACTIVE, eligibility, group, interchange, transaction_set

ANSWER = interchange(
    group(["ST*999*0001*005010X231A1", "AK1*HB*1*005010X279A1", "AK9*A*1*1*1", "SE*4*0001"], functional="FA")
).replace(b"005010X279A1~ST", b"005010X231A1~ST")


def codes(body: bytes) -> list[str]:
    return [oddity.code for oddity in second_opinion(body)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (ANSWER, []),
        (ANSWER.replace(b"~", b"~~\n"), []),
        (ANSWER + ANSWER.replace(b"IEA*1*000000101", b"IEA*1*000000999"), ["isa:001"]),
        (ANSWER.replace(b"AK9*A*1", b"AK9*A*X"), ["ele:6"]),
        (eligibility(*ACTIVE), ["oracle-no-map"]),
        (interchange(group(transaction_set(ACTIVE, count=3))), ["oracle-no-map", "st:4"]),
        (ANSWER.replace(b"*00501*", b"*00999*"), ["oracle-unreadable"]),
        (b"", []),
        (b"ISA*00*", []),
    ],
)
def test_opinion_on_a_body_is_told_by_codes(body: bytes, expected: list[str]) -> None:
    assert codes(body) == expected


def test_opinion_holds_no_value_of_the_message(caplog: pytest.LogCaptureFixture) -> None:
    body = ANSWER.replace(b"AK1*HB*1", b"AK1*HB*SECRET*SECRET~SECRET*1")
    assert second_opinion(body)
    assert "SECRET" not in repr(second_opinion(body)) + caplog.text
