"""Rules about who is who: merged charts, deleted persons, answers that find no patient (6.2, 43; 2.2, A29; 6.3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from gateway.coordination.calendar import Site, within_business_days
from gateway.coordination.changes import Cause, CoordinationSettings, Ids
from gateway.coordination.draft import MERGE, Draft
from gateway.coordination.records import Patient, Task
from gateway.coordination.rules.declaration import (
    Closing,
    Finding,
    Focus,
    Rule,
    evidence,
    gone,
    open_for,
    site_of,
)
from gateway.coordination.rules.payer import GRANTED, WAITING, facility_of
from gateway.coordination.tasks import Evidence
from mappings.events import CanonicalEvent

_LIVE_AUTHORIZATIONS = GRANTED | WAITING
_UPCOMING = ("booked", "pending", "waitlist", "proposed")


def look_merged(draft: Draft) -> None:
    for merge in draft.merges:
        moved = msgspec.json.decode(merge.moved_json, type=dict[str, list[str]])
        found = _affected(draft, moved)
        if not found:
            continue
        joined = merge.prior_id == merge.survivor_id  # two stays of one patient
        what, whose = ("stay", "one") if joined else ("record", "patient's")
        facility_id = facility_of(draft) or merge.facility_id
        open_for(
            draft,
            MERGED,
            Focus(facility_id=facility_id),
            Finding(
                key=MERGED.key_of(
                    *(moved["joined"] + moved["into"] if joined else [merge.prior_id, merge.survivor_id])
                ),
                due_at=within_business_days(draft.event.recorded_at, 1, site_of(draft, facility_id)),
                reason=f"Another {what} was merged into this {whose}; it brought {', '.join(found)}.",
                evidence=[evidence(draft, "MRG-1", merge.prior_id), evidence(draft, "PID-3", merge.survivor_id)],
            ),
        )


def _affected(draft: Draft, moved: dict[str, list[str]]) -> list[str]:
    """What the prior record had that a person must look at, in words: "2 open tasks"."""
    ids = {id_ for listed in moved.values() for id_ in listed}
    return _at_stake(draft, lambda id_: id_ in ids)


def _at_stake(draft: Draft, counts_in: Callable[[str], bool]) -> list[str]:
    state, now = draft.subject, draft.event.recorded_at
    counts = {
        "open task": sum(task.open for id_, task in state.tasks.items() if counts_in(id_)),
        "future appointment": sum(
            visit.status in _UPCOMING and visit.start_at is not None and visit.start_at > now
            for id_, visit in state.appointments.items()
            if counts_in(id_)
        ),
        "active authorization": sum(
            row.status in _LIVE_AUTHORIZATIONS for id_, row in state.authorizations.items() if counts_in(id_)
        ),
    }
    return [f"{count} {word}{'s' if count > 1 else ''}" for word, count in counts.items() if count]


MERGED = Rule(
    id="patient-merged-open-tasks",
    trigger="A merge, and the prior record has open tasks, future appointments or active authorizations",
    task="Review merged chart: tasks, appointments, auths",
    type="identity",
    priority="urgent",
    due="1 business day",
    queue="records",
    resolves="Reviewed",
    retracts="Never",
    key="prior|survivor",
    basis="Domain reference 2.3",
    watches=(Patient,),
    hears=(MERGE,),
    look=look_merged,
)


def about_deactivated(draft: Draft) -> list[Patient]:
    return [draft.subject.patient] if any(row.kind == "deactivated" for row in draft.transitions) else []


def wants_deactivated(draft: Draft, patient: Patient) -> Finding | str:
    found = _at_stake(draft, lambda id_: True)
    if patient.active or not found:
        return "nothing is left to look at"
    return Finding(
        key=DEACTIVATED.key_of(patient.patient_id),
        due_at=within_business_days(draft.event.recorded_at, 1, site_of(draft, patient.facility_id)),
        reason=f"The person was deleted at the sender (A29) and still has {', '.join(found)}.",
        evidence=[evidence(draft, "event", "A29")],
        focus=Focus(facility_id=patient.facility_id),
    )


def settle_deactivated(draft: Draft, task: Task) -> Closing | None:
    return gone("the person is back (A28)") if draft.subject.patient.active else None


DEACTIVATED = Rule(
    id="patient-deactivated-review",
    trigger="A29, and the person has open tasks, future appointments or active authorizations",
    task="Review tasks of a deleted person",
    type="identity",
    priority="routine",
    due="1 business day",
    queue="records",
    resolves="Reviewed",
    retracts="A28 brings the person back",
    key="patient",
    basis="Domain reference 2.2",
    watches=(Patient,),
    hears=("deactivated", "reactivated"),
    about=about_deactivated,
    wants=wants_deactivated,
    settle=settle_deactivated,
)

UNMATCHED = Rule(
    id="unmatched-message",
    trigger="A 278 response that denies (HCR01 = A3) matches no patient or request",
    task="Match payer answer manually",
    type="identity",
    priority="urgent",
    due="1 business day",
    queue="records",
    resolves="The answer is matched: by a person, or when a patient, coverage or request with its keys appears",
    retracts="Never",
    key="message",
    basis="Decision 10",
)


def unmatched_task(
    event: CanonicalEvent, cause: Cause, now: datetime, settings: CoordinationSettings, ids: Ids
) -> Task:
    """The task of a 278 denial that belongs to no known patient: its `patient_id` is empty.

    The key is the message and its item, so that reading the message again makes the same task.  It is not part of any
    patient's scope: whoever stores it also ends it once the answer found its patient.
    """
    zone, calendar = settings.facilities.get(event.facility, (settings.default_zone, "us-federal"))
    denied = event.authorization.decisions if event.authorization else ()
    codes = sorted({code for line in denied if line.action == "A3" for code in line.reasons})
    proof = [Evidence(cause.message_id, "HCR01", "A3"), *(Evidence(cause.message_id, "HCR03", code) for code in codes)]
    return Task(
        task_id=ids.new("tsk"),
        facility_id=event.facility,
        revision=1,
        task_key=UNMATCHED.key_of(cause.message_id if cause.item == 0 else f"{cause.message_id}/{cause.item}"),
        rule_id=UNMATCHED.id,
        rule_version=UNMATCHED.version,
        type=UNMATCHED.type,
        title=UNMATCHED.task,
        priority=UNMATCHED.priority,
        due_at=within_business_days(event.occurred_at, 1, Site(zone, calendar)),
        queue=UNMATCHED.queue,
        status="requested",
        patient_id="",
        reason="A payer denied an authorization and the answer matches no patient, coverage or request.",
        evidence_json=msgspec.json.encode(proof).decode(),
        opened_at=now,
        updated_at=now,
    )
