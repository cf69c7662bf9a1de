"""Whole gateways: on SQLite with the embedded event log, and on PostgreSQL with RabbitMQ."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.clock import ScenarioClock
from tests.support.configuration import Ground, write_configuration
from tests.support.grounds import EMBEDDED, PRODUCTION, make_ground
from tests.support.played_gateway import Open, PlayedGateway

MORNING = datetime(2026, 3, 4, 9, 0, tzinfo=ZoneInfo("America/New_York"))  # a Wednesday


@pytest.fixture(params=[EMBEDDED, PRODUCTION])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Ground:
    """Both stores, one after the other."""
    return make_ground(request, request.param, tmp_path)


@pytest.fixture
def morning() -> datetime:
    return MORNING


@pytest.fixture
async def open_gateway() -> AsyncIterator[Open]:
    """open_gateway(ground, packages=[...], **configuration) -> a gateway that is stopped after the test."""
    opened: list[PlayedGateway] = []

    async def open_(ground: Ground, packages: tuple[str, ...] = (), **configuration: Any) -> PlayedGateway:
        played = PlayedGateway(write_configuration(ground, **configuration), ScenarioClock(MORNING), packages)
        await played.start()
        opened.append(played)
        return played

    yield open_
    for played in opened:
        await played.stop()


@pytest.fixture
async def played(ground: Ground, open_gateway: Open) -> PlayedGateway:
    """A running gateway, on each store."""
    return await open_gateway(ground)
