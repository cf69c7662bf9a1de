"""271 answers: status, dates, rejections and who they are about (domain reference 4.2-4.4)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mappings.events import CanonicalEvent, EligibilityFacts, MemberFacts, Rejection
from mappings.x12 import read_x12
from mappings.x12_rejections import explained
from tests.mappings.payer_feed import AS_OF, PROFILE, RECEIVED
from tests.parsers.x12.interchanges import HEADING_271, PAYER, PROVIDER, SUBSCRIBER, eligibility

PARENT = ("HL*3*2*22*1", "NM1*IL*1*FICTION*FRED****MI*MBR900200", "REF*6P*GRP77")
CHILD = ("HL*4*3*23*0", "TRN*2*TRC-2", "NM1*03*1*FICTION*FAY", "DMG*D8*20150612*F")


def events(*segments: str) -> list[CanonicalEvent]:
    reading = read_x12(eligibility(*HEADING_271, *segments), PROFILE, RECEIVED)
    assert {item.outcome for item in reading.items} == {"events"}
    return [event for item in reading.items for event in item.events]


def event(*segments: str) -> CanonicalEvent:
    (found,) = events(*segments)
    return found


def subscriber(*segments: str) -> EligibilityFacts:
    found = event(*PAYER, *PROVIDER, *SUBSCRIBER, *segments).eligibility
    assert found is not None
    return found


def member(*segments: str) -> MemberFacts:
    found = event(*segments).member
    assert found is not None
    return found


def test_active_answer_says_who_when_and_where() -> None:
    found = event(*PAYER, *PROVIDER, *SUBSCRIBER, "EB*1**30**GOLD PPO")
    assert (found.type, found.trigger, found.facility) == ("coverage.active", "271", "genhosp")
    assert (found.recorded_at, found.occurred_at) == (AS_OF, AS_OF)
    assert found.member == MemberFacts(
        payer_id="PAYER5",
        payer_name="ACME HEALTH",
        member_id="MBR900123",
        family="TESTER",
        given="ANNA",
        birth_date="1948-02-17",
        sex="F",
        traces=("TRC-1",),
        reference="REQ-1",
    )
    assert found.eligibility is not None
    assert (found.eligibility.as_of, found.eligibility.plan) == (AS_OF, "GOLD PPO")


@pytest.mark.parametrize(
    ("segments", "status", "event_type"),
    [
        (["EB*1**30"], "active", "coverage.active"),
        (["EB*4"], "active", "coverage.active"),
        (["EB*6**30", "EB*1**30"], "active", "coverage.active"),
        (["EB*1**1^33^30"], "active", "coverage.active"),
        (["EB*6**30"], "inactive", "coverage.inactive"),
        (["EB*7"], "inactive", "coverage.inactive"),
        (["EB*I**30"], "not-covered", "coverage.inactive"),
        (["EB*I"], "unknown", "coverage.unknown"),
        (["EB*U**30"], "unknown", "coverage.unknown"),
        (["EB*1**35"], "unknown", "coverage.unknown"),
        (["EB*C**30****500"], "unknown", "coverage.unknown"),
        ([], "unknown", "coverage.unknown"),
        (["AAA*N**75*C"], "rejected", "eligibility.rejected"),
        (["EB*1**30", "AAA*N**42*C"], "active", "coverage.active"),
        (["EB*6**30", "AAA*N**42*C"], "inactive", "coverage.inactive"),
    ],
)
def test_status_is_the_plans_by_the_first_row_that_decides(
    segments: Sequence[str], status: str, event_type: str
) -> None:
    found = event(*PAYER, *PROVIDER, *SUBSCRIBER, *segments)
    assert found.eligibility is not None
    assert (found.eligibility.status, found.type) == (status, event_type)


@pytest.mark.parametrize(
    ("segments", "status", "period"),
    [
        (["DTP*346*D8*20260101", "EB*1**30"], "active", ("2026-01-01", None)),
        (["DTP*291*RD8*20260101-20261231", "EB*1**30"], "active", ("2026-01-01", "2026-12-31")),
        (["DTP*347*D8*20261110", "EB*1**30"], "active", (None, "2026-11-10")),
        (["DTP*347*D8*20261109", "EB*1**30"], "unknown", (None, "2026-11-09")),
        (["DTP*307*D8*20261111", "EB*1**30"], "unknown", ("2026-11-11", None)),
        (["DTP*347*D8*20261109", "EB*1**30", "DTP*349*D8*20261231"], "active", (None, "2026-12-31")),
        (["DTP*346*D8*20260101", "DTP*347*D8*20261031", "EB*6**30"], "inactive", ("2026-01-01", "2026-10-31")),
        (["DTP*291*D8*20261332", "EB*1**30"], "active", (None, None)),
        (["EB*1**30", "DTP*348*D8*20260301", "EB*1", "DTP*349*D8*20261130"], "active", ("2026-03-01", "2026-11-30")),
    ],
)
def test_active_rows_count_only_inside_their_period(
    segments: Sequence[str], status: str, period: tuple[str | None, str | None]
) -> None:
    found = subscriber(*segments)
    assert (found.status, (found.begins_on, found.ends_on)) == (status, period)


@pytest.mark.parametrize(
    ("rows", "required", "pending"),
    [
        (["EB*1**30********Y", "EB*1**30********N"], "Y", False),
        (["EB*1**30********N"], "N", False),
        (["EB*1**30********U"], None, False),
        (["EB*1**30", "EB*1**62********Y"], None, False),
        (["EB*5**30"], None, True),
        (["EB*8**30"], None, True),
    ],
)
def test_plan_rows_say_whether_authorization_is_needed_and_what_is_pending(
    rows: Sequence[str], required: str | None, pending: bool
) -> None:
    found = subscriber(*rows)
    assert (found.authorization_required, found.pending) == (required, pending)


def test_benefit_row_is_read_whole() -> None:
    row = subscriber("EB*B*IND*30^98*HM*GOLD*27*25*0.2*VS*6*Y*W", "DTP*292*RD8*20260101-20260630").benefits[0]
    assert (row.code, row.service_types, row.insurance_type, row.plan) == ("B", ("30", "98"), "HM", "GOLD")
    assert (row.period, row.amount, row.percent, row.quantity) == ("27", "25", "0.2", "6")
    assert (row.authorization_required, row.in_network) == ("Y", "W")
    assert (row.begins_on, row.ends_on) == ("2026-01-01", "2026-06-30")


def test_dependent_is_the_patient_and_borrows_the_member_id() -> None:
    found = event(*PAYER, *PROVIDER, *PARENT, *CHILD, "EB*1**30")
    assert found.member is not None and found.eligibility is not None
    assert (found.member.dependent, found.member.given, found.member.member_id) == (True, "FAY", "MBR900200")
    assert (found.member.traces, found.eligibility.group_number) == (("TRC-2",), "GRP77")


def test_subscriber_with_dependents_is_a_patient_only_with_benefits_of_his_own() -> None:
    found = events(*PAYER, *PROVIDER, *PARENT, "EB*1**30", *CHILD, "EB*6**30")
    assert [(one.type, one.member.given if one.member else None) for one in found] == [
        ("coverage.active", "FRED"),
        ("coverage.inactive", "FAY"),
    ]


def test_every_patient_of_a_set_has_his_own_event() -> None:
    second = ("HL*4*2*22*0", "NM1*IL*1*MODEL*MIA****MI*MBR2", "EB*6**30")
    found = events(*PAYER, *PROVIDER, *SUBSCRIBER, "EB*1**30", *second)
    assert [one.type for one in found] == ["coverage.active", "coverage.inactive"]


@pytest.mark.parametrize(
    ("segments", "loops"),
    [
        (["AAA*N**42*C", *PAYER, *PROVIDER, *SUBSCRIBER], ["heading"]),
        ([PAYER[0], "AAA*N**42*C", PAYER[1], *PROVIDER, *SUBSCRIBER], ["2000A"]),
        ([*PAYER, "AAA*N**42*C", *PROVIDER, "AAA*N**79*C", *SUBSCRIBER, "AAA*N**72*C"], ["2100A", "2100B", "2100C"]),
        ([*PAYER, *PROVIDER, *SUBSCRIBER[:1], "AAA*N**42*C"], ["2000C"]),
        ([*PAYER, *PROVIDER, *SUBSCRIBER, "AAA*N**72*C", "AAA*N**72*R"], ["2100C", "2100C"]),
        ([*PAYER, *PROVIDER, *SUBSCRIBER, "EB*1**30", "AAA*N**33*C"], ["2110C"]),
        ([*PAYER, *PROVIDER, *PARENT, "AAA*N**72*C", *CHILD, "AAA*N**67*C"], ["2100C", "2100D"]),
        ([*PAYER, "AAA*Y**42*R"], ["2100A"]),
    ],
)
def test_rejections_of_every_level_reach_the_patient(segments: Sequence[str], loops: list[str]) -> None:
    found = event(*segments).eligibility
    assert found is not None
    assert [one.loop for one in found.rejections] == loops


def test_rejection_before_any_patient_names_payer_and_reference_only() -> None:
    found = event(*PAYER, "AAA*Y**42*R")
    assert found.type == "eligibility.rejected"
    assert found.member == MemberFacts(payer_id="PAYER5", payer_name="ACME HEALTH", reference="REQ-1")
    assert found.eligibility is not None
    assert found.eligibility.rejections == (explained(Rejection(reason="42", loop="2100A", valid="Y", follow_up="R")),)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NM1*IL*1*TESTER*ANNA****34*123456789", None),
        ("NM1*IL*1*TESTER*ANNA", None),
        ("NM1*IL*1*TESTER*ANNA~REF*1W*MBR7", "MBR7"),
        ("NM1*IL*1*TESTER*ANNA****ZZ*MBR8", "MBR8"),
    ],
)
def test_member_id_is_never_a_social_security_number(name: str, expected: str | None) -> None:
    assert member(*PAYER, *PROVIDER, "HL*3*2*22*0", *name.split("~"), "EB*1**30").member_id == expected


def test_other_people_named_in_benefits_are_not_the_patient() -> None:
    found = member(*PAYER, *PROVIDER, *SUBSCRIBER, "EB*L", "LS*2120", "NM1*P3*1*PRIMARY*PAULA****MI*X", "LE*2120")
    assert (found.family, found.member_id) == ("TESTER", "MBR900123")


def test_payers_own_trace_is_left_out() -> None:
    found = member(*PAYER, *PROVIDER, "HL*3*2*22*0", "TRN*1*PAYERS", "TRN*2*OURS", "TRN*2*OURS", "NM1*IL*1*T")
    assert found.traces == ("OURS",)


@pytest.mark.parametrize(
    ("plan", "inpatient", "required"), [("", "N", "N"), ("N", "Y", "Y"), ("Y", "N", "N"), ("Y", "", "Y")]
)
def test_271_authorization_of_an_inpatient_row_overrides_the_plans(plan: str, inpatient: str, required: str) -> None:
    """EB11 of service type 48 is what an admission asks; the plan's row stands where it says nothing."""
    facts = subscriber(f"EB*1**30********{plan}", f"EB*1**48********{inpatient}")
    assert facts.authorization_required == required


