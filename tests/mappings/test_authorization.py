"""278 responses: the decision of each line and of the whole, numbers, periods (domain reference 5.1-5.4)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mappings.events import AuthorizationFacts, CanonicalEvent
from mappings.profile import FeedProfile
from mappings.reading import ItemReading
from mappings.x12 import read_x12
from tests.mappings.payer_feed import AS_OF, PROFILE, RECEIVED
from tests.parsers.x12.interchanges import PROVIDER, group, interchange, transaction_set

HEADING = ("ST*278*0001*005010X217", "BHT*0007*11*AUTHREQ-1*20261110*0915*18")
MANAGER = ("HL*1**20*1", "NM1*X3*2*ACME HEALTH*****PI*PAYER5")
PATIENT = ("HL*3*2*22*1", "NM1*IL*1*TESTER*ANNA*Q***MI*MBR900123", "DMG*D8*19480217*F")
EVENT = ("HL*4*3*EV*1", "TRN*2*TRC-E*9CCGATEWAY", "UM*HS*I*62*22:B")


def items(*segments: str, heading: Sequence[str] = HEADING, profile: FeedProfile = PROFILE) -> list[ItemReading]:
    body = interchange(group(transaction_set([*heading, *MANAGER, *PROVIDER, *segments]), functional="HI"))
    return list(read_x12(body, profile, RECEIVED).items)


def event(*segments: str, heading: Sequence[str] = HEADING) -> CanonicalEvent:
    (item,) = items(*segments, heading=heading)
    (found,) = item.events
    return found


def decided(*segments: str) -> AuthorizationFacts:
    found = event(*PATIENT, *EVENT, *segments).authorization
    assert found is not None
    return found


def service(at: int, *segments: str) -> list[str]:
    return [f"HL*{at}*4*SS*0", *segments]


def test_certification_says_who_what_and_when() -> None:
    found = event(*PATIENT, *EVENT, "HCR*A1*AUTH1", "DTP*007*RD8*20261116-20261215", "HSD*VS*6")
    assert (found.type, found.trigger, found.recorded_at) == ("authorization.certified", "278", AS_OF)
    assert found.member is not None and found.authorization is not None
    assert (found.member.member_id, found.member.traces) == ("MBR900123", ("TRC-E",))
    assert (found.member.payer_id, found.member.reference) == ("PAYER5", "AUTHREQ-1")
    facts = found.authorization
    assert (facts.status, facts.number, facts.decided_at) == ("certified", "AUTH1", AS_OF)
    assert (facts.request_category, facts.certification_type, facts.service_type) == ("HS", "I", "62")
    assert (facts.effective_on, facts.expires_on) == ("2026-11-16", "2026-12-15")
    (line,) = facts.decisions
    assert (line.level, line.action, line.number, line.quantity, line.unit) == ("event", "A1", "AUTH1", "6", "VS")


@pytest.mark.parametrize(
    ("actions", "status"),
    [
        (["A1", "A1"], "certified"),
        (["A1", "NA"], "certified"),
        (["NA", "NA"], "not-required"),
        (["A3", "A3"], "denied"),
        (["A1", "A4"], "pended"),
        (["CT", "A4"], "pended"),
        (["CT", "A3"], "contact-payer"),
        (["A1", "A6"], "modified"),
        (["A3", "A6"], "partially-certified"),
        (["A1", "A3"], "partially-certified"),
        (["A2", "A2"], "partially-certified"),
        (["C", "C"], "cancelled"),
        (["C", "A1"], "partially-certified"),
    ],
)
def test_whole_is_decided_by_the_first_rule_that_holds(actions: list[str], status: str) -> None:
    lines = [
        segment for at, action in enumerate(actions, 5) for segment in service(at, f"TRN*2*T{at}", f"HCR*{action}")
    ]
    found = event(*PATIENT, *EVENT, *lines)
    assert found.type == f"authorization.{status}"


@pytest.mark.parametrize(
    ("event_action", "review", "lines", "status"),
    [
        ("A1", "HS", [["HCR*A3"]], "denied"),
        ("A4", "HS", [["HCR*A1"], ["HCR*A1"]], "certified"),
        ("A4", "HS", [["HCR*A1"], []], "pended"),
        ("A6", "AR", [["HCR*A1"]], "modified"),
        ("A3", "AR", [["HCR*A1"]], "partially-certified"),
        ("A1", "AR", [[]], "certified"),
    ],
)
def test_services_own_decision_beats_the_events_but_an_admission_keeps_its_own(
    event_action: str, review: str, lines: list[list[str]], status: str
) -> None:
    services = [segment for at, line in enumerate(lines, 5) for segment in service(at, *line)]
    found = event(*PATIENT, EVENT[0], f"UM*{review}*I*2", f"HCR*{event_action}*N1", *services)
    assert found.type == f"authorization.{status}"


def test_denied_line_beside_a_certified_one_nobody_asked_for_is_a_modification() -> None:
    facts = decided(*service(5, "TRN*2*T5", "HCR*A3**0V"), *service(6, "HCR*A1*AUTH6", "SV1*HC:93306**UN*1"))
    assert (facts.status, facts.number) == ("modified", "AUTH6")


def test_lines_are_listed_with_what_they_inherit() -> None:
    facts = decided(
        "HCR*A4*TRACK*0U^0V",
        *service(5, "TRN*2*T5", "HCR*A1*AUTH5", "DTP*007*D8*20261116", "SV1*HC:71250**UN*2"),
        *service(6, "SV2*0120*HC:99221**UN*3"),
        *service(7, "SV2*0250"),
        *service(8, "UM*HS*I*42"),
    )
    lines = facts.decisions
    assert [(one.level, one.action, one.number) for one in lines] == [
        ("event", "A4", "TRACK"),
        ("service", "A1", "AUTH5"),
        *[("service", "A4", "TRACK")] * 3,
    ]
    assert [one.service for one in lines] == ["62", "71250", "99221", "0250", "42"]
    assert [(one.quantity, one.unit) for one in lines[1:4]] == [("2", "UN"), ("3", "UN"), (None, None)]
    assert (lines[0].reasons, lines[1].trace, lines[1].effective_on) == (("0U", "0V"), "T5", "2026-11-16")
    assert (facts.status, facts.number, facts.tracking_number) == ("pended", "AUTH5", "TRACK")


@pytest.mark.parametrize(
    ("segments", "tracking"),
    [
        (["HCR*A4*TRACK"], "TRACK"),
        (["HCR*A4*TRACK", "REF*NT*P1"], "P1"),
        (["HCR*A4"], None),
        (["HCR*A1*AUTH"], None),
    ],
)
def test_tracking_number_is_ref_nt_else_the_number_of_a_pended_line(segments: list[str], tracking: str | None) -> None:
    assert decided(*segments).tracking_number == tracking


@pytest.mark.parametrize(
    ("segments", "period"),
    [
        (["DTP*007*D8*20261116", "DTP*036*D8*20261215"], ("2026-11-16", "2026-12-15")),
        (["DTP*007*RD8*20261116-20261215"], ("2026-11-16", "2026-12-15")),
        (["DTP*AAH*RD8*20261116-20261215"], ("2026-11-16", "2026-12-15")),
        (["DTP*472*RD8*20261116-20261120"], ("2026-11-16", "2026-11-20")),
        (["DTP*007*D8*20261116", "DTP*AAH*RD8*20261101-20261215"], ("2026-11-16", "2026-12-15")),
        (["DTP*007*D8*20261116"], ("2026-11-16", "2027-11-16")),
        (["DTP*AAH*D8*20261116"], (None, "2027-11-16")),
        ([], (None, "2027-11-10")),
        (["DTP*007*D8*99991231"], ("9999-12-31", "9999-12-31")),
        (["DTP*036*D8*2026"], (None, "2027-11-10")),
    ],
)
def test_authorization_period_ends_as_stated_else_after_a_year(
    segments: list[str], period: tuple[str | None, str | None]
) -> None:
    facts = decided("HCR*A1*AUTH", *segments)
    assert (facts.effective_on, facts.expires_on) == period


def test_services_period_beats_the_events() -> None:
    facts = decided(
        "DTP*AAH*RD8*20261101-20261130", *service(5, "HCR*A1*A5", "DTP*472*RD8*20261116-20261120", "SV1*HC:71250")
    )
    assert (facts.effective_on, facts.expires_on) == ("2026-11-16", "2026-11-20")
    assert (facts.event_begins_on, facts.event_ends_on) == ("2026-11-01", "2026-11-30")


def test_pended_answer_has_no_made_up_end() -> None:
    assert decided("HCR*A4").expires_on is None


@pytest.mark.parametrize(
    ("purpose", "urgency", "flags"),
    [("18", "", (False, False)), ("19", "U", (True, True)), ("", "03", (False, True)), ("RU", "E", (False, False))],
)
def test_provisional_and_urgent_are_read(purpose: str, urgency: str, flags: tuple[bool, bool]) -> None:
    heading = (HEADING[0], f"BHT*0007*11*AUTHREQ-1*20261110*0915*{purpose}")
    facts = event(*PATIENT, EVENT[0], f"UM*AR*I*2*21:B**{urgency}", "HCR*A4", heading=heading).authorization
    assert facts is not None
    assert (facts.provisional, facts.urgent) == flags


@pytest.mark.parametrize(
    ("segments", "loops"),
    [
        ([*PATIENT, "AAA*N**95*N"], ["2010C"]),
        ([*PATIENT, *EVENT, "AAA*N**T5*C"], ["2000E"]),
        ([*PATIENT, *EVENT, *service(5, "AAA*N**15*C")], ["2000F"]),
        (["AAA*N**41*C", *PATIENT, *EVENT], ["2010B"]),
        (["AAA*N**41*C"], ["2010B"]),
    ],
)
def test_answer_of_rejections_alone_is_rejected(segments: Sequence[str], loops: list[str]) -> None:
    found = event(*segments)
    assert found.authorization is not None
    assert (found.type, found.authorization.status) == ("authorization.rejected", "rejected")
    assert [one.loop for one in found.authorization.rejections] == loops


def test_rejection_beside_a_decision_does_not_hide_it() -> None:
    facts = decided("HCR*A1*AUTH", *service(5, "HCR*A1*AUTH"), *service(6, "AAA*N**33*C"))
    assert (facts.status, [one.reason for one in facts.rejections]) == ("certified", ["33"])


def test_event_of_a_dependent_is_about_the_dependent() -> None:
    child = ("HL*4*3*23*1", "NM1*QC*1*TESTER*TOM", "HL*5*4*EV*0", "HCR*A3")
    found = event(*PATIENT, *child)
    assert found.member is not None
    assert (found.member.given, found.member.dependent, found.member.member_id) == ("TOM", True, "MBR900123")


def test_every_event_of_a_patient_is_an_item() -> None:
    found = items(*PATIENT, *EVENT, "HCR*A1*X", "HL*5*3*EV*0", "TRN*2*TRC-F", "HCR*A3")
    assert [(one.item, one.events[0].type) for one in found] == [
        (1, "authorization.certified"),
        (2, "authorization.denied"),
    ]
    assert [one.events[0].member and one.events[0].member.traces for one in found] == [("TRC-E",), ("TRC-F",)]


def test_4010_answer_without_event_level_is_read_from_its_services() -> None:
    heading = ("ST*278*0001", "BHT*0078*11*AUTHREQ-1*20261110*0915")
    facts = event(
        *PATIENT, "HL*4*3*19*1", "NM1*71*1*DOC", "HL*5*4*SS*0", "UM*HS*I*42", "HCR*A1*AUTH5", heading=heading
    ).authorization
    assert facts is not None
    assert (facts.status, facts.number, facts.service_type) == ("certified", "AUTH5", "42")


@pytest.mark.parametrize(
    ("purpose", "segments", "outcome", "reason"),
    [
        ("13", ["HCR*A1*X"], "events", None),
        ("28", ["HCR*A1*X"], "events", None),
        ("11", [], "parked", "no-decision"),
        ("11", ["HCR*Q9*X"], "parked", "unknown-action"),
        ("", ["HCR*A1*X"], "events", None),
        ("", [], "filtered", "no-mapping:278"),
    ],
)
def test_what_cannot_be_told_as_a_decision_says_why(
    purpose: str, segments: list[str], outcome: str, reason: str | None
) -> None:
    heading = (HEADING[0], f"BHT*0007*{purpose}*AUTHREQ-1*20261110*0915")
    (item,) = items(*PATIENT, *EVENT, *segments, heading=heading)
    assert (item.outcome, item.reason) == (outcome, reason)
