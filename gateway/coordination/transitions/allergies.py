"""What the patient is allergic to: AL1 as a whole set, IAM as single changes (domain reference 2.5)."""

from __future__ import annotations

from gateway.coordination.changes import JSON
from gateway.coordination.draft import Draft
from gateway.coordination.transitions.keyed_set import KeyedSet, encoded_set, keyed_set
from mappings.events import Allergy, PatientFacts


def apply_allergies(draft: Draft, facts: PatientFacts) -> None:
    """Fold the message's list in; emits `patient.allergies-changed` with what came and went."""
    if facts.allergies is None:
        return
    person, at = draft.subject.patient, draft.event.recorded_at
    known = keyed_set(person.allergies_json)
    before = known.standing
    for one in facts.allergies:
        known.tell(one.id, _said(one), at, removed=one.removed)
    if facts.allergies_complete:
        known.complete([one.id for one in facts.allergies], at)
    after = known.standing
    person = draft.update(person, None, allergies_json=encoded_set(known))
    if before.keys() == after.keys():
        return
    data: dict[str, JSON] = {
        "added_allergies": [_shown(known, name) for name in sorted(after.keys() - before.keys())],
        "removed_allergies": [_shown(known, name) for name in sorted(before.keys() - after.keys())],
    }
    draft.emit("patient.allergies-changed", person, data)
    draft.transition("allergies-changed", person, str(len(before)), str(len(after)))


def _said(one: Allergy) -> dict[str, str]:
    told = {"code": one.code, "text": one.text, "type": one.type, "severity": one.severity}
    return {name: value for name, value in told.items() if value}


def _shown(known: KeyedSet, name: str) -> JSON:
    return dict[str, JSON](known.items[name].said)
