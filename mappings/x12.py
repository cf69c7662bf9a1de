"""X12 bodies: every interchange read, judged and answered; 271 and 278 responses mapped patient by patient."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from mappings.authorization import is_response, map_278_decision, patient_events
from mappings.eligibility import map_271_coverage, patient_levels
from mappings.events import AcknowledgementFacts, CanonicalEvent, Problem
from mappings.partners import TradingPartner
from mappings.profile import FeedProfile
from mappings.reading import ItemReading, Reading, ReplyDraft
from mappings.requests import map_270_request, map_278_request
from mappings.x12_acknowledgements import (
    acknowledgement_event,
    group_acknowledgements,
    interchange_acknowledgements,
)
from mappings.x12_codes import NOT_RESPONSES
from mappings.x12_duplicates import MOST_NUMBERS, judge_repeated
from mappings.x12_facts import Transaction, open_transaction, parse_moment, unplaced_rejections
from mappings.x12_findings import MAX_PROBLEMS, Finding, Numbering
from mappings.x12_inspection import (
    Description,
    describe_group,
    describe_interchange,
    describe_set,
    describe_unknown,
)
from parsers.content import Content
from parsers.errors import Oddity
from parsers.x12.acknowledgement import Acknowledgement, Answering
from parsers.x12.header import Header
from parsers.x12.hierarchy import Hierarchy
from parsers.x12.interchange import FunctionalGroup, Interchange, read_interchanges
from parsers.x12.structure import SetCheck, check_group

_ACKNOWLEDGEMENT = "acknowledgement"  # reason of what says nothing but how something of ours arrived
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


Part = ItemReading | ReplyDraft | Problem


def read_x12(
    body: Content, profile: FeedProfile, received_at: datetime, *, repeated: bool = False, used: Container[int] = ()
) -> Reading:
    """All that `read_parts` gives."""
    items: list[ItemReading] = []
    replies: list[ReplyDraft] = []
    problems: list[Problem] = []
    for part in read_parts(body, profile, received_at, repeated=repeated, used=used):
        match part:
            case ItemReading():
                items.append(part)
            case ReplyDraft():
                replies.append(part)
            case _:
                problems.append(part)
    return Reading(items=tuple(items), replies=tuple(replies), problems=tuple(problems))


def read_parts(
    body: Content,
    profile: FeedProfile,
    received_at: datetime,
    *,
    repeated: bool = False,
    used: Container[int] = (),
) -> Iterator[Part]:
    """Read a whole body, one transaction set after the other.  Never raises for any bytes; linear in its size, and
    flat in memory but for some bytes for each set (its offsets, its lines in the 999) of one interchange.

    `repeated`: the control number of its first interchange was used before, for other content; `used`: so were those
    of the interchanges at these places, counted from 1.

    Items count from 1 in the order of the body: a patient, a rejected interchange, group or set, and, where a body
    also holds something to act on, what is filtered.  A body with nothing to act on is the one item 0.
    """
    stamp = received_at.astimezone(ZoneInfo(profile.payer_zone))
    numbering = Numbering()
    numbers: set[tuple[str, str]] = set()
    told = 0
    readable = False
    for place, interchange in enumerate(read_interchanges(body), 1):
        partner = _partner(interchange.header, profile)
        if profile.unique_control_numbers and place <= MOST_NUMBERS:
            number = (interchange.header.sender, interchange.control_number)
            if (repeated and place == 1) or place in used or number in numbers:
                judge_repeated(interchange, partner.policy)
            numbers.add(number)
        readable = True
        for oddity in interchange.oddities[: MAX_PROBLEMS - told]:
            told += 1
            yield as_problem(oddity)
        numbered_by = partner.id or interchange.header.sender  # one sequence for all that a partner gets from us
        answering = Answering(interchange, stamp, partner.acknowledge, partner.line_end)
        for part in _read_interchange(interchange, profile, received_at, answering):
            if isinstance(part, Finding):
                yield from numbering.add(part)
            else:
                yield ReplyDraft(kind=part.kind, partner=numbered_by, body=part.body)
    if readable:
        yield from numbering.close()
    else:
        yield ItemReading(item=0, outcome="rejected", reason="no-header")


def inspect_interchanges(body: Content, profile: FeedProfile) -> Iterator[Description]:
    """One description per interchange in the shape of `baton inspect`; standard "unknown" when none is readable.

    Its groups, and their sets, are iterators: read each description in order before the next one.  Nothing here
    depends on the clock: the acknowledgements carry the interchange's own date.
    """
    readable = False
    for interchange in read_interchanges(body):
        readable = True
        yield describe_interchange(interchange, _Inspection(interchange, profile))
    if not readable:
        yield describe_unknown()


class _Inspection:
    """The groups of an interchange described one set at a time; what it came to is known after the last."""

    def __init__(self, interchange: Interchange, profile: FeedProfile) -> None:
        partner = _partner(interchange.header, profile)
        sent_at = self._sent_at = _sent_at(interchange.header, profile)
        self._interchange = interchange
        self._profile = profile
        self._policy = partner.policy
        self._answering = Answering(interchange, sent_at, partner.acknowledge, partner.line_end)
        self._verdict = _interchange_verdict(interchange, profile)
        self._outcomes = {self._verdict.outcome} if self._verdict else set()
        self.acknowledgements = [ta1.body] if (ta1 := self._answering.ta1()) else []

    def groups(self) -> Iterator[Description]:
        for group in self._interchange.groups:
            yield describe_group(group, self._sets(group))

    def _sets(self, group: FunctionalGroup) -> Iterator[Description]:
        verdict = self._verdict or _group_verdict(group)
        self._outcomes |= {verdict.outcome} if verdict else set()
        answer = self._answering.of_group(group)
        for check, hierarchy in check_group(group, self._policy):
            found = []
            if verdict is None:
                found = _read_set(check, hierarchy, self._interchange.header, self._profile, self._sent_at)
                self._outcomes |= {finding.outcome for finding in found}
            if answer is not None:
                answer.add(check)
            yield describe_set(check, hierarchy, [finding.event for finding in found if finding.event])
        if answer is not None:
            self.acknowledgements.append(answer.close().body)

    def outcome(self) -> str:
        """The best end that any part of the interchange came to."""
        return next(word for outcome, word in _OUTCOMES.items() if outcome in self._outcomes)


def as_problem(oddity: Oddity) -> Problem:
    return Problem(severity=oddity.severity, code=oddity.code, location=oddity.location, text=oddity.text)


def _read_interchange(
    interchange: Interchange, profile: FeedProfile, received_at: datetime, answering: Answering
) -> Iterator[Finding | Acknowledgement]:
    """Check every set, answer every group, and map what the envelope lets through.  One set's content is held."""
    policy = _partner(interchange.header, profile).policy
    verdict = _interchange_verdict(interchange, profile)
    heard = _Acknowledgements(interchange, profile, received_at)
    if verdict is not None:
        yield from heard.of_interchange(verdict)
    else:
        yield from heard.of_ta1()
    ta1 = answering.ta1()
    if ta1 is not None:
        yield ta1
    if interchange.error is not None:
        return
    for group in interchange.groups:
        group_verdict = verdict or _group_verdict(group)
        if verdict is None and group_verdict is not None:
            yield from heard.of_group(group, group_verdict)
        answer = answering.of_group(group)
        if answer is None and group_verdict is not None:
            continue
        for check, hierarchy in check_group(group, policy):
            if group_verdict is None:
                yield from _read_set(check, hierarchy, interchange.header, profile, received_at)
            if answer is not None:
                answer.add(check)
        if answer is not None:
            yield answer.close()


