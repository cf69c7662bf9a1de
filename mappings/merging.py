"""ADT identity events: records merged, moved, linked or renamed (domain reference 2.3)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from mappings.events import CanonicalEvent, PatientFacts
from mappings.identifiers import prior_keys, qualify, read_identifiers
from mappings.patient import prior_patient, read_patient
from mappings.reading import ItemReading
from mappings.source import Source
from parsers.hl7v2.message import Segment


def read_merges(source: Source, trigger: str, occurred_at: datetime) -> ItemReading:
    """One `patient.merged` per PID/MRG group; a group that names nobody, or the same record twice, gives none."""
    events = []
    for pid, pd1, mrgs in _groups(source):
        survivor = read_patient(source, pid, pd1)
        if survivor.key is None:
            source.note("101", pid, 3, "no identifier names the surviving patient", "error")
            continue
        prior = _priors(source, survivor, mrgs)
        if not prior:
            source.note("101", pid, 3, "no other record to merge into this one", "error")
            continue
        events.append(
            CanonicalEvent(
                type="patient.merged",
                trigger=trigger,
                recorded_at=source.recorded_at,
                occurred_at=occurred_at,
                facility=source.facility,
                patient=survivor,
                prior=prior,
                historical=source.historical,
            )
        )
    if not events:
        return source.end("parked", "no-patient-id") if source.first("PID") else source.nobody()
    return source.events(*(msgspec.structs.replace(event, problems=tuple(source.problems)) for event in events))


def _groups(source: Source) -> list[tuple[Segment, Segment | None, list[Segment]]]:
    """PID with the PD1 and MRG rows that follow it (ADT_A39)."""
    groups: list[list[Segment]] = []
    for segment in source.rows:
        if segment.name == "PID":
            groups.append([segment])
        elif segment.name in ("PD1", "MRG") and groups:
            groups[-1].append(segment)
    return [
        (
            group[0],
            next((one for one in group if one.name == "PD1"), None),
            [one for one in group if one.name == "MRG"],
        )
        for group in groups
    ]


def _priors(source: Source, survivor: PatientFacts, mrgs: list[Segment]) -> tuple[PatientFacts, ...]:
    """The records retired: a repetition of the survivor's authority and type each names one (decision 9)."""
    assert survivor.key is not None
    found: dict[tuple[str | None, str], PatientFacts] = {}
    for mrg in mrgs:
        sent = read_identifiers(source, mrg, 1)
        keys = prior_keys(sent, survivor.key, source.profile)
        for key in keys:
            if (key.authority, key.value) == (survivor.key.authority, survivor.key.value):
                source.note("merge-with-itself", mrg, 1, "the retired record is the surviving one")
                continue
            aliases = tuple(qualify(one, source.profile) for one in sent) if len(keys) == 1 else (key,)
            found.setdefault((key.authority, key.value), prior_patient(source, key, aliases, mrg))
    return tuple(found.values())
