"""Two gateways on one PostgreSQL and one RabbitMQ: each message has one effect, whichever of them took it in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.grounds import PRODUCTION, make_ground
from tests.support.pair_rig import PairRig

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]

KILLS = 4


async def test_two_gateways_killed_in_turn_lose_double_and_reorder_nothing(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    outcome = await PairRig(make_ground(request, PRODUCTION, tmp_path)).run(KILLS)

    print(outcome.report())
    assert outcome.kills == KILLS
    assert len(outcome.ledger.acked) == len(outcome.ledger.sent) > 100 * KILLS
    assert outcome.findings.broken == {}, outcome.report()
