"""Rules about the status of a stay: observation under review, and a changed level of care (6.2, 17 and 18)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta

import msgspec

from gateway.coordination.calendar import at, local_date, within_business_days
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Authorization, Coverage, Encounter, Task, Timer
from gateway.coordination.rules.declaration import (
    Check,
    Closing,
    Finding,
    Rule,
    done,
    evidence,
    gone,
    recorded_by,
    site_of,
)
from gateway.coordination.rules.payer import GRANTED, covers_admission, primary_coverage
from gateway.coordination.rules.signs import OBSERVED
from gateway.coordination.rules.stays import (
    focus_on,
    happened,
    makes_care_tasks,
    numbers_of,
    scope_of,
    stay_of,
    stays_with,
)
from gateway.coordination.tasks import Evidence, resolve

_REVERSED_WITHIN = timedelta(hours=2)


# -- observation under review ------------------------------------------------------------------------------------------


def checks_of_review(draft: Draft, stay: Encounter) -> Sequence[Check]:
    if stay.status != "observation" or stay.observation_at is None:
        return []
    moments = {"24": stay.observation_at + hours(numbers_of(draft, stay).obs_review_h), "48": _second(draft, stay)}
    return [Check(kind=kind, at=moment) for kind, moment in moments.items() if moment > recorded_by(draft)]


def _second(draft: Draft, stay: Encounter) -> datetime:
    """The second midnight after the start on the facility's wall, or a number of elapsed hours."""
    assert stay.observation_at is not None
    numbers, site = numbers_of(draft, stay), site_of(draft, stay.facility_id)
    if not numbers.obs_second_midnight:
        return stay.observation_at + hours(numbers.obs_second_h)
    return at(local_date(stay.observation_at, site) + timedelta(days=2), time(0, 0), site)


def ripe_review(draft: Draft, stay: Encounter, timer: Timer) -> Finding | str:
    start = stay.observation_at
    if start is None or not _was_observation(stay, start, timer.fire_at):
        return "the patient is not in observation"
    second = timer.kind == "48"
    if second:
        for task in draft.subject.tasks.open_of(REVIEW.id):
            if task.encounter_id == stay.encounter_id:
                resolve(draft, task, "the second review took its place")
    return Finding(
        key=REVIEW.key_of(scope_of(stay), f"{start:%Y%m%dT%H%MZ}", timer.kind),
        due_at=timer.fire_at + hours(4),
        priority="asap" if second else "routine",
        reason="The observation has reached its second midnight: admit or discharge."
        if second
        else f"In observation for {numbers_of(draft, stay).obs_review_h} hours: admit or discharge.",
        evidence=[evidence(draft, "PV1-2", "observation"), evidence(draft, "observation start", start.isoformat())],
        focus=focus_on(stay),
    )


def _was_observation(stay: Encounter, start: datetime, moment: datetime) -> bool:
    if stay.status == "observation":
        return True
    over = [ended for ended in (stay.inpatient_at, stay.discharged_at) if ended is not None and ended >= start]
    return bool(over) and min(over) > moment


def settle_review(draft: Draft, task: Task) -> Closing | None:
    stay = stay_of(draft, task)
    if stay is None:
        return None
    if stay.status != "observation":
        return done("the observation ended")
    return None


# -- changed level of care ---------------------------------------------------------------------------------------------


def about_class_changes(draft: Draft) -> list[Encounter]:
    return stays_with(draft, "class-changed")


def wants_reverification(draft: Draft, stay: Encounter) -> Finding | str:
    change = happened(draft, "class-changed", stay.encounter_id)
    if change is None or happened(draft, "conversion-reverted", stay.encounter_id):
        return "the class did not change"
    if (change.from_value, change.to_value) == ("emergency", "inpatient"):
        return "an admission from the emergency department is no change of level"
    coverage = primary_coverage(draft)
    if coverage is None or stay.self_pay or not makes_care_tasks(stay):
        return "the patient has no insurance on file"
    if any(task.closed_at == draft.now for task in draft.subject.tasks.retracted_of(LEVEL.id)):
        return "it takes back a change of the last two hours"
    moment = draft.occurred_at
    return Finding(
        key=LEVEL.key_of(scope_of(stay), f"v{change.to_value}", f"{moment:%Y%m%dT%H%M%SZ}"),
        due_at=within_business_days(moment, 1, site_of(draft, stay.facility_id)),
        reason=f"The level of care changed from {change.from_value} to {change.to_value}: coverage and authorization "
        "are checked for the new one.",
        evidence=[evidence(draft, "class before", change.from_value), evidence(draft, "PV1-2", change.to_value)],
        focus=focus_on(stay, coverage_id=coverage.coverage_id),
    )


def settle_reverification(draft: Draft, task: Task) -> Closing | None:
    stay = stay_of(draft, task)
    if stay is None:
        return None
    if stay.status == "expired":
        return gone("the patient died")
    before, opened = _class_before(task), _opened_for(task)
    change = happened(draft, "class-changed", stay.encounter_id)
    if change is not None and change.to_value == before and draft.occurred_at - opened <= _REVERSED_WITHIN:
        return gone("the change was taken back within two hours")
    if any(_fits(draft, row, stay) for row in draft.subject.authorizations.values() if row.status in GRANTED):
        return done("an authorization for the new level is on file")
    return None


def _fits(draft: Draft, authorization: Authorization, stay: Encounter) -> bool:
    """An admission review fits an inpatient stay and nothing else; another one of this stay fits the other levels."""
    if stay.class_ == "inpatient":
        return authorization.request_category in (None, "AR") and covers_admission(draft, authorization, stay, None)
    return authorization.request_category not in (None, "AR") and authorization.encounter_id == stay.encounter_id


def _class_before(task: Task) -> str:
    listed = msgspec.json.decode(task.evidence_json, type=list[Evidence])
    return next((one.value for one in listed if one.location == "class before"), "")


def _opened_for(task: Task) -> datetime:
    """The time of the change, from the key."""
    for part in task.task_key.split("|"):
        try:
            return datetime.strptime(f"{part}+0000", "%Y%m%dT%H%M%SZ%z")
        except ValueError:
            continue
    return task.opened_at


REVIEW = Rule(
    id="obs-48h-status",
    trigger="In observation for 24 hours (routine), and again at the second midnight on the facility's wall",
    task="Review status: admit or discharge",
    type="review",
    priority="asap",
    due="4 hours",
    queue="authorization",
    resolves="A06, A03; the second review closes the first",
    retracts="A11",
    key="enc|{observation start}|{24,48}",
    basis="Two-midnight rule, 42 CFR 412.3(d)",
    settings=("obs_review_h", "obs_second_midnight", "obs_second_h"),
    watches=(Encounter,),
    hears=(OBSERVED,),
    checks=checks_of_review,
    ripe=ripe_review,
    settle=settle_review,
)

LEVEL = Rule(
    id="level-of-care-changed",
    trigger="A06, A07, an A01 that converts an open visit, or a class changed by A08, of an insured patient; not from "
    "emergency to inpatient, the ordinary admission",
    task="Re-verify coverage/auth for new status",
    type="verify-coverage",
    priority="urgent",
    due="End of the next business day",
    queue="authorization",
    resolves="An authorization for the new level is certified (an admission review does not fit what is no inpatient "
    "stay)",
    retracts="The change is taken back within 2 hours; A11; death",
    key="enc|v{class}|{time}",
    basis="Payer rules",
    watches=(Encounter, Authorization, Coverage),
    hears=("class-changed",),
    about=about_class_changes,
    wants=wants_reverification,
    settle=settle_reverification,
)
