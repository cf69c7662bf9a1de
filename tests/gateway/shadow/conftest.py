"""A hospital's messages as a shadow run takes them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.compute.protocol import Configure
from gateway.coordination.changes import CoordinationSettings
from gateway.shadow.engine import Message
from mappings.profile import Facility, FeedProfile

MORNING = datetime(2026, 3, 4, 9, 0, tzinfo=ZoneInfo("America/New_York"))


@pytest.fixture
def morning() -> datetime:
    return MORNING


def configuration(stage: str = "live", **numbers: object) -> Configure:
    facility = Facility(id="main", aliases=("GENHOSP",))
    profile = FeedProfile(channel="adt", default_authority="GENHOSP", default_facility="main", facilities=(facility,))
    settings = CoordinationSettings(stage=stage, **numbers)
    return Configure(
        profiles={"adt": profile}, coordination={"": settings}, gap_policy={"adt": "gap"}, salt=b"s" * 32, version=1
    )


def heard(*pairs: tuple[datetime, bytes]) -> list[Message]:
    return [
        Message(journal_id=number, channel="adt", kind="hl7v2", received_at=at.astimezone(UTC), body=body)
        for number, (at, body) in enumerate(pairs, 1)
    ]
