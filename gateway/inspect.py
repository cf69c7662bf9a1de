"""`baton inspect`: what the gateway would read in a file and answer to it.  Offline, and never fails on content.

HL7 v2 facts are shown for every message that has them, also where no canonical event comes of it; values stand as sent.
A date stands in ISO form, with what was sent beside it under `<name>_raw`; one that cannot be read stands as sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from mappings.hl7v2 import open_message, read_message
from mappings.profile import FeedProfile
from mappings.reading import ItemReading
from mappings.source import Source, problem_of
from mappings.timing import read_start
from mappings.x12 import inspect_interchanges
from parsers.content import Content, visible
from parsers.errors import Oddity, ParseError
from parsers.hl7v2.acknowledgement import AckError, answer_code, build_acknowledgement
from parsers.hl7v2.batch import split_batch
from parsers.hl7v2.datetimes import parse_timestamp
from parsers.hl7v2.header import scan_header
from parsers.hl7v2.message import Segment
from parsers.standard import BLANK, sniff

Json = dict[str, Any]

_JSON = msgspec.json.Encoder(enc_hook=str)


def inspect_bytes(file: str, body: Content, profile: FeedProfile, now: datetime | None = None) -> Iterator[Json]:
    """One JSON-ready object per HL7 v2 message or X12 interchange of `body`; `now` stands in for the receipt."""
    return map(settled, inspect_content(file, body, profile, now))


def settled(value: Any) -> Any:
    """A description with its iterators read and what follows from them known."""
    match value:
        case dict():
            return {name: settled(one) for name, one in value.items()}
        case Iterator():
            return [settled(one) for one in value]
        case Callable():
            return value()
    return value


def json_pieces(value: Any) -> Iterator[str]:
    """The JSON of a description, piece by piece; of what is told set by set no more than a set is held."""
    match value:
        case dict():
            lead = "{"
            for name, one in value.items():
                yield f"{lead}{_JSON.encode(name).decode()}:"
                yield from json_pieces(one)
                lead = ","
            yield "}" if value else "{}"
        case Iterator():
            lead = "["
            for one in value:
                yield lead
                yield from json_pieces(one)
                lead = ","
            yield "]" if lead == "," else "[]"
        case _:
            yield _JSON.encode(settled(value)).decode()


def inspect_content(file: str, body: Content, profile: FeedProfile, now: datetime | None = None) -> Iterator[Json]:
    """As `inspect_bytes`; an interchange is told set by set: its value is read in order, and before the next one."""
    standard = sniff(body)
    if standard == "hl7v2":
        found = _inspect_messages(body[:], profile, now or datetime.now(UTC))
    elif standard == "x12":
        found = inspect_interchanges(body, profile)
    else:
        words = (
            "neither HL7 v2 nor X12 in the first 64 KiB"
            if visible(body, 0, len(body), BLANK)
            else "there is nothing in it"
        )
        found = iter([unreadable("unknown-standard", words)])
    for index, one in enumerate(found):
        yield {"file": file, "index": index, **one}


def unreadable(code: str, words: str) -> Json:
    """What is shown of a file that holds neither standard, or cannot be opened."""
    problems = [msgspec.to_builtins(Oddity("error", code, "file", words))]
    return {"standard": "unknown", "events": [], "outcome": "rejected", "problems": problems}


def _inspect_messages(body: bytes, profile: FeedProfile, now: datetime) -> Iterator[Json]:
    batch = split_batch(body)
    oddities = [msgspec.to_builtins(problem_of(odd)) for odd in batch.oddities]
    if not batch.messages:
        yield {"standard": "hl7v2", "events": [], "outcome": "filtered", "reason": "empty-batch", "problems": oddities}
    for index, raw in enumerate(batch.messages):
        one = _inspect_message(raw, profile, now, index)
        if index == 0 and oddities:
            one["problems"] = oddities + one.get("problems", [])
        yield one


def _inspect_message(raw: bytes, profile: FeedProfile, now: datetime, index: int) -> Json:
    reading = read_message(raw, profile, now, index)
    found: Json = {"standard": "hl7v2"}
    try:
        message = open_message(raw, profile)
    except ParseError:
        pass
    else:
        source = Source(message, profile, now, index)
        found |= _facts(source)
    found |= {
        "events": msgspec.json.decode(msgspec.json.encode(reading.events)),
        "acknowledgement": _acknowledgement(raw, reading, now, index),
        "outcome": "processed" if reading.outcome == "events" else reading.outcome,
        "reason": reading.reason,
    }
    return _present(found) | {
        "events": found["events"],
        "problems": [msgspec.to_builtins(problem) for problem in reading.problems],
    }


def _acknowledgement(raw: bytes, reading: ItemReading, now: datetime, index: int) -> str | None:
    """The text that would go back."""
    header = scan_header(raw)
    code = answer_code(header, "auto", "reject" if reading.outcome == "rejected" else "accept")
    if code is None:
        return None
    error = None
    if reading.outcome == "rejected" and (problem := reading.cause):
        error = AckError(code=problem.code, location=problem.location, text=problem.text)
    answer = build_acknowledgement(header, code, now=now, control_id=f"INSPECT{index}", error=error)
    try:
        return answer.decode()
    except UnicodeDecodeError:
        return answer.decode("latin-1")


# -- facts as sent -------------------------------------------------------------------------------------------------


def _facts(source: Source) -> Json:
    pid, pv1, sch, msa = (source.first(name) for name in ("PID", "PV1", "SCH", "MSA"))
    return {
        "message": _message(source),
        "patient": _patient(source, pid),
        "encounter": _encounter(source, pv1) if pv1 else None,
        "appointment": _appointment(source, sch) if sch else None,
        "acknowledges": _present({"code": msa.text(1), "message_control_id": msa.text(2)}) if msa else None,
    }


def _message(source: Source) -> Json:
    msh = source.header
    return _present(
        {
            "type": msh.text(9),
            "trigger_event": msh.text(9, 2),
            "structure": msh.text(9, 3),
            "message_control_id": msh.whole(10),
            "version": msh.text(12),
            "processing_id": msh.text(11),
            "sending_application": msh.text(3),
            "sending_facility": msh.text(4),
            **_time(source, "sent_at", msh, 7),
            "character_set": msh.text(18),
        }
    )


def _patient(source: Source, pid: Segment | None) -> Json:
    prior = [one for mrg in source.all("MRG") for one in _identifiers(mrg, 1)]
    if pid is None:
        return _present({"prior_identifiers": prior})
    return _present(
        {
            "identifiers": _identifiers(pid, 3),
            "family": pid.text(5),
            "given": pid.text(5, 2),
            **_date("birth_date", pid.text(7)),
            "sex": pid.text(8),
            "prior_identifiers": prior,
        }
    )


def _encounter(source: Source, pv1: Segment) -> Json:
    return _present(
        {
            "visit_number": pv1.text(19),
            "patient_class": pv1.text(2),
            "point_of_care": pv1.text(3),
            **_time(source, "admitted_at", pv1, 44),
            **_time(source, "discharged_at", pv1, 45),
            "disposition": pv1.text(36),
        }
    )


def _appointment(source: Source, sch: Segment) -> Json:
    start, sent = read_start(source, sch)
    return _present(
        {
            "placer_id": sch.text(1),
            "filler_id": sch.text(2),
            "start": msgspec.to_builtins(start) if start else sent,
            "start_raw": sent if start else None,
            "status": sch.text(25) or sch.text(25, 2),
        }
    )


def _identifiers(segment: Segment, field: int) -> list[Json]:
    return [
        _present(
            {
                "value": value,
                "authority": repetition.text(4) or repetition.text(4, 2),
                "type": repetition.text(5),
            }
        )
        for repetition in segment.repetitions(field)
        if (value := repetition.text(1))
    ]


def _time(source: Source, name: str, segment: Segment, field: int) -> Json:
    """A time in UTC, or as a date when no more was sent; as sent when it cannot be read."""
    sent = segment.text(field)
    found = source.moment(segment, field, sent) if sent else None
    if found is None:
        return {name: sent}
    if found[1] == "day":
        return _date(name, sent)
    return {name: msgspec.to_builtins(found[0]), f"{name}_raw": sent}


def _date(name: str, sent: str) -> Json:
    stamp = parse_timestamp(sent) if sent else None
    if stamp is None:
        return {name: sent}
    iso = stamp.local.date().isoformat()[: {"year": 4, "month": 7}.get(stamp.precision, 10)]
    return {name: iso, f"{name}_raw": sent}


def _present(facts: Json) -> Json:
    """Without absent facts."""
    return {name: fact for name, fact in facts.items() if fact not in (None, "", [], {}, ())}