class _Acknowledgements:
    """What a partner's TA1 and 999 say of our own interchanges."""

    def __init__(self, interchange: Interchange, profile: FeedProfile, received_at: datetime) -> None:
        header = interchange.header
        self._partner = _partner(header, profile).id or header.sender
        self._interchange = interchange
        self._facility = profile.default_facility
        self._received_at = received_at

    def of_ta1(self) -> Iterator[Finding]:
        return self._findings(interchange_acknowledgements(self._interchange, self._partner))

    def of_interchange(self, verdict: Finding) -> Iterator[Finding]:
        """The verdict, or what it stands for."""
        return _or(self.of_ta1(), verdict) if verdict.reason == _ACKNOWLEDGEMENT else iter((verdict,))

    def of_group(self, group: FunctionalGroup, verdict: Finding) -> Iterator[Finding]:
        if verdict.reason != _ACKNOWLEDGEMENT:
            return iter((verdict,))
        return _or(self._findings(group_acknowledgements(group, self._partner)), verdict)

    def _findings(self, heard: Iterable[AcknowledgementFacts]) -> Iterator[Finding]:
        for one in heard:
            yield Finding(outcome="events", event=acknowledgement_event(one, self._facility, self._received_at))


def _or(found: Iterator[Finding], verdict: Finding) -> Iterator[Finding]:
    first = next(found, verdict)
    yield first
    yield from found


def _partner(header: Header, profile: FeedProfile) -> TradingPartner:
    return profile.partner_of(header.elements[5], header.sender)


