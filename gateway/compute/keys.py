"""By which identifiers the state of a message's patient is found."""

from __future__ import annotations

from mappings.events import PatientFacts
from mappings.profile import FeedProfile
from parsers.hl7v2.header import scan_header


def identifiers_of(facts: PatientFacts, profile: FeedProfile) -> list[tuple[str, str]]:
    keys = [(i.authority or profile.authority, i.value) for i in facts.identifiers]
    if facts.key is not None and (key := (facts.key.authority or profile.authority, facts.key.value)) not in keys:
        keys.append(key)
    return keys


def header_keys(body: bytes, profile: FeedProfile) -> list[tuple[str, str]]:
    """Identifiers of a message that no mapping could read, by the bounded scan that cannot fail."""
    header = scan_header(body)
    return [
        (authority.decode("utf-8", "replace") or profile.authority, value.decode("utf-8", "replace"))
        for value, authority, _ in header.patient_ids
    ]
