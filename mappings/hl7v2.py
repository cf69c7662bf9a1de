"""HL7 v2 bodies: one message, a batch or many, each read by its family's mapping."""

from __future__ import annotations

import re
from datetime import datetime
from fnmatch import fnmatchcase

from mappings.adt import read_adt
from mappings.codes import EVENTS
from mappings.profile import FeedProfile
from mappings.reading import ItemReading, Reading
from mappings.siu import read_siu
from mappings.source import MOST_PROBLEMS, Source, problem_of
from parsers.errors import ParseError
from parsers.hl7v2.batch import split_batch
from parsers.hl7v2.message import Message
from parsers.hl7v2.sequence import RESYNCHRONISE, START, read_sequence_number
from parsers.hl7v2.structure import check_structure

_NOT_A_CODE = re.compile(r"[^A-Z0-9]+")
_TYPE = re.compile(r"[A-Z0-9]{3}")
_VERSION = re.compile(r"2\.[1-9](?![0-9])")


def read_hl7v2(body: bytes, profile: FeedProfile, received_at: datetime) -> Reading:
    """All messages of a body; the item is the position.  A body with no message at all is one filtered item."""
    batch = split_batch(body)
    items = tuple(read_message(raw, profile, received_at, item) for item, raw in enumerate(batch.messages))
    problems = tuple(problem_of(odd) for odd in batch.oddities)
    return Reading(items=items or (ItemReading(item=0, outcome="filtered", reason="empty-batch"),), problems=problems)


def read_message(raw: bytes, profile: FeedProfile, received_at: datetime, item: int = 0) -> ItemReading:
    """One message -> events; `rejected` without MSH or MSH-9, `filtered` as test traffic or for want of a mapping,
    `parked` when nobody can be told from it."""
    try:
        message = open_message(raw, profile)
    except ParseError as error:
        return ItemReading(item=item, outcome="rejected", reason="no-header", problems=(problem_of(error.oddity),))
    source = Source(message, profile, received_at, item)
    if profile.sequence_numbers and (about := _about_the_link(source)) is not None:
        return source.end("filtered", about)
    trigger = read_trigger(source)
    if trigger is None:
        source.note("101", source.header, 9, "message type missing", "error")
        return source.end("rejected", "no-message-type")
    _note_header(source)
    processing_id = source.value(source.header, 11)
    if processing_id is None:
        source.note("101", source.header, 11, "processing id missing; taken as production", "information")
    elif processing_id.upper() not in profile.processing_ids:
        return source.end("filtered", "test-message")
    if any(fnmatchcase(trigger, pattern) for pattern in profile.filter_events):
        return source.end("filtered", f"feed:{trigger}")
    if trigger not in EVENTS:
        return source.end("filtered", f"no-mapping:{trigger}")
    if profile.structure != "off" and not _fits(source, message, trigger):
        return source.end("parked", "structure")
    return read_adt(source, trigger) if trigger.startswith("ADT") else read_siu(source, trigger)


def _note_header(source: Source) -> None:
    """MSH-10 and MSH-12, which nothing hangs on: their lack is only noted (decisions 2 and 5)."""
    if source.value(source.header, 10) is None:
        source.note("101", source.header, 10, "control id missing; its bytes alone tell a copy apart")
    version = source.value(source.header, 12)
    if version is None:
        source.note("101", source.header, 12, "version missing", "information")
    elif not _VERSION.match(version):
        source.note("203", source.header, 12, "not a version of HL7 v2; read like all others")


_LINK = {START: "sequence-start", RESYNCHRONISE: "sequence-resynchronise"}


def _about_the_link(source: Source) -> str | None:
    number = read_sequence_number((source.text(source.header, 13) or "").encode("ascii", "replace"))
    return _LINK.get(number) if number is not None else None


def open_message(raw: bytes, profile: FeedProfile) -> Message:
    """The message, with the character set of the feed.  Raises ParseError without a readable MSH."""
    return Message(raw, profile.character_set, forced=profile.character_set_from == "channel")


def _fits(source: Source, message: Message, trigger: str) -> bool:
    """Note what does not fit the structure of the event; False when the feed asks to hold such a message."""
    odd = check_structure(message, trigger)
    source.problems += [problem_of(one) for one in odd][: MOST_PROBLEMS - len(source.problems)]
    return source.profile.structure == "warn" or not any(one.severity == "error" for one in odd)


def read_trigger(source: Source) -> str | None:
    """ "ADT^A03" from MSH-9, the event from EVN-1 where MSH-9.2 is empty or no code; None when MSH-9 is.

    Anything that is no code (a slipped field) is written "?", so that a reason never repeats content.
    """
    sent = source.parts(source.header, 9)
    evn = source.first("EVN")
    kind, event = _code(source.pick(sent, 1)), _code(source.pick(sent, 2))
    told = _code(source.text(evn, 1)) if evn else ""
    if not kind:
        return None
    if event and not _TYPE.fullmatch(event) and _TYPE.fullmatch(told):
        source.note("103", source.header, 9, "MSH-9.2 is no event; that of EVN-1 is taken")
        event = told
    elif event and told and event != told:
        source.note("evn-mismatch", source.header, 9, "EVN-1 names another event; MSH-9 is taken")
    event = event or told
    kind = kind if _TYPE.fullmatch(kind) else "?"
    if not event:
        return kind
    return f"{kind}^{event if _TYPE.fullmatch(event) else '?'}"


def _code(sent: str | None) -> str:
    """Upper case, without the blanks and invisible characters that get pasted into MSH-9."""
    return _NOT_A_CODE.sub("", sent.upper()) if sent else ""
