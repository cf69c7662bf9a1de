"""What a 271 and a 278 response share: payer, member, traces, rejections, dates and the time of the transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from mappings.events import MemberFacts, Problem, Rejection
from mappings.profile import FeedProfile
from mappings.x12_codes import GROUP_NUMBER, MEMBER_NUMBER, SOCIAL_SECURITY_NUMBER
from mappings.x12_rejections import explained
from parsers.x12.header import Header
from parsers.x12.hierarchy import DEPENDENT, SOURCE, SUBSCRIBER, HierarchicalLevel, Hierarchy
from parsers.x12.segments import Segment

_OWN_TRACE = "1"  # TRN01
_REQUESTERS_TRACE = "2"  # TRN01 of an answer: the requester's number, echoed
MAX_LISTED = 100  # rejections or traces that one patient carries; a damaged file repeats them without end


class Above(msgspec.Struct, frozen=True, kw_only=True):
    """What a level has from the levels above it."""

    rejections: tuple[Rejection, ...] = ()  # outermost first
    payer: Segment | None = None  # NM1 of the information source
    member_id: str | None = None  # of the subscriber
    group_number: str | None = None  # of the subscriber


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """One set to map, with what its heading says.

    `recorded_on` is BHT04 as a calendar day in the payer's zone.  `top` is what a level without a parent has; `below`
    what each level hands down, by its identity: found once, so that a wide tree costs no more than its segments.
    """

    set_id: str
    hierarchy: Hierarchy
    heading: Segment | None  # BHT
    recorded_at: datetime
    recorded_on: date
    facility: str
    top: Above
    below: dict[int, Above]
    members: dict[int, MemberFacts]  # filled as members are read
    problems: tuple[Problem, ...] = ()

    @property
    def purpose(self) -> str:
        """BHT02."""
        return self.heading.text(2) if self.heading else ""

    @property
    def guide(self) -> str:
        """ST03."""
        st = self.hierarchy.heading[0] if self.hierarchy.heading else None
        return st.text(3) if st else ""

    @property
    def reference(self) -> str | None:
        """BHT03."""
        return self.heading.text(3) or None if self.heading else None

    def above(self, level: HierarchicalLevel) -> Above:
        return self.below[id(level.parent)] if level.parent else self.top


def open_transaction(
    set_id: str, hierarchy: Hierarchy, header: Header, profile: FeedProfile, received_at: datetime
) -> Transaction:
    """Read the heading.  The time is BHT04/05, else ISA09/10, both in the payer's zone, else the time of receipt."""
    heading = next((segment for segment in hierarchy.heading if segment.id == "BHT"), None)
    zone = ZoneInfo(profile.payer_zone)
    local = parse_moment(heading.text(4), heading.text(5)) if heading else None
    problems = []
    if local is None:
        local = parse_moment("20" + header.elements[9], header.elements[10])
        problems.append(Problem(severity="warning", code="time-missing", location="BHT*4", text="BHT04 is no date"))
    if local is None:
        local = received_at.astimezone(zone).replace(tzinfo=None)
    recorded_at, flag = to_utc(local, zone)
    if flag:
        problems.append(Problem(severity="information", code=flag, location="BHT*5", text="Clock change"))
    top, below = _inheritance(set_id, hierarchy)
    return Transaction(
        set_id=set_id,
        hierarchy=hierarchy,
        heading=heading,
        recorded_at=recorded_at,
        recorded_on=local.date(),
        facility=profile.default_facility,
        top=top,
        below=below,
        members={},
        problems=tuple(problems),
    )


def _inheritance(set_id: str, hierarchy: Hierarchy) -> tuple[Above, dict[int, Above]]:
    top = Above(rejections=rejections(hierarchy.heading, "heading")[:MAX_LISTED], payer=name_of(source_of(hierarchy)))
    below: dict[int, Above] = {}
    for level in hierarchy.levels:
        above = below[id(level.parent)] if level.parent else top
        code = level.code
        below[id(level)] = Above(
            rejections=(above.rejections + level_rejections(level, set_id))[:MAX_LISTED],
            payer=name_of(level) if code == SOURCE else above.payer,
            member_id=member_id(level) if code == SUBSCRIBER else above.member_id,
            group_number=reference(level.segments, GROUP_NUMBER) if code == SUBSCRIBER else above.group_number,
        )
    return top, below


def parse_moment(day: str, time: str) -> datetime | None:
    """CCYYMMDD with HHMM, HHMMSS or HHMMSSD..; an unreadable time is midnight, an unreadable day None."""
    parsed = parse_day(day)
    if parsed is None:
        return None
    digits = time[:6] if time.isascii() and time.isdigit() else ""
    hour, minute, second = (int(digits[at : at + 2] or 0) for at in (0, 2, 4))
    if hour > 23 or minute > 59 or second > 59:
        hour = minute = second = 0
    return datetime(parsed.year, parsed.month, parsed.day, hour, minute, second)


def parse_day(text: str) -> date | None:
    """CCYYMMDD, also as the head of a date with time; None when it is no calendar day."""
    digits = text[:8]
    if len(digits) < 8 or not (digits.isascii() and digits.isdigit()):
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def to_utc(local: datetime, zone: ZoneInfo) -> tuple[datetime, str | None]:
    """A local time that occurs twice takes the first, one that does not exist moves forward (decision 20)."""
    aware = local.replace(tzinfo=zone)
    utc = aware.astimezone(UTC)
    if aware.utcoffset() == aware.replace(fold=1).utcoffset():
        return utc, None
    exists = utc.astimezone(zone).replace(tzinfo=None) == local
    return utc, "ambiguous-time" if exists else "nonexistent-time"


