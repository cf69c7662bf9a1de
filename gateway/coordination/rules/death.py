"""The death of a patient ends what was planned for him (6.2, rule 45; settled reading 6)."""

from __future__ import annotations

from gateway.coordination.calendar import within_business_days
from gateway.coordination.draft import MERGE, Draft
from gateway.coordination.records import Patient, Task
from gateway.coordination.rules.cancellation import still_stands
from gateway.coordination.rules.declaration import (
    ENDED_BY_DEATH,
    Finding,
    Focus,
    Rule,
    evidence,
    next_step,
    open_for,
    site_of,
)
from gateway.coordination.rules.payer import facility_of
from gateway.coordination.rules.stays import is_dead, told
from gateway.coordination.tasks import newest, reinstate, retract, set_step

DECEASED = "the patient died"
_UPCOMING = ("booked", "pending", "waitlist", "proposed")


def look_death(draft: Draft) -> None:
    for row in draft.transitions:
        if row.kind == "deceased":
            _on_death(draft, row.to_value)
        elif row.kind == "death-withdrawn":
            _on_return(draft)
    if is_dead(draft.subject.patient) and draft.merges:
        _end_tasks(draft)  # the survivor is dead and the prior record brought open work


def _on_death(draft: Draft, source: str | None) -> None:
    ended = _end_tasks(draft)
    upcoming = [
        visit
        for visit in draft.subject.appointments.values()
        if visit.status in _UPCOMING and visit.start_at is not None and visit.start_at > draft.event.occurred_at
    ]
    for visit in upcoming:
        draft.transition("appointment-of-deceased", visit, visit.status, visit.status)
    from_disposition = source not in (None, "PID")
    stay = draft.subject.encounters.get(source or "") if from_disposition else None
    place = stay.facility_id if stay else facility_of(draft) or draft.subject.patient.facility_id
    proof = [
        evidence(draft, "PV1-36", stay.disposition) if stay else evidence(draft, "PID-30", "Y"),
        *(evidence(draft, "appointment", visit.appointment_id) for visit in upcoming),
    ]
    open_for(
        draft,
        DEATH,
        Focus(facility_id=place, encounter_id=stay.encounter_id if stay else None),
        Finding(
            key=DEATH.key_of(draft.subject.patient.patient_id),
            due_at=within_business_days(draft.event.occurred_at, 1, site_of(draft, place)),
            reason=f"The patient died. Appointments still ahead: {len(upcoming)}; tasks cancelled: {ended}.",
            evidence=proof,
        ),
    )


def _on_return(draft: Draft) -> None:
    """The death was withdrawn: its task goes, the tasks it cancelled come back as they were."""
    task = newest(draft, DEATH.key_of(draft.subject.patient.patient_id))
    if task is not None and task.open:
        retract(draft, task, told(draft, "the death was withdrawn"))
    for ended in list(draft.subject.tasks.values()):
        if not ended.open and _was_ended_by_death(ended) and still_stands(draft, ended):
            fresh = reinstate(draft, ended, told(draft, "the death was withdrawn"))
            rule = RULES_BY_ID.get(fresh.rule_id)
            if rule is not None:
                set_step(draft, fresh, next_step(draft, rule, fresh, after=ended.closed_at))  # not those it took


def _end_tasks(draft: Draft) -> int:
    ended = [task for task in draft.subject.tasks.open_tasks() if task.type in ENDED_BY_DEATH]
    for task in ended:
        retract(draft, task, told(draft, DECEASED))
    return len(ended)


def _was_ended_by_death(task: Task) -> bool:
    return task.type in ENDED_BY_DEATH and (task.status_reason or "").endswith(f": {DECEASED}")


RULES_BY_ID: dict[str, Rule] = {}
"""Filled by the registry: a reinstated task needs the escalation of the rule that made it."""

DEATH = Rule(
    id="death-cancels-tasks",
    trigger="The patient died: A03 with disposition 20 or 40–42, PID-30 = Y, or PID-29",
    task="Cancel appointments & notify providers",
    type="notify",
    priority="urgent",
    due="1 business day",
    queue="scheduling",
    resolves="Done by a person",
    retracts="PID-30 deleted or N; A13 when the death came only from that A03. Then the tasks it "
    "cancelled come back with their keys and status. It cancels types outreach, schedule, verify-coverage, "
    "obtain-auth, submit-info, social",
    key="patient",
    basis="Product default",
    watches=(Patient,),
    hears=("deceased", "death-withdrawn", MERGE),
    look=look_death,
)
