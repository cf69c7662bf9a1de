"""X12 bodies: every interchange read, judged and answered; 271 and 278 responses mapped patient by patient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from mappings.x12_duplicates import judge_repeated
from mappings.x12_facts import Transaction, open_transaction, parse_moment, unplaced_rejections
from mappings.x12_inspection import Description, describe_interchange, describe_set, describe_unknown
from parsers.errors import Oddity
from parsers.x12.acknowledgement import acknowledge, acknowledges
from parsers.x12.header import Header
from parsers.x12.hierarchy import Hierarchy
from parsers.x12.interchange import FunctionalGroup, Interchange, read_interchanges
from parsers.x12.structure import SetCheck, check_group

_ACKNOWLEDGEMENT = "acknowledgement"  # reason of what says nothing but how something of ours arrived
_MAX_PROBLEMS = 100  # of one item or of a body
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one part of a body came to, before the items are numbered."""

    outcome: str
    reason: str | None = None
    event: CanonicalEvent | None = None
    problems: tuple[Problem, ...] = ()


class InterchangeReading(msgspec.Struct, frozen=True, kw_only=True):
    """One interchange read: `checks` and `descriptions` hold one list per group (descriptions only when asked for)."""

    findings: list[Finding]
    checks: list[list[SetCheck]]
    descriptions: list[list[Description]]


def read_x12(body: bytes, profile: FeedProfile, received_at: datetime, *, repeated: bool = False) -> Reading:
    """Read a whole body.  Never raises for any bytes; linear in its size.  `repeated`: the control number of its first
    interchange was used before, for other content.

    Items count from 1 in the order of the body: a patient, a rejected interchange, group or set, and, where a body
    also holds something to act on, what is filtered.  A body with nothing to act on is the one item 0.
    """
    findings: list[Finding] = []
    replies: list[ReplyDraft] = []
    problems: list[Problem] = []
    stamp = received_at.astimezone(ZoneInfo(profile.payer_zone))
    readable = False
    for interchange in read_interchanges(body):
        if repeated and not readable and profile.unique_control_numbers:
            judge_repeated(interchange, _partner(interchange.header, profile).policy)
        readable = True
        problems.extend(as_problem(oddity) for oddity in interchange.oddities)
        read = _read_interchange(interchange, profile, received_at)
        findings.extend(read.findings)
        partner = _partner(interchange.header, profile)
        numbered_by = partner.id or interchange.header.sender  # one sequence for all that a partner gets from us
        replies.extend(
            ReplyDraft(kind=answer.kind, partner=numbered_by, body=answer.body)
            for answer in acknowledge(interchange, read.checks, stamp, partner.acknowledge, partner.line_end)
        )
    if not readable:
        return Reading(items=(ItemReading(item=0, outcome="rejected", reason="no-header"),))
    return Reading(items=_number_items(findings), replies=tuple(replies), problems=tuple(problems[:_MAX_PROBLEMS]))


def inspect_interchanges(body: bytes, profile: FeedProfile) -> Iterator[Description]:
    """One description per interchange in the shape of `baton inspect`; standard "unknown" when none is readable.

    Nothing here depends on the clock: the acknowledgements carry the interchange's own date.
    """
    readable = False
    for interchange in read_interchanges(body):
        readable = True
        sent_at = _sent_at(interchange.header, profile)
        read = _read_interchange(interchange, profile, sent_at, describe=True)
        partner = _partner(interchange.header, profile)
        found = acknowledge(interchange, read.checks, sent_at, partner.acknowledge, partner.line_end)
        answers = [answer.body for answer in found]
        yield describe_interchange(interchange, read.descriptions, answers, _outcome(read.findings))
    if not readable:
        yield describe_unknown()


def as_problem(oddity: Oddity) -> Problem:
    return Problem(severity=oddity.severity, code=oddity.code, location=oddity.location, text=oddity.text)


