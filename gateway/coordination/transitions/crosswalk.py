"""A number that a cross-walk gives to a patient names him from now on (decision 9)."""

from __future__ import annotations

import msgspec

from gateway.coordination.changes import Link
from gateway.coordination.draft import Draft
from gateway.coordination.records import PatientIdentifier
from gateway.coordination.transitions.difference import encoded
from gateway.coordination.transitions.patient import demographics


def link_number(draft: Draft, link: Link) -> None:
    """Make the number an alias that names the patient by itself, and hold its lanes with his.

    Refused (`filtered`, "conflict: ...") when another patient has it, or he was merged away; nobody is ever merged."""
    home = draft.subject
    if home.patient.merged_into is not None:
        draft.end("filtered", "conflict: the patient was merged into another")
        return
    if draft.scope.others:
        draft.end("filtered", "conflict: another patient has this number")
        return
    row = home.identifiers.get((link.authority, link.value))
    if row is not None and row.key:
        draft.end("filtered", "conflict: it names the patient already")
        return
    if row is not None:
        draft.update(row, home, key=True)
    else:
        draft.put(
            PatientIdentifier(
                authority=link.authority,
                value=link.value,
                patient_id=home.patient.patient_id,
                facility_id=home.patient.facility_id,
                key=True,
                since=draft.now,
            ),
            home,
        )
    lanes = msgspec.json.decode(home.patient.lanes_json, type=list[int])
    person = draft.update(home.patient, home, lanes_json=encoded(sorted({*lanes, *link.lanes})))
    draft.emit(
        "patient.updated",
        person,
        demographics(person),
        changes=[{"path": "identifiers", "old": None, "new": f"{link.authority}|{link.value}"}],
    )
    draft.transition("number-linked", person, None, None)
