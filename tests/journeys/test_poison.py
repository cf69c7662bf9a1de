"""Messages whose mapping raises, hangs, eats the memory or ends its process, all in one batch (decision 18)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from channels.mllp_client import MllpClient
from gateway.lanes import patient_lane
from tests.support import hospital_messages as sent
from tests.support.configuration import Ground
from tests.support.played_gateway import Open

pytestmark = pytest.mark.journey

BUDGETS = "[pipeline]\nbudget_seconds = 0.3\nmemory_mb = 512\nmax_attempts = 3\n"
KINDS = {
    "POISON-RAISE": "mapping-failed",
    "POISON-HANG": "time-budget",
    "POISON-EAT": "mapping-failed",
    "POISON-EXIT": "worker-killed",
}


async def test_poison_is_parked_and_its_neighbours_go_through(
    ground: Ground, open_gateway: Open, morning: datetime
) -> None:
    played = await open_gateway(ground, packages=("tests.support.poison",), more=BUDGETS)
    lanes = frozenset({patient_lane("GENHOSP", "")})
    names = ["GOOD", *KINDS, "POISON-HANG", "POISON-EXIT", "GOOD"]  # of some kinds two at once
    names = [name for name in names for _ in range(1 if name.startswith("POISON") else 10)]

    async with await played.gateway.store.hold(lanes):  # so that they are claimed together
        for number, family in enumerate(names):
            body = sent.register(f"P{number}", morning, f"C{number}", family)
            assert (await played.send("adt", body)).code == "AA"
    witness: MllpClient = played.client("adt", timeout=5.0)
    answers = 0
    poisoned = [name for name in names if name in KINDS]
    while await played.count("parked") < len(poisoned):  # answers go on while the compute process hangs and dies
        answers += 1
        reply = await witness.send(sent.register(f"W{answers}", morning, f"W{answers}"))
        assert reply.code == "AA"
    await witness.close()
    await played.settle()

    parked = await played.rows("SELECT reason, attempts, detail FROM parked ORDER BY journal_id")
    assert [row.reason for row in parked] == [KINDS[name] for name in poisoned]
    assert all(1 <= row.attempts <= 5 for row in parked)
    assert not [row for row in parked if "POISON" in row.detail]
    assert await played.count("patients") == names.count("GOOD") + answers
    assert answers > 1
    await played.assert_balanced()


async def test_a_patient_goes_on_behind_his_parked_message_which_is_folded_in_when_retried(
    ground: Ground, open_gateway: Open, morning: datetime
) -> None:
    played = await open_gateway(ground, packages=("tests.support.poison",), more=BUDGETS)
    visit = ("100", "V100", morning - timedelta(days=2))
    await played.accepted("adt", sent.admit(*visit, "C1"))
    poisoned = sent.update(*visit, morning, "C2", "5550101").replace(b"SAMPLE", b"POISON-RAISE")
    await played.accepted("adt", poisoned, sent.discharge(*visit, morning, "C3"))

    assert (await played.task_states("100"))["discharge-contact-2bd"] == "requested"
    (patient,) = await played.rows("SELECT gap_since FROM patients")
    assert patient.gap_since is not None

    (parked,) = await played.rows("SELECT parked_id FROM parked")
    good = poisoned.replace(b"POISON-RAISE", b"SAMPLE")
    assert await played.gateway.store.edit_parked(parked.parked_id, good, "a person", "the name was misread")
    await played.settle()

    assert await played.count("parked") == 0
    assert [row.status for row in await played.rows("SELECT status FROM encounters")] == ["discharged"]
    await played.assert_balanced()
