"""PV1, PV2, DG1: one stay."""

from __future__ import annotations

from datetime import datetime

from mappings.adjustment import place_of
from mappings.codes import class_of, disposition_of, planned_readmission
from mappings.events import DELETE, Diagnosis, EncounterFacts, Person
from mappings.identifiers import encounter_key
from mappings.source import Source
from parsers.hl7v2.message import Segment

MARKED_AS_OBSERVATION = frozenset(("outpatient", "emergency", "recurring", "unknown", None))
"""Classes that a site's observation marker turns into observation; an inpatient keeps his bed beside a stale marker."""


def read_encounter(source: Source, pid: Segment, trigger: str = "") -> EncounterFacts:
    """Facts of the first PV1 with PV2 and DG1; without PV1 only the key (PID-18) and the account are known."""
    pv1, pv2 = source.first("PV1"), source.first("PV2")
    account, key = source.value(pid, 18), encounter_key(source, pid, pv1)
    diagnoses = _diagnoses(source)
    if pv1 is None:
        source.missing("PV1")
        return EncounterFacts(key=key, account_number=account, diagnoses=diagnoses)
    discharged_at, discharged_precision = _discharge(source, pv1)
    disposition, category, planned = _disposition(source, pv1)
    financial_class = source.text(pv1, 20)
    planned_for = _planned(source)
    return EncounterFacts(
        key=key,
        visit_number=source.value(pv1, 19),
        account_number=account,
        patient_class=source.text(pv1, 2),
        class_=read_class(source, pv1),
        location=source.location(pv1, 3),
        prior_location=source.location(pv1, 6),
        admission_type=source.text(pv1, 4),
        admit_source=source.text(pv1, 14),
        readmission=_readmission(source, pv1),
        attending=_attending(source, pv1),
        hospital_service=source.text(pv1, 10),
        financial_class=financial_class,
        self_pay=financial_class.upper() in source.profile.self_pay_classes if financial_class else None,
        admitted_at=source.instant(pv1, 44),
        discharged_at=discharged_at,
        discharged_precision=discharged_precision,
        clear_discharge=source.text(pv1, 45) == DELETE,
        disposition=disposition,
        disposition_category=category,
        planned_readmission=planned,
        destination=source.text(pv1, 37),
        expected_admit_at=(source.instant(pv2, 8) if pv2 else None) or (planned_for if trigger == "ADT^A14" else None),
        expected_discharge_at=(source.instant(pv2, 9) if pv2 else None)
        or (planned_for if trigger == "ADT^A16" else None),
        expected_disposition=source.text(pv2, 27) if pv2 else None,
        newborn=source.flag(pv2, 36) if pv2 else None,
        restricted=_by_code(source, diagnoses) or _restricted(source, pv1, pv2),
        diagnoses=diagnoses,
        drg=source.text(drg, 1) if (drg := source.first("DRG")) else None,
        length_estimate_days=source.number(pv2, 10) if pv2 else None,
        advance_directive=source.text(pv2, 45) if pv2 else None,
        pending_location=source.location(pv1, 42),
        temporary_location=source.location(pv1, 11),
        planned_at=planned_for,
        expected_return_at=source.instant(pv2, 47) if pv2 else None,
        consulting=source.person(pv1, 9),
    )


def _planned(source: Source) -> datetime | None:
    """EVN-3: when what is announced (A14, A15, A16) is planned."""
    evn = source.first("EVN")
    return source.instant(evn, 3) if evn else None


def _attending(source: Source, pv1: Segment) -> Person | None:
    """PV1-7, else the person of a ROL after PV1 with role AT that is not ended (2.2: A54)."""
    found = source.person(pv1, 7)
    if found is not None:
        return found
    after = source.rows.index(pv1)
    for role in source.rows[after:]:
        if role.name == "ROL" and source.text(role, 3) == "AT" and source.text(role, 2) not in ("DE", "UN"):
            return source.person(role, 4)
    return None


def read_class(source: Source, pv1: Segment) -> str | None:
    """PV1-2 in our words; `observation` by the feed's predicates (table 0004 has no code for it)."""
    sent = source.value(pv1, 2)
    found = class_of(sent) if sent else None
    if sent and found is None:
        source.note("103", pv1, 2, "patient class not in the table")
        found = "unknown"
    if source.profile.observation_when and found in MARKED_AS_OBSERVATION:
        for place, wanted in source.profile.observation_when:
            name, field, component = place_of(place)
            segment = source.first(name)
            if segment is not None and source.part(segment, field, component or 1) == wanted:
                return "observation"
    return found


def _discharge(source: Source, pv1: Segment) -> tuple[datetime | None, str | None]:
    """(UTC, precision) of the last valued repetition of PV1-45."""
    if not pv1.raw(45):
        return None, None
    sent = [found for parts in source.repetitions(pv1, 45) if (found := source.pick(parts, 1))]
    return (source.moment(pv1, 45, sent[-1]) if sent else None) or (None, None)


def _readmission(source: Source, pv1: Segment) -> bool | None:
    sent = source.value(pv1, 13)
    return sent.upper() == "R" if sent else None


def _disposition(source: Source, pv1: Segment) -> tuple[str | None, str | None, bool | None]:
    """(as sent, category, planned readmission) of PV1-36."""
    sent = source.text(pv1, 36)
    if sent is None or sent == DELETE:
        return sent, sent, None
    category = disposition_of(sent)
    if category is None:
        source.note("103", pv1, 36, "discharge disposition not in the table")
    return sent, category or "other", planned_readmission(sent)


def _restricted(source: Source, pv1: Segment, pv2: Segment | None) -> bool | None:
    """PV2-22 Y, a VIP indicator (PV1-16), or a confidential diagnosis (DG1-18 Y)."""
    vip = source.value(pv1, 16)
    protected = source.flag(pv2, 22) if pv2 else None
    if protected or (vip and vip.upper() not in ("N", "NO", "0")):
        return True
    if any(source.flag(dg1, 18) for dg1 in source.all("DG1")):
        return True
    return False if protected is False or vip else None


def _by_code(source: Source, diagnoses: tuple[Diagnosis, ...] | None) -> bool | None:
    """True for a diagnosis of a group that the feed counts as restricted; None: nothing is said by that."""
    groups = tuple(code.replace(".", "") for code in source.profile.restricted_codes)
    if groups and any(one.code.replace(".", "").upper().startswith(groups) for one in diagnoses or ()):
        return True
    return None


def _diagnoses(source: Source) -> tuple[Diagnosis, ...] | None:
    """The set of DG1 rows; None when there is none, empty when the only one is withdrawn."""
    rows = source.all("DG1")
    if not rows:
        return None
    found = []
    for dg1 in rows:
        code, words = source.text(dg1, 3), source.part(dg1, 3, 2) or source.value(dg1, 4)
        if code == DELETE or source.text(dg1, 21) == "D" or not (code or words):
            continue
        found.append(
            Diagnosis(
                code=code or "",
                system=source.part(dg1, 3, 3) or source.value(dg1, 2),
                text=words,
                type=source.value(dg1, 6),
                priority=source.number(dg1, 15),
            )
        )
    return tuple(found)
