"""The form in which an event leaves: CloudEvents 1.0 around the canonical event (domain reference 7.1, decision 24).

Everything outside `data` is safe to log, route and index: our own opaque ids and fixed words.  Inside `data` the full
form holds PHI; the reference form says only that something happened to which of our ids.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

import msgspec

from gateway.coordination.changes import JSON, Cause, Emitted
from gateway.coordination.records import Patient

SCHEMA_VERSION = "1"
_ENCODER = msgspec.json.Encoder(order=None)
_NOT_WORD = re.compile(r"[^a-z0-9-]+")


class _Source(msgspec.Struct, frozen=True, gc=False):
    channel: str
    message_id: str
    control_id: str
    trigger: str


class _Aggregate(msgspec.Struct, frozen=True, gc=False):
    kind: str
    id: str
    revision: int


class _PatientReference(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    id: str
    identifiers: tuple[dict[str, str], ...] = ()


class CanonicalData(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """`data` of the envelope."""

    event_id: str
    type: str
    schema_version: str
    occurred_at: datetime
    recorded_at: datetime
    received_at: datetime
    emitted_at: datetime
    source: _Source
    patient: _PatientReference
    aggregate: _Aggregate
    facility: str
    correlation_id: str
    causation_id: str
    idempotency_key: str
    privacy: str = "normal"
    flags: tuple[str, ...] = ()
    data: dict[str, JSON] = {}
    changes: tuple[dict[str, JSON], ...] = ()
    site: dict[str, str] = {}


class CloudEvent(msgspec.Struct, frozen=True, gc=False):
    """CloudEvents 1.0 in JSON (structured mode) with the partitioning and correlation extensions."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str
    dataschema: str
    partitionkey: str
    correlationid: str
    data: CanonicalData


def routing_word(text: str) -> str:
    """One word of a routing key: `[a-z0-9-]`, never empty (decision 23)."""
    return _NOT_WORD.sub("-", text.lower()).strip("-") or "none"


@lru_cache(maxsize=1024)
def routing_key(type_: str, facility_id: str) -> str:
    """`<family>.<event>.<facility>`."""
    family, _, name = type_.partition(".")
    return f"{routing_word(family)}.{routing_word(name)}.{routing_word(facility_id)}"


@lru_cache(maxsize=1024)
def _schema_of(type_: str) -> str:
    return f"/schemas/{type_}/{SCHEMA_VERSION}.json"


class Rendering:
    """The full form of the events that one cause gives, as JSON bytes."""

    def __init__(self, cause: Cause, trigger: str, emitted_at: datetime) -> None:
        self._cause = cause
        self._emitted_at = emitted_at
        self._source = _Source(cause.channel, cause.message_id, cause.control_id, trigger)
        self._of: Patient | None = None  # whom `_identifiers` name
        self._identifiers: tuple[dict[str, str], ...] = ()

    def render(self, event: Emitted, patient: Patient | None) -> bytes:
        if patient is not None and patient is not self._of:
            self._of, self._identifiers = patient, ({"authority": patient.authority, "value": patient.mrn},)
        event_id, type_, about, cause = event.event_id, event.type, event.patient_id, self._cause
        data = CanonicalData(
            event_id=event_id,
            type=type_,
            schema_version=SCHEMA_VERSION,
            occurred_at=event.occurred_at,
            recorded_at=event.recorded_at,
            received_at=cause.received_at,
            emitted_at=self._emitted_at,
            source=self._source,
            patient=_PatientReference(about, self._identifiers if patient is not None else ()),
            aggregate=_Aggregate(event.aggregate, event.aggregate_id, event.revision),
            facility=event.facility_id,
            correlation_id=cause.message_id,
            causation_id=cause.message_id,
            idempotency_key=f"{type_}|{event.aggregate_id}|{event.revision}",
            privacy="restricted" if event.restricted else "normal",
            flags=tuple(event.flags),
            data=event.data,
            changes=tuple(event.changes),
            site=event.site,
        )
        about = about or event.aggregate_id
        return _ENCODER.encode(
            CloudEvent(
                specversion="1.0",
                id=event_id,
                source="/baton/gateway",
                type=type_,
                subject=about,
                time=event.occurred_at,
                datacontenttype="application/json",
                dataschema=_schema_of(type_),
                partitionkey=about,
                correlationid=cause.message_id,
                data=data,
            )
        )


def to_minimal(body: bytes) -> bytes:
    """The form of a restricted event for who lacks the grant: its id and type, the id of what it is about, and when
    that is due.  Nothing of the patient, nothing by which events about him could be joined."""
    event = msgspec.json.decode(body)
    data = event["data"]
    if data["aggregate"]["kind"] == "patient":
        data["aggregate"]["id"] = event["id"]
    about = data["aggregate"]["id"]
    kept = {name: data[name] for name in ("event_id", "type", "schema_version", "emitted_at", "aggregate", "facility")}
    due = data.get("data", {}).get("due_at")
    event |= {
        "subject": about,
        "time": data["emitted_at"],
        "partitionkey": about,
        "correlationid": event["id"],
        "dataschema": f"/schemas/restricted-event/{SCHEMA_VERSION}.json",
        "data": kept | {"privacy": "restricted"} | ({"due_at": due} if due else {}),
    }
    return _ENCODER.encode(event)


def to_reference(body: bytes) -> bytes:
    """The reference form of a rendered event: no identifiers, no values, no control id."""
    event = msgspec.json.decode(body)
    data = event["data"]
    data["patient"] = {"id": data["patient"]["id"]}
    data["source"]["control_id"] = ""
    for values in ("data", "changes", "site"):
        data.pop(values, None)
    return _ENCODER.encode(event)
