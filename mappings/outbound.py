"""HL7 v2 messages built from canonical events, for whoever downstream speaks nothing else.

The event says what happened; who the patient is comes with it.  What the event does not know is left out: a receiver
must not read an empty field as "deleted".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from parsers.hl7v2.writer import Value, write_header, write_segment

TRIGGERS = {
    "patient.created": ("A28", "ADT_A05"),
    "patient.updated": ("A31", "ADT_A05"),
    "patient.deceased": ("A31", "ADT_A05"),
    "patient.allergies-changed": ("A31", "ADT_A05"),
    "patient.deactivated": ("A29", "ADT_A21"),
    "patient.merged": ("A40", "ADT_A39"),
    "encounter.preadmitted": ("A05", "ADT_A05"),
    "encounter.registered": ("A04", "ADT_A01"),
    "encounter.admitted": ("A01", "ADT_A01"),
    "encounter.class-changed": ("A08", "ADT_A01"),
    "encounter.transferred": ("A02", "ADT_A02"),
    "encounter.transfer-cancelled": ("A12", "ADT_A12"),
    "encounter.updated": ("A08", "ADT_A01"),
    "encounter.attending-changed": ("A08", "ADT_A01"),
    "encounter.discharged": ("A03", "ADT_A03"),
    "encounter.discharge-cancelled": ("A13", "ADT_A01"),
    "encounter.admit-cancelled": ("A11", "ADT_A09"),
    "encounter.preadmit-cancelled": ("A38", "ADT_A38"),
    "encounter.deleted": ("A23", "ADT_A21"),
    "appointment.booked": ("S12", "SIU_S12"),
    "appointment.rescheduled": ("S13", "SIU_S12"),
    "appointment.updated": ("S14", "SIU_S12"),
    "appointment.arrived": ("S14", "SIU_S12"),
    "appointment.checked-in": ("S14", "SIU_S12"),
    "appointment.fulfilled": ("S14", "SIU_S12"),
    "appointment.cancelled": ("S15", "SIU_S12"),
    "appointment.discontinued": ("S16", "SIU_S12"),
    "appointment.deleted": ("S17", "SIU_S12"),
    "appointment.no-showed": ("S26", "SIU_S12"),
}
"""Event type -> trigger and structure (2.5.1, tables 0003 and 0354).  Other events have no message."""

CLASSES = {
    "inpatient": "I",
    "outpatient": "O",
    "emergency": "E",
    "observation": "O",
    "preadmit": "P",
    "recurring": "R",
    "obstetrics": "B",
    "unknown": "U",
}
"""Our class -> table 0004; it has no code for observation, which is an outpatient's stay."""

STATUSES = {
    "booked": "Booked",
    "proposed": "Pending",
    "arrived": "Arrived",
    "checked-in": "Started",
    "fulfilled": "Complete",
    "cancelled": "Cancelled",
    "noshow": "Noshow",
    "no-show": "Noshow",
    "deleted": "Deleted",
    "discontinued": "Discontinued",
}
"""Our status of an appointment -> table 0278."""


class Addresses(msgspec.Struct, frozen=True):
    """MSH-3 to MSH-6, and MSH-11."""

    sending_application: str = "BATON"
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    processing_id: str = "P"


class Person(msgspec.Struct, frozen=True):
    """Who the patient is now, as our state has him."""

    authority: str
    mrn: str
    family: str = ""
    given: str = ""
    birth_date: str = ""
    sex: str = ""
    language: str = ""
    phone: str = ""
    deceased_at: datetime | None = None


def build_message(event: Mapping[str, Any], person: Person, addresses: Addresses, now: datetime) -> bytes | None:
    """The message of `event` (the canonical event, not its envelope) in UTF-8; None for a type without one.

    Its control id is derived from the event's: sent again, it is the same message.  `now` is MSH-7.
    """
    found = TRIGGERS.get(str(event["type"]))
    if found is None:
        return None
    trigger, structure = found
    facts: Mapping[str, Any] = event.get("data") or {}
    family = "SIU" if trigger.startswith("S") else "ADT"
    segments = [_event(trigger, event), _person(person, event)]
    if family == "SIU":
        segments = [_schedule(facts), _person(person, event), _visit(facts), *_resources(facts)]
    elif trigger == "A40":
        authority, _, value = str(facts.get("prior_identifier", "")).rpartition("|")
        segments.append(write_segment("MRG", {1: [value, "", "", authority, "MR"]}))
    else:
        segments.append(_visit(facts) if str(event["type"]).startswith("encounter.") else "PV1|1|N\r")
    text = "".join(segments)
    return (_header([family, trigger, structure], event, addresses, now, text.isascii()) + text).encode("utf-8")


