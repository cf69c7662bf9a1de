"""Acceptance scenarios 12, 13 and 17 to 22 of domain reference 9 on both stores: HL7 over sockets, 271 and 278 by file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count

import pytest

from tests.support import hospital_messages as sent
from tests.support.played_gateway import PlayedGateway

pytestmark = pytest.mark.journey

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_NUMBERS = count(1)
Said = tuple[datetime, str, bytes]


def adt(trigger: str, mrn: str, at: datetime, *more: str, segment: str = "") -> Said:
    head = sent.header(f"ADT^{trigger}", f"N{next(_NUMBERS)}", at)
    return at, "adt", sent.hl7(head, f"EVN||{sent.moment(at)}", segment or sent.person(mrn), *more)


def siu(trigger: str, mrn: str, start: datetime, at: datetime, service: str = "HFU^Hospital follow-up") -> Said:
    times = f"^^30^{sent.moment(start)}^{sent.moment(start + timedelta(minutes=30))}"
    sch = f"SCH|P{mrn}^SCHED|F{mrn}^SCHED|||SCHD1|BOOK|{service}|OFFICE|30|MIN|{times}{'|' * 14}Booked"
    head = sent.header(f"SIU^{trigger}^SIU_S12", f"N{next(_NUMBERS)}", at, "SCHED")
    ais = f"AIS|1|A|{service}|{sent.moment(start)}|||30|MIN"
    return at, "siu", sent.hl7(head, sch, sent.person(mrn), "RGS|1|A", ais)


def answer(mrn: str, at: datetime, *lines: str) -> Said:
    """271 of a subscriber with these segments behind his name."""
    return at, "payers", sent.eligibility_answer(mrn, next(_NUMBERS), at, lines)


def decision(mrn: str, at: datetime, um: str, hcr: str, *lines: str, purpose: str = "18") -> Said:
    """278 response at event level; one trace for each patient."""
    return at, "payers", sent.review_answer(mrn, next(_NUMBERS), at, um, hcr, lines, purpose)


def rejected(reason: str, follow_up: str) -> tuple[str, ...]:
    return (f"AAA*N**{reason}*{follow_up}",)


def eligibility(morning: datetime) -> Iterator[Said]:
    """Scenarios 12, 17 and 18."""
    later = morning + HOUR
    for mrn in ("S12", "S17", "S18", "S42"):
        yield adt("A28", mrn, morning, "PV1|1|N", sent.insurance(mrn))
    yield siu("S12", "S12", morning + 5 * DAY, later)
    yield decision("S12", later + HOUR, "UM*HS*I*62*22:B", "HCR*A1*AUTH12")
    swapped = sent.insurance("S12").replace("PAYER5|ACME HEALTH", "PAYER7|OTHER HEALTH")
    yield adt("A08", "S12", later + 2 * HOUR, "PV1|1|N", swapped)
    yield siu("S12", "S17", morning + 7 * DAY, later)
    yield answer("S17", later + HOUR, "EB*6**30")
    yield answer("S17", later + 5 * HOUR, "EB*1**30**GOLD PLAN")
    for mrn, words in (("S18", rejected("75", "C")), ("S42", rejected("42", "R"))):
        yield siu("S12", mrn, morning + 20 * DAY, later)
        yield answer(mrn, later + HOUR, *words)


def authorizations(morning: datetime) -> Iterator[Said]:
    """Scenarios 19 to 22."""
    later, urgent = morning + HOUR, "UM*HS*I*62*22:B**U"
    for mrn in ("S19", "S20", "S21"):
        yield adt("A28", mrn, morning, "PV1|1|N", sent.insurance(mrn))
    yield decision("S19", later, urgent, "HCR*A4", purpose="19")
    yield decision("S19", later + 73 * HOUR, urgent, "HCR*A1*AUTH19")
    yield decision("S20", later, "UM*HS*I*62*22:B", "HCR*A3**0W")
    yield decision("S20", later + 30 * HOUR, "UM*HS*I*62*22:B", "HCR*A1*AUTH20")
    mri, visit = "70551^MRI", morning + 16 * DAY
    yield siu("S12", "S21", visit, later, mri)
    period = f"DTP*AAH*RD8*{morning:%Y%m%d}-{visit - 3 * DAY:%Y%m%d}", "HL*5*4*SS*0", "SV1*HC:70551*100*UN*1"
    yield decision("S21", later + HOUR, "UM*HS*I*62*22:B", "HCR*A1*AUTH21", *period)
    yield siu("S13", "S21", visit - 4 * DAY, later + 26 * HOUR, mri)
    came = adt("A01", "S22", morning, sent.stay("V22", morning), sent.insurance("S22"))
    yield came
    known = f"{sent.insurance('S22')}\rIN3|1|AUTH22"
    yield adt("A08", "S22", morning + 14 * HOUR, sent.stay("V22", morning), known)


def merge(morning: datetime) -> Iterator[Said]:
    """Scenario 13: A is S13, B is OLD13."""
    yield adt("A28", "S13", morning, "PV1|1|N")
    yield adt("A01", "OLD13", morning, sent.stay("V13", morning), sent.insurance("OLD13"))
    yield siu("S12", "OLD13", morning + 10 * DAY, morning + HOUR)
    yield morning + 2 * HOUR, "adt", sent.merge("S13", "OLD13", morning + 2 * HOUR, f"N{next(_NUMBERS)}")
    yield adt("A02", "OLD13", morning + 3 * HOUR, sent.stay("V13", morning).replace("4W^401", "ICU^1"))


async def told(played: PlayedGateway) -> dict[str, dict[str, list[str]]]:
    """MRN -> rule -> how each of its tasks is, the earliest first."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in await played.rows(
        "SELECT p.mrn, t.rule_id, t.status, t.business_status FROM tasks t JOIN patients p USING (patient_id)"
        " ORDER BY t.opened_at, t.task_key"
    ):
        found.setdefault(row.mrn, {}).setdefault(row.rule_id, []).append(row.business_status or row.status)
    return found


