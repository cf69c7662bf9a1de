"""The person: identifiers, demographics, death (domain reference 2.4, 2.5; decision 9)."""

from __future__ import annotations

from datetime import datetime

from gateway.coordination.changes import JSON
from gateway.coordination.draft import Draft
from gateway.coordination.records import Patient, PatientIdentifier
from gateway.coordination.scope import PatientScope
from gateway.coordination.transitions.allergies import apply_allergies
from gateway.coordination.transitions.difference import (
    differing,
    encoded,
    listed,
    person_fields,
    present,
    stamp,
    stated,
    stated_fields,
    unknown_only,
)
from mappings.events import Identifier, PatientFacts

DEMOGRAPHICS = (
    "family", "given", "birth_date", "sex", "language", "phone", "address", "restricted", "living_arrangement",
    "homeless", "contact_known", "advance_directive", "identity_reliability",
)  # fmt: skip
NEVER_NAMES = frozenset(("SS", "AN", "VN"))
"""CX.5 of identifiers that match no patient (decision 9): social security, account and visit numbers."""
FROM_PID = "PID"


def know_patient(draft: Draft) -> bool | None:
    """Create the event's patient or apply what it says of him.

    Returns whether the message is at least as new as what is known of the person; None when it names nobody, the draft
    then has ended.
    """
    event, facts, subject = draft.event, draft.event.patient, draft.scope.subject
    if subject is None:
        if facts is None or facts.key is None:
            draft.end("parked", "no-patient-id")
            return None
        create_patient(draft, facts, facts.key)
        newest = True
    else:
        known_at = subject.patient.recorded_at
        newest = known_at is None or event.recorded_at >= known_at
        if not newest and event.family == "patient":
            mark_late(draft)
        if facts is not None:
            _update(draft, subject, facts, newest)
    if draft.scope.conflict:
        draft.transition("identity-conflict", draft.subject.patient, None, " ".join(draft.scope.conflict))
    if facts is not None:
        apply_allergies(draft, facts)
    if facts is not None and newest:
        _apply_death(draft, facts)
    if newest and event.type in _ACTIVE:
        _activate(draft, _ACTIVE[event.type])
    return newest


_ACTIVE = {"patient.deactivated": False, "patient.created": True}
"""A29 retires the record of a person, A28 brings it back."""


def _activate(draft: Draft, active: bool) -> None:
    person = draft.subject.patient
    if person.active is active:
        return
    person = draft.update(person, None, active=active)
    draft.emit("patient.updated" if active else "patient.deactivated", person, demographics(person))
    draft.transition("reactivated" if active else "deactivated", person, None, None)


def mark_late(draft: Draft) -> None:
    if not draft.late:
        draft.late = True
        draft.flags.append("late")


def create_patient(draft: Draft, facts: PatientFacts, key: Identifier) -> PatientScope:
    """The subject, of whom nothing was known."""
    home = draft.new_patient(_new_person(draft, facts, key))
    _tell_created(draft, home, facts)
    return home


def create_other(draft: Draft, facts: PatientFacts, key: Identifier) -> PatientScope:
    """A further patient of the scope, of whom nothing was known."""
    home = PatientScope(patient=_new_person(draft, facts, key))
    draft.scope.others[home.patient.patient_id] = home
    draft.put(home.patient, home)
    _tell_created(draft, home, facts)
    return home


def _tell_created(draft: Draft, home: PatientScope, facts: PatientFacts) -> None:
    person = home.patient
    _add_identifiers(draft, home, facts)
    draft.emit("patient.created", person, demographics(person))
    draft.transition("patient-created", person, None, None, patient_id=person.patient_id)


def _new_person(draft: Draft, facts: PatientFacts, key: Identifier) -> Patient:
    event = draft.event
    return Patient(
        patient_id=draft.ids.new("pat"),
        facility_id=event.facility,
        revision=1,
        authority=key.authority or "",
        mrn=key.value,
        family=stated(facts.family),
        given=stated(facts.given),
        birth_date=stated(facts.birth_date),
        sex=stated(facts.sex),
        language=stated(facts.language),
        phone=stated(facts.phone),
        address=stated(facts.address),
        restricted=bool(facts.restricted),
        living_arrangement=stated(facts.living_arrangement),
        homeless=bool(facts.homeless),
        contact_known=bool(facts.contact_known),
        advance_directive=stated(facts.advance_directive),
        identity_reliability=stated(facts.identity_reliability),
        lanes_json=encoded(sorted(draft.cause.lanes)),
        recorded_at=event.recorded_at,
        created_at=draft.now,
        updated_at=draft.now,
        **person_fields("pcp", facts.pcp),  # type: ignore[arg-type]  # two texts or None
    )


