"""ADT: one visit or one person (domain reference 2.2).  What joins or separates records is `mappings.identity`."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from mappings.allergies import read_allergies
from mappings.codes import EVENTS, encounter_event
from mappings.encounter import read_encounter
from mappings.events import CanonicalEvent, EncounterFacts, PatientFacts, PlaceFacts
from mappings.identity import IDENTITY, read_identity
from mappings.insurance import read_coverages
from mappings.patient import read_patient
from mappings.reading import ItemReading
from mappings.source import Source
from parsers.hl7v2.message import Segment

PERSON_TRIGGERS = frozenset(("ADT^A28", "ADT^A29", "ADT^A31"))
"""About the person only: a PV1 in them is a dummy."""

PLANNED = frozenset(("ADT^A05", "ADT^A14", "ADT^A15", "ADT^A16"))
"""What they tell lies ahead."""


def read_adt(source: Source, trigger: str) -> ItemReading:
    """One message -> its events, or parked `no-patient-id` (`no-location` for a bed that nobody can tell)."""
    if trigger in IDENTITY:
        return read_identity(source, trigger, occurred_at(source, trigger, None))
    if trigger == "ADT^A20":
        return _read_bed(source, trigger)
    if trigger == "ADT^A17":
        return _read_swap(source, trigger)
    event = _read_visit(source, trigger)
    if event is None:
        return source.nobody()
    if len(pids := source.all("PID")) > 1:
        source.note("100", pids[1], 0, "this event is about one patient; the others are not read")
    return source.events(msgspec.structs.replace(event, problems=tuple(source.problems)))


def _read_visit(source: Source, trigger: str) -> CanonicalEvent | None:
    """The first PID with what follows it; None when it names nobody.  Problems are the caller's to add."""
    pid = source.first("PID")
    patient = read_patient(source, pid, source.first("PD1"), source.all("ROL")) if pid else None
    if pid is None or patient is None or patient.key is None:
        return None
    encounter = None
    type_ = encounter_event(trigger, None)
    if trigger == "ADT^A08" and source.first("PV1") is None:
        type_ = "patient.updated"
    elif trigger == "ADT^A60":
        encounter = read_encounter(source, pid) if source.first("PV1") else None
    elif trigger not in PERSON_TRIGGERS:
        encounter = read_encounter(source, pid, trigger)
        type_ = encounter_event(trigger, encounter.class_)
    allergies, complete = read_allergies(source)
    if allergies is not None:
        patient = msgspec.structs.replace(patient, allergies=allergies, allergies_complete=complete)
    return CanonicalEvent(
        type=type_,
        trigger=trigger,
        recorded_at=source.recorded_at,
        occurred_at=occurred_at(source, trigger, encounter),
        facility=source.facility,
        patient=patient,
        encounter=encounter,
        coverages=read_coverages(source),
        prior=_prior_account(source, trigger),
        historical=source.historical,
    )


def _prior_account(source: Source, trigger: str) -> tuple[PatientFacts, ...]:
    """MRG-3 of A06 and A07: the account under which the stay was known before.  No merge (domain reference 2.1)."""
    mrg = source.first("MRG") if trigger in ("ADT^A06", "ADT^A07") else None
    account = source.value(mrg, 3) if mrg is not None else None
    return (PatientFacts(account_number=account),) if account else ()


def occurred_at(source: Source, trigger: str, encounter: EncounterFacts | None) -> datetime:
    """EVN-6, else by event PV1-44 (A01, A04), PV1-45 (A03), PV2-8 (A05, A14), else the recorded time.

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
        elif trigger in ("ADT^A05", "ADT^A14"):
            found = encounter.expected_admit_at
    if found and found > source.received_at + timedelta(days=1) and trigger not in PLANNED:
        source.note("future-event", source.header, 7, "the event lies more than a day after its receipt")
    return found or source.recorded_at


# -- several patients, none ----------------------------------------------------------------------------------------


def _read_swap(source: Source, trigger: str) -> ItemReading:
    """A17: two patients change beds; one `encounter.transferred` for each."""
    groups: list[list[Segment]] = []
    shared = source.all("EVN")
    for row in source.rows[1:]:
        if row.name == "PID":
            groups.append([*shared, row])
        elif groups:
            groups[-1].append(row)
    found = [_read_visit(source.only(group), trigger) for group in groups]
    events = [event for event in found if event is not None]
    if len(events) < len(groups) or not events:
        return source.nobody()
    if len(events) != 2:
        source.note("100", source.header, 9, "a swap of beds names two patients")
    return source.events(*(msgspec.structs.replace(event, problems=tuple(source.problems)) for event in events))


def _read_bed(source: Source, trigger: str) -> ItemReading:
    """A20: NPU-1 the bed, NPU-2 its status.  Nobody's."""
    npu = source.first("NPU")
    location = source.location(npu, 1) if npu else None
    status = source.value(npu, 2) if npu else None
    if npu is None or location is None or status is None:
        if npu is None:
            source.missing("NPU")
        else:
            source.note("101", npu, 1 if location is None else 2, "bed or status missing", "error")
        return source.end("parked", "no-location")
    event = CanonicalEvent(
        type=EVENTS[trigger],
        trigger=trigger,
        recorded_at=source.recorded_at,
        occurred_at=occurred_at(source, trigger, None),
        facility=source.profile.facility_of(location.facility)[0] if location.facility else source.facility,
        place=PlaceFacts(location=location, status=status),
        historical=source.historical,
        problems=tuple(source.problems),
    )
    return source.events(event)
