"""271 in full: services by network tier, limits and what is left, other payers, primary care, AAA with advice (4.3)."""

from __future__ import annotations

import time

import pytest

from mappings.events import EligibilityFacts
from mappings.payer_facts import OtherPayer, Remaining, ServiceAnswer
from mappings.x12 import read_x12
from mappings.x12_rejections import REASONS, explained, payer_is_down
from tests.mappings.payer_feed import PROFILE, RECEIVED
from tests.parsers.x12.interchanges import HEADING_271, PAYER, PROVIDER, SUBSCRIBER, eligibility


def answer(*segments: str) -> EligibilityFacts:
    body = eligibility(*HEADING_271, *PAYER, *PROVIDER, *SUBSCRIBER, *segments)
    (item,) = read_x12(body, PROFILE, RECEIVED).items
    facts = item.events[0].eligibility
    assert facts is not None
    return facts


def service(facts: EligibilityFacts, code: str, tier: str | None = None) -> ServiceAnswer:
    (found,) = [one for one in facts.services if code in (one.service_type, one.procedure) and one.in_network == tier]
    return found


@pytest.mark.parametrize(
    ("rows", "code", "tier", "status", "required"),
    [
        (["EB*1**30", "EB*1**48********Y"], "48", None, "active", "Y"),
        (["EB*1**30********N", "EB*I**35"], "35", None, "not-covered", "N"),
        (["EB*1**30********Y", "EB*1**98"], "98", None, "active", "Y"),  # the plan's word, where the row has none
        (["EB*1**30", "EB*B**98****20****N*Y", "EB*B**98****60****Y*N"], "98", "Y", "active", "N"),
        (["EB*1**30", "EB*B**98****20****N*Y", "EB*B**98****60****Y*N"], "98", "N", "active", "Y"),
        (["EB*1**30", "EB*1**62********U"], "62", None, "active", None),
        (["EB*6**30", "EB*1**48"], "48", None, "active", None),
        (["EB*1**30", "EB*1**50********N**HC:71250", "EB*1**50********Y"], "71250", None, "active", "N"),
    ],
)
def test_each_service_and_tier_has_its_own_answer(
    rows: list[str], code: str, tier: str | None, status: str, required: str | None
) -> None:
    found = service(answer(*rows), code, tier)
    assert (found.status, found.authorization_required) == (status, required)


def test_what_is_left_stands_beside_the_total_of_the_same_limit() -> None:
    facts = answer(
        "EB*1**30", "EB*C*IND*30***23*1500", "EB*C*IND*30***29*1200", "EB*F**PT***23***VS*20", "EB*F**PT***29***VS*2",
    )  # fmt: skip
    assert facts.remaining == (
        Remaining(
            code="C", service_types=("30",), coverage_level="IND", amount="1200", total_amount="1500", period="23"
        ),
        Remaining(code="F", service_types=("PT",), quantity="2", unit="VS", total_quantity="20", period="23"),
    )


def test_other_payers_say_who_in_which_order_and_since_when() -> None:
    facts = answer(
        "EB*1**30", "EB*R**30*MA", "REF*1W*1EG4", "DTP*290*D8*20260101", "LS*2120", "NM1*PRP*2*MEDICARE*****PI*CMS",
        "PER*IC**TE*8005550100", "LE*2120", "EB*R**30",
    )  # fmt: skip
    assert facts.other_payers == (
        OtherPayer(
            payer_id="CMS",
            payer_name="MEDICARE",
            order="primary",
            insurance_type="MA",
            member_id="1EG4",
            begins_on="2026-01-01",
            phone="8005550100",
        ),
        OtherPayer(),
    )


def test_people_and_warnings_of_the_rows_are_kept() -> None:
    facts = answer(
        "REF*18*PLAN1", "INS*Y*18*001*25", "DTP*442*D8*20261101", "EB*1**30*HM*GOLD", "HSD*VS*20*MO*1*23*1", "MSG*CALL US",
        "EB*L", "DTP*295*D8*20250101", "LS*2120", "NM1*P3*1*DOC*DORA****XX*1234567893", "LE*2120", "EB*T",
        "EB*X", "LS*2120", "NM1*FA*2*HARBOR SNF*****XX*1999999984", "LE*2120", "EB*N", "LS*2120", "NM1*1P*2*ONLY CLINIC",
        "LE*2120", "EB*U", "LS*2120", "NM1*PR*2*HELP", "PER*IC**TE*8005550199*UR*HELP.EXAMPLE", "LE*2120",
    )  # fmt: skip
    assert (facts.insurance_type, facts.plan_number, facts.deceased_on, facts.corrected) == (
        "HM", "PLAN1", "2026-11-01", True,
    )  # fmt: skip
    assert facts.pcp is not None
    assert (facts.pcp.name, facts.pcp.id, facts.pcp_since) == ("DOC, DORA", "1234567893", "2025-01-01")
    assert facts.card_lost and facts.messages == ("CALL US",)
    assert facts.benefits[0].limits == ("20 VS per 1 MO, 1 23",)
    assert [one.name for one in facts.facility_episodes] == ["HARBOR SNF"]
    assert [one.name for one in facts.restricted_to] == ["ONLY CLINIC"]
    assert [(one.phone, one.url) for one in facts.contacts] == [("8005550199", "HELP.EXAMPLE")]


def test_rejection_beside_a_benefit_is_about_its_services_only() -> None:
    facts = answer("EB*1**30", "EB*1**48^50", "AAA*N**70*C")
    (refused,) = facts.rejections
    assert (facts.status, refused.loop, refused.service_types) == ("active", "2110C", ("48", "50"))


@pytest.mark.parametrize(
    ("code", "follow_up", "kind", "who", "advice"),
    [
        ("75", "C", "not-found", "eligibility", "verify card and payer, try other payers. The payer says: correct"),
        ("42", "R", "outage", "integration", "asked again by itself."),
        ("41", None, "operations", "integration", "Enrol"),
        ("61", None, "patient", "records", "record"),
        ("Q9", "N", "data", "eligibility", "Call the payer with the code. The payer says: the payer takes no"),
    ],
)
def test_each_rejection_says_who_can_act_and_how(
    code: str, follow_up: str | None, kind: str, who: str, advice: str
) -> None:
    (found,) = answer(f"AAA*N**{code}*{follow_up or ''}").rejections
    assert (found.kind, found.who) == (kind, who)
    assert advice in (found.advice or "")


def test_payer_is_down_only_when_nothing_else_is_said() -> None:
    down, lost = (explained(one) for one in answer("AAA*Y**42*R", "AAA*N**75*C").rejections)
    assert payer_is_down((down,)) and not payer_is_down((down, lost)) and not payer_is_down(())


def test_reasons_are_whole() -> None:
    assert all(reason.meaning and reason.advice.endswith(".") and reason.who for reason in REASONS.values())


def test_wide_answer_costs_no_more_than_its_size() -> None:
    rows = [f"EB*1**{n % 100:02d}*******Y*{'YNWU'[n % 4]}" for n in range(6000)]
    rows += [f"EB*B*IND*30*P{n}*29*{n}" for n in range(6000)]
    begins = time.process_time()
    facts = answer(*rows)
    assert time.process_time() - begins < 5
    assert len(facts.services) <= 300 and len(facts.remaining) <= 300
