"""Task and its documented attempts (domain reference 7.3)."""

from __future__ import annotations

import json
from collections.abc import Iterable

from mappings.fhir.elements import (
    Resource,
    Row,
    concept,
    instant,
    kept,
    meta,
    named,
    period,
    present,
    reference,
    to_fhir_id,
)

FOCUS = (
    ("authorization_id", "ClaimResponse"),
    ("appointment_id", "Appointment"),
    ("coverage_id", "Coverage"),
    ("encounter_id", "Encounter"),
)
"""What a task is about, the most particular first."""

MEDIUM = {"phone": "PHONE", "letter": "WRITTEN", "visit": "FACE", "portal": "ELECTRONIC"}
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode"
_REACHED = ("reached", "left-message")


def task(row: Row, notes: Iterable[Row] = ()) -> Resource:
    """`notes`: history rows of the task whose reason is shown as a note."""
    return kept(
        resourceType="Task",
        id=to_fhir_id(row["task_id"]),
        meta=meta(row),
        instantiatesUri=f"urn:baton:rule:{row['rule_id']}|{row['rule_version']}",
        groupIdentifier={"system": "urn:baton:encounter", "value": row["encounter_id"]}
        if row["encounter_id"]
        else None,
        status=row["status"],
        statusReason=kept(text=row["status_reason"]),
        businessStatus=concept("business-status", row["business_status"]),
        intent="order",
        priority=row["priority"],
        code=concept("task-type", row["type"], row["title"]),
        description=row["reason"],
        focus=focus(row),
        for_=reference("Patient", row["patient_id"]),
        encounter=reference("Encounter", row["encounter_id"]),
        executionPeriod=period(row["opened_at"], row["closed_at"]),
        authoredOn=instant(row["opened_at"]),
        lastModified=instant(row["updated_at"]),
        performerType=present(concept("queue", row["queue"])),
        owner=owner(row),
        reasonCode=concept("rule", row["rule_id"]),
        note=[
            kept(authorString=note["actor"], time=instant(note["at"]), text=note["reason"])
            for note in notes
            if note["change"] == "noted" and note["reason"]
        ],
        restriction={"period": {"end": instant(row["due_at"])}},
        input=[_evidence(each) for each in json.loads(row["evidence_json"] or "[]")],
    )


def minimal_task(row: Row) -> Resource:
    """For who lacks the grant: which task, of what type, until when."""
    return kept(
        resourceType="Task",
        id=to_fhir_id(row["task_id"]),
        meta=meta(row, masked=True),
        status=row["status"],
        intent="order",
        code=concept("task-type", row["type"]),
        restriction={"period": {"end": instant(row["due_at"])}},
    )


def owner(row: Row) -> Resource | None:
    """The person who has the task, else the team of its queue."""
    if row["owner"]:
        return named("Practitioner", "person", row["owner"])
    return named("CareTeam", "queue", row["queue"])


def focus(row: Row) -> Resource | None:
    return next((reference(kind, row[name]) for name, kind in FOCUS if row[name]), None)


def communication(change: Row, of: Row) -> Resource:
    """One documented attempt to reach somebody: a row of the history of task `of`."""
    detail = json.loads(change["detail_json"] or "{}")
    outcome = detail.get("outcome")
    done = outcome in _REACHED
    medium = MEDIUM.get(detail.get("channel", ""))
    return kept(
        resourceType="Communication",
        id=f"{to_fhir_id(change['task_id'])}.{change['revision']}",
        meta=meta({"revision": 1, "updated_at": change["at"], "restricted": of.get("restricted")}),
        basedOn=present(reference("Task", change["task_id"])),
        status="completed" if done else "not-done",
        statusReason=None if done else concept("attempt-outcome", outcome),
        category=present(concept("communication-category", "outreach")),
        medium=present(concept(_PARTICIPATION, medium) if medium else None),
        subject=reference("Patient", of["patient_id"]),
        encounter=reference("Encounter", of["encounter_id"]),
        sent=instant(change["at"]),
        sender=named("Practitioner", "person", change["actor"]),
        reasonCode=present(concept("rule", of["rule_id"])),
        note=[{"text": change["reason"]}] if change["reason"] else None,
    )


def _evidence(each: Row) -> Resource:
    """A fact that fired the rule: the message, where it stood, and its code."""
    text = " ".join(str(each[name]) for name in ("message_id", "location", "value") if each.get(name))
    return {"type": {"coding": [{"system": "urn:baton:task-input", "code": "evidence"}]}, "valueString": text}
