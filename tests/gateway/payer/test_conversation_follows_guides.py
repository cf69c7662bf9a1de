"""What we ask and what the simulated payer answers: held against the guides with every policy at its strictest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec
import pytest

from gateway.payer.scenario import AUTHORIZATION, ELIGIBILITY, Member, Scenario
from gateway.payer.simulator import SimulatedPayer
from mappings.partners import TradingPartner
from mappings.payer_facts import RequestedService
from mappings.questions import KINDS, AskedPerson, Question, write_question
from parsers.x12.acknowledgement import number_interchange
from parsers.x12.interchange import read_interchanges
from parsers.x12.policy import Policy
from parsers.x12.structure import check_group

NOON = datetime(2026, 11, 10, 12, 0)
STRICT = Policy(**dict.fromkeys(Policy.__struct_fields__, "reject"))
PARTNER = TradingPartner(name="acme", id="PAYER5", own_id="CCGW", usage="P")
ANNA = AskedPerson(family="TESTER", given="ANNA", birth_date="1948-02-17", sex="F")
BEN = AskedPerson(family="TESTER", given="BEN", birth_date="2019-03-01", sex="M")
PLAIN = Question(
    kind="eligibility",
    payer_id="PAYER5",
    payer_name="ACME HEALTH",
    provider_npi="1234567893",
    provider_name="TOWN CLINIC",
    member_id="MBR900123",
    subscriber=ANNA,
    trace="TRC-000123",
    originator="9CCGW00000",
    reference="ASK-1",
    service_types=("30",),
    service_on="2026-11-16",
)
FULL = msgspec.structs.replace(
    PLAIN,
    provider_taxonomy="282N00000X",
    patient=BEN,
    relationship="19",
    group_number="GRP55",
    service_types=("30", "UC"),
    services=(RequestedService(procedure="71250", quantity="1"), RequestedService(service_type="62")),
    service_ends_on="2026-12-15",
    service_type="62",
    place="22",
    urgent=True,
    admission_on="2026-11-16",
    diagnoses=("J18.9", "I50.9"),
    number="AUTH900777",
)
QUESTIONS = {f"{kind}-{name}": msgspec.structs.replace(one, kind=kind) for kind in KINDS for name, one in
             (("plain", PLAIN), ("full", FULL))}  # fmt: skip


def asked(name: str) -> bytes:
    return number_interchange(write_question(QUESTIONS[name], PARTNER, NOON), 1)


def told(body: bytes) -> Iterator[str]:
    """Everything that envelope and guides say against a body."""
    for interchange in read_interchanges(body):
        yield from (f"{odd.code} {odd.location}" for odd in interchange.oddities)
        for group in interchange.groups:
            for check, _ in check_group(group, STRICT):
                assert check.guide or group.acknowledges
                yield from (f"{check.set.id} {odd.code} {odd.location}: {odd.text}" for odd in check.oddities)


@pytest.mark.parametrize("name", QUESTIONS)
def test_question_of_ours_follows_its_guide(name: str) -> None:
    assert list(told(asked(name))) == []


WORDS = [("eligibility", word) for word in ELIGIBILITY] + [("authorization", word) for word in AUTHORIZATION]


@pytest.mark.parametrize(("kind", "word"), WORDS)
def test_answer_of_the_simulated_payer_follows_its_guide(kind: str, word: str) -> None:
    outcome = word.replace("<AAA03>", "71" if kind == "eligibility" else "33").replace("<seconds>", "1")
    scenario = Scenario(default=Member(**{kind: (outcome,)}))
    for name in (f"{kind}-plain", f"{kind}-full"):
        for answer in SimulatedPayer(scenario).answer(asked(name), NOON):
            assert list(told(answer.body)) == [], name
