"""`baton explain`: one message in plain words.  Every field by its name, the events it gives, and what would follow.

What follows is decided for a patient of whom nothing else is known, with the settings of the channel: the same
functions as in the gateway, without a store.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from gateway.coordination.changes import Cause, Changes, Considered, CoordinationSettings
from gateway.coordination.decide import decide
from gateway.coordination.scope import Scope
from mappings.hl7v2 import open_message, read_message
from mappings.profile import FeedProfile
from mappings.reading import ItemReading
from parsers.errors import ParseError
from parsers.hl7v2.dictionary import dictionary
from parsers.hl7v2.message import Message, Repetition, Segment

SEGMENT_NAMES = {
    "MSH": "Message header", "SFT": "Software", "EVN": "Event type", "PID": "Patient identification",
    "PD1": "Patient additional demographics", "ROL": "Role", "NK1": "Next of kin", "PV1": "Patient visit",
    "PV2": "Patient visit, additional", "DB1": "Disability", "OBX": "Observation", "AL1": "Allergy",
    "IAM": "Adverse reaction", "DG1": "Diagnosis", "DRG": "Diagnosis related group", "PR1": "Procedures",
    "GT1": "Guarantor", "IN1": "Insurance", "IN2": "Insurance, additional", "IN3": "Insurance, certification",
    "ACC": "Accident", "UB1": "UB82", "UB2": "UB92", "PDA": "Patient death and autopsy", "MRG": "Merge",
    "NPU": "Bed status update", "SCH": "Scheduling activity", "TQ1": "Timing and quantity", "NTE": "Notes",
    "RGS": "Resource group", "AIS": "Appointment, service", "AIG": "Appointment, general resource",
    "AIL": "Appointment, location", "AIP": "Appointment, personnel", "MSA": "Acknowledgement", "ERR": "Error",
}  # fmt: skip


class FieldLine(msgspec.Struct, frozen=True):
    """One valued field.  `parts`: (component name, value) of each valued component, repetition by repetition."""

    place: str
    name: str
    parts: tuple[tuple[tuple[str, str], ...], ...]


class SegmentLines(msgspec.Struct, frozen=True):
    segment: str
    name: str
    fields: tuple[FieldLine, ...]


class Followed(msgspec.Struct, frozen=True):
    """What one event of the message would change, and what each rule made of it."""

    type: str
    changes: Changes
    rules: tuple[Considered, ...]


class Explanation(msgspec.Struct, frozen=True):
    """`followed`: what each event would change for a patient not known yet."""

    segments: tuple[SegmentLines, ...]
    reading: ItemReading
    followed: tuple[Followed, ...]


def explain(raw: bytes, profile: FeedProfile, settings: CoordinationSettings, now: datetime) -> Explanation:
    """Explain one message; without a readable MSH there are no segments and the reading says why."""
    reading = read_message(raw, profile, now)
    try:
        segments = tuple(_segments(open_message(raw, profile)))
    except ParseError:
        segments = ()
    return Explanation(segments, reading, tuple(_follow(reading, profile, settings, now)))


def _follow(
    reading: ItemReading, profile: FeedProfile, settings: CoordinationSettings, now: datetime
) -> Iterator[Followed]:
    for index, event in enumerate(reading.events):
        cause = Cause(message_id="m-0", item=index, channel=profile.channel, received_at=now)
        rules: list[Considered] = []
        changes = decide(Scope(), event, cause, now, settings, b"explain", rules)
        yield Followed(event.type, changes, tuple(rules))


def _segments(message: Message) -> Iterator[SegmentLines]:
    for segment in message.segments:
        names = SEGMENT_NAMES.get(segment.name, "site-defined" if segment.name.startswith("Z") else "")
        yield SegmentLines(segment.name, names, tuple(_fields(segment)))


def _fields(segment: Segment) -> Iterator[FieldLine]:
    words = dictionary()
    for number in range(1, segment.field_count + 1):
        repetitions = segment.repetitions(number)
        parts = tuple(_parts(segment.name, number, each) for each in repetitions)
        if any(parts):
            field = words.field(segment.name, number)
            yield FieldLine(f"{segment.name}-{number}", field.name if field else "", tuple(p for p in parts if p))


def _parts(segment: str, number: int, repetition: Repetition) -> tuple[tuple[str, str], ...]:
    values = repetition.components()
    if len(values) == 1:
        return (("", values[0]),) if values[0] else ()
    words = dictionary()
    return tuple(
        (words.component(segment, number, index) or str(index), value) for index, value in enumerate(values, 1) if value
    )
