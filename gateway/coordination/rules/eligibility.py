"""A payer that rejects the question about coverage (6.2, 33)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta

import msgspec

from gateway.coordination.calendar import (
    at,
    business_days_before,
    local_date,
    shift_business_days,
    within_business_days,
)
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Appointment, Coverage, Task, Timer
from gateway.coordination.rules.declaration import Check, Closing, Finding, Rule, done, evidence, gone, site_of
from gateway.coordination.rules.payer import focus_of
from gateway.coordination.rules.stays import happened
from mappings.payer_facts import Rejection

_HORIZON = timedelta(days=365)
_OUTAGE = "outage"
_BY_THEMSELVES = frozenset({"P", "R", "S", "W", "X"})
"""AAA04: the request is sent again, or the payer will answer, without anybody's act."""
_INTEGRATION = frozenset({"provider", "operations", "ops"})
_AUTHORIZATION = frozenset({"auth", "authorization", "clinical", "pcp"})


def about_rejections(draft: Draft) -> list[Coverage]:
    return [
        draft.subject.coverages[row.aggregate_id]
        for row in draft.transitions
        if row.kind == "eligibility-rejected" and row.aggregate_id in draft.subject.coverages
    ]


def _rejections(coverage: Coverage) -> list[Rejection]:
    if coverage.rejections_json == "[]":
        return []
    return msgspec.json.decode(coverage.rejections_json, type=list[Rejection])


def _is_outage(rejections: Sequence[Rejection]) -> bool:
    return all(one.kind == _OUTAGE or one.reason in ("42", "80") for one in rejections)


def wants_correction(draft: Draft, coverage: Coverage) -> Finding | str:
    rejections = _rejections(coverage)
    if not rejections:
        return "the payer answered"
    if _is_outage(rejections):
        return "the payer is down: asked again by itself, a person only after 24 hours"
    return _correction(draft, coverage, rejections, draft.occurred_at)


def checks_of_outage(draft: Draft, coverage: Coverage) -> Sequence[Check] | None:
    """24 hours after the first answer that was none, or the business day before the service when that is earlier."""
    rejections = _rejections(coverage)
    if not rejections or not _is_outage(rejections):
        return []
    if not any(happened(draft, kind, coverage.coverage_id) for kind in ("payer-down", "eligibility-rejected")):
        return None
    known = [timer for timer in draft.subject.timers.of_rule(REJECTED.id) if timer.coverage_id == coverage.coverage_id]
    if known:
        return None
    focus = focus_of(draft, coverage)
    wait = draft.numbers(focus.facility_id, coverage.payer_id).outage_wait_h
    moment = draft.occurred_at + hours(wait)
    visit = _next_visit(draft, draft.occurred_at)
    if visit is not None and visit.start_at is not None:
        site = site_of(draft, visit.facility_id)
        day = shift_business_days(local_date(visit.start_at, site), -1, site.calendar)
        moment = min(moment, max(at(day, time(8, 0), site), draft.occurred_at))
    return [Check(kind="outage", at=moment)]


def ripe_outage(draft: Draft, coverage: Coverage, timer: Timer) -> Finding | str:
    rejections = _rejections(coverage)
    if not rejections:
        return "the payer answered"
    return _correction(draft, coverage, rejections, timer.fire_at)


def _correction(draft: Draft, coverage: Coverage, rejections: Sequence[Rejection], moment: datetime) -> Finding | str:
    worst = next((one for one in rejections if not _is_outage([one])), rejections[0])
    if worst.follow_up in _BY_THEMSELVES and not _is_outage([worst]):
        return f"AAA04 = {worst.follow_up}: nothing is to be corrected"
    focus = focus_of(draft, coverage)
    visit = _next_visit(draft, moment)
    site = site_of(draft, visit.facility_id if visit else focus.facility_id)
    near = visit is not None and visit.start_at is not None and business_days_before(visit.start_at, 3, site) <= moment
    if visit is not None:
        focus.facility_id, focus.appointment_id = visit.facility_id, visit.appointment_id
    week = local_date(moment, site).isocalendar()
    return Finding(
        key=REJECTED.key_of(coverage.coverage_id, worst.reason, f"d{week.year}W{week.week:02d}"),
        due_at=within_business_days(moment, 2, site),
        priority="urgent" if near else None,
        title=f"Fix eligibility request: {worst.meaning or worst.reason}",
        queue=_queue(worst),
        reason=f"The payer rejected the request (AAA03 {worst.reason})." + (f" {worst.advice}" if worst.advice else ""),
        evidence=[evidence(draft, f"{one.loop} AAA03", one.reason) for one in rejections],
        focus=focus,
    )


def _queue(rejection: Rejection) -> str | None:
    if rejection.who:
        return rejection.who
    if rejection.kind in _INTEGRATION:
        return "integration"
    return "authorization" if rejection.kind in _AUTHORIZATION else None


def _next_visit(draft: Draft, moment: datetime) -> Appointment | None:
    ahead = draft.subject.appointments.between(moment, moment + _HORIZON)
    return next((visit for visit in ahead if visit.status == "booked"), None)


def settle_correction(draft: Draft, task: Task) -> Closing | None:
    coverage = draft.subject.coverages.get(task.coverage_id or "")
    if coverage is None:
        return None
    if not coverage.active:
        return gone("the coverage was replaced")
    if happened(draft, "coverage-status", coverage.coverage_id) and not _rejections(coverage):
        return done("the payer answered")
    visit = draft.subject.appointments.get(task.appointment_id or "")
    if visit is not None and visit.status in ("cancelled", "entered-in-error"):
        return gone("the appointment is off")
    return None


REJECTED = Rule(
    id="eligibility-rejected",
    trigger="A 271 answers with AAA (data, patient, member id, not found, ambiguous, plan, dependent, date, provider, "
    "PCP, network, authorization, clinical, operations); a payer that is down only when it has not answered 24 hours "
    "later or by the business day before the service",
    task="Fix eligibility request",
    type="verify-coverage",
    priority="routine",
    due="2 business days; urgent when the service is at most 3 business days away",
    queue="eligibility",
    resolves="A 271 with benefits",
    retracts="Appointment cancelled; coverage replaced; death",
    escalates="default; provider and operations go to integration, authorization, clinical and PCP to authorization",
    key="coverage|aaa03|d{week}",
    basis="CAQH CORE 259",
    settings=("outage_wait_h",),
    watches=(Coverage, Appointment),
    hears=("eligibility-rejected", "payer-down"),
    about=about_rejections,
    wants=wants_correction,
    checks=checks_of_outage,
    ripe=ripe_outage,
    settle=settle_correction,
)