class Period(msgspec.Struct, frozen=True):
    """Both ends inclusive; None is open."""

    begins: date | None = None
    ends: date | None = None


def read_period(segment: Segment) -> Period:
    """DTP02/03: D8 and DT give one day at both ends, RD8 a range; unreadable dates are open ends."""
    form, value = segment.text(2), segment.text(3)
    if form == "RD8":
        first, _, last = value.partition("-")
        return Period(parse_day(first), parse_day(last))
    day = parse_day(value)
    return Period(day, day)


def iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def shift(day: date, days: int) -> date:
    """The day after `days`, or the last day there is."""
    return day + timedelta(days=min(days, (date.max - day).days))


def traces(segments: Iterable[Segment]) -> tuple[str, ...]:
    """TRN02 of the traces that echo the requester's (TRN01 = 2), each once, in order."""
    found = (s.text(2) for s in segments if s.id == "TRN" and s.text(1) == _REQUESTERS_TRACE)
    return tuple(dict.fromkeys(trace for trace in found if trace))


def own_traces(segments: Iterable[Segment]) -> tuple[str, ...]:
    """TRN02 of a request's own traces (TRN01 = 1), each once, in order."""
    found = (s.text(2) for s in segments if s.id == "TRN" and s.text(1) == _OWN_TRACE)
    return tuple(dict.fromkeys(trace for trace in found if trace))


def reference(segments: Iterable[Segment], qualifier: str) -> str | None:
    """REF02 of the first REF with this REF01."""
    return next((s.text(2) or None for s in segments if s.id == "REF" and s.text(1) == qualifier), None)


def rejections(segments: Iterable[Segment], loop: str) -> tuple[Rejection, ...]:
    """AAA segments; one without a reason code keeps the reason "" so that it is still seen."""
    return tuple(
        explained(Rejection(reason=s.text(3), loop=loop, valid=s.text(1) or None, follow_up=s.text(4) or None))
        for s in segments
        if s.id == "AAA"
    )


def name_loop(level: HierarchicalLevel, set_id: str) -> str:
    """The loop of a level's NM1: 2100C in a 270 or 271, 2010C in a 278."""
    return ("2010" if set_id == "278" else "2100") + level.loop[4:]


def level_rejections(level: HierarchicalLevel, set_id: str) -> tuple[Rejection, ...]:
    """AAA of a level before its first benefit: of the level itself before its NM1, of the name loop after it."""
    head = level.head
    named = next((at for at, s in enumerate(head) if s.id == "NM1"), len(head))
    return rejections(head[:named], level.loop) + rejections(head[named:], name_loop(level, set_id))


def unplaced_rejections(transaction: Transaction) -> tuple[Rejection, ...]:
    """AAA of a set that names no patient: of its heading and of all its levels."""
    found = transaction.top.rejections
    for level in transaction.hierarchy.levels:
        if len(found) < MAX_LISTED and not level.damage:
            found += level_rejections(level, transaction.set_id)
    return found[:MAX_LISTED]


def source_of(hierarchy: Hierarchy) -> HierarchicalLevel | None:
    """The first information source of the set: the payer, where a level hangs under none."""
    return next((level for level in hierarchy.levels if level.code == SOURCE), None)


def name_of(level: HierarchicalLevel | None) -> Segment | None:
    """The first NM1 of the level itself; names inside its benefits are other people's."""
    return next((s for s in level.head if s.id == "NM1"), None) if level else None


def member_id(level: HierarchicalLevel) -> str | None:
    """NM109 unless it is a social security number, else REF 1W."""
    name = name_of(level)
    sent = name.text(9) if name and name.text(8) != SOCIAL_SECURITY_NUMBER else ""
    return sent or reference(level.head, MEMBER_NUMBER)


def member_facts(
    transaction: Transaction, level: HierarchicalLevel | None, traced: Iterable[Segment] = ()
) -> MemberFacts:
    """Who the answer is about.  A dependent without a member id has the subscriber's.

    `traced`: further segments whose traces belong to this patient (278: of the event and its services).
    """
    if level is None:
        return _payer_facts(transaction, transaction.top.payer)
    facts = transaction.members.get(id(level))
    if facts is None:
        facts = transaction.members[id(level)] = _read_member(transaction, level)
    further = traces(traced)
    if not further:
        return facts
    return msgspec.structs.replace(facts, traces=tuple(dict.fromkeys(facts.traces + further))[:MAX_LISTED])


def _payer_facts(transaction: Transaction, payer: Segment | None) -> MemberFacts:
    return MemberFacts(
        payer_id=payer.text(9) or None if payer else None,
        payer_name=payer.text(3) or None if payer else None,
        reference=transaction.reference,
    )


def _read_member(transaction: Transaction, level: HierarchicalLevel) -> MemberFacts:
    head = level.head
    above = transaction.above(level)
    name = name_of(level)
    demographics = next((segment for segment in head if segment.id == "DMG"), None)
    dependent = level.code == DEPENDENT
    return msgspec.structs.replace(
        _payer_facts(transaction, above.payer),
        member_id=member_id(level) or (above.member_id if dependent else None),
        family=name.text(3) or None if name else None,
        given=name.text(4) or None if name else None,
        birth_date=iso(parse_day(demographics.text(2))) if demographics else None,
        sex=demographics.text(3) or None if demographics else None,
        dependent=dependent,
        traces=traces(head)[:MAX_LISTED],
    )