@pytest.mark.parametrize(
    ("head", "row", "period"),
    [
        # Medicare echoes the period that was asked for; the cover itself is open.
        (["DTP*307*RD8*20260101-20261110"], ["DTP*307*D8*19890801"], ("1989-08-01", None)),
        (["DTP*307*RD8*20260101-20261110"], [], ("2026-01-01", "2026-11-10")),
        (["DTP*346*D8*20260101", "DTP*347*D8*20261231"], ["DTP*292*D8*20260301"], ("2026-03-01", "2026-12-31")),
        (["DTP*347*D8*20261231"], ["DTP*292*RD8*20260301-20260630"], ("2026-03-01", "2026-06-30")),
    ],
)
def test_period_of_the_plan_row_is_its_own(head: list[str], row: list[str], period: tuple[str, str | None]) -> None:
    found = subscriber(*head, "EB*1*IND**MA", *row)
    assert (found.begins_on, found.ends_on) == period


def test_other_payer_has_not_the_period_of_this_one() -> None:
    rows = ("EB*R**30*HN", "LS*2120", "NM1*PRP*2*OTHER*****PI*P8", "LE*2120")
    found = subscriber("DTP*307*RD8*20260101-20261110", "EB*1**30", *rows[:1], "DTP*290*D8*19960912", *rows[1:], *rows)
    assert [(one.begins_on, one.ends_on) for one in found.other_payers] == [("1996-09-12", None), (None, None)]
