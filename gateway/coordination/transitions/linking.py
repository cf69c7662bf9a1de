"""A24, A37: two records linked and separated again; nothing is merged (domain reference 2.3)."""

from __future__ import annotations

import msgspec

from gateway.coordination.draft import Draft
from gateway.coordination.records import Patient
from gateway.coordination.scope import PatientScope
from gateway.coordination.transitions.difference import encoded
from gateway.coordination.transitions.patient import create_other, know_patient


def link_patients(draft: Draft) -> None:
    """Link (or, by A37, unlink) the subject and the other patient; either is created when unknown.

    Both carry the other's id; each gets an event of his own."""
    together = draft.event.type == "patient.linked"
    if know_patient(draft) is None:
        return
    other = _other(draft, create=together)
    if other is None:
        return
    pair = (draft.subject, other)
    for home, counterpart in (pair, pair[::-1]):
        known = links_of(home.patient)
        named = {counterpart.patient.patient_id}
        wanted = sorted({*known} | named if together else {*known} - named)
        if wanted == known:
            continue
        person = draft.update(home.patient, home, links_json=encoded(wanted))
        draft.emit(draft.event.type, person, {"linked": counterpart.patient.patient_id})
        draft.transition(
            "linked" if together else "unlinked",
            person,
            None,
            counterpart.patient.patient_id,
            patient_id=person.patient_id,
        )


def links_of(patient: Patient) -> list[str]:
    """Ids of the patients linked to this one."""
    return msgspec.json.decode(patient.links_json, type=list[str])


def _other(draft: Draft, *, create: bool) -> PatientScope | None:
    """The other patient; None when he is the subject himself by now, or is unknown and not to be made."""
    (facts,) = draft.event.prior
    assert facts.key is not None
    if (facts.key.authority or "", facts.key.value) in draft.subject.identifiers:
        return None
    found = next(iter(draft.scope.others.values()), None)
    return found if found is not None or not create else create_other(draft, facts, facts.key)
