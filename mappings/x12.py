"""X12 bodies: every interchange read, judged and answered; 271 and 278 responses mapped patient by patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from mappings.authorization import is_response, map_278_decision, patient_events
from mappings.eligibility import map_271_coverage, patient_levels
from mappings.events import CanonicalEvent, Problem
from mappings.profile import FeedProfile
from mappings.reading import ItemReading, Reading, ReplyDraft
from mappings.x12_facts import Transaction, open_transaction, parse_moment, unplaced_rejections
from mappings.x12_inspection import describe_interchange, describe_unknown
from parsers.errors import Oddity
from parsers.x12.acknowledgement import acknowledge, acknowledges
from parsers.x12.header import Header
from parsers.x12.interchange import Interchange, read_interchanges
from parsers.x12.structure import REJECTING, SetCheck, check_group

_MAX_PROBLEMS = 100  # of one item or of a body
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one part of a body came to, before the items are numbered.  `check`: the set it stands in, if any."""

    outcome: str
    reason: str | None = None
    event: CanonicalEvent | None = None
    problems: tuple[Problem, ...] = ()
    check: SetCheck | None = None


def read_x12(body: bytes, profile: FeedProfile, received_at: datetime) -> Reading:
    """Read a whole body.  Never raises for any bytes; linear in its size.

    Items count from 1 in the order of the body: a patient, a rejected interchange, group or set, and, where a body
    also holds something to act on, what is filtered.  A body with nothing to act on is the one item 0.
    """
    findings: list[Finding] = []
    replies: list[ReplyDraft] = []
    problems: list[Problem] = []
    stamp = received_at.astimezone(ZoneInfo(profile.payer_zone))
    readable = False
    for interchange in read_interchanges(body):
        readable = True
        checks = [check_group(group) for group in interchange.groups]
        problems.extend(as_problem(oddity) for oddity in interchange.oddities)
        findings.extend(_read_interchange(interchange, checks, profile, received_at))
        replies.extend(
            ReplyDraft(kind=answer.kind, partner=interchange.header.sender, body=answer.body)
            for answer in acknowledge(interchange, checks, stamp)
        )
    if not readable:
        return Reading(items=(ItemReading(item=0, outcome="rejected", reason="no-header"),))
    return Reading(items=_number_items(findings), replies=tuple(replies), problems=tuple(problems[:_MAX_PROBLEMS]))


def inspect_interchanges(body: bytes, profile: FeedProfile) -> Iterator[dict[str, object]]:
    """One description per interchange in the shape of `baton inspect`; standard "unknown" when none is readable.

    Nothing here depends on the clock: the acknowledgements carry the interchange's own date.
    """
    readable = False
    for interchange in read_interchanges(body):
        readable = True
        checks = [check_group(group) for group in interchange.groups]
        sent_at = _sent_at(interchange.header, profile)
        findings = _read_interchange(interchange, checks, profile, sent_at)
        events: dict[int, list[CanonicalEvent]] = {}
        for finding in findings:
            if finding.event is not None:
                events.setdefault(id(finding.check), []).append(finding.event)
        answers = [answer.body for answer in acknowledge(interchange, checks, sent_at)]
        yield describe_interchange(interchange, checks, events, answers, _outcome(findings))
    if not readable:
        yield describe_unknown()


def as_problem(oddity: Oddity) -> Problem:
    return Problem(severity=oddity.severity, code=oddity.code, location=oddity.location, text=oddity.text)


def _read_interchange(
    interchange: Interchange, checks: Sequence[Sequence[SetCheck]], profile: FeedProfile, received_at: datetime
) -> list[Finding]:
    if interchange.error is not None:
        return [Finding(outcome="rejected", reason=f"envelope:{interchange.error}")]
    if interchange.header.elements[15] not in profile.usage:
        return [Finding(outcome="filtered", reason="test-message")]
    if not interchange.groups:
        reason = "acknowledgement" if interchange.ta1 else "empty-interchange"
        return [Finding(outcome="filtered", reason=reason)]
    findings: list[Finding] = []
    for group, group_checks in zip(interchange.groups, checks, strict=True):
        if acknowledges(group):
            findings.append(Finding(outcome="filtered", reason="acknowledgement"))
        elif group.errors:
            findings.append(Finding(outcome="rejected", reason=f"group:{group.errors[0]}"))
        elif not group_checks:
            findings.append(Finding(outcome="filtered", reason="empty-group"))
        else:
            for check in group_checks:
                findings.extend(_read_set(check, interchange.header, profile, received_at))
    return findings


def _read_set(check: SetCheck, header: Header, profile: FeedProfile, received_at: datetime) -> list[Finding]:
    """The findings of one set; what was odd about the set goes with the first."""
    rejecting = [code for code in check.codes if code in REJECTING]
    if rejecting:
        findings = [Finding(outcome="rejected", reason=f"set:{rejecting[0]}", check=check)]
    elif check.set.id == "271":
        findings = _read_271(check, open_transaction(check, header, profile, received_at))
    elif check.set.id == "278":
        findings = _read_278(check, open_transaction(check, header, profile, received_at))
    elif check.rejected:
        findings = [Finding(outcome="rejected", reason="set:5", check=check)]
    else:
        findings = [Finding(outcome="filtered", reason=f"no-mapping:{check.set.id}", check=check)]
    problems = tuple(as_problem(oddity) for oddity in check.oddities)
    return [msgspec.structs.replace(findings[0], problems=problems), *findings[1:]]


def _read_271(check: SetCheck, transaction: Transaction) -> list[Finding]:
    findings = []
    for level in patient_levels(transaction):
        if level.damage:
            findings.append(Finding(outcome="parked", reason="damaged-tree", check=check))
        else:
            findings.append(Finding(outcome="events", event=map_271_coverage(transaction, level), check=check))
    if findings:
        return findings
    if unplaced_rejections(transaction):
        return [Finding(outcome="events", event=map_271_coverage(transaction, None), check=check)]
    return [_without_patient(check, transaction)]


def _read_278(check: SetCheck, transaction: Transaction) -> list[Finding]:
    if not is_response(transaction):
        return [Finding(outcome="filtered", reason="no-mapping:278", check=check)]
    findings = []
    for subject in patient_events(transaction):
        if subject.event.damage:
            findings.append(Finding(outcome="parked", reason="damaged-tree", check=check))
            continue
        event = map_278_decision(transaction, subject)
        if isinstance(event, CanonicalEvent):
            findings.append(Finding(outcome="events", event=event, check=check))
        elif subject.event is not subject.patient or not transaction.hierarchy.damaged:
            findings.append(Finding(outcome="parked", reason=event, check=check))
    if findings:
        return findings
    general = map_278_decision(transaction, None)
    if isinstance(general, CanonicalEvent):
        return [Finding(outcome="events", event=general, check=check)]
    return [_without_patient(check, transaction)]


def _without_patient(check: SetCheck, transaction: Transaction) -> Finding:
    reason = "damaged-tree" if transaction.hierarchy.damaged else "no-patient"
    return Finding(outcome="parked", reason=reason, check=check)


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
