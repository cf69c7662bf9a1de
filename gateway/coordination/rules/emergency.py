"""Patients who come to the emergency department again and again (6.2, 38)."""

from __future__ import annotations

from datetime import timedelta

from gateway.coordination.calendar import local_date, within_business_days
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Encounter, Task
from gateway.coordination.rules.declaration import Closing, Finding, Rule, evidence, gone, site_of
from gateway.coordination.rules.payer import focus_of
from gateway.coordination.rules.stays import makes_care_tasks, numbers_of, stays_with

_QUIET = timedelta(days=90)
_GONE = ("cancelled", "deleted")


def about_emergencies(draft: Draft) -> list[Encounter]:
    return [stay for stay in stays_with(draft, "registered") if stay.class_ == "emergency" and makes_care_tasks(stay)]


def _visits(draft: Draft, stay: Encounter, within: timedelta) -> list[Encounter]:
    """Emergency visits that began in the time up to this one, this one included."""
    began = stay.started_at or draft.occurred_at
    return [
        other
        for other in draft.subject.encounters.values()
        if (other.class_ == "emergency" or other.prior_status == "emergency")
        and other.status not in _GONE
        and other.started_at is not None
        and began - within <= other.started_at <= began
    ]


def wants_plan(draft: Draft, stay: Encounter) -> Finding | str:
    numbers = numbers_of(draft, stay)
    quick = _visits(draft, stay, hours(numbers.ed_return_h))
    many = _visits(draft, stay, timedelta(days=numbers.ed_freq_cd))
    if len(quick) >= 2 and not _recent(draft, stay, "72h"):
        return _plan(draft, stay, "72h", len(quick), f"{numbers.ed_return_h} hours")
    if len(many) >= numbers.ed_freq_count and not _recent(draft, stay, "365d"):
        return _plan(draft, stay, "365d", len(many), f"{numbers.ed_freq_cd} days")
    if len(quick) >= 2 or len(many) >= numbers.ed_freq_count:
        return "a plan was asked for in the last 90 days"
    return "not often enough"


def _recent(draft: Draft, stay: Encounter, scope: str) -> bool:
    """The newest task of this rule and scope is under 90 days old, whatever became of it but a retraction."""
    began = stay.started_at or draft.occurred_at
    return any(
        task.rule_id == FREQUENT.id
        and scope in task.task_key.split("|")
        and task.business_status != "retracted"
        and began - task.opened_at < _QUIET
        for task in draft.subject.tasks.values()
    )


def _plan(draft: Draft, stay: Encounter, scope: str, count: int, span: str) -> Finding:
    site, began = site_of(draft, stay.facility_id), stay.started_at or draft.occurred_at
    focus = focus_of(draft, stay)
    return Finding(
        key=FREQUENT.key_of(draft.subject.patient.patient_id, scope, f"d{local_date(began, site).isoformat()}"),
        due_at=within_business_days(began, 2, site),
        priority="asap" if scope == "72h" else None,
        reason=f"{count} emergency visits within {span}: a care plan is needed.",
        evidence=[evidence(draft, "PV1-2", "emergency"), evidence(draft, "visits", str(count))],
        focus=focus,
    )


def settle_plan(draft: Draft, task: Task) -> Closing | None:
    """An A11 of the visit that was one too many takes the task back."""
    stay = draft.subject.encounters.get(task.encounter_id or "")
    return gone("the visit was cancelled") if stay is not None and stay.status in _GONE else None


FREQUENT = Rule(
    id="ed-frequent-use",
    trigger="The fourth emergency visit in 365 days, or the second in 72 hours; not again while the newest task of "
    "that kind is under 90 days old",
    task="ED frequent use: care plan",
    type="review",
    priority="urgent",
    due="2 business days; asap for a return within 72 hours",
    queue="case-management",
    resolves="Plan logged",
    retracts="A11 of the visit",
    key="patient|{365d,72h}|d{day}",
    basis="Common definition (product default)",
    settings=("ed_freq_count", "ed_freq_cd", "ed_return_h"),
    watches=(Encounter,),
    hears=("registered",),
    about=about_emergencies,
    wants=wants_plan,
    settle=settle_plan,
)
