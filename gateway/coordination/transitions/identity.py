"""Merges: prior patients retired into a survivor (domain reference 2.3; decision 9)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.coordination.changes import JSON
from gateway.coordination.draft import Draft
from gateway.coordination.records import Merge, Patient, PatientIdentifier, Record, Task
from gateway.coordination.scope import PatientScope
from gateway.coordination.tasks import newest, next_key, task_data, tell, was_retracted
from gateway.coordination.transitions.difference import encoded
from gateway.coordination.transitions.patient import demographics, know_patient, note_death
from mappings.events import Identifier, PatientFacts

Moved = dict[str, list[str]]
"""Table -> ids that went to the survivor."""

OWNED = (
    ("encounters", "encounter_id"),
    ("appointments", "appointment_id"),
    ("coverages", "coverage_id"),
    ("authorizations", "authorization_id"),
    ("inquiries", "inquiry_id"),
)
ACTOR = "rule:patient-merged"


def merge_patients(draft: Draft) -> None:
    """Retire every prior of the event into its subject, who is created when unknown.

    A prior that the subject already is changes nothing.  A merge of the subject's own keying identifier into one of its
    aliases would close a circle: parked as `merge-cycle` before anything is changed, and told as a conflict of the
    subject with itself (domain reference 8.1).
    """
    event, subject = draft.event, draft.scope.subject
    survivor_key = event.patient.key if event.patient else None
    for facts in event.prior:
        if facts.key is not None and _closes_circle(subject, survivor_key, facts.key):
            draft.end("parked", "merge-cycle")
            if subject is not None:
                draft.transition("identity-conflict", subject.patient, None, subject.patient.patient_id)
            return
    if know_patient(draft) is None:
        return
    for facts in event.prior:
        _retire(draft, facts)


def _closes_circle(subject: PatientScope | None, survivor: Identifier | None, prior: Identifier) -> bool:
    if survivor is not None and (survivor.authority, survivor.value) == (prior.authority, prior.value):
        return True
    if subject is None or (prior.authority or "", prior.value) != (subject.patient.authority, subject.patient.mrn):
        return False
    return (prior.authority, prior.value) in subject.identifiers


def _retire(draft: Draft, facts: PatientFacts) -> None:
    key = facts.key
    if key is None or (key.authority or "", key.value) in draft.subject.identifiers:
        return  # nobody named, or an earlier message did it
    prior = _prior_of(draft, key)
    if prior is None:
        _keep_alias(draft, key)
        return
    merge_whole(draft, prior, key)


def merge_whole(draft: Draft, prior: PatientScope, key: Identifier) -> None:
    """All that `prior` has is the subject's; `key` is the identifier by which the message names him."""
    survivor = draft.subject
    conflict = _contradicting(survivor, prior)
    moved = _move(draft, prior, survivor)
    gone = draft.update(prior.patient, prior, merged_into=survivor.patient.patient_id, active=False)
    _take_lanes(draft, _lanes(gone))
    _announce(draft, gone, moved, key)
    if conflict:
        draft.transition("identity-conflict", survivor.patient, None, gone.patient_id)
    if gone.deceased_source is not None:
        note_death(draft, gone.deceased_at, gone.deceased_source)


def _prior_of(draft: Draft, key: Identifier) -> PatientScope | None:
    wanted = (key.authority or "", key.value)
    for home in draft.scope.others.values():
        if wanted in home.identifiers and home.patient.patient_id != draft.subject.patient.patient_id:
            return home
    return None


def _keep_alias(draft: Draft, key: Identifier) -> None:
    """The prior is unknown: later messages under its number belong to the survivor (2.3 c)."""
    _take_lanes(draft)
    person = draft.subject.patient
    draft.put(
        PatientIdentifier(
            authority=key.authority or "",
            value=key.value,
            patient_id=person.patient_id,
            facility_id=draft.event.facility,
            type=key.type,
            key=True,
            since=draft.event.recorded_at,
        )
    )
    changes: list[dict[str, JSON]] = [{"path": "identifiers", "old": None, "new": f"{key.authority}|{key.value}"}]
    draft.emit("patient.updated", person, demographics(person), changes=changes)


def _contradicting(survivor: PatientScope, prior: PatientScope) -> bool:
    """Different birth date or sex, or both in a bed at once (2.3 f)."""
    for name in ("birth_date", "sex"):
        ours, theirs = getattr(survivor.patient, name), getattr(prior.patient, name)
        if ours and theirs and ours != theirs and "U" not in (ours, theirs):
            return True
    return all(any(stay.status == "inpatient" for stay in home.encounters.values()) for home in (survivor, prior))


def _move(draft: Draft, prior: PatientScope, survivor: PatientScope) -> Moved:
    """Everything of `prior` becomes the survivor's."""
    new_id = survivor.patient.patient_id
    moved: Moved = {}
    for table, id_field in OWNED:
        held: dict[str, Record] = getattr(prior, table)
        if held:
            moved[table] = list(held)
        for record in list(held.values()):
            draft.update(record, survivor, patient_id=new_id)
        assert all(getattr(record, id_field) for record in held.values())
        held.clear()
    survivor.locations.update(prior.locations)
    prior.locations.clear()
    for row in list(prior.identifiers.values()):
        draft.update(row, survivor, patient_id=new_id)
        moved.setdefault("patient_identifiers", []).append(f"{row.authority}|{row.value}")
    prior.identifiers.clear()
    _move_tasks(draft, prior, survivor, moved)
    _move_timers(draft, prior, survivor)
    return moved


