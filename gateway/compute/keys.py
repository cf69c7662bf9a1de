"""By what the state that a message is about is found."""

from __future__ import annotations

from gateway.compute.answers import control_key, member_keys
from gateway.compute.schedule import slot_keys
from gateway.compute.unmatched import NOBODY
from gateway.coordination.changes import CoordinationSettings
from gateway.store.ports import LoadRequest, WorkItem
from mappings.events import PatientFacts
from mappings.profile import FeedProfile
from mappings.reading import Reading
from parsers.hl7v2.header import scan_header


def keys_of(
    work: WorkItem, reading: Reading, profile: FeedProfile, settings: CoordinationSettings, load: LoadRequest
) -> list[tuple[str, str]]:
    """Identifiers of the patients that the events name; what else has to be loaded is added to `load`."""
    found: list[tuple[str, str]] = []
    for part in reading.items:
        for event in part.events:
            if event.acknowledgement is not None:
                load.controls.append(control_key(event.acknowledgement))
            if event.slot is not None and work.kind == "event":
                slot_keys(work, event, event.slot, settings, load)
            if event.member is not None:
                member_keys(event, load)
                if work.kind == "event" and event.type == "authorization.denied":
                    load.patient_ids.append(NOBODY)  # the task that asked for a match, when it was parked before
            if event.patient is not None:
                found.extend(identifiers_of(event.patient, profile))
            for prior in event.prior:
                found.extend(identifiers_of(prior, profile))
    return found


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
