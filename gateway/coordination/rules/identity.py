"""Rules about who is who: a merged chart, and an answer that found no patient (6.2, 43; 6.3)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.coordination.calendar import Site, within_business_days
from gateway.coordination.changes import Cause, CoordinationSettings, Ids
from gateway.coordination.draft import MERGE, Draft
from gateway.coordination.records import Merge, Patient, Task
from gateway.coordination.rules.declaration import Finding, Focus, Rule, evidence, open_for, site_of
from gateway.coordination.rules.payer import GRANTED, WAITING, facility_of
from gateway.coordination.tasks import Evidence
from mappings.events import CanonicalEvent

_LIVE_AUTHORIZATIONS = GRANTED | WAITING
_UPCOMING = ("booked", "pending", "waitlist", "proposed")


def look_merged(draft: Draft) -> None:
    for merge in draft.merges:
        found = _affected(draft, merge)
        if not found:
            continue
        facility_id = facility_of(draft) or merge.facility_id
        open_for(
            draft,
            MERGED,
            Focus(facility_id=facility_id),
            Finding(
                key=MERGED.key_of(merge.prior_id, merge.survivor_id),
                due_at=within_business_days(draft.event.recorded_at, 1, site_of(draft, facility_id)),
                reason=f"Another record was merged into this patient's; it brought {', '.join(found)}.",
                evidence=[evidence(draft, "MRG-1", merge.prior_id), evidence(draft, "PID-3", merge.survivor_id)],
            ),
        )


def _affected(draft: Draft, merge: Merge) -> list[str]:
    """What the prior record had that a person must look at, in words: "2 open tasks"."""
    moved = msgspec.json.decode(merge.moved_json, type=dict[str, list[str | int | list[str | int]]])
    ids = {str(id_) for listed in moved.values() for id_ in listed}
    state, now = draft.subject, draft.event.recorded_at
    counts = {
        "open task": sum(task.open for id_, task in state.tasks.items() if id_ in ids),
        "future appointment": sum(
            visit.status in _UPCOMING and visit.start_at is not None and visit.start_at > now
            for id_, visit in state.appointments.items()
            if id_ in ids
        ),
        "active authorization": sum(
            row.status in _LIVE_AUTHORIZATIONS for id_, row in state.authorizations.items() if id_ in ids
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
