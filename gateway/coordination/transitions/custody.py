"""One stay and what hangs on it goes from one patient of the scope to another (domain reference 2.3)."""

from __future__ import annotations

from gateway.coordination.draft import Draft
from gateway.coordination.records import Encounter, Merge, Patient, Task
from gateway.coordination.scope import PatientScope
from gateway.coordination.tasks import tell
from gateway.coordination.transitions.difference import encoded
from gateway.coordination.transitions.patient import note_death, withdraw_death

ACTOR = "rule:record-moved"

Moved = dict[str, list[str]]
"""Table -> ids that went over."""


def lanes_within(patient: Patient) -> list[int]:
    text = patient.lanes_json
    return [int(lane) for lane in text[1:-1].split(",")] if len(text) > 2 else []


def move_stay(draft: Draft, stay: Encounter, source: PatientScope, target: PatientScope) -> Moved:
    """The stay with its places, tasks, timers, authorizations and the bookings of its visit number becomes the
    target's."""
    new_id, stay_id = target.patient.patient_id, stay.encounter_id
    moved: Moved = {"encounters": [stay_id]}
    draft.update(stay, target, patient_id=new_id)
    source.encounters.pop(stay_id, None)
    for key in [key for key in source.locations if key[0] == stay_id]:
        target.locations[key] = source.locations.pop(key)
    for row in [one for one in source.authorizations.values() if one.encounter_id == stay_id]:
        draft.update(source.authorizations.pop(row.authorization_id), target, patient_id=new_id)
        moved.setdefault("authorizations", []).append(row.authorization_id)
    for visit in [one for one in source.appointments.values() if stay.visit_number == one.visit_number is not None]:
        draft.update(visit, target, patient_id=new_id)
        source.appointments.pop(visit.appointment_id, None)
        moved.setdefault("appointments", []).append(visit.appointment_id)
    for task in [one for one in source.tasks.values() if _is_about(one, moved)]:
        move_task(draft, task, target)
        source.tasks.pop(task.task_id, None)
        moved.setdefault("tasks", []).append(task.task_id)
    move_timers(draft, source, target, moved)
    _move_death(draft, stay_id, source)
    return moved


def _is_about(task: Task, moved: Moved) -> bool:
    ids = {id_ for listed in moved.values() for id_ in listed}
    return not ids.isdisjoint((task.encounter_id, task.appointment_id, task.authorization_id))


def move_task(draft: Draft, task: Task, target: PatientScope) -> Task:
    """Its key names the new patient where it named the old one."""
    new_id = target.patient.patient_id
    fresh = draft.update(task, target, patient_id=new_id, task_key=task.task_key.replace(task.patient_id, new_id))
    if fresh.open:
        tell(draft, fresh, "updated", ACTOR, "task.updated", reason="moved: follows the record it is about")
    return fresh


def move_timers(draft: Draft, source: PatientScope, target: PatientScope, moved: Moved) -> None:
    """The timers of what went over fire in the target's lane."""
    ids = {id_ for listed in moved.values() for id_ in listed}
    lanes = lanes_within(target.patient)
    for timer in list(source.timers.values()):
        if ids.isdisjoint((timer.encounter_id, timer.appointment_id, timer.authorization_id, timer.task_id)):
            continue
        del source.timers[timer.timer_id]
        lane = timer.lane if timer.lane in lanes or not lanes else lanes[0]
        draft.update(timer, target, patient_id=target.patient.patient_id, lane=lane)


def _move_death(draft: Draft, stay_id: str, source: PatientScope) -> None:
    """A death that the stay's disposition told goes with it: it was never the other patient's."""
    person = source.patient
    if person.deceased_source != stay_id or person.patient_id == draft.subject.patient.patient_id:
        return
    withdraw_death(draft, stay_id, source)
    note_death(draft, person.deceased_at, stay_id)


def journal(draft: Draft, source: Patient, moved: Moved) -> Merge:
    """Write down what went over, so that it can be taken back (2.3 e)."""
    entry = Merge(
        merge_id=draft.ids.new("mrg"),
        facility_id=draft.event.facility,
        survivor_id=draft.subject.patient.patient_id,
        prior_id=source.patient_id,
        trigger=draft.event.trigger,
        message_id=draft.cause.message_id,
        moved_json=encoded(moved),
        at=draft.now,
    )
    draft.merge(entry)
    return entry
