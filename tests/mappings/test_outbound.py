"""Messages built from canonical events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mappings.hl7v2 import read_message
from mappings.outbound import TRIGGERS, Addresses, Person, build_message, control_id, moment
from mappings.profile import Facility, FeedProfile
from parsers.hl7v2.message import Message
from parsers.hl7v2.tree import read_tree

NOW = datetime(2026, 11, 10, 12, 0, tzinfo=UTC)
PERSON = Person(authority="GENHOSP", mrn="77", family="O'NEIL & SON", given="ANNA", birth_date="1948-02-17", sex="F")
ADDRESSES = Addresses(receiving_application="APP", receiving_facility="CLINIC")
PROFILE = FeedProfile(channel="adt", facilities=(Facility(id="main", aliases=("main",)),), default_facility="main")
FACTS: dict[str, Any] = {
    "status": "booked",
    "class": "inpatient",
    "visit_number": "V77",
    "location": "4W-401-A",
    "attending_id": "A1",
    "attending_name": "HOUSE, GREG",
    "admitted_at": "2026-11-09T10:00:00-05:00",
    "discharged_at": "2026-11-10T11:00:00-05:00",
    "disposition": "01",
    "prior_identifier": "GENHOSP|66",
    "filler_id": "F1",
    "placer_id": "P1",
    "start": "2026-11-12T09:00:00-05:00",
    "end": "2026-11-12T09:30:00-05:00",
    "service": "FOLLOWUP",
    "point_of_care": "CARD",
    "provider_id": "D1",
    "provider_name": "WILSON, JAMES",
}


def event(type_: str, **data: Any) -> dict[str, Any]:
    return {
        "event_id": "e-1",
        "type": type_,
        "facility": "main",
        "occurred_at": "2026-11-10T11:00:00-05:00",
        "recorded_at": "2026-11-10T11:05:00-05:00",
        "data": FACTS | data,
    }


def built(type_: str, person: Person = PERSON, **data: Any) -> bytes:
    message = build_message(event(type_, **data), person, ADDRESSES, NOW)
    assert message is not None
    return message


@pytest.mark.parametrize("type_", sorted(TRIGGERS))
def test_every_built_message_is_read_by_ourselves_and_by_python_hl7(type_: str) -> None:
    message = built(type_)
    reading = read_message(message, PROFILE, NOW)
    assert reading.outcome == "events", reading.reason
    assert not [problem for problem in reading.problems if problem.severity == "error"]
    patient = reading.events[0].patient
    assert patient is not None and patient.identifiers[0].value == "77" and patient.family == "O'NEIL & SON"
    tree = read_tree(message)
    assert next(segment[0] for segment in tree) == "MSH"


def test_built_discharge_says_what_the_event_says() -> None:
    message = Message(built("encounter.discharged"))
    header, evn, pid, pv1 = (message.first(name) for name in ("MSH", "EVN", "PID", "PV1"))
    assert header is not None and evn is not None and pid is not None and pv1 is not None
    assert [header.text(n) for n in (3, 4, 5, 6, 7, 11, 12)] == [
        "BATON", "main", "APP", "CLINIC", "20261110120000+0000", "P", "2.5.1",
    ]  # fmt: skip
    assert (header.raw(9), evn.text(1), evn.text(6)) == (b"ADT^A03^ADT_A03", "A03", "20261110110000-0500")
    assert (pid.raw(3), pid.raw(5), pid.text(7)) == (b"77^^^GENHOSP^MR", b"O'NEIL \\T\\ SON^ANNA", "19480217")
    assert [pv1.raw(n) for n in (2, 3, 7, 19, 36, 45)] == [
        b"I", b"4W^401^A", b"A1^HOUSE^GREG", b"V77", b"01", b"20261110110000-0500",
    ]  # fmt: skip


def test_built_booking_has_its_time_and_resources() -> None:
    message = Message(built("appointment.booked"))
    sch = message.first("SCH")
    assert sch is not None
    assert [sch.text(1), sch.text(2), sch.text(11, 4), sch.text(11, 5), sch.text(25)] == [
        "P1", "F1", "20261112090000-0500", "20261112093000-0500", "Booked",
    ]  # fmt: skip
    names = [segment.name for segment in message.segments]
    assert names == ["MSH", "SCH", "PID", "PV1", "RGS", "AIS", "AIL", "AIP"]


def test_built_merge_names_the_retired_record() -> None:
    mrg = Message(built("patient.merged")).first("MRG")
    assert mrg is not None and mrg.raw(1) == b"66^^^GENHOSP^MR"


def test_built_message_of_a_name_beyond_ascii_names_its_character_set() -> None:
    message = built("patient.updated", Person(authority="G", mrn="1", family="MÜLLER"))
    read = Message(message)
    pid = read.first("PID")
    assert pid is not None and (read.segments[0].text(18), pid.text(5)) == ("UNICODE UTF-8", "MÜLLER")
    assert b"|UNICODE" not in built("patient.updated")


def test_built_message_keeps_its_control_id_and_leaves_out_what_is_not_known() -> None:
    assert built("encounter.updated") == built("encounter.updated")
    assert control_id("e-1") != control_id("e-2") and len(control_id("e-1")) == 20
    bare = build_message({**event("encounter.updated"), "data": {}}, Person("G", "1"), Addresses(), NOW)
    assert bare is not None
    pv1 = Message(bare).first("PV1")
    assert pv1 is not None and (pv1.text(2), pv1.text(19)) == ("U", "")
    assert b'""' not in bare


def test_event_without_a_message_gives_none() -> None:
    assert build_message(event("task.created"), PERSON, ADDRESSES, NOW) is None


def test_dead_patient_is_said_to_be() -> None:
    pid = Message(built("patient.deceased", Person("G", "1", deceased_at=NOW))).first("PID")
    assert pid is not None and (pid.text(29), pid.text(30)) == ("20261110120000+0000", "Y")


def test_moment_takes_time_without_offset_as_utc() -> None:
    assert moment("2026-11-10T11:00:00") == "20261110110000+0000"
    assert moment(None) == moment("") == ""
