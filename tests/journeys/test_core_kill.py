"""kill -9 under CORE requests: what was acknowledged is stored, ends once, reaches the payer once and is answerable."""

from __future__ import annotations

import os

import pytest

from tests.support.configuration import Ground
from tests.support.core_kill_rig import CoreKillRig

KILLS = int(os.environ.get("CORE_KILLS", "3"))
SEED = int(os.environ["KILL_SEED"]) if "KILL_SEED" in os.environ else None

pytestmark = [pytest.mark.journey, pytest.mark.timeout(180 + 10 * KILLS)]


async def test_core_nothing_receipted_is_lost_doubled_or_unanswerable_after_kills(ground: Ground) -> None:
    outcome = await CoreKillRig(ground, seed=SEED).run(KILLS)

    print(outcome.report())
    assert outcome.kills == KILLS and len(outcome.written.answered) == len(outcome.written.sent) > 10 * KILLS
    assert outcome.broken == [], outcome.report()
