"""kill -9 of the gateway and of its compute process, 20 times each under load, then everything must add up.

KILLS in the environment asks for another number of each, KILL_SEED for a run that was seen before.
"""

from __future__ import annotations

import os

import pytest

from tests.support.configuration import Ground
from tests.support.kill_rig import KillRig

KILLS = int(os.environ.get("KILLS", "20"))
SEED = int(os.environ["KILL_SEED"]) if "KILL_SEED" in os.environ else None

pytestmark = [pytest.mark.journey, pytest.mark.timeout(180 + 10 * KILLS)]


async def test_nothing_acknowledged_is_lost_doubled_or_reordered_by_kills(ground: Ground) -> None:
    outcome = await KillRig(ground, seed=SEED).run(KILLS, compute_kills=KILLS)

    print(outcome.report())
    assert outcome.kills == outcome.compute_kills == KILLS
    assert len(outcome.ledger.acked) == len(outcome.ledger.sent) > 100 * KILLS
    assert outcome.findings.broken == {}, outcome.report()
