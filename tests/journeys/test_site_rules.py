"""A site's own rules in a running gateway: they open tasks, and what is wrong with one stays with it (decision 18)."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support import hospital_messages as sent
from tests.support.configuration import Ground
from tests.support.played_gateway import Open

pytestmark = pytest.mark.journey

HOME = """
from gateway.coordination.rules.authoring import *

def wants(draft, stay):
    return Finding(
        key=HOME.key_of(scope_of(stay), f"dis{stay.discharge_number}"), due_at=recorded_by(draft) + hours(6),
        reason="Discharged.", evidence=[evidence(draft, "PV1-36", stay.disposition)], focus=focus_of(draft, stay),
    )

HOME = Rule(
    id="site-home", trigger="Discharge", task="Call tonight", type="outreach", priority="urgent", due="6 hours",
    queue="transitions", resolves="Logged", retracts="A13", key="enc|dis{n}", basis="Site", watches=(Encounter,),
    about=lambda draft: stays_with(draft, "discharged"), wants=wants,
)
"""
RAISES = (
    HOME.replace("HOME", "RAISES")
    .replace("site-home", "site-raises")
    .replace("    return Finding(", "    raise ValueError(stay.visit_number)\n    return Finding(")
)
HANGS = (
    HOME.replace("HOME", "HANGS")
    .replace("site-home", "site-hangs")
    .replace(
        "    return Finding(",
        "    while draft.subject.patient.mrn == 'HANG':\n        pass\n    return 'not him'\n    return Finding(",
    )
)


def rules_of(folder: Path) -> Path:
    place = folder / "rules"
    place.mkdir()
    for name, text in {"home": HOME, "raises": RAISES, "hangs": HANGS, "broken": "def nothing(:\n"}.items():
        (place / f"{name}.py").write_text(text)
    return place


async def test_faults_of_a_sites_rules_stay_with_them(ground: Ground, open_gateway: Open, morning: datetime) -> None:
    place = rules_of(ground.folder)
    more = f'[pipeline]\nbudget_seconds = 1.0\nmax_attempts = 3\n[coordination]\nsite_rules = "{place}"\n'
    played = await open_gateway(ground, more=more)
    admitted, left = morning - timedelta(days=2), morning
    for number, mrn in enumerate(("S1", "HANG", "S2")):
        visit = (mrn, f"V{number}", admitted)
        await played.client_send("adt", sent.admit(*visit, f"A{number}"), sent.discharge(*visit, left, f"D{number}"))
    await played.settle()

    for mrn in ("S1", "S2"):
        states = await played.task_states(mrn)
        assert states["site-home"] == states["discharge-contact-2bd"] == "requested"
        assert "site-raises" not in states
    (parked,) = await played.rows("SELECT reason FROM parked")
    assert parked.reason == "time-budget"
    assert "discharge-contact-2bd" not in await played.task_states("HANG")
    await played.assert_balanced()
