"""The test question of `baton partner check`: a 270 about a person whom we name, and what its answers mean."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from gateway.coordination.asking.settings import provider_at
from mappings.events import AcknowledgementFacts, CanonicalEvent, EligibilityFacts
from mappings.partners import TradingPartner
from mappings.profile import FeedProfile
from mappings.questions import ELIGIBILITY, AskedPerson, Question, originator, write_question
from mappings.x12 import read_x12

NOBODY = "TESTMEMBER"


class NotReady(Exception):
    """What of the partner's settings is missing, as a sentence."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the question is about: the payer's test member, or somebody whom he cannot know."""

    member_id: str = NOBODY
    family: str = "TEST"
    given: str = "BATON"
    birth_date: str = "1970-01-01"


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that came back.  `final`: nothing else is to be waited for.  `good`: the connection works."""

    text: str
    final: bool
    good: bool


def make_check(
    partner: TradingPartner, facility_id: str, person: Person, reference: str, moment: datetime, payer_id: str = ""
) -> bytes:
    """The interchange with slots, usage T whatever the partner's is.  Raises NotReady."""
    payer = next((one for one in partner.payers if payer_id in ("", one.id)), None)
    provider = provider_at(partner, facility_id)
    for missing, sentence in (
        (not partner.channel, "it has no `channel`: nothing can be sent to it"),
        (not partner.own_id, "it has no `own_id`: what we send would carry no sender"),
        (payer is None, "it has no such [[partner.payer]]: there is nobody to ask about"),
        (provider is None, "it has no [[partner.provider]] for this facility: nobody asks"),
    ):
        if missing:
            raise NotReady(sentence)
    assert payer is not None and provider is not None
    question = Question(
        kind=ELIGIBILITY,
        payer_id=payer.id,
        payer_name=payer.name or payer.id,
        payer_qualifier=payer.qualifier,
        provider_npi=provider.npi,
        provider_name=provider.name or provider.facility,
        member_id=person.member_id,
        subscriber=AskedPerson(family=person.family, given=person.given, birth_date=person.birth_date),
        trace=reference,
        originator=originator(partner),
        reference=reference,
        service_types=("30",),
        service_on=f"{moment:%Y-%m-%d}",
    )
    return write_question(question, msgspec.structs.replace(partner, usage="T"), moment)


def words_about(body: bytes, partner: TradingPartner, control_number: int, reference: str) -> Iterator[Word]:
    """What one received body says about the check; nothing when it is about something else."""
    profile = FeedProfile(channel="check", usage=("P", "T"), partners=(partner,))
    for item in read_x12(body, profile, datetime.now(UTC)).items:
        for event in item.events:
            if event.acknowledgement is not None:
                yield from _acknowledged(event.acknowledgement, partner, control_number)
            elif event.eligibility is not None and _is_ours(event, reference):
                yield _answered(event.eligibility)


def _is_ours(event: CanonicalEvent, reference: str) -> bool:
    member = event.member
    return member is not None and (member.reference == reference or reference in member.traces)


def _acknowledged(facts: AcknowledgementFacts, partner: TradingPartner, control_number: int) -> Iterator[Word]:
    if facts.control_number != control_number or facts.partner not in partner.addresses:
        return
    codes = f" ({', '.join(facts.codes)})" if facts.codes else ""
    if facts.verdict == "accepted":
        warned = " and noted errors" if facts.warnings else ""
        yield Word(text=f"{facts.kind}: the partner took it{warned}{codes}.", final=False, good=True)
    elif facts.kind == "TA1":
        text = f"TA1: the partner refused the envelope{codes}: compare identifiers and version with his guide."
        yield Word(text=text, final=True, good=False)
    else:
        text = f"{facts.kind}: the partner refused the 270{codes}: see docs/acknowledgements.md for the codes."
        yield Word(text=text, final=True, good=False)


def _answered(facts: EligibilityFacts) -> Word:
    if facts.status != "rejected":
        return Word(text=f"271: the payer knows the member; the coverage is {facts.status}.", final=True, good=True)
    told = "; ".join(f"AAA {one.reason}, {one.meaning}: {one.advice}" for one in facts.rejections)
    kinds = {one.kind for one in facts.rejections}
    if kinds & {"operations", "provider"}:
        return Word(text=f"271: the payer does not let us ask. {told}", final=True, good=False)
    if kinds == {"outage"}:
        return Word(text=f"271: the way works and the payer is down. {told}", final=True, good=True)
    return Word(text=f"271: the way works; the payer does not know this person. {told}", final=True, good=True)
