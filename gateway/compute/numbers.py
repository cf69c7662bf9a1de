"""Control numbers of the interchanges behind the first of a body: the store knows which were used (decision 5)."""

from __future__ import annotations

from gateway.compute.state import State
from gateway.store.limits import number_key
from gateway.store.ports import UsedNumber, WorkItem
from mappings import registry
from mappings.profile import FeedProfile
from mappings.reading import Reading
from mappings.x12_duplicates import further_numbers


def asked_numbers(work: WorkItem, profile: FeedProfile) -> list[UsedNumber]:
    """What the store has to be asked for about this item."""
    if work.kind != "read" or work.source_kind != "x12" or work.replayed or work.body.upper().count(b"ISA") < 2:
        return []
    return [
        UsedNumber(journal_id=work.journal_id, place=place, key=number_key(work.channel, sender, number))
        for place, sender, number in further_numbers(work.body, profile)
    ]


def judged(work: WorkItem, reading: Reading, profile: FeedProfile, state: State) -> Reading:
    """The reading, made anew where the store knows one of those numbers."""
    used = state.used.get(work.journal_id)
    if used is None or work.kind != "read":
        return reading
    return registry.read(work.source_kind, work.body, profile, work.received_at, work.repeated, used)