def _move_tasks(draft: Draft, prior: PatientScope, survivor: PatientScope, moved: Moved) -> None:
    """Tasks follow; keys that name the prior name the survivor now; two open ones of one key collapse (6.1)."""
    old_id, new_id = prior.patient.patient_id, survivor.patient.patient_id
    ours = {task.task_key: task for task in survivor.tasks.values()}
    for task in list(prior.tasks.values()):
        moved.setdefault("tasks", []).append(task.task_id)
        key = task.task_key.replace(old_id, new_id)
        twin = ours.get(key)
        if twin is not None and was_retracted(twin) and task.open:
            key, twin = (
                next_key(key, newest(draft, key)),
                None,
            )  # ours was withdrawn: theirs is the next, no copy
        if twin is None:
            fresh = draft.update(task, survivor, patient_id=new_id, task_key=key)
            if fresh.open:
                tell(draft, fresh, "updated", ACTOR, "task.updated", reason="merged: follows the patient's record")
        else:
            if task.open:
                moved.setdefault("collapsed", []).append(task.task_id)
            _collapse(draft, twin, draft.update(task, survivor, patient_id=new_id), survivor)
    prior.tasks.clear()


def collapse_tasks(draft: Draft, home: PatientScope, tasks: Sequence[Task], old_id: str, new_id: str) -> None:
    """Tasks of a stay that became another one: keys that name the old one name the new one."""
    ours = {task.task_key: task for task in home.tasks.values()}
    for task in tasks:
        key = task.task_key.replace(old_id, new_id)
        twin = ours.get(key)
        if twin is not None and was_retracted(twin) and task.open:
            key, twin = next_key(key, newest(draft, key)), None
        if twin is None:
            fresh = draft.update(task, home, encounter_id=new_id, task_key=key)
            if fresh.open:
                tell(draft, fresh, "updated", ACTOR, "task.updated", reason="merged: follows the stay's record")
        else:
            _collapse(draft, twin, draft.update(task, home, encounter_id=new_id), home)


def _collapse(draft: Draft, kept: Task, twin: Task, survivor: PatientScope) -> None:
    """One piece of work stays: it takes the earlier opening and due time and all evidence; the other one is cancelled
    under its old key, as keys are unique."""
    if not twin.open:
        return
    if kept.open:
        kept_evidence = msgspec.json.decode(kept.evidence_json)
        further = [one for one in msgspec.json.decode(twin.evidence_json) if one not in kept_evidence]
        kept = draft.update(
            kept,
            survivor,
            opened_at=min(kept.opened_at, twin.opened_at),
            due_at=min(kept.due_at, twin.due_at),
            evidence_json=encoded(kept_evidence + further),
            owner=kept.owner or twin.owner,
            status=kept.status if kept.owner or not twin.owner else twin.status,
        )
        tell(draft, kept, "updated", ACTOR, "task.updated", reason=f"merged: took in {twin.task_id}")
    ended = draft.update(
        twin,
        survivor,
        status="cancelled",
        business_status="merged",
        status_reason="merged",
        closed_at=draft.now,
        closed_by=ACTOR,
    )
    draft.task_changed(ended, "cancelled", ACTOR, from_status=twin.status, reason="merged")
    draft.emit("task.cancelled", ended, task_data(ended))


def _move_timers(draft: Draft, prior: PatientScope, survivor: PatientScope) -> None:
    """Timers follow into the survivor's lane; those of a collapsed task go."""
    lanes = _lanes(survivor.patient)
    for timer in list(prior.timers.values()):
        task = survivor.tasks.get(timer.task_id) if timer.task_id else None
        if task is not None and not task.open:
            draft.clear_timer(timer, prior)
        else:
            draft.update(
                timer, survivor, patient_id=survivor.patient.patient_id, lane=lanes[0] if lanes else timer.lane
            )
    prior.timers.clear()


def _lanes(person: Patient) -> list[int]:
    return msgspec.json.decode(person.lanes_json, type=list[int])


def _take_lanes(draft: Draft, further: Sequence[int] = ()) -> None:
    """The survivor carries the lanes of every identifier merged into it, so that whoever locks one locks all."""
    person = draft.subject.patient
    lanes = sorted({*_lanes(person), *further, *draft.cause.lanes})
    draft.update(person, lanes_json=encoded(lanes))


def _announce(draft: Draft, gone: Patient, moved: Moved, key: Identifier) -> None:
    person = draft.subject.patient
    data: dict[str, JSON] = {
        "survivor": person.patient_id,
        "prior": [gone.patient_id],
        "prior_identifier": f"{key.authority}|{key.value}",
        "moved": {table: list[JSON](ids) for table, ids in moved.items()},
    }
    draft.emit("patient.merged", person, data)
    draft.transition("merged", person, gone.patient_id, person.patient_id)
    draft.merge(
        Merge(
            merge_id=draft.ids.new("mrg"),
            facility_id=draft.event.facility,
            survivor_id=person.patient_id,
            prior_id=gone.patient_id,
            trigger=draft.event.trigger,
            message_id=draft.cause.message_id,
            moved_json=encoded(moved),
            at=draft.now,
        )
    )
