"""Acceptance scenarios of domain reference 9 through the sockets of one gateway, on both stores: each patient lives one.

The rest are in `test_acceptance_course.py` (8 to 11) and `test_acceptance_payers.py` (12, 13, 17 to 22)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count

import pytest

from tests.support import hospital_messages as sent
from tests.support.played_gateway import PlayedGateway

pytestmark = pytest.mark.journey

HOUR = timedelta(hours=1)
_NUMBERS = count(1)
Said = tuple[datetime, str, bytes]


def adt(trigger: str, mrn: str, at: datetime, pv1: str, *more: str, mode: str = "P") -> Said:
    structure = {"A03": "ADT_A03", "A13": "ADT_A01", "A11": "ADT_A09", "A04": "ADT_A01", "A06": "ADT_A06"}
    head = sent.header(f"ADT^{trigger}^{structure.get(trigger, 'ADT_A01')}", f"N{next(_NUMBERS)}", at)
    head = head.replace("|P|2.5.1", f"|{mode}|2.5.1")
    return at, "adt", sent.hl7(head, f"EVN||{sent.moment(at)}", sent.person(mrn), pv1, *more)


def siu(trigger: str, mrn: str, number: str, start: datetime, at: datetime, status: str, parent: str = "") -> Said:
    times = f"^^30^{sent.moment(start)}^{sent.moment(start + timedelta(minutes=30))}"
    sch = (
        f"SCH|{number}^SCHED|F{number}^SCHED|||SCHD1|BOOK|FOLLOWUP|OFFICE|30|MIN|{times}{'|' * 12}"
        f"{'|' if not parent else f'|F{parent}^SCHED'}|{status}"
    )
    head = sent.header(f"SIU^{trigger}^SIU_S12", f"N{next(_NUMBERS)}", at, "SCHED")
    ais = f"AIS|1|A|CARD|{sent.moment(start)}|||30|MIN"
    return at, "siu", sent.hl7(head, sch, sent.person(mrn), "RGS|1|A", ais)


def stays(morning: datetime) -> Iterator[Said]:
    """Scenarios 1, 3 to 8, 14 and 23 to 25: patients S1, S3 ..."""
    came, left = morning, morning + 30 * HOUR
    for number in (1, 3, 4, 5, 6, 7, 14):
        yield adt("A01", f"S{number}", came, sent.stay(f"V{number}", came), sent.insurance(f"S{number}"))
    home = {number: sent.stay(f"V{number}", came, left, "01") for number in (1, 3, 4, 5, 6)}
    yield adt("A03", "S1", left, home[1])
    yield adt("A03", "S3", left, home[3])
    yield adt("A13", "S3", left + HOUR, sent.stay("V3", came))
    yield adt("A03", "S4", left, home[4])
    yield adt("A03", "S4", left + 2 * HOUR, sent.stay("V4", came, left, "03"))
    yield adt("A13", "S5", left + HOUR, sent.stay("V5", came))
    late = adt("A03", "S5", left, home[5])
    yield left + 2 * HOUR, "adt", late[2]
    once = adt("A03", "S6", left, home[6])
    yield once
    yield once[0], "adt", once[2]
    yield adt("A03", "S6", left, home[6])
    yield adt("A11", "S7", came + HOUR, sent.stay("V7", came))
    yield adt("A03", "S14", left, sent.stay("V14", came, left, "20"))
    yield adt("A01", "S23", came, sent.stay("V23", came), mode="T")
    yield adt("A01", "S24", came, sent.stay("V24", came), mode="P^I")
    yield adt("A03", "S24", left, sent.stay("V24", came, left, "01"), mode="P^I")
    yield came, "adt", sent.register("S25", came, "N25")


def visits(morning: datetime) -> Iterator[Said]:
    """Scenarios 2, 15 and 16."""
    came, left, far = morning, morning + 30 * HOUR, morning + 150 * HOUR
    yield adt("A01", "S2", came, sent.stay("V2", came))
    yield siu("S12", "S2", "P2", far, came + HOUR, "Booked")
    yield adt("A03", "S2", left, sent.stay("V2", came, left, "01"))
    yield siu("S12", "S15", "P15", came + 4 * HOUR, came, "Booked")
    yield siu("S26", "S15", "P15", came + 4 * HOUR, came + 5 * HOUR, "Noshow")
    yield siu("S14", "S15", "P15", came + 4 * HOUR, came + 5.5 * HOUR, "Arrived")
    yield siu("S12", "S16", "P16", far, came, "Booked")
    yield siu("S15", "S16", "P16", far, came + HOUR, "Cancelled")
    yield siu("S12", "S16", "P17", far + 24 * HOUR, came + 1.5 * HOUR, "Booked", parent="P16")


async def test_acceptance_scenarios_through_the_sockets(played: PlayedGateway, morning: datetime) -> None:
    for at, channel, body in sorted([*stays(morning), *visits(morning)], key=lambda said: said[0]):
        await played.pass_time(max(at, played.clock()))
        reply = await played.send(channel, body)
        assert reply.code == "AA", (channel, reply.body)
    await played.settle()
    await played.pass_time(morning + 56 * HOUR)

    told = {}
    for row in await played.rows(
        "SELECT p.mrn, t.rule_id, t.status, t.business_status FROM tasks t JOIN patients p USING (patient_id)"
    ):
        told.setdefault(row.mrn, {})[row.rule_id] = row.business_status or row.status
    contact, unbooked, handoff = "discharge-contact-2bd", "discharge-followup-unbooked", "discharge-to-facility-handoff"
    assert told["S1"][contact] == told["S1"][unbooked] == told["S1"]["med-reconciliation-30d"] == "requested"
    assert told["S2"][contact] == "requested" and unbooked not in told["S2"]
    assert told["S3"][contact] == told["S3"]["med-reconciliation-30d"] == "retracted" and unbooked not in told["S3"]
    assert (told["S4"][contact], told["S4"][handoff]) == ("retracted", "requested") and unbooked not in told["S4"]
    assert contact not in told["S5"]
    assert told["S6"][contact] == "requested"
    assert set(told["S7"].values()) == {"retracted"}
    assert told["S14"]["death-cancels-tasks"] == "requested" and contact not in told["S14"]
    assert told["S15"]["appointment-no-show"] == "retracted"
    assert "appointment-cancelled-no-rebook" not in told.get("S16", {})
    assert told.keys().isdisjoint({"S23", "S24", "S25"})
    twice = await played.rows(
        "SELECT count(*) FROM tasks t JOIN patients p USING (patient_id) WHERE p.mrn = 'S6' AND t.rule_id = :rule",
        rule=contact,
    )
    assert twice[0][0] == 1
    assert await played.count("patients", "mrn = 'S23'") == 0
    await played.assert_balanced()
