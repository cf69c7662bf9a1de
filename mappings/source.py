"""One HL7 v2 message as a mapping sees it: its segments by name, its clock, its place, and what was odd in it."""

from __future__ import annotations

from copy import copy
from datetime import datetime
from functools import lru_cache

import msgspec

from mappings.adjustment import adjust
from mappings.events import DELETE, CanonicalEvent, Problem
from mappings.fields import Fields
from mappings.profile import FeedProfile
from mappings.reading import ItemReading
from parsers.errors import Oddity
from parsers.hl7v2.datetimes import Timestamp, parse_timestamp, to_utc
from parsers.hl7v2.message import Message, Segment

MOST_PROBLEMS = 100
"""Of one message; what comes after is not noted."""

FLAG_TEXTS = {
    "ambiguous-time": "the local time occurs twice; the first is taken",
    "nonexistent-time": "the local time does not exist; it is moved forward",
    "offset-mismatch": "the offset sent is not that of the feed's time zone",
}


def problem_of(odd: Oddity) -> Problem:
    """A parser's doubt as a canonical problem."""
    return Problem(severity=odd.severity, code=odd.code, location=odd.location, text=odd.text)


@lru_cache(maxsize=4096)
def instant_of(sent: str, zone: str, offset: int | None) -> tuple[tuple[datetime, str] | None, tuple[str, ...]]:
    """((UTC, precision) or None, flags) of a time as sent; `offset`: minutes, where that of MSH-7 is to be taken."""
    stamp = parse_timestamp(sent)
    if stamp is None or stamp.precision in ("year", "month"):
        return None, ()
    if offset is not None and stamp.offset is None:
        stamp = Timestamp(stamp.local, offset, stamp.precision)
    at, flags = to_utc(stamp, zone)
    return (at, stamp.precision), flags


@lru_cache(maxsize=1024)
def agrees(hour: datetime, offset: int, zone: str) -> bool:
    """Whether `offset` minutes is an offset of `zone` in that local hour."""
    return "offset-mismatch" not in to_utc(Timestamp(hour, None, "hour"), zone, offset)[1]


