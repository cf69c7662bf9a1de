"""One thing of a patient that is another patient's: A43 to A45 (domain reference 2.3)."""

from __future__ import annotations

from gateway.coordination.changes import JSON
from gateway.coordination.draft import Draft
from gateway.coordination.records import Encounter, Patient
from gateway.coordination.scope import PatientScope
from gateway.coordination.transitions.custody import Moved, journal, lanes_within, move_stay
from gateway.coordination.transitions.difference import encoded, present
from gateway.coordination.transitions.identity import merge_whole
from gateway.coordination.transitions.patient import know_patient
from gateway.coordination.transitions.renaming import name_also, stay_named
from gateway.coordination.transitions.visits import with_alias
from mappings.events import Identifier, IdentityFacts


def move_identifiers(draft: Draft) -> None:
    """A43: identifiers go to the subject.  A record of which none is left is his as a whole, as by a merge; of one that
    keeps others, only the identifiers go: what came under which of them is not known."""
    identity = draft.event.identity
    assert identity is not None
    if know_patient(draft) is None:
        return
    for source in list(draft.scope.others.values()):
        going = [one for one in identity.moved if (one.authority or "", one.value) in source.identifiers]
        keys = {key for key, row in source.identifiers.items() if row.key}
        if keys <= {(one.authority or "", one.value) for one in going}:
            merge_whole(draft, source, going[0])
        else:
            _move_rows(draft, source, going)
    for one in identity.moved:  # nobody's so far: what comes under it is the subject's
        name_also(draft, draft.subject, one)


def _move_rows(draft: Draft, source: PatientScope, going: list[Identifier]) -> None:
    target = draft.subject.patient
    names: list[str] = []
    for one in going:
        row = source.identifiers.pop((one.authority or "", one.value))
        draft.update(row, draft.subject, patient_id=target.patient_id, key=True)
        names.append(f"{row.authority}|{row.value}")
    _rekey(draft, source)
    share_lanes(draft, source.patient)
    moved: Moved = {"patient_identifiers": names}
    journal(draft, source.patient, moved)
    data: dict[str, JSON] = {
        "identifiers": list[JSON](names),
        "from_patient": source.patient.patient_id,
        "to_patient": target.patient_id,
    }
    draft.emit("patient.identifier-moved", draft.subject.patient, data)
    draft.transition("identifier-moved", draft.subject.patient, source.patient.patient_id, target.patient_id)


def _rekey(draft: Draft, source: PatientScope) -> None:
    """The source lost the identifier that keyed him: the first of those left that may key does now."""
    person = source.patient
    if (person.authority, person.mrn) in source.identifiers:
        return
    left = sorted((row for row in source.identifiers.values() if row.key), key=lambda row: (row.since, row.value))
    draft.update(person, source, authority=left[0].authority, mrn=left[0].value)


def share_lanes(draft: Draft, other: Patient) -> None:
    """What was the other's is found in his lane by what is still under way: the subject is in both."""
    person = draft.subject.patient
    lanes = sorted({*lanes_within(person), *lanes_within(other), *draft.cause.lanes})
    draft.update(person, None, lanes_json=encoded(lanes))


def move_account(draft: Draft) -> None:
    """A44: the stays of an account go to the subject, from the patient of MRG-1."""
    identity = draft.event.identity
    assert identity is not None
    if know_patient(draft) is None:
        return
    source, stays = _account_stays(draft, identity)
    if source is None:
        _settle(draft, identity)
        return
    moved: Moved = {}
    for stay in stays:
        _join(moved, move_stay(draft, stay, source, draft.subject))
        _renumber(draft, stay.encounter_id, identity)
    share_lanes(draft, source.patient)
    journal(draft, source.patient, moved)
    data: dict[str, JSON] = {
        "account": identity.account,
        "prior_account": identity.old_account,
        "encounters": list[JSON](moved["encounters"]),
        "from_patient": source.patient.patient_id,
        "to_patient": draft.subject.patient.patient_id,
    }
    draft.emit("account.moved", draft.subject.patient, present(data))
    draft.transition(
        "account-moved", draft.subject.patient, source.patient.patient_id, draft.subject.patient.patient_id
    )


def move_visit(draft: Draft) -> None:
    """A45: a stay (or all of an account) goes to the subject, or to another account of the same patient."""
    identity = draft.event.identity
    assert identity is not None
    if know_patient(draft) is None:
        return
    source, stays = _visit_stays(draft, identity)
    if not stays:
        _settle(draft, identity)
        return
    moved: Moved = {}
    for stay in stays:
        before = stay.account_number
        if source is not None:
            _join(moved, move_stay(draft, stay, source, draft.subject))
        fresh = _renumber(draft, stay.encounter_id, identity)
        if source is None and fresh is stay:
            continue
        whence = source.patient.patient_id if source is not None else draft.subject.patient.patient_id
        data: dict[str, JSON] = {
            "visit_number": fresh.visit_number,
            "account": fresh.account_number,
            "prior_account": before,
            "from_patient": whence,
            "to_patient": draft.subject.patient.patient_id,
        }
        draft.emit("encounter.moved", fresh, present(data))
        draft.transition("encounter-moved", fresh, whence, draft.subject.patient.patient_id)
    if source is not None:
        share_lanes(draft, source.patient)
        journal(draft, source.patient, moved)


def _account_stays(draft: Draft, identity: IdentityFacts) -> tuple[PatientScope | None, list[Encounter]]:
    for home in draft.scope.others.values():
        found = [
            one
            for one in home.encounters.values()
            if one.account_number == identity.old_account and one.merged_into is None
        ]
        if found:
            return home, found
    return None, []


def _visit_stays(draft: Draft, identity: IdentityFacts) -> tuple[PatientScope | None, list[Encounter]]:
    """(other patient who has them, or None when they are the subject's already; the stays)."""
    if identity.old_visit is None:
        source, stays = _account_stays(draft, identity)
        own = [one for one in draft.subject.encounters.values() if one.account_number == identity.old_account]
        return (source, stays) if stays else (None, own)
    for home in draft.scope.others.values():
        stay = stay_named(draft, home, identity.old_visit)
        if stay is not None:
            return home, [stay]
    own_stay = stay_named(draft, draft.subject, identity.old_visit)
    return None, [own_stay] if own_stay is not None else []


def _renumber(draft: Draft, encounter_id: str, identity: IdentityFacts) -> Encounter:
    stay = draft.subject.encounters[encounter_id]
    fields: dict[str, object] = {}
    if identity.account is not None:
        fields["account_number"] = identity.account
    visit = identity.visit
    if visit is not None and visit.value != stay.visit_number:
        if stay.visit_number is not None and f'"{stay.visit_number}"' not in stay.aliases_json:
            fields["aliases_json"] = with_alias(stay, stay.visit_number)
        fields |= {"visit_number": visit.value, "visit_authority": visit.authority}
    return draft.update(stay, None, **fields)


def _join(moved: Moved, more: Moved) -> None:
    for table, ids in more.items():
        moved.setdefault(table, []).extend(ids)


def _settle(draft: Draft, identity: IdentityFacts) -> None:
    """Nothing to move: said, unless the subject has it already (the message was told before)."""
    home = draft.subject
    there = any(one.account_number == identity.account is not None for one in home.encounters.values())
    if there or stay_named(draft, home, identity.visit) is not None:
        return
    draft.transition("encounter-unknown", home.patient, None, draft.event.trigger)
