"""A parked message leaves a gap in its patient's history: who carries it, who waits, when it closes (decision 16)."""

from __future__ import annotations

import msgspec

from gateway.compute.collect import Collector
from gateway.compute.keys import header_keys
from gateway.compute.protocol import Configure
from gateway.compute.state import State
from gateway.coordination.scope import PatientScope, Scope
from gateway.store.ports import WorkItem
from mappings.profile import FeedProfile

BEHIND = "behind:"
"""Reason of an item that waits for a parked one of its patient, named after the colon."""


def note_gap(work: WorkItem, body: bytes, profile: FeedProfile, state: State, collector: Collector) -> None:
    """The patient of a message that could not be read carries the gap."""
    for key in header_keys(body, profile):
        identifier = state.identifiers.get(key)
        home = state.root(identifier.patient_id) if identifier is not None else None
        if home is not None and home.patient.gap_since is None:
            _set(home, f"m-{work.journal_id}", collector)


def fold_gap(message_id: str, home: PatientScope, collector: Collector) -> None:
    """The parked message was folded in: the gap is closed, and what waits behind it goes on."""
    if home.patient.gap_since == message_id:
        _set(home, None, collector)
        collector.appeared(f"gap:{message_id}")


def blocked_by(work: WorkItem, scope: Scope, configuration: Configure) -> str | None:
    """The parked message that this one must wait behind, where the channel's policy is `block`."""
    if configuration.gap_policy.get(work.channel) != "block" or scope.subject is None or work.replayed:
        return None
    return scope.subject.patient.gap_since


def _set(home: PatientScope, gap: str | None, collector: Collector) -> None:
    home.patient = msgspec.structs.replace(home.patient, gap_since=gap, revision=home.patient.revision + 1)
    collector.upsert(home.patient)