def _update(draft: Draft, home: PatientScope, facts: PatientFacts, newest: bool) -> None:
    person = home.patient
    added = _add_identifiers(draft, home, facts)
    changed = stated_fields(person, facts, DEMOGRAPHICS)
    if newest or (person.pcp_id is None and person.pcp_name is None):
        changed |= differing(person, person_fields("pcp", facts.pcp))
    if not newest:
        changed = unknown_only(person, changed)
    changes = listed(person, changed)
    changes += [{"path": "identifiers", "old": None, "new": f"{one.authority}|{one.value}"} for one in added]
    if newest:
        changed["recorded_at"] = draft.event.recorded_at
    person = draft.update(person, None, **changed)
    if changes:
        draft.emit("patient.updated", person, demographics(person), changes=changes)


def _add_identifiers(draft: Draft, home: PatientScope, facts: PatientFacts) -> list[PatientIdentifier]:
    """Rows for the identifiers that are new.  None is taken from another patient: on a conflict only the key is added,
    as the scope does not say which of the others belongs elsewhere."""
    key = facts.key
    sent = facts.identifiers if not draft.scope.conflict else ()
    added = []
    for one in (key, *sent) if key else sent:
        if not one.authority or one.type in NEVER_NAMES or (one.authority, one.value) in home.identifiers:
            continue
        row = PatientIdentifier(
            authority=one.authority,
            value=one.value,
            patient_id=home.patient.patient_id,
            facility_id=draft.event.facility,
            type=one.type,
            key=key is not None and _keys_too(one, key),
            since=draft.event.recorded_at,
        )
        draft.put(row, home)
        added.append(row)
    return added


def _keys_too(one: Identifier, key: Identifier) -> bool:
    """A number of the keying authority and kind names the patient too (second MRN of a site)."""
    return one.authority == key.authority and (one.type == key.type or one.value == key.value)


def _apply_death(draft: Draft, facts: PatientFacts) -> None:
    """PID-30 and PID-29.  An explicit N withdraws what PID said, never a death known from a discharge: many feeds send
    N by default."""
    if facts.deceased is False:
        withdraw_death(draft, FROM_PID)
    elif facts.deceased or facts.deceased_at is not None:
        note_death(draft, facts.deceased_at, FROM_PID)


def note_death(draft: Draft, at: datetime | None, source: str) -> None:
    """The patient died, as said by `source`: "PID" or the id of the encounter whose disposition says so."""
    person = draft.subject.patient
    if person.deceased_source is None:
        person = draft.update(person, None, deceased_at=at, deceased_source=source)
        kind = FROM_PID if source == FROM_PID else "disposition"
        draft.emit("patient.deceased", person, present({"at": stamp(at), "source": kind}))
        draft.transition("deceased", person, None, source)
    elif source in (FROM_PID, person.deceased_source):
        changed = {"deceased_source": source} | ({"deceased_at": at} if at else {})
        draft.update(person, None, **changed)


def withdraw_death(draft: Draft, source: str, of: PatientScope | None = None) -> None:
    """Take back what `source` said (of the subject, else of another patient of the scope); a death known from elsewhere
    stays."""
    home = of or draft.subject
    person = home.patient
    if person.deceased_source != source:
        return
    cleared: dict[str, object] = {"deceased_at": None, "deceased_source": None}
    changes = listed(person, cleared)
    person = draft.update(person, home, **cleared)
    draft.emit("patient.updated", person, demographics(person), changes=changes)
    draft.transition("death-withdrawn", person, source, None, patient_id=person.patient_id)


def demographics(person: Patient) -> dict[str, JSON]:
    return present(
        {
            "authority": person.authority,
            "mrn": person.mrn,
            "family": person.family,
            "given": person.given,
            "birth_date": person.birth_date,
            "sex": person.sex,
            "language": person.language,
            "phone": person.phone,
            "address": person.address,
            "pcp_id": person.pcp_id,
            "pcp_name": person.pcp_name,
            "deceased_at": stamp(person.deceased_at),
        }
    )
