"""ADT identity events: records merged, moved, linked or renamed (domain reference 2.3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from mappings.codes import EVENTS
from mappings.events import CanonicalEvent, Identifier, IdentityFacts, PatientFacts
from mappings.identifiers import LONGEST, encounter_key, patient_key, prior_keys, qualify, read_identifiers
from mappings.patient import prior_patient, read_patient
from mappings.reading import ItemReading
from mappings.source import Source
from parsers.hl7v2.message import Segment

MERGES = frozenset(f"ADT^A{number}" for number in (18, 30, 34, 36, 39, 40))
LINKS = frozenset(("ADT^A24", "ADT^A37"))
ACCOUNTS = frozenset(f"ADT^A{number}" for number in (35, 41, 44, 49))
VISITS = frozenset(f"ADT^A{number}" for number in (42, 45, 50, 51))
RENAMED = {"ADT^A46": (4, 2), "ADT^A47": (1, 3), "ADT^A48": (2, 4)}
"""Fields of MRG and PID that hold the identifier before and after."""
IDENTITY = MERGES | LINKS | ACCOUNTS | VISITS | RENAMED.keys() | {"ADT^A43"}

Group = tuple[Segment, Segment | None, list[tuple[Segment, Segment | None]]]
"""PID, its PD1, and each MRG with its PV1."""


def read_identity(source: Source, trigger: str, occurred_at: datetime) -> ItemReading:
    """One event per PID/MRG group (A45: per MRG; A36: also of the account).

    A group that names nobody, or nothing that it would change, gives none; a message without any is parked
    `no-patient-id`, or `no-prior-id` where only the other side is missing.
    """
    found: list[CanonicalEvent] = []
    named = False
    for facts in _read(source, trigger):
        if facts is None:
            continue
        named = True
        for type_, patient, prior, identity in facts:
            found.append(
                CanonicalEvent(
                    type=type_,
                    trigger=trigger,
                    recorded_at=source.recorded_at,
                    occurred_at=occurred_at,
                    facility=source.facility,
                    patient=patient,
                    prior=prior,
                    identity=identity,
                    historical=source.historical,
                )
            )
    if not found:
        if source.first("PID") is None:
            return source.nobody()
        return source.end("parked", "no-prior-id" if named else "no-patient-id")
    return source.events(*(msgspec.structs.replace(event, problems=tuple(source.problems)) for event in found))


Told = tuple[str, PatientFacts, tuple[PatientFacts, ...], IdentityFacts | None]


def _read(source: Source, trigger: str) -> Iterator[list[Told] | None]:
    """Per group what it tells; None for one whose patient nobody can tell."""
    if trigger in LINKS:
        yield _link(source, trigger)
        return
    for pid, pd1, pairs in _groups(source):
        patient = _survivor(source, trigger, pid, pd1)
        if patient.key is None:
            source.note("101", pid, 3, "no identifier names the patient", "error")
            yield None
        elif trigger in MERGES:
            yield _merge(source, trigger, pid, patient, pairs)
        elif not pairs:
            source.note("100", pid, 0, "MRG segment missing", "error")
            yield []
        else:
            yield [told for pair in pairs for told in _change(source, trigger, pid, patient, pair)]


def _survivor(source: Source, trigger: str, pid: Segment, pd1: Segment | None) -> PatientFacts:
    """PID-3; PID-2 where the older events on the external id leave PID-3 out (2.3 h)."""
    patient = read_patient(source, pid, pd1)
    if patient.key is None and trigger in ("ADT^A30", "ADT^A39", "ADT^A46"):
        external = patient_key(read_identifiers(source, pid, 2), source.profile)
        if external is not None:
            patient = msgspec.structs.replace(patient, key=external, identifiers=(external,))
    return patient


def _groups(source: Source) -> list[Group]:
    """PID with the PD1, and the MRG rows with their PV1, that follow it (ADT_A39, ADT_A43, ADT_A45, ADT_A50).

    A PV1 ahead of its MRG (segments out of order) goes with the next one.
    """
    groups: list[Group] = []
    ahead: Segment | None = None
    for row in source.rows:
        if row.name == "PID":
            groups.append((row, None, []))
            ahead = None
        elif groups and row.name == "PD1":
            groups[-1] = (groups[-1][0], row, groups[-1][2])
        elif groups and row.name == "MRG":
            groups[-1][2].append((row, ahead))
            ahead = None
        elif groups and row.name == "PV1":
            pairs = groups[-1][2]
            if pairs and pairs[-1][1] is None:
                pairs[-1] = (pairs[-1][0], row)
            else:
                ahead = row
    return groups


# -- merges --------------------------------------------------------------------------------------------------------


def _merge(
    source: Source, trigger: str, pid: Segment, survivor: PatientFacts, pairs: list[tuple[Segment, Segment | None]]
) -> list[Told]:
    prior = _priors(source, survivor, [mrg for mrg, _ in pairs])
    told: list[Told] = []
    if prior:
        told.append((EVENTS[trigger], survivor, prior, None))
    elif pairs:
        source.note("101", pairs[0][0], 1, "no other record to merge into this one", "error")
    else:
        source.note("100", pid, 0, "MRG segment missing", "error")
    if trigger == "ADT^A36":
        for pair in pairs:
            told += _change(source, "ADT^A41", pid, survivor, pair)
    return told


def _priors(source: Source, survivor: PatientFacts, mrgs: list[Segment]) -> tuple[PatientFacts, ...]:
    """The records retired: a repetition of the survivor's authority and type each names one (decision 9); MRG-4 where
    there is no MRG-1."""
    assert survivor.key is not None
    found: dict[tuple[str | None, str], PatientFacts] = {}
    for mrg in mrgs:
        sent = read_identifiers(source, mrg, 1) or read_identifiers(source, mrg, 4)
        keys = prior_keys(sent, survivor.key, source.profile)
        for key in keys:
            if (key.authority, key.value) == (survivor.key.authority, survivor.key.value):
                source.note("merge-with-itself", mrg, 1, "the retired record is the surviving one")
                continue
            aliases = tuple(qualify(one, source.profile) for one in sent) if len(keys) == 1 else (key,)
            found.setdefault((key.authority, key.value), prior_patient(source, key, aliases, mrg))
    return tuple(found.values())


# -- links ---------------------------------------------------------------------------------------------------------


def _link(source: Source, trigger: str) -> list[Told] | None:
    """A24, A37: two PIDs."""
    pids = source.all("PID")
    patients = [read_patient(source, pid, None) for pid in pids[:2]]
    if any(patient.key is None for patient in patients) or not patients:
        return None
    if len(patients) < 2 or patients[0].key == patients[1].key:
        source.note("101", pids[0], 3, "a link names two records", "error")
        return []
    return [(EVENTS[trigger], patients[0], (patients[1],), None)]


# -- moves and changes ---------------------------------------------------------------------------------------------


def _change(
    source: Source, trigger: str, pid: Segment, patient: PatientFacts, pair: tuple[Segment, Segment | None]
) -> list[Told]:
    """What one MRG says of an identifier, an account or a stay; empty, and a problem, where it names none."""
    mrg, pv1 = pair
    others = _others(source, patient, mrg)
    if trigger == "ADT^A43":
        moved = tuple(qualify(one, source.profile) for one in read_identifiers(source, mrg, 1))
        holders = tuple(PatientFacts(key=one, identifiers=(one,)) for one in moved)
        identity = IdentityFacts(moved=moved) if moved else None
        return _told(source, trigger, patient, holders, identity, mrg, 1)
    if trigger in RENAMED:
        return _renamed(source, trigger, pid, patient, mrg)
    if trigger in ACCOUNTS:
        old, account = source.value(mrg, 3), source.value(pid, 18)
        moves = trigger == "ADT^A44"
        identity = IdentityFacts(old_account=old, account=account or old) if old and (account or moves) else None
        return _told(source, trigger, patient, others, identity, mrg, 3)
    return _visit(source, trigger, pid, patient, (mrg, pv1), others)


def _told(
    source: Source,
    trigger: str,
    patient: PatientFacts,
    prior: tuple[PatientFacts, ...],
    identity: IdentityFacts | None,
    mrg: Segment,
    field: int,
) -> list[Told]:
    if identity is None:
        source.note("101", mrg, field, "what is changed, or what it becomes, is not named", "error")
        return []
    return [(EVENTS[trigger], patient, prior, identity)]


def _others(source: Source, patient: PatientFacts, mrg: Segment) -> tuple[PatientFacts, ...]:
    """The other patient, of MRG-1, where it is another one."""
    assert patient.key is not None
    sent = read_identifiers(source, mrg, 1)
    key = next(iter(prior_keys(sent, patient.key, source.profile)), None)
    if key is None or (key.authority, key.value) == (patient.key.authority, patient.key.value):
        return ()
    return (PatientFacts(key=key, identifiers=(key,)),)


def _renamed(source: Source, trigger: str, pid: Segment, patient: PatientFacts, mrg: Segment) -> list[Told]:
    before, after = RENAMED[trigger]
    assert patient.key is not None
    if trigger == "ADT^A47":
        old = next(iter(prior_keys(read_identifiers(source, mrg, before), patient.key, source.profile)), None)
        new: Identifier | None = patient.key
    else:
        old = patient_key(read_identifiers(source, mrg, before), source.profile)
        new = patient_key(read_identifiers(source, pid, after), source.profile)
    identity = IdentityFacts(old=old, new=new) if old and new and old != new else None
    prior = (PatientFacts(key=old, identifiers=(old,)),) if old else ()
    return _told(source, trigger, patient, prior, identity, mrg, before)


def _visit(
    source: Source,
    trigger: str,
    pid: Segment,
    patient: PatientFacts,
    pair: tuple[Segment, Segment | None],
    others: tuple[PatientFacts, ...],
) -> list[Told]:
    """A42, A45, A50: MRG-5 (else MRG-6) against PV1-19; A51: MRG-6 against PV1-50."""
    mrg, pv1 = pair
    first, second = (6, 5) if trigger == "ADT^A51" else (5, 6)
    old = _number(source, mrg, first) or _number(source, mrg, second)
    if trigger == "ADT^A51":
        new = _number(source, pv1, 50) if pv1 is not None else None
    else:
        new = (_number(source, pv1, 19) or encounter_key(source, pid, pv1)) if pv1 is not None else None
    old_account, account = source.value(mrg, 3), source.value(pid, 18)
    moves = trigger == "ADT^A45"
    if moves and old is None and old_account is not None:
        identity: IdentityFacts | None = IdentityFacts(old_account=old_account, account=account or old_account)
    elif old is not None and (new is not None or moves):
        identity = IdentityFacts(
            old_visit=old, visit=new or old, old_account=old_account, account=account if moves else None
        )
    else:
        identity = None
    return _told(source, trigger, patient, others, identity, mrg, first)


def _number(source: Source, segment: Segment, field: int) -> Identifier | None:
    """CX of a visit; its authority is CX.4.1, else MSH-4.1, else the feed's, as for PV1-19."""
    value = source.value(segment, field)
    if value is None:
        return None
    if len(value) > LONGEST:
        source.note("102", segment, field, "identifier too long; it is not used")
        return None
    authority = source.part(segment, field, 4) or source.value(source.header, 4) or source.profile.authority
    return Identifier(value=value, authority=authority[:LONGEST], type=source.part(segment, field, 5))