class Source(Fields):
    """The message with its facility, zone and recorded time decided, and the list of problems that reading adds to."""

    def __init__(self, message: Message, profile: FeedProfile, received_at: datetime, item: int = 0) -> None:
        super().__init__(message.encoding)
        self.profile = profile
        self.received_at = received_at
        self.item = item
        self.rows = message.segments
        self.header = self.rows[0]
        self.first = message.first
        self.all = message.all
        self.picked = adjust(message, profile) if profile.adjusts else {}
        self.problems = [problem_of(odd) for odd in message.oddities[:MOST_PROBLEMS]]
        self.facility = profile.default_facility
        self.recorded_at = received_at
        self.historical = False
        self._zone = profile.zone
        self._offset: int | None = None  # of MSH-7, where it contradicts the zone
        self._moments: dict[str, tuple[datetime, str] | None] = {}
        self._place()

    def only(self, rows: list[Segment]) -> Source:
        """This message as if it held only these segments and the header: of one of the patients that it names.  What is
        odd is noted in the list of the whole."""
        view = copy(self)
        view.rows = [self.header, *rows]
        view.all = lambda name: [row for row in view.rows if row.name == name]
        view.first = lambda name: next((row for row in view.rows if row.name == name), None)
        return view

    # -- place and clock -------------------------------------------------------------------------------------------

    def _place(self) -> None:
        """Decide facility (decision 11: the first known alias), zone and `recorded_at` (EVN-2, else MSH-7)."""
        header, event = self.header, self.first("EVN")
        self.facility, known = self.profile.facility_of(*self._places(event), self.value(header, 4))
        if not known:
            self.note("103", header, 4, "facility unknown; the channel's default is taken")
        self._zone = self.profile.zone_of(self.facility)
        sent = parse_timestamp(self.text(header, 7) or "")
        if (
            sent is not None
            and sent.offset is not None
            and not agrees(sent.local.replace(minute=0, second=0, microsecond=0), sent.offset, self._zone)
        ):
            self._offset = sent.offset
            self.note("offset-mismatch", header, 7, FLAG_TEXTS["offset-mismatch"])
        recorded = self.instant(event, 2) if event else None
        self.recorded_at = recorded or self.instant(header, 7) or self.received_at
        self.historical = (self.part(header, 11, 2) or "").upper() in ("A", "R", "I")

    def _places(self, event: Segment | None) -> tuple[str | None, ...]:
        """Facility codes before MSH-4: AIL-3.4 of an appointment, else PV1-3.4 and EVN-7."""
        if self.first("SCH"):
            return tuple(self.part(ail, 3, 4) for ail in self.all("AIL")[:1])
        pv1 = self.first("PV1")
        return self.part(pv1, 3, 4) if pv1 else None, self.value(event, 7) if event else None

    def moment(self, segment: Segment, field: int, sent: str) -> tuple[datetime, str] | None:
        """(UTC, precision) of a time as sent; None and a problem when it cannot be read or names no day."""
        if sent in self._moments:
            return self._moments[sent]
        found, flags = instant_of(sent, self._zone, self._offset)
        if found is None:
            self.note("102", segment, field, "not a readable time")
        for code in flags:
            self.note(code, segment, field, FLAG_TEXTS[code])
        self._moments[sent] = found
        return found

    def instant(self, segment: Segment, field: int, component: int = 1) -> datetime | None:
        """TS: aware UTC datetime."""
        sent = self.value(segment, field) if component == 1 else self.part(segment, field, component)
        if sent is None:
            return None
        found = self.moment(segment, field, sent)
        return found[0] if found else None

    def day(self, segment: Segment, field: int) -> str | None:
        """DT or TS: ISO date of the precision sent ("1948", "1948-02", "1948-02-17"); DELETE as sent."""
        sent = self.text(segment, field)
        if sent is None or sent == DELETE:
            return sent
        stamp = parse_timestamp(sent)
        if stamp is None:
            self.note("102", segment, field, "not a readable date")
            return None
        return stamp.local.date().isoformat()[: {"year": 4, "month": 7}.get(stamp.precision, 10)]

    # -- what was odd ----------------------------------------------------------------------------------------------

    def note(self, code: str, segment: Segment, field: int, words: str, severity: str = "warning") -> None:
        """Add a problem at `segment`^sequence^field."""
        if len(self.problems) < MOST_PROBLEMS:
            row = next((n for n, other in enumerate(self.all(segment.name), 1) if other is segment), 1)
            where = f"{segment.name}^{row}^{field}"
            self.problems.append(Problem(severity=severity, code=code, location=where, text=words))

    def missing(self, name: str) -> None:
        """Note a segment that the structure asks for; few enough to need no limit."""
        self.problems.append(Problem(severity="warning", code="100", location=name, text="segment missing"))

    # -- the outcome -----------------------------------------------------------------------------------------------

    def events(self, *events: CanonicalEvent) -> ItemReading:
        if self.picked or self.profile.insurance == "partial":
            partial = self.profile.insurance == "partial"
            events = tuple(
                msgspec.structs.replace(event, site=self.picked, partial_coverages=partial) for event in events
            )
        return ItemReading(item=self.item, outcome="events", events=events, problems=tuple(self.problems))

    def nobody(self) -> ItemReading:
        """The end of a message that names no patient."""
        if pid := self.first("PID"):
            self.note("101", pid, 3, "no identifier names the patient", "error")
        else:
            self.missing("PID")
        return self.end("parked", "no-patient-id")

    def end(self, outcome: str, reason: str) -> ItemReading:
        """`filtered`, `parked` or `rejected`."""
        return ItemReading(item=self.item, outcome=outcome, reason=reason, problems=tuple(self.problems))