def _interchange_verdict(interchange: Interchange, profile: FeedProfile) -> Finding | None:
    """How the interchange ends as a whole; None: its groups decide."""
    if interchange.error is not None:
        return Finding(outcome="rejected", reason=f"envelope:{interchange.error}")
    if interchange.header.elements[15].upper() not in profile.usage:
        return Finding(outcome="filtered", reason="test-message")
    if not interchange.groups:
        return Finding(outcome="filtered", reason=_ACKNOWLEDGEMENT if interchange.ta1 else "empty-interchange")
    return None


def _group_verdict(group: FunctionalGroup) -> Finding | None:
    """How the group ends as a whole; None: its sets decide."""
    if group.acknowledges:
        return Finding(outcome="filtered", reason=_ACKNOWLEDGEMENT)
    if group.errors:
        return Finding(outcome="rejected", reason=f"group:{group.errors[0]}")
    if not group.sets:
        return Finding(outcome="filtered", reason="empty-group")
    return None


def _read_set(
    check: SetCheck, hierarchy: Hierarchy, header: Header, profile: FeedProfile, received_at: datetime
) -> list[Finding]:
    """The findings of one set; what was odd about the set goes with the first."""
    set_id = check.set.id
    if check.refusal is not None:
        findings = [Finding(outcome="rejected", reason=f"set:{check.refusal}")]
    elif set_id in _MAPPED:
        findings = _MAPPED[set_id](open_transaction(set_id, hierarchy, header, profile, received_at))
    elif check.rejected:
        findings = [Finding(outcome="rejected", reason="set:5")]
    else:
        findings = [Finding(outcome="filtered", reason=f"no-mapping:{set_id}")]
    problems = tuple(as_problem(oddity) for oddity in check.oddities)
    return [msgspec.structs.replace(findings[0], problems=problems), *findings[1:]]


def _read_271(transaction: Transaction) -> list[Finding]:
    findings = [
        Finding(outcome="parked", reason="damaged-tree")
        if level.damage
        else Finding(outcome="events", event=map_271_coverage(transaction, level))
        for level in patient_levels(transaction)
    ]
    if findings:
        return findings
    if unplaced_rejections(transaction):
        return [Finding(outcome="events", event=map_271_coverage(transaction, None))]
    return [_without_patient(transaction)]


def _read_278(transaction: Transaction) -> list[Finding]:
    if not is_response(transaction):
        return _read_278_request(transaction)
    findings = []
    for subject in patient_events(transaction):
        if subject.event.damage:
            findings.append(Finding(outcome="parked", reason="damaged-tree"))
            continue
        event = map_278_decision(transaction, subject)
        if isinstance(event, CanonicalEvent):
            findings.append(Finding(outcome="events", event=event))
        elif subject.event is not subject.patient or not transaction.hierarchy.damaged:
            findings.append(Finding(outcome="parked", reason=event))
    if findings:
        return findings
    general = map_278_decision(transaction, None)
    if isinstance(general, CanonicalEvent):
        return [Finding(outcome="events", event=general)]
    return [_without_patient(transaction)]


def _read_278_request(transaction: Transaction) -> list[Finding]:
    if transaction.purpose not in NOT_RESPONSES:
        return [Finding(outcome="filtered", reason="no-mapping:278")]
    subjects = patient_events(transaction)
    alone = len(subjects) == 1
    findings = [
        Finding(outcome="parked", reason="damaged-tree")
        if subject.event.damage
        else Finding(outcome="events", event=map_278_request(transaction, subject, alone=alone))
        for subject in subjects
    ]
    return findings or [_without_patient(transaction)]


def _read_270(transaction: Transaction) -> list[Finding]:
    levels = patient_levels(transaction)
    alone = len(levels) == 1
    findings = [
        Finding(outcome="parked", reason="damaged-tree")
        if level.damage
        else Finding(outcome="events", event=map_270_request(transaction, level, alone=alone))
        for level in levels
    ]
    return findings or [_without_patient(transaction)]


_MAPPED: dict[str, Callable[[Transaction], list[Finding]]] = {
    "270": _read_270,
    "271": _read_271,
    "278": _read_278,
}


def _without_patient(transaction: Transaction) -> Finding:
    return Finding(outcome="parked", reason="damaged-tree" if transaction.hierarchy.damaged else "no-patient")


_OUTCOMES = {"events": "processed", "parked": "parked", "rejected": "rejected", "filtered": "filtered"}


def _sent_at(header: Header, profile: FeedProfile) -> datetime:
    local = parse_moment("20" + header.elements[9], header.elements[10])
    return local.replace(tzinfo=ZoneInfo(profile.payer_zone)) if local else _NO_TIME
