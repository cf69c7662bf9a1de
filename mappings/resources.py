"""AIS, AIG, AIL, AIP: what an appointment takes, and slots of a schedule (S18 to S24; domain reference 3.1, 3.2)."""

from __future__ import annotations

from mappings.codes import EVENTS
from mappings.events import CanonicalEvent, ResourceFacts, SlotFacts
from mappings.reading import ItemReading
from mappings.source import Source
from mappings.timing import read_end, read_start
from parsers.hl7v2.message import Segment

SLOTS = frozenset(("SIU^S23", "SIU^S24"))
SINGLE = {"SIU^S18": "A", "SIU^S19": "U", "SIU^S20": "D", "SIU^S21": "D", "SIU^S22": "D"}
"""Events that tell single changes, with what a row without an action code means in them; the others list all."""

ROWS = {"AIS": (3, None, 4), "AIG": (3, 4, 8), "AIL": (3, 4, 6), "AIP": (3, 4, 6)}
"""Segment -> fields of id, type and start."""
UNCHANGED = "X"


def read_resources(source: Source, trigger: str) -> tuple[tuple[ResourceFacts, ...] | None, bool]:
    """(resources, are they the whole set).  A row's action is its own, else its group's (RGS-2), else the event's."""
    usual = SINGLE.get(trigger, "")
    group, found = "", []
    for row in source.rows:
        if row.name == "RGS":
            group = source.value(row, 2) or ""
        elif row.name in ROWS:
            action = (source.value(row, 2) or group or usual).upper()
            if action != UNCHANGED and (one := _resource(source, row, removed=action == "D")) is not None:
                found.append(one)
    complete = not usual
    if complete:
        found = [one for one in found if not one.removed]
    return (tuple(found) or None), complete


def _resource(source: Source, row: Segment, *, removed: bool) -> ResourceFacts | None:
    """None, and a problem, where nothing names the resource."""
    name, type_, start = ROWS[row.name]
    text: str | None = None
    if row.name == "AIP":
        person = source.person(row, name)
        code = person.id if person else None
        text = ", ".join(part for part in (person.family, person.given) if part) if person else None
    elif row.name == "AIL":
        place = source.location(row, name)
        parts = (place.point_of_care, place.room, place.bed) if place else ()
        code = "-".join(part for part in parts if part) or (place.facility if place else None)
    else:
        code, text = source.value(row, name), source.part(row, name, 2)
    named = code or text
    if not named:
        source.note("101", row, name, "nothing names the resource")
        return None
    return ResourceFacts(
        kind=row.name,
        id=named[:200],
        text=text or None,
        type=source.value(row, type_) if type_ else None,
        start=source.instant(row, start),
        removed=removed,
    )


def read_slots(source: Source, trigger: str) -> ItemReading:
    """S23, S24: one event per resource that the message names, else for its schedule (SCH-5); nobody's."""
    sch = source.first("SCH")
    if sch is None:
        source.missing("SCH")
        return source.end("parked", "no-schedule")
    resources = list(read_resources(source, "")[0] or ())
    resources = [one for one in resources if one.kind != "AIS"] or resources
    schedule = source.value(sch, 5)
    if not resources and schedule:
        resources = [ResourceFacts(kind="SCH", id=schedule[:200], text=source.part(sch, 5, 2))]
    if not resources:
        source.note("101", sch, 5, "neither resource nor schedule is named", "error")
        return source.end("parked", "no-schedule")
    start, _ = read_start(source, sch)
    end = read_end(source, sch, start)
    events = [
        CanonicalEvent(
            type=EVENTS[trigger],
            trigger=trigger,
            recorded_at=source.recorded_at,
            occurred_at=source.recorded_at,
            facility=source.facility,
            slot=SlotFacts(resource=one, start=one.start or start, end=end, reason=source.value(sch, 6)),
            historical=source.historical,
            problems=tuple(source.problems),
        )
        for one in resources
    ]
    return source.events(*events)
