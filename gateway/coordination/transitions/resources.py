"""What an appointment takes: services, things, places and people (S18 to S22; domain reference 3.1, 3.2)."""

from __future__ import annotations

from datetime import datetime

from gateway.coordination.changes import JSON
from gateway.coordination.records import Appointment
from gateway.coordination.transitions.difference import stamp
from gateway.coordination.transitions.keyed_set import encoded_set, keyed_set
from mappings.events import AppointmentFacts, ResourceFacts

Resources = dict[str, dict[str, str]]
"""Name ("AIP:77") -> what is said of it: kind, id, text, type, start, row."""


def resources_of(appointment: Appointment) -> Resources:
    """The resources that the appointment has now."""
    return keyed_set(appointment.resources_json).standing


def resource_fields(known: Appointment, facts: AppointmentFacts, at: datetime) -> dict[str, object]:
    """Fields that the message's resources change: the set, and of single changes which are its first service, person
    and place."""
    if facts.resources is None:
        return {}
    held = keyed_set(known.resources_json)
    for row, one in enumerate(facts.resources):
        held.tell(name_of(one), _said(one, row), at, removed=one.removed)
    if facts.resources_complete:
        held.complete([name_of(one) for one in facts.resources], at)
        return {"resources_json": encoded_set(held)}
    return {"resources_json": encoded_set(held), **_firsts(known, facts, held.standing)}


def name_of(one: ResourceFacts) -> str:
    return f"{one.kind}:{one.id}"


def _said(one: ResourceFacts, row: int) -> dict[str, str]:
    told = {"kind": one.kind, "id": one.id, "text": one.text, "type": one.type, "start": stamp(one.start)}
    if one.removed:
        return {}  # what was known of it is kept
    return {name: value for name, value in told.items() if value} | {"row": str(row)}


_FIELDS = {"AIS": ("service",), "AIP": ("provider_id", "provider_name"), "AIL": ("point_of_care",)}


def _firsts(known: Appointment, facts: AppointmentFacts, standing: Resources) -> dict[str, object]:
    """Which service, person and place is the appointment's own after single changes: the one it was while it stands,
    else the first that is left."""
    fields: dict[str, object] = {}
    for kind in {one.kind for one in facts.resources or ()} & _FIELDS.keys():
        left = {name: said for name, said in standing.items() if name.startswith(f"{kind}:")}
        own = _FIELDS[kind][0]
        current = getattr(known, own)
        gone = {one.id for one in facts.resources or () if one.kind == kind and one.removed}
        if current is not None and current not in gone:
            continue
        first = min(left.values(), key=lambda said: (int(said.get("row", "0")), said.get("id", "")), default=None)
        fields[own] = first.get("id") if first else None
        if kind == "AIP":
            fields["provider_name"] = first.get("text") if first else None
    return fields


def shown(resources: Resources) -> list[JSON]:
    """For the data of an event."""
    return [{key: value for key, value in said.items() if key != "row"} for _, said in sorted(resources.items())]