async def test_payers_answers_and_a_merge_through_sockets_and_files(played: PlayedGateway, morning: datetime) -> None:
    story = sorted([*eligibility(morning), *authorizations(morning), *merge(morning)], key=lambda said: said[0])
    looks = {morning + 8 * HOUR: {}, morning + 13 * HOUR: {}, morning + 25 * HOUR: {}, morning + 60 * HOUR: {}}
    for at, channel, body in [*story, (morning + 80 * HOUR, "", b"")]:
        for look in [look for look, seen in looks.items() if look < at and not seen]:
            await played.pass_time(look)
            looks[look] = await told(played)
        await played.pass_time(max(at, played.clock()))
        if channel == "payers":
            await played.drop(channel, body)
        elif channel:
            await played.accepted(channel, body)
    first, night, next_day, third_day = looks.values()
    last = await told(played)

    assert first["S12"]["coverage-changed"] == ["requested"]
    flagged = await played.rows(
        "SELECT needs_recheck FROM authorizations a JOIN patients p USING (patient_id) WHERE p.mrn = 'S12'"
    )
    assert [bool(row[0]) for row in flagged] == [True]
    assert last["S17"]["coverage-inactive-upcoming"] == ["auto-resolved"]
    assert first["S18"]["eligibility-rejected"] == ["requested"] and "eligibility-rejected" not in first.get("S42", {})

    assert "auth-pended-aging" not in next_day.get("S19", {})
    assert len(third_day["S19"]["auth-pended-aging"]) == 1
    assert last["S19"]["auth-pended-aging"] == ["auto-resolved", "auto-resolved"]
    assert first["S20"]["auth-denied"] == ["requested"] and last["S20"]["auth-denied"] == ["auto-resolved"]
    overturned = await played.rows("SELECT body FROM events WHERE type = 'authorization.certified'")
    assert any(b'"overturned":true' in bytes(row[0]) for row in overturned)
    assert first["S21"]["auth-expiring-before-appointment"] == ["requested"]
    assert last["S21"]["auth-expiring-before-appointment"] == ["auto-resolved"]
    assert "inpatient-admit-no-auth" not in first["S22"] and night["S22"]["inpatient-admit-no-auth"] == ["requested"]
    assert last["S22"]["inpatient-admit-no-auth"] == ["auto-resolved"]

    assert first["S13"]["patient-merged-open-tasks"] == ["requested"]
    assert len([how for rules in first["S13"].values() for how in rules if how == "requested"]) >= 3
    assert "OLD13" not in first
    moved = await played.rows("SELECT p.mrn, e.point_of_care FROM encounters e JOIN patients p USING (patient_id)")
    assert ("S13", "ICU") in [tuple(row) for row in moved]
    booked = await played.rows("SELECT p.mrn FROM appointments a JOIN patients p USING (patient_id)")
    assert "S13" in [row[0] for row in booked]
    await played.assert_balanced()
