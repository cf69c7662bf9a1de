"""What every 270, 271 and 278 of the corpus says, and that the guides' own examples pair as question and answer."""

from __future__ import annotations

from collections import Counter

import pytest

from mappings.events import CanonicalEvent
from mappings.x12 import read_x12
from tests.mappings.payer_feed import PROFILE, RECEIVED
from tests.mappings.test_x12_corpus import BOTH, CORPUS, FILES, in_corpus

SAID = {
    "coverage.active": 147,
    "coverage.inactive": 1,
    "coverage.unknown": 7,
    "eligibility.rejected": 29,
    "eligibility.requested": 25,
    "authorization.requested": 10,
    "authorization.certified": 7,
    "authorization.modified": 1,
    "authorization.info-requested": 1,
    "transmission.acknowledged": 78,
}
"""Events of all files as they are: every set that names a patient and is whole."""

FUNCTIONS = {"270": "HS", "271": "HB", "278": "HI"}


@pytest.mark.corpus
@in_corpus
def test_corpus_says_what_it_says() -> None:
    said: Counter[str] = Counter()
    for path in FILES:
        for item in read_x12(path.read_bytes(), BOTH, RECEIVED).items:
            said.update(event.type for event in item.events)
    assert said == Counter(SAID)


def enveloped(name: str) -> CanonicalEvent:
    """The only event of a guide's example, which is a bare set: ST to SE."""
    text = (CORPUS / "tmc__x12" / f"testdata__{name}.edi").read_text("utf-8")
    lines = [line.strip() for line in text.replace("\n", "").split("~") if line.strip()]
    st = lines[0].split("*")
    head = f"ISA*00*{' ' * 10}*00*{' ' * 10}*ZZ*{'PAYER5':15}*ZZ*{'CCGW':15}*261110*0915*^*00501*000000101*0*P*:"
    group = f"GS*{FUNCTIONS[st[1]]}*PAYER5*CCGW*20261110*0915*101*X*{st[3]}"
    body = "~".join([head, group, *lines, "GE*1*101", "IEA*1*000000101"]) + "~"
    (item,) = read_x12(body.encode(), PROFILE, RECEIVED).items
    return item.events[0]


PAIRS = [
    ("005010x217-example-1a-referral-request-review", "005010x217-example-1b-response-request-review", "certified"),
    ("005010x217-example-2a-admission-request-review", "005010x217-example-2b-response-admission-request-review", "modified"),
    (
        "005010x217-example-3a-request-behavioral-health-emergency-admission",
        "005010x217-example-3b-response-request-behavioral-health-emergency-admission",
        "info-requested",
    ),
    (
        "005010x217-example-5a-request-non-emergency-transportation",
        "005010x217-example-5b-response-non-emergency-transportation",
        "certified",
    ),
    (
        "005010x217-example-6a-request-medical-services-reservation",
        "005010x217-example-6b-response-medical-services-reservation",
        "certified",
    ),
    (
        "005010x279-example-1a-generic-request-clinic-patients-subscriber-eligibility",
        "005010x279-example-1b-response-generic-request-clinic-patients-subscriber-eligib",
        "active",
    ),
    (
        "005010x279-example-1a-generic-request-clinic-patients-subscriber-eligibility",
        "005010x279-example-1c-error-response-payer-clinic-not-eligible-inquiries-payer",
        "rejected",
    ),
    (
        "005010x279-example-2a-generic-request-physician-patients-dependent-eligibility",
        "005010x279-example-2b-response-generic-request-physician-patients-dependent-elig",
        "active",
    ),
]  # fmt: skip


@pytest.mark.corpus
@in_corpus
@pytest.mark.parametrize(("question", "reply", "status"), PAIRS)
def test_example_answers_its_question(question: str, reply: str, status: str) -> None:
    asked, answered = enveloped(question), enveloped(reply)
    facts = answered.authorization or answered.eligibility
    assert facts is not None and facts.status == status
    assert asked.request is not None and asked.member is not None and answered.member is not None
    assert asked.member.reference == answered.member.reference
    assert set(answered.member.traces) <= set(asked.member.traces)


@pytest.mark.corpus
@in_corpus
def test_examples_tell_units_that_are_left_and_why_they_wait() -> None:
    reserved = enveloped("005010x217-example-6b-response-medical-services-reservation").authorization
    assert reserved is not None and (reserved.number, reserved.remaining) == ("6735172961", "2")
    transport = enveloped("005010x217-example-5b-response-non-emergency-transportation").authorization
    assert transport is not None
    assert [(line.service, line.quantity) for line in transport.decisions[1:3]] == [("A0428", "5"), ("A0428", "8")]
    waiting = enveloped("005010x217-example-3b-response-request-behavioral-health-emergency-admission").authorization
    assert waiting is not None and waiting.documents
