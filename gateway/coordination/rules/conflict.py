"""Records that may hold two people (6.2, 44)."""

from __future__ import annotations

import hashlib

from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Coverage, Patient
from gateway.coordination.rules.declaration import Finding, Rule, evidence
from gateway.coordination.rules.payer import focus_of

_CONTRADICTIONS = frozenset({"71", "68", "76"})
_ALIAS = "AL"


def about_identity(draft: Draft) -> list[Patient]:
    return [draft.subject.patient]


def wants_decision(draft: Draft, patient: Patient) -> Finding | str:
    sign = _sign(draft)
    if sign is None:
        return "nothing says that two people share the record"
    place, value, cycle, words = sign
    digest = hashlib.blake2b(cycle.encode(), digest_size=6).hexdigest()
    return Finding(
        key=CONFLICT.key_of(patient.patient_id, digest),
        due_at=draft.occurred_at + hours(4),
        reason=words,
        evidence=[evidence(draft, place, value)],
        focus=focus_of(draft, patient),
    )


def _sign(draft: Draft) -> tuple[str, str, str, str] | None:
    """(where, code, what tells one conflict from another, words for a person)."""
    for row in draft.transitions:
        if row.kind == "identity-conflict":
            ids = " ".join(sorted((row.to_value or "").split()))
            if ids == draft.subject.patient.patient_id:
                words = "A merge would retire this record into itself: its message is parked."
                return "MRG-1", ids, f"circle {draft.cause.message_id}", words
            words = "The identifiers or the merge of this record contradict another one: birth date, sex or two stays."
            return "PID-3", ids, ids, words
        if row.kind == "eligibility-rejected":
            found = sorted(set((row.to_value or "").split()) & _CONTRADICTIONS)
            if found:
                return "AAA03", found[0], f"{row.aggregate_id} {found[0]}", "A payer knows this member differently."
    told = [event for event in draft.emitted if event.type == "patient.updated"]
    changed = {str(one["path"]) for event in told for one in event.changes if one.get("old")}
    if {"family", "birth_date"} <= changed:
        born = draft.subject.patient.birth_date or ""
        return "PID-5 PID-7", "both changed", f"reused {born}", "Name and birth date of this number changed together."
    if draft.subject.patient.identity_reliability == _ALIAS and "family" in changed:
        return "PID-32", _ALIAS, f"alias {draft.cause.message_id}", "The name is an alias and does not match."
    return None


CONFLICT = Rule(
    id="identity-conflict",
    trigger="Identifiers of two patients in one message, or a merge against birth date, sex or overlapping inpatient "
    "stays, or of a record into itself; a number whose name and birth date change together; 271 AAA03 68, 71 or 76; "
    "PID-32 = AL with another name (US, UD and UA only mean a default value)",
    task="Possible wrong-patient merge/overlay",
    type="identity",
    priority="asap",
    due="4 hours",
    queue="records",
    resolves="Decided by a person",
    retracts="Never",
    key="patient|{ids}",
    basis="Product default",
    watches=(Patient, Coverage),
    hears=("identity-conflict", "eligibility-rejected", "patient.updated"),
    about=about_identity,
    wants=wants_decision,
)
