"""Numbers that change while the object stays: A35, A41, A46 to A51 (domain reference 2.3)."""

from __future__ import annotations

from gateway.coordination.changes import JSON
from gateway.coordination.draft import Draft
from gateway.coordination.records import Encounter, PatientIdentifier
from gateway.coordination.scope import PatientScope
from gateway.coordination.transitions.difference import present
from gateway.coordination.transitions.patient import know_patient
from gateway.coordination.transitions.visits import is_named, with_alias
from mappings.events import Identifier, IdentityFacts


def rename_patient(draft: Draft) -> None:
    """A46 to A48: the old identifier stays an alias, the new one names the same patient (A47: keys him).

    Where both are known, of two patients, it would be a merge that nobody asked for: neither takes the other's number,
    and `identity-conflict` says so."""
    identity = _identity(draft)
    assert identity.old is not None and identity.new is not None
    other = next(iter(draft.scope.others.values()), None)
    if draft.scope.subject is not None and other is not None:
        know_patient(draft)
        draft.transition("identity-conflict", draft.subject.patient, None, other.patient.patient_id)
        return
    if other is not None:
        draft.take_subject(draft.scope.others.pop(other.patient.patient_id))
    if know_patient(draft) is None:
        return
    home = draft.subject
    named = name_also(draft, home, identity.old)
    named = name_also(draft, home, identity.new) or named
    person = home.patient
    old = (identity.old.authority or "", identity.old.value)
    if draft.event.trigger == "ADT^A47" and old == (person.authority, person.mrn):
        person = draft.update(person, None, authority=identity.new.authority or "", mrn=identity.new.value)
    elif not named:
        return  # told before
    data: dict[str, JSON] = {"old_identifier": _text(identity.old), "new_identifier": _text(identity.new)}
    draft.emit("patient.identifier-changed", person, data)
    draft.transition("identifier-changed", person, None, None)


def _identity(draft: Draft) -> IdentityFacts:
    assert draft.event.identity is not None
    return draft.event.identity


def _text(identifier: Identifier) -> str:
    return f"{identifier.authority or ''}|{identifier.value}"


def name_also(draft: Draft, home: PatientScope, identifier: Identifier) -> bool:
    """Name the patient by it too; False when it did already."""
    authority = identifier.authority or ""
    held = home.identifiers.get((authority, identifier.value))
    if held is not None and held.key:
        return False
    draft.put(
        PatientIdentifier(
            authority=authority,
            value=identifier.value,
            patient_id=home.patient.patient_id,
            facility_id=draft.event.facility,
            type=identifier.type or (held.type if held else None),
            key=True,
            since=held.since if held else draft.event.recorded_at,
        ),
        home,
    )
    return True


# -- accounts ------------------------------------------------------------------------------------------------------


def change_account(draft: Draft) -> None:
    """A35, A36, A41: one account goes into another; A49: it gets another number.  The stays follow."""
    identity = _identity(draft)
    if know_patient(draft) is None:
        return
    homes = [draft.subject, *draft.scope.others.values()]
    changed = []
    for home in homes:
        for stay in list(home.encounters.values()):
            if stay.account_number == identity.old_account and stay.merged_into is None:
                draft.update(stay, home, account_number=identity.account)
                changed.append(stay.encounter_id)
    if not changed:
        draft.transition("encounter-unknown", draft.subject.patient, None, draft.event.trigger)
        return
    data: dict[str, JSON] = {
        "account": identity.account,
        "prior_account": identity.old_account,
        "encounters": list[JSON](sorted(changed)),
    }
    draft.emit(draft.event.type, draft.subject.patient, data)
    draft.transition(draft.event.type.replace(".", "-"), draft.subject.patient, None, None)


# -- stays ---------------------------------------------------------------------------------------------------------


def rename_stay(draft: Draft) -> None:
    """A50: another visit number; A51: another alternate one.  The old one stays an alias."""
    identity = _identity(draft)
    assert identity.old_visit is not None and identity.visit is not None
    if know_patient(draft) is None:
        return
    stay = stay_named(draft, draft.subject, identity.old_visit)
    taken = stay_named(draft, draft.subject, identity.visit)
    if stay is None or (taken is not None and taken is not stay):
        _say_unknown(draft, taken)
        return
    fields = _renamed(stay, identity, main=draft.event.trigger != "ADT^A51")
    fresh = draft.update(stay, None, **fields)
    if fresh is stay:
        return
    data: dict[str, JSON] = {"visit_number": fresh.visit_number, "old_visit_number": identity.old_visit.value}
    draft.emit("encounter.identifier-changed", fresh, present(data))
    draft.transition("encounter-renamed", fresh, None, None)


def _say_unknown(draft: Draft, taken: Encounter | None) -> None:
    """No stay has the old number; where one has the new one already, it was told before, or is another stay's."""
    if taken is None:
        draft.transition("encounter-unknown", draft.subject.patient, None, draft.event.trigger)
    elif stay_named(draft, draft.subject, _identity(draft).old_visit) is not None:
        draft.flags.append("state-anomaly")
        draft.transition("state-anomaly", taken, taken.status, draft.event.trigger)


def _renamed(stay: Encounter, identity: IdentityFacts, *, main: bool) -> dict[str, object]:
    assert identity.old_visit is not None and identity.visit is not None
    old, new = identity.old_visit.value, identity.visit.value
    if main and stay.visit_number in (old, None):
        fields: dict[str, object] = {"visit_number": new, "visit_authority": identity.visit.authority}
        further = old
    else:
        fields, further = {}, new
    if further not in (fields.get("visit_number", stay.visit_number), None) and f'"{further}"' not in stay.aliases_json:
        fields["aliases_json"] = with_alias(stay, further)
    return fields


def stay_named(draft: Draft, home: PatientScope, number: Identifier | None) -> Encounter | None:
    """The patient's stay of that number; the newest where several have it."""
    if number is None:
        return None
    found = [one for one in home.encounters.values() if is_named(one, number, draft.event.facility)]
    return max(found, key=lambda one: (one.recorded_at, one.encounter_id), default=None)
