"""Asking payers: from a request of the API or an admission to the answer in the state, on both stores."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support import hospital_messages as sent
from tests.support.configuration import Ground
from tests.support.played_gateway import Open, PlayedGateway
from tests.support.simulated_payer import PARTNER, PayerAtFolder

pytestmark = pytest.mark.journey


@pytest.fixture
async def asking(ground: Ground, open_gateway: Open, morning: datetime) -> PlayedGateway:
    """A gateway with one live partner, and a patient who was admitted."""
    played = await open_gateway(ground, more=PARTNER)
    await played.accepted("adt", sent.admit("100", "V100", morning, "C1"))
    return played


async def ask(played: PlayedGateway, path: str, **body: Any) -> dict[str, Any]:
    (patient,) = await played.rows("SELECT patient_id FROM patients")
    async with played.api() as api:
        answer = await api.post(f"/api/v1/{path}", json={"actor": "jdoe", "patient_id": patient[0], **body})
    answer.raise_for_status()
    await played.settle()
    found: dict[str, Any] = answer.json()
    return found


async def inquiry(played: PlayedGateway) -> tuple[str, str | None, str | None]:
    ((status, acknowledgement, answer),) = await played.rows("SELECT status, acknowledgement, answer FROM inquiries")
    return status, acknowledgement, answer


async def test_eligibility_that_was_asked_for_is_answered_and_known(asking: PlayedGateway) -> None:
    payer = PayerAtFolder(asking)
    asked = await ask(asking, "eligibility-requests")
    assert asked["inquiry"]["status"] == "sent" and asked["inquiry"]["documents"][0]["control_number"] == 1

    await payer.exchange()

    assert await inquiry(asking) == ("answered", "999 A", "active")
    ((eligibility, plan),) = await asking.rows("SELECT eligibility, plan_name FROM coverages")
    assert (eligibility, plan) == ("active", "GOLD PLAN")
    assert (await asking.task_states("100"))["verify-coverage-on-admit"] == "completed"
    assert "eligibility.requested" in await asking.event_types()
    await asking.assert_balanced()


async def test_dry_run_shows_the_document_and_leaves_nothing(asking: PlayedGateway) -> None:
    shown = await ask(asking, "eligibility-requests", dry_run=True)
    assert shown["inquiry"] is None and shown["x12"][0].startswith("ISA*00*") and "EQ*30~" in shown["x12"][0]
    assert await asking.count("inquiries") == 0
    assert PayerAtFolder(asking).sent() == []


async def test_a_payer_that_is_down_is_asked_again_and_wakes_nobody(asking: PlayedGateway, morning: datetime) -> None:
    payer = PayerAtFolder(asking, member=[{"id": "MBR100", "eligibility": ["down", "down", "active"]}])
    await ask(asking, "eligibility-requests")
    await payer.exchange()
    assert (await inquiry(asking))[0] == "waiting"
    assert await asking.count("payer_incidents", "closed_at IS NULL") == 1
    assert "eligibility-rejected" not in await asking.task_states("100")

    await asking.pass_time(morning + timedelta(minutes=16))
    await payer.exchange()
    await asking.pass_time(morning + timedelta(minutes=80))
    await payer.exchange()

    assert await inquiry(asking) == ("answered", "999 A", "active")
    assert await asking.count("payer_incidents", "closed_at IS NULL") == 0
    assert await asking.count("replies", "inquiry_id IS NOT NULL") == 3


async def test_an_answer_after_the_time_out_is_still_applied(asking: PlayedGateway, morning: datetime) -> None:
    payer = PayerAtFolder(asking)
    await ask(asking, "eligibility-requests")
    await asking.pass_time(morning + timedelta(hours=3))
    assert (await inquiry(asking))[0] == "overdue"
    assert await asking.count("replies", "inquiry_id IS NOT NULL") == 2  # sent again once

    await payer.exchange(only="271")

    assert (await inquiry(asking))[2] == "active"
    ((eligibility,),) = await asking.rows("SELECT eligibility FROM coverages")
    assert eligibility == "active"


async def test_authorization_is_requested_pended_inquired_and_certified(asking: PlayedGateway) -> None:
    payer = PayerAtFolder(asking, member=[{"id": "MBR100", "authorization": ["documents", "certified"]}])
    request = {"category": "AR", "service_type": "2", "admission_on": "2026-03-04", "service_on": "2026-03-04"}
    await ask(asking, "authorization-requests", **request)
    ((authorization, status),) = await asking.rows("SELECT authorization_id, status FROM authorizations")
    assert status == "requested"

    await payer.exchange()
    ((status, documents),) = await asking.rows("SELECT status, documents_json FROM authorizations")
    assert status == "info-requested" and '"code":"M1"' in documents

    await ask(asking, "authorization-requests", kind="inquiry", authorization_id=authorization)
    await payer.exchange()

    rows = await asking.rows("SELECT status, number, encounter_id FROM authorizations")
    assert len(rows) == 1
    assert rows[0].status == "certified" and rows[0].number.startswith("AUTH") and rows[0].encounter_id
    types = await asking.event_types()
    assert [one for one in types if one.startswith("authorization.")] == [
        "authorization.requested",
        "authorization.acknowledged",
        "authorization.info-requested",
        "authorization.certified",
    ]


async def test_refused_request_is_told_as_never_sent_and_can_be_sent_again(asking: PlayedGateway) -> None:
    payer = PayerAtFolder(asking, member=[{"id": "MBR100", "authorization": ["refused", "certified"]}])
    asked = await ask(asking, "authorization-requests", service_type="62", service_on="2026-03-09")
    await payer.exchange()
    assert (await inquiry(asking))[:2] == ("failed", "IK5 R I5 AK9 R 1")
    ((status, transport),) = await asking.rows("SELECT status, transport FROM authorizations")
    assert (status, transport) == ("transport-failed", "IK5 R I5 AK9 R 1")

    async with asking.api() as api:
        path = f"/api/v1/inquiries/{asked['inquiry']['inquiry_id']}/resend"
        again = (await api.post(path, json={"actor": "jdoe"})).raise_for_status().json()
    assert [one["control_number"] for one in again["inquiry"]["documents"]] == [1, 2]
    await asking.settle()
    await payer.exchange()

    ((status, number),) = await asking.rows("SELECT status, number FROM authorizations")
    assert status == "certified" and number


async def test_admission_asks_by_itself_once_for_all_rules(
    ground: Ground, open_gateway: Open, morning: datetime
) -> None:
    played = await open_gateway(ground, more=f'{PARTNER}[asking]\nautomatic = ["admission", "booking"]\n')
    payer = PayerAtFolder(played)
    await played.accepted("adt", sent.admit("100", "V100", morning, "C1"))
    now = played.clock()
    await played.accepted("siu", sent.book("100", "P1", now + timedelta(hours=72), now, "C2"))
    assert await played.count("inquiries") == 1
    await payer.exchange()
    assert (await inquiry(played))[2] == "active"
    assert (await played.task_states("100"))["verify-coverage-on-admit"] == "completed"


async def test_partner_check_is_sent_as_a_test_and_changes_nobody(asking: PlayedGateway) -> None:
    payer = PayerAtFolder(asking)
    async with asking.api() as api:
        sent_check = (await api.post("/api/v1/partners/acme/check", json={"actor": "jdoe"})).raise_for_status().json()
    await asking.settle()
    assert sent_check["control_number"] == 1 and "*T*:~" in sent_check["x12"]
    await payer.exchange()
    assert await asking.count("inquiries") == 0 and await asking.count("patients") == 1
    ends = await asking.rows("SELECT word, reason FROM item_end WHERE channel = 'payers' ORDER BY journal_id")
    assert [tuple(row) for row in ends] == [("filtered", "test-message")] * 2
    await asking.assert_balanced()


def request_of(mrn: str, at: datetime) -> bytes:
    """A 270 of the hospital's own system, as it passes through."""
    isa = f"ISA*00*{' ' * 10}*00*{' ' * 10}*ZZ*{'GENHOSP':15}*ZZ*{'PAYER5':15}*{at:%y%m%d}*0915*^*00501*000000909*0*P*:"
    body = [
        "ST*270*0001*005010X279A1", f"BHT*0022*13*REQ-9*{at:%Y%m%d}*0915", "HL*1**20*1",
        "NM1*PR*2*ACME HEALTH*****PI*PAYER5", "HL*2*1*21*1", "NM1*1P*2*GENERAL HOSPITAL*****XX*1234567893",
        "HL*3*2*22*0", "TRN*1*PASSING-9*9GENHOSP00", f"NM1*IL*1*SAMPLE*PAT****MI*MBR{mrn}", "DMG*D8*19520419*F", "EQ*30",
    ]  # fmt: skip
    group = f"GS*HS*GENHOSP*PAYER5*{at:%Y%m%d}*0915*909*X*005010X279A1"
    lines = [isa, group, *body, f"SE*{len(body) + 1}*0001", "GE*1*909", "IEA*1*000000909"]
    return ("~".join(lines) + "~").encode()


async def test_request_of_somebody_unknown_waits_and_is_known_when_the_patient_comes(
    ground: Ground, open_gateway: Open, morning: datetime
) -> None:
    played = await open_gateway(ground, more=PARTNER)
    await played.drop("payers", request_of("100", morning))
    assert await played.count("parked", "stage = 'match'") == 1 and await played.count("inquiries") == 0

    await played.accepted("adt", sent.admit("100", "V100", morning, "C1"))

    assert await played.count("parked") == 0
    ((source, trace, status),) = await played.rows("SELECT source, trace, status FROM inquiries")
    assert (source, trace, status) == ("passing", "PASSING-9", "sent")
    await played.assert_balanced()
