"""ADT: admissions, transfers, discharges, updates and merges (domain reference 2)."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from mappings.codes import encounter_event
from mappings.encounter import read_encounter
from mappings.events import CanonicalEvent, EncounterFacts, PatientFacts
from mappings.identifiers import prior_keys, qualify, read_identifiers
from mappings.insurance import read_coverages
from mappings.patient import prior_patient, read_patient
from mappings.reading import ItemReading
from mappings.source import Source
from parsers.hl7v2.message import Segment

PERSON_TRIGGERS = frozenset(("ADT^A28", "ADT^A31"))
"""About the person only: a PV1 in them is a dummy."""


def read_adt(source: Source, trigger: str) -> ItemReading:
    """One message of the first slice -> its events, or parked `no-patient-id`."""
    if trigger == "ADT^A40":
        return _read_merges(source, trigger)
    pid = source.first("PID")
    patient = read_patient(source, pid, source.first("PD1"), source.all("ROL")) if pid else None
    if pid is None or patient is None or patient.key is None:
        return source.nobody()
    encounter = None
    type_ = encounter_event(trigger, None)
    if trigger == "ADT^A08" and source.first("PV1") is None:
        type_ = "patient.updated"
    elif trigger not in PERSON_TRIGGERS:
        encounter = read_encounter(source, pid)
        type_ = encounter_event(trigger, encounter.class_)
    coverages, occurred_at = read_coverages(source), _occurred_at(source, trigger, encounter)
    event = CanonicalEvent(
        type=type_,
        trigger=trigger,
        recorded_at=source.recorded_at,
        occurred_at=occurred_at,
        facility=source.facility,
        patient=patient,
        encounter=encounter,
        coverages=coverages,
        prior=_prior_account(source, trigger),
        historical=source.historical,
        problems=tuple(source.problems),
    )
    return source.events(event)


def _prior_account(source: Source, trigger: str) -> tuple[PatientFacts, ...]:
    """MRG-3 of A06 and A07: the account under which the stay was known before.  No merge (domain reference 2.1)."""
    mrg = source.first("MRG") if trigger in ("ADT^A06", "ADT^A07") else None
    account = source.value(mrg, 3) if mrg is not None else None
    return (PatientFacts(account_number=account),) if account else ()


def _occurred_at(source: Source, trigger: str, encounter: EncounterFacts | None) -> datetime:
    """EVN-6, else by event PV1-44 (A01, A04), PV1-45 (A03), PV2-8 (A05), else the recorded time.

    A06 and A07 keep the recorded time: their PV1-44 is often the start of the stay before the conversion, which only
    the stored encounter can tell (domain reference 2.5).
    """
    evn = source.first("EVN")
    found = source.instant(evn, 6) if evn else None
    if found is None and encounter is not None:
        if trigger in ("ADT^A01", "ADT^A04"):
            found = encounter.admitted_at
        elif trigger == "ADT^A03":
            found = encounter.discharged_at
        elif trigger == "ADT^A05":
            found = encounter.expected_admit_at
    if found and found > source.received_at + timedelta(days=1) and trigger != "ADT^A05":
        source.note("future-event", source.header, 7, "the event lies more than a day after its receipt")
    return found or source.recorded_at


# -- merges --------------------------------------------------------------------------------------------------------


def _read_merges(source: Source, trigger: str) -> ItemReading:
    """One `patient.merged` per PID/MRG group; a group that names nobody, or the same record twice, gives none."""
    occurred_at = _occurred_at(source, trigger, None)
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
