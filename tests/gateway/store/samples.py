"""Rows for the store's tests, with only what a test cares about to be named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.coordination import records
from gateway.store.core_store import CoreStore
from gateway.store.ports import EventRow, ItemEnd, JournalEntry, NewWork, Parked, WriteSet

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def entry(body: bytes = b"MSH|one", **changes: Any) -> JournalEntry:
    values: dict[str, Any] = {"channel": "adt", "kind": "hl7v2", "facility_id": "GH", "peer": "10.0.0.1:5"}
    values |= {"received_at": NOON, "body": body, "lanes": (3,), "acknowledgement": "AA", "control_id": "c1"}
    return JournalEntry(**values | changes)


def patient(patient_id: str, **changes: Any) -> records.Patient:
    values: dict[str, Any] = {"patient_id": patient_id, "facility_id": "GH", "revision": 1, "authority": "GH"}
    values |= {"mrn": patient_id.upper(), "created_at": NOON, "updated_at": NOON, "lanes_json": "[3]"}
    return records.Patient(**values | changes)


def identifier(value: str, patient_id: str) -> records.PatientIdentifier:
    return records.PatientIdentifier(authority="GH", value=value, patient_id=patient_id, facility_id="GH", since=NOON)


def encounter(encounter_id: str, patient_id: str, **changes: Any) -> records.Encounter:
    values: dict[str, Any] = {"encounter_id": encounter_id, "facility_id": "GH", "revision": 1, "status": "in-progress"}
    values |= {"patient_id": patient_id, "recorded_at": NOON, "created_at": NOON, "updated_at": NOON}
    return records.Encounter(**values | changes)


def task(task_id: str, patient_id: str, **changes: Any) -> records.Task:
    values: dict[str, Any] = {"task_id": task_id, "facility_id": "GH", "revision": 1, "task_key": f"key-{task_id}"}
    values |= {"rule_id": "auth-denied", "rule_version": 1, "type": "appeal", "title": "t", "priority": "asap"}
    values |= {"due_at": NOON, "queue": "um", "status": "requested", "patient_id": patient_id, "reason": "why"}
    return records.Task(**values | {"opened_at": NOON, "updated_at": NOON} | changes)


def timer(timer_id: str, **changes: Any) -> records.Timer:
    values: dict[str, Any] = {"timer_id": timer_id, "facility_id": "GH", "patient_id": "pat_1", "lane": 3}
    values |= {"channel": "adt", "rule_id": "r", "kind": "check", "fire_at": NOON, "set_at": NOON}
    return records.Timer(**values | changes)


def event(event_id: str, **changes: Any) -> EventRow:
    values: dict[str, Any] = {"event_id": event_id, "type": "encounter.admitted", "facility_id": "GH"}
    values |= {"patient_id": "pat_1", "aggregate": "encounter", "aggregate_id": "enc_1", "revision": 1, "item": 0}
    values |= {"journal_id": 1, "lane": 3, "routing_key": "encounter.admitted.gh", "restricted": False, "body": b"{}"}
    return EventRow(**values | {"occurred_at": NOON, "recorded_at": NOON, "emitted_at": NOON} | changes)


def parked(journal_id: int, item: int = 0, **changes: Any) -> Parked:
    values: dict[str, Any] = {"journal_id": journal_id, "item": item, "channel": "adt", "facility_id": "GH"}
    values |= {"stage": "map", "reason": "no-patient-id", "detail": "PID^1^3 is empty", "attempts": 1, "kind": "read"}
    return Parked(**values | {"lanes": (3,)} | changes)


def end(journal_id: int, word: str = "processed", item: int = 0, reason: str | None = None) -> ItemEnd:
    return ItemEnd(journal_id=journal_id, item=item, end=word, channel="adt", reason=reason)


def new_work(journal_id: int, item: int, **changes: Any) -> NewWork:
    values: dict[str, Any] = {"journal_id": journal_id, "item": item, "kind": "event", "lanes": (5,)}
    return NewWork(**values | {"payload": b"{}", "received_at": NOON, "channel": "adt"} | changes)


def rows(*found: records.Record) -> dict[str, list[list[Any]]]:
    """As a WriteSet has them: records grouped by table, after the way through MessagePack."""
    tables: dict[str, list[list[Any]]] = {}
    for record in found:
        name = TABLES[type(record)]
        tables.setdefault(name, []).append(msgspec.msgpack.decode(msgspec.msgpack.encode(record)))
    return tables


TABLES: dict[type[records.Record], str] = {
    records.Patient: "patients",
    records.PatientIdentifier: "patient_identifiers",
    records.Encounter: "encounters",
    records.EncounterLocation: "encounter_locations",
    records.Appointment: "appointments",
    records.Coverage: "coverages",
    records.Authorization: "authorizations",
    records.Task: "tasks",
    records.Timer: "timers",
    records.Inquiry: "inquiries",
    records.TaskChange: "task_changes",
    records.Transition: "transitions",
    records.Merge: "merges",
    records.TaskRequest: "task_requests",
}


async def write(store: CoreStore, **fields: Any) -> None:
    """Commit a WriteSet in a session of its own."""
    async with await store.claim_patient("") as session:
        await session.commit(WriteSet(**fields))
