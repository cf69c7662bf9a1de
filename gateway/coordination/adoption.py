"""Going live: tasks and timers that a shadow run found open become real, each once, with their real due times."""

from __future__ import annotations

import msgspec

from gateway.coordination.changes import Adopt
from gateway.coordination.draft import Draft
from gateway.coordination.records import Task, Timer
from gateway.coordination.tasks import lane_of, tell

_FOCUS = {
    "encounter_id": "encounters",
    "appointment_id": "appointments",
    "coverage_id": "coverages",
    "authorization_id": "authorizations",
}


def adopt(draft: Draft, found: Adopt) -> None:
    """Take over what is not there yet and is about something known.  A task whose key was used before stays away."""
    adopted: set[str] = set()
    for task in found.tasks:
        if not task.open or draft.subject.tasks.by_key(task.task_key) is not None or not _known(draft, task):
            continue
        person = draft.subject.patient.patient_id
        fresh = msgspec.structs.replace(
            task, patient_id=person, revision=1, owner=None, team=None, opened_at=draft.now, updated_at=draft.now
        )
        draft.put(fresh)
        adopted.add(fresh.task_id)
        why = f"Channel {found.channel} went live, by {found.actor}. {fresh.reason}"
        tell(draft, fresh, "opened", f"rule:{fresh.rule_id}", "task.created", reason=why)
    for timer in found.timers:
        its_task = timer.task_id is None or timer.task_id in adopted
        if its_task and timer.timer_id not in draft.subject.timers and _known(draft, timer):
            draft.set_timer(
                msgspec.structs.replace(
                    timer,
                    patient_id=draft.subject.patient.patient_id,
                    lane=lane_of(draft),
                    set_at=draft.now,
                )
            )


def _known(draft: Draft, row: Task | Timer) -> bool:
    """Whether everything that it names is the patient's."""
    return all(
        (named := getattr(row, name)) is None or named in getattr(draft.subject, table)
        for name, table in _FOCUS.items()
    )
