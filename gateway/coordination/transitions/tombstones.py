"""Cancels that came before what they cancel (domain reference 2.5), such as an A13 before its A03."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Encounter

_CANCELLED_BY = {
    "A01": ("A11",),
    "A02": ("A12",),
    "A03": ("A13",),
    "A04": ("A11",),
    "A05": ("A38",),
    "A14": ("A27",),
    "A21": ("A22", "A52"),
    "A22": ("A53",),
}


class Tombstone(msgspec.Struct, frozen=True):
    """`trigger` is the cancelling message's; `expires_at` counts from its receipt."""

    trigger: str
    recorded_at: datetime
    expires_at: datetime


def with_tombstone(draft: Draft, encounter: Encounter, trigger: str) -> str:
    """`tombstones_json` with one for the draft's event; expired ones and older ones of the same kind go."""
    received_at = draft.cause.received_at
    fresh = Tombstone(trigger, draft.event.recorded_at, received_at + hours(draft.settings.tombstone_h))
    kept = [one for one in _decoded(encounter) if one.trigger != trigger and one.expires_at > received_at]
    return msgspec.json.encode([*kept, fresh]).decode()


def is_retracted(draft: Draft, encounter: Encounter, column: str) -> bool:
    """Whether the draft's event was cancelled before it came."""
    if encounter.tombstones_json == "[]" or column not in _CANCELLED_BY:
        return False
    return any(
        one.trigger in _CANCELLED_BY[column]
        and draft.event.recorded_at <= one.recorded_at
        and one.expires_at > draft.cause.received_at
        for one in _decoded(encounter)
    )


def _decoded(encounter: Encounter) -> list[Tombstone]:
    return msgspec.json.decode(encounter.tombstones_json, type=list[Tombstone])