def _read_interchange(
    interchange: Interchange, profile: FeedProfile, received_at: datetime, *, describe: bool = False
) -> InterchangeReading:
    """Check every set; map those that the envelope lets through.  One set's content is held at a time."""
    policy = _partner(interchange.header, profile).policy
    verdict = _interchange_verdict(interchange, profile)
    heard = _Acknowledgements(interchange, profile, received_at) if not describe else None
    findings = (heard.of_interchange(verdict) if heard else []) or ([verdict] if verdict else [])
    checks: list[list[SetCheck]] = []
    descriptions: list[list[Description]] = []
    for group in interchange.groups:
        group_verdict = verdict or _group_verdict(group)
        if group_verdict is not verdict and group_verdict is not None:
            findings.extend((heard.of_group(group, group_verdict) if heard else []) or [group_verdict])
        checks.append([])
        descriptions.append([])
        for check, hierarchy in check_group(group, policy):
            found = []
            if group_verdict is None:
                found = _read_set(check, hierarchy, interchange.header, profile, received_at)
            findings.extend(found)
            checks[-1].append(check)
            if describe:
                events = [finding.event for finding in found if finding.event]
                descriptions[-1].append(describe_set(check, hierarchy, events))
    return InterchangeReading(findings=findings, checks=checks, descriptions=descriptions)


class _Acknowledgements:
    """What a partner's TA1 and 999 say of our own interchanges.  Inspection knows none of ours and leaves them out."""

    def __init__(self, interchange: Interchange, profile: FeedProfile, received_at: datetime) -> None:
        header = interchange.header
        self._partner = _partner(header, profile).id or header.sender
        self._interchange = interchange
        self._facility = profile.default_facility
        self._received_at = received_at

    def of_interchange(self, verdict: Finding | None) -> list[Finding]:
        if verdict is not None and verdict.reason != _ACKNOWLEDGEMENT:
            return []
        return self._findings(interchange_acknowledgements(self._interchange, self._partner))

    def of_group(self, group: FunctionalGroup, verdict: Finding) -> list[Finding]:
        if verdict.reason != _ACKNOWLEDGEMENT:
            return []
        return self._findings(group_acknowledgements(group, self._partner))

    def _findings(self, heard: Sequence[AcknowledgementFacts]) -> list[Finding]:
        return [
            Finding(outcome="events", event=acknowledgement_event(one, self._facility, self._received_at))
            for one in heard
        ]


def _partner(header: Header, profile: FeedProfile) -> TradingPartner:
    return profile.partner_of(header.elements[5], header.sender)


def _interchange_verdict(interchange: Interchange, profile: FeedProfile) -> Finding | None:
    """How the interchange ends as a whole; None: its groups decide."""
    if interchange.error is not None:
        return Finding(outcome="rejected", reason=f"envelope:{interchange.error}")
    if interchange.header.elements[15] not in profile.usage:
        return Finding(outcome="filtered", reason="test-message")
    if not interchange.groups:
        return Finding(outcome="filtered", reason=_ACKNOWLEDGEMENT if interchange.ta1 else "empty-interchange")
    return None


def _group_verdict(group: FunctionalGroup) -> Finding | None:
    """How the group ends as a whole; None: its sets decide."""
    if acknowledges(group):
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


def _number_items(findings: Sequence[Finding]) -> tuple[ItemReading, ...]:
    if all(finding.outcome == "filtered" for finding in findings):
        problems = tuple(problem for finding in findings for problem in finding.problems)
        reason = findings[0].reason
        return (ItemReading(item=0, outcome="filtered", reason=reason, problems=problems[:_MAX_PROBLEMS]),)
    return tuple(
        ItemReading(
            item=number,
            outcome=finding.outcome,
            reason=finding.reason,
            events=(finding.event,) if finding.event else (),
            problems=finding.problems,
        )
        for number, finding in enumerate(findings, start=1)
    )


_OUTCOMES = {"events": "processed", "parked": "parked", "rejected": "rejected", "filtered": "filtered"}


def _outcome(findings: Sequence[Finding]) -> str:
    """The best end that any part of the interchange comes to."""
    present = {finding.outcome for finding in findings}
    return next(word for outcome, word in _OUTCOMES.items() if outcome in present)


def _sent_at(header: Header, profile: FeedProfile) -> datetime:
    local = parse_moment("20" + header.elements[9], header.elements[10])
    return local.replace(tzinfo=ZoneInfo(profile.payer_zone)) if local else _NO_TIME
