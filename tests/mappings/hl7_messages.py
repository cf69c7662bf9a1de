"""Small HL7 v2 messages for mapping tests: only what a test is about is written out."""

from __future__ import annotations

from datetime import UTC, datetime

from mappings.events import CanonicalEvent
from mappings.hl7v2 import read_hl7v2
from mappings.profile import Facility, FeedProfile
from mappings.reading import ItemReading

RECEIVED = datetime(2026, 11, 10, 12, tzinfo=UTC)
PROFILE = FeedProfile(
    channel="adt-main",
    default_authority="HOSP",
    default_facility="main",
    facilities=(
        Facility(id="main", aliases=("GENHOSP",)),
        Facility(id="west", aliases=("WEST",), zone="America/Los_Angeles"),
    ),
)
PID = "PID|1||900123^^^HOSP^MR||TESTER^ANNA||19480217|F"


def segment(name: str, fields: dict[int, str]) -> str:
    """`name` with the given fields by number."""
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields, default=0) + 1))])


def message(
    trigger: str,
    *segments: str,
    pid: str = PID,
    msh7: str = "20261109143000-0500",
    facility: str = "GENHOSP",
    processing: str = "P",
    character_set: str = "",
) -> bytes:
    msh = f"MSH|^~\\&|ADT1|{facility}|CCGW|COORD|{msh7}||{trigger}|M1|{processing}|2.5.1||||||{character_set}".rstrip(
        "|"
    )
    return ("\r".join([msh, *segments[:1], *([pid] if pid else []), *segments[1:]]) + "\r").encode()


def read(body: bytes, profile: FeedProfile = PROFILE) -> ItemReading:
    """The one item of a body."""
    (item,) = read_hl7v2(body, profile, RECEIVED).items
    return item


def event_of(body: bytes, profile: FeedProfile = PROFILE) -> CanonicalEvent:
    """The one event of a body."""
    item = read(body, profile)
    assert item.outcome == "events", item
    (event,) = item.events
    return event


def codes(item: ItemReading | CanonicalEvent) -> set[str]:
    """Problems as "code location"."""
    return {f"{problem.code} {problem.location}" for problem in item.problems}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]
