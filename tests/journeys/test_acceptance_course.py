"""Acceptance scenarios 8 to 11 of domain reference 9 through the sockets, on both stores: a stay under observation, a
month of emergency visits, an admission after a discharge elsewhere, a flood of updates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count

import pytest

from tests.journeys.test_acceptance_payers import Said, adt, told
from tests.support import hospital_messages as sent
from tests.support.configuration import Ground
from tests.support.played_gateway import Open

pytestmark = pytest.mark.journey

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_VISITS = count(1)


def pv1(class_: str, visit: str, came: datetime, left: datetime | None = None, place: str = "4W^401^A^GENHOSP") -> str:
    """PV1 of `sent.stay` with another class and place; home when he left."""
    made = sent.stay(visit, came, left, "01" if left else "")
    return made.replace("PV1|1|I|4W^401^A^GENHOSP", f"PV1|1|{class_}|{place}")


def medicare(mrn: str) -> str:
    """IN1 with IN1-15 = MA."""
    fields = sent.insurance(mrn).split("|")
    fields[15] = "MA"
    return "|".join(fields)


def observed(morning: datetime) -> Iterator[Said]:
    """Scenario 8: two patients; P8 is insured with Medicare."""
    for mrn, cover in (("P8", medicare("P8")), ("Q8", sent.insurance("Q8"))):
        yield adt("A04", mrn, morning, pv1("V", f"V{mrn}", morning), cover)
        yield adt("A06", mrn, morning + 25 * HOUR, pv1("I", f"V{mrn}", morning), cover)


def emergencies(morning: datetime) -> Iterator[Said]:
    """Scenario 9: five visits, six days apart."""
    for number in range(5):
        came = morning + number * 6 * DAY
        visit = f"E{next(_VISITS)}"
        yield adt("A04", "S9", came, pv1("E", visit, came))
        yield adt("A03", "S9", came + 3 * HOUR, pv1("E", visit, came, came + 3 * HOUR))


def elsewhere(morning: datetime) -> Iterator[Said]:
    """Scenario 10: discharged from the other facility, admitted here 20 days later; T10 comes after 31 days."""
    clinic = "2S^12^A^TOWNCLINIC"
    for mrn, days in (("S10", 20), ("T10", 31)):
        yield adt("A01", mrn, morning, pv1("I", f"C{mrn}", morning, place=clinic))
        left = morning + DAY
        yield adt("A03", mrn, left, pv1("I", f"C{mrn}", morning, left, place=clinic))
        again = left + days * DAY
        yield adt("A01", mrn, again, pv1("I", f"G{mrn}", again))


def flood(morning: datetime) -> Iterator[Said]:
    """Scenario 11: fifty A08 within ten seconds; the telephone number changes once."""
    yield adt("A01", "S11", morning, pv1("I", "F11", morning))
    for number in range(50):
        at = morning + HOUR + timedelta(seconds=number / 5)
        person = sent.person("S11", phone="5550199" if number >= 20 else "5550100")
        yield adt("A08", "S11", at, pv1("I", "F11", morning), segment=person)


async def test_courses_through_the_sockets(ground: Ground, open_gateway: Open, morning: datetime) -> None:
    played = await open_gateway(ground, more="[coordination]\nupdate_hold_s = 60\n")
    parts = (observed(morning), emergencies(morning), elsewhere(morning), flood(morning))
    story = sorted((said for part in parts for said in part), key=lambda said: said[0])
    looks = {hours: morning + hours * HOUR for hours in (0.9, 1.1, 21, 24.5, 26, 18 * 24 + 4, 30 * 24)}
    seen: dict[float, dict[str, dict[str, list[str]]]] = {}
    for at, channel, body in [*story, (morning + 33 * DAY, "", b"")]:
        for hours, look in looks.items():
            if look < at and hours not in seen:
                await played.pass_time(look)
                seen[hours] = await told(played)
        if at - played.clock() > timedelta(seconds=60):
            await played.pass_time(at)
        if channel:
            await played.client_send(channel, body)
            await played.settle()
    last = await told(played)

    assert seen[21]["P8"]["obs-24h-moon"] == ["requested"] and "obs-24h-moon" not in seen[21].get("Q8", {})
    assert "obs-48h-status" not in seen[21]["P8"]
    for mrn in ("P8", "Q8"):
        assert seen[24.5][mrn]["obs-48h-status"] == ["requested"]
        assert seen[26][mrn]["obs-48h-status"] == ["auto-resolved"]
        assert seen[26][mrn]["level-of-care-changed"] == ["requested"]
    assert seen[26]["P8"]["obs-24h-moon"] == ["requested"]

    assert "ed-frequent-use" not in seen[26].get("S9", {})
    assert len(seen[18 * 24 + 4]["S9"]["ed-frequent-use"]) == len(last["S9"]["ed-frequent-use"]) == 1
    assert last["S10"]["readmission-30d"] == ["requested"] and "readmission-30d" not in last["T10"]

    updated = await played.rows(
        "SELECT count(*) FROM events e JOIN patients p USING (patient_id)"
        " WHERE p.mrn = 'S11' AND e.type = 'patient.updated'"
    )
    assert updated[0][0] == 1
    phones = await played.rows("SELECT phone FROM patients WHERE mrn = 'S11'")
    assert "5550199" in phones[0][0]
    assert seen[0.9]["S11"] == seen[1.1]["S11"]
    await played.assert_balanced()