def control_id(event_id: str) -> str:
    """20 characters: what every version of the standard has room for."""
    return hashlib.sha256(event_id.encode()).hexdigest()[:20].upper()


def _header(kind: list[str], event: Mapping[str, Any], addresses: Addresses, now: datetime, ascii_only: bool) -> str:
    fields: dict[int, Value] = {
        3: addresses.sending_application,
        4: addresses.sending_facility or str(event.get("facility", "")),
        5: addresses.receiving_application,
        6: addresses.receiving_facility,
        7: moment(now),
        9: kind,
        10: control_id(str(event["event_id"])),
        11: addresses.processing_id,
        12: "2.5.1",
        18: "" if ascii_only else "UNICODE UTF-8",
    }
    return write_header(fields)


def _event(trigger: str, event: Mapping[str, Any]) -> str:
    return write_segment("EVN", {1: trigger, 2: moment(event.get("recorded_at")), 6: moment(event.get("occurred_at"))})


def _person(person: Person, event: Mapping[str, Any]) -> str:
    dead = person.deceased_at is not None
    return write_segment(
        "PID",
        {
            1: "1",
            3: [person.mrn, "", "", person.authority, "MR"],
            5: [person.family, person.given],
            7: person.birth_date.replace("-", ""),
            8: person.sex,
            13: person.phone,
            15: person.language,
            29: moment(person.deceased_at),
            30: "Y" if dead else "",
        },
    )


def _visit(facts: Mapping[str, Any]) -> str:
    def text(name: str) -> str:
        return str(facts.get(name) or "")

    return write_segment(
        "PV1",
        {
            1: "1",
            2: CLASSES.get(text("class") or text("to_class"), "U"),
            3: _place(text("location") or text("to")),
            4: text("admission_type"),
            6: _place(text("from")),
            7: _doctor(text("attending_id"), text("attending_name")),
            10: text("hospital_service"),
            14: text("admit_source"),
            19: text("visit_number"),
            36: text("disposition"),
            37: text("destination"),
            44: moment(facts.get("admitted_at") or facts.get("started_at")),
            45: moment(facts.get("discharged_at")),
        },
    )


def _place(text: str) -> list[str]:
    """Our "unit-room-bed" as PL."""
    return text.split("-", 2) if text else []


def _doctor(number: str, name: str) -> list[str]:
    family, _, given = name.partition(", ")
    return [number, family, given] if number or name else []


def _schedule(facts: Mapping[str, Any]) -> str:
    def text(name: str) -> str:
        return str(facts.get(name) or "")

    return write_segment(
        "SCH",
        {
            1: text("placer_id"),
            2: text("filler_id"),
            6: text("event_reason") or "UNKNOWN",
            7: text("reason"),
            8: text("type"),
            11: ["", "", "", moment(facts.get("start")), moment(facts.get("end"))],
            25: STATUSES.get(text("status"), ""),
        },
    )


def _resources(facts: Mapping[str, Any]) -> list[str]:
    """RGS, then what of service, place and person is known."""
    start = moment(facts.get("start"))
    service, place = str(facts.get("service") or ""), str(facts.get("point_of_care") or "")
    provider = _doctor(str(facts.get("provider_id") or ""), str(facts.get("provider_name") or ""))
    found = [write_segment("RGS", {1: "1", 2: "U"})]
    if service:
        found.append(write_segment("AIS", {1: "1", 2: "U", 3: service, 4: start}))
    if place:
        found.append(
            write_segment("AIL", {1: "1", 2: "U", 3: [place], 4: str(facts.get("location_type") or ""), 6: start})
        )
    if provider:
        found.append(write_segment("AIP", {1: "1", 2: "U", 3: provider, 6: start}))
    return found


def moment(value: datetime | str | None) -> str:
    """YYYYMMDDHHMMSS with offset; "" when it is not known."""
    if not value:
        return ""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).strftime("%Y%m%d%H%M%S%z")
