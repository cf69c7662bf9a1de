"""270 and 278 requests, TA1 and 999 as they are heard; our own documents read back (4.1, 5.1)."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest

from mappings.events import AcknowledgementFacts, CanonicalEvent
from mappings.partners import TradingPartner
from mappings.payer_facts import RequestedService, RequestFacts
from mappings.questions import KINDS, AskedPerson, Question, write_question
from mappings.x12 import read_x12
from parsers.x12.acknowledgement import number_interchange
from parsers.x12.interchange import read_interchanges
from parsers.x12.structure import check_group
from tests.mappings.payer_feed import PROFILE, RECEIVED
from tests.parsers.x12.interchanges import PAYER, PROVIDER, group, interchange, transaction_set

NOON = datetime(2026, 11, 10, 12, 0)
PATIENT = ("HL*3*2*22*1", "NM1*IL*1*TESTER*ANNA****MI*MBR900123", "DMG*D8*19480217*F")
EVENT = ("HL*4*3*EV*0", "TRN*1*OWN-1*9CCGATEWAY")
ANNA = AskedPerson(family="Tester", given="Änna", birth_date="1948-02-17", sex="F")
QUESTION = Question(
    kind="eligibility",
    payer_id="PAYER5",
    payer_name="ACME HEALTH",
    provider_npi="1234567893",
    provider_name="GENERAL HOSPITAL",
    member_id="MBR900123",
    subscriber=ANNA,
    trace="T1",
    originator="9CCGW00000",
    reference="B1",
    service_types=("30", "98"),
    service_on="2026-11-10",
)
PARTNER = TradingPartner(name="acme", channel="payers", id="PAYER5", own_id="CCGW", usage="P")


def events(body: bytes) -> list[CanonicalEvent]:
    return [event for item in read_x12(body, PROFILE, RECEIVED).items for event in item.events]


def asked(*segments: str, purpose: str = "13", guide: str = "005010X217") -> CanonicalEvent:
    heading = (f"ST*278*0001*{guide}", f"BHT*0007*{purpose}*AUTHREQ-1*20261110*0915")
    body = interchange(group(transaction_set([*heading, *PAYER, *PROVIDER, *segments]), functional="HI"))
    (event,) = events(body)
    return event


def test_270_says_who_asks_what_about_whom() -> None:
    heading = ("ST*270*0001*005010X279A1", "BHT*0022*13*REQ-1*20261110*0915")
    patient = ("HL*3*2*22*0", "TRN*1*OWN-1*9CCGATEWAY", *PATIENT[1:], "DTP*291*D8*20261112", "EQ*30^98", "EQ**HC:71250")
    (event,) = events(interchange(group(transaction_set([*heading, *PAYER, *PROVIDER, *patient]), functional="HS")))
    assert (event.type, event.eligibility) == ("eligibility.requested", None)
    assert event.member is not None and event.request is not None
    assert (event.member.traces, event.member.reference, event.member.service_on) == (("OWN-1",), "REQ-1", "2026-11-12")
    services = [(one.service_type, one.procedure) for one in event.request.services]
    assert services == [("30", None), ("98", None), (None, "71250")]
    assert event.request.provider is not None and event.request.provider.id == "1234567893"


def test_reference_of_a_set_about_several_patients_names_none_of_them() -> None:
    heading = ("ST*270*0001*005010X279A1", "BHT*0022*13*REQ-1*20261110*0915")
    two = ("HL*3*2*22*0", "NM1*IL*1*A*A****MI*M1", "EQ*30", "HL*4*2*22*0", "NM1*IL*1*B*B****MI*M2", "EQ*30")
    found = events(interchange(group(transaction_set([*heading, *PAYER, *PROVIDER, *two]), functional="HS")))
    assert [(one.member and one.member.member_id, one.member and one.member.reference) for one in found] == [
        ("M1", None),
        ("M2", None),
    ]


@pytest.mark.parametrize(
    ("purpose", "guide", "um", "kind", "appeal"),
    [
        ("13", "005010X217", "HS*I*62", "authorization", False),
        ("13", "005010X217", "HS*4*62", "extension", False),
        ("13", "005010X217", "HS*3*62", "cancellation", False),
        ("01", "005010X217", "HS*I*62", "cancellation", False),
        ("13", "005010X217", "HS*1*62", "authorization", True),
        ("28", "005010X215", "HS*I*62", "inquiry", False),
        ("CN", "005010X216", "AR*I*2", "notification", False),
    ],
)
def test_278_request_tells_its_kind(purpose: str, guide: str, um: str, kind: str, appeal: bool) -> None:
    request = asked(*PATIENT, *EVENT, f"UM*{um}", purpose=purpose, guide=guide).request
    assert request is not None
    assert (request.kind, request.appeal) == (kind, appeal)


def test_278_request_carries_its_services_dates_and_urgency() -> None:
    event = asked(
        *PATIENT, *EVENT, "UM*AR*I*2*21:B**U", "REF*BB*OLD1", "DTP*AAH*RD8*20261110-20261115", "DTP*435*D8*20261110",
        "HL*5*4*SS*0", "TRN*1*OWN-2*9CCGATEWAY", "SV1*HC:99221**UN*3",
    )  # fmt: skip
    request = event.request
    assert request is not None and event.member is not None
    assert event.member.traces == ("OWN-1", "OWN-2")
    assert request.services == (RequestedService(procedure="99221", quantity="3", unit="UN", trace="OWN-2"),)
    assert (request.service_on, request.service_ends_on, request.admission_on) == (
        "2026-11-10", "2026-11-15", "2026-11-10",
    )  # fmt: skip
    assert (request.urgent, request.previous_number, request.request_category) == (True, "OLD1", "AR")


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (["TA1*000000042*261110*0915*A*000"], ("TA1", 42, "accepted", ("TA1 A 000",))),
        (["TA1*000000042*261110*0915*R*025"], ("TA1", 42, "rejected", ("TA1 R 025",))),
    ],
)
def test_ta1_tells_the_interchange(segments: list[str], expected: tuple[str, int, str, tuple[str, ...]]) -> None:
    (event,) = events(interchange(segments, trailer="IEA*0*000000101"))
    facts = event.acknowledgement
    assert facts is not None and facts.partner == "PAYER5"
    assert (facts.kind, facts.control_number, facts.verdict, facts.codes) == expected


@pytest.mark.parametrize(
    ("ik5", "ak9", "verdict", "codes", "warnings"),
    [
        ("IK5*A", "AK9*A*1*1*1", "accepted", (), False),
        ("IK5*E*5", "AK9*E*1*1*1", "accepted", ("IK5 E 5", "AK9 E 1"), True),
        ("IK5*R*5", "AK9*R*1*1*0", "rejected", ("IK5 R 5", "AK9 R 1"), False),
    ],
)
def test_999_tells_the_group(ik5: str, ak9: str, verdict: str, codes: tuple[str, ...], warnings: bool) -> None:
    lines = ["ST*999*0001", "AK1*HS*42*005010X279A1", "AK2*270*0001", ik5, ak9, "SE*6*0001"]
    (event,) = events(interchange(group(lines, functional="FA")))
    assert event.acknowledgement == AcknowledgementFacts(
        partner="PAYER5", kind="999", control_number=42, verdict=verdict, codes=codes, warnings=warnings
    )


# -- our own documents -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separators", ["*:^~", "|>!'"])
@pytest.mark.parametrize("dependent", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_document_of_each_kind_is_sound_and_reads_back_as_asked(kind: str, dependent: bool, separators: str) -> None:
    question = msgspec.structs.replace(
        QUESTION,
        kind=kind,
        patient=ANNA if dependent else None,
        relationship="19",
        services=(RequestedService(procedure="71250", quantity="2"),) if kind != "eligibility" else (),
        service_type="62",
        number="AUTH1" if kind not in ("eligibility", "authorization") else None,
        diagnoses=("I50.23",),
        urgent=True,
    )
    partner = msgspec.structs.replace(PARTNER, separators=separators)
    body = number_interchange(write_question(question, partner, NOON), 7)
    (found,) = read_interchanges(body)
    assert found.error is None and not found.oddities
    (checked,) = [check for group in found.groups for check, _ in check_group(group)]
    assert (checked.status, checked.errors, checked.codes) == ("accepted", (), ())
    (event,) = events(body)
    assert event.member is not None and isinstance(event.request, RequestFacts)
    assert (event.request.kind, event.member.member_id, event.member.birth_date) == (kind, "MBR900123", "1948-02-17")
    assert event.member.dependent is dependent
    assert event.member.traces[0] == "T1" and event.member.reference == "B1"
    assert (event.member.given, event.request.service_on) == ("Anna", "2026-11-10")


def test_values_never_break_out_of_their_element() -> None:
    person = AskedPerson(family="O*NEIL~{ISA13}", given="A:B^C", birth_date="1948-02-17", sex="X")
    body = write_question(msgspec.structs.replace(QUESTION, subscriber=person), PARTNER, NOON)
    assert b"NM1*IL*1*O NEIL  ISA13*A B C****MI*" in body
    assert body.count(b"{ISA13}") == 2 and b"DMG*D8*19480217~" in body
