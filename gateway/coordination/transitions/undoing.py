"""A merge or move that was wrong is taken back from its journal entry, and what cannot be is said (domain reference 2.3
e)."""

from __future__ import annotations

import msgspec

from gateway.coordination.changes import JSON, Undo
from gateway.coordination.draft import Draft
from gateway.coordination.records import Merge, Record
from gateway.coordination.scope import PatientScope
from gateway.coordination.transitions.custody import Moved, move_task, move_timers
from gateway.coordination.transitions.difference import encoded
from gateway.coordination.transitions.merged_stays import part_stays
from gateway.coordination.transitions.patient import FROM_PID, withdraw_death

_OWNED = ("encounters", "appointments", "coverages", "authorizations", "inquiries")


def undo_merge(draft: Draft, undo: Undo) -> None:
    """Everything that the entry moved and that the survivor still has goes back; a retired record is active again.

    Refused (`filtered`, "conflict: ...") when the record is not the survivor's any more."""
    survivor = draft.scope.subject
    prior = survivor if undo.prior_id == undo.patient_id else draft.scope.others.get(undo.prior_id)
    if survivor is None or prior is None:
        draft.end("filtered", "not-found: patient")
        return
    if survivor.patient.merged_into is not None:
        draft.end("filtered", "conflict: the survivor was merged on; undo that first")
        return
    was_merge = prior.patient.merged_into == survivor.patient.patient_id
    if undo.merge_trigger.startswith("undo:") or prior.patient.merged_into not in (None, survivor.patient.patient_id):
        draft.end("filtered", "conflict: there is nothing to undo")
        return
    listed = msgspec.json.decode(undo.moved_json, type=Moved)
    back, left = part_stays(draft, listed)
    if prior is not survivor:
        given, stayed = _give_back(draft, survivor, prior, listed)
        back, left = back | given, left + stayed
    if not back and not was_merge:
        draft.end("filtered", "conflict: there is nothing to undo")
        return
    if was_merge:
        draft.update(prior.patient, prior, merged_into=None, active=True)
    _settle_death(draft, survivor, back, left)
    _tell(draft, undo, prior, back, left)


def _give_back(draft: Draft, survivor: PatientScope, prior: PatientScope, listed: Moved) -> tuple[Moved, list[str]]:
    """(what went back, what did not and why: words for a person)."""
    back: Moved = {}
    left: list[str] = []
    for table in _OWNED:
        held: dict[str, Record] = getattr(survivor, table)
        for id_ in listed.get(table, ()):
            record = held.get(id_)
            if record is None:
                left.append(f"{table} {id_}: not the survivor's any more")
                continue
            draft.update(record, prior, patient_id=prior.patient.patient_id)
            held.pop(id_, None)
            back.setdefault(table, []).append(id_)
    stays = set(back.get("encounters", ()))
    for key in [key for key in survivor.locations if key[0] in stays]:
        prior.locations[key] = survivor.locations.pop(key)
    for name in listed.get("patient_identifiers", ()):
        authority, _, value = name.partition("|")
        row = survivor.identifiers.pop((authority, value), None)
        if row is not None:
            draft.update(row, prior, patient_id=prior.patient.patient_id)
            back.setdefault("patient_identifiers", []).append(name)
    collapsed = set(listed.get("collapsed", ()))
    for task_id in listed.get("tasks", ()):
        task = survivor.tasks.get(task_id)
        if task_id in collapsed:
            left.append(f"task {task_id}: it became one with a task of the survivor, which keeps it")
        elif task is not None:
            move_task(draft, task, prior)
            survivor.tasks.pop(task_id, None)
            back.setdefault("tasks", []).append(task_id)
    move_timers(draft, survivor, prior, back)
    return back, left


def _settle_death(draft: Draft, survivor: PatientScope, back: Moved, left: list[str]) -> None:
    source = survivor.patient.deceased_source
    if source in back.get("encounters", ()):
        withdraw_death(draft, str(source))
    elif source == FROM_PID:
        left.append("death: which of the two records said so is not known; the survivor keeps it")


def _tell(draft: Draft, undo: Undo, prior: PatientScope, back: Moved, left: list[str]) -> None:
    """Each of the two patients gets the event; the journal an entry of its own."""
    survivor = draft.subject.patient
    left.append("whatever came for the survivor since the merge stays his")
    data: dict[str, JSON] = {
        "survivor": survivor.patient_id,
        "restored": prior.patient.patient_id,
        "moved": {table: list[JSON](ids) for table, ids in back.items()},
        "left": list[JSON](left),
    }
    people = (survivor,) if survivor.patient_id == prior.patient.patient_id else (survivor, prior.patient)
    for person in people:
        draft.emit("patient.unmerged", person, data)
        draft.transition(
            "unmerged", person, survivor.patient_id, prior.patient.patient_id, patient_id=person.patient_id
        )
    draft.merge(
        Merge(
            merge_id=draft.ids.new("mrg"),
            facility_id=survivor.facility_id,
            survivor_id=survivor.patient_id,
            prior_id=prior.patient.patient_id,
            trigger=f"undo:{undo.merge_id}",
            message_id=f"{undo.actor}: {undo.reason}"[:200],
            moved_json=encoded(back),
            at=draft.now,
        )
    )
