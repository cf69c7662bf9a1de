"""Notices that Medicare patients are owed: Important Message, outpatient observation (6.2, 15 and 16)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.coordination.calendar import within_days
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Coverage, Encounter, Task, Timer
from gateway.coordination.rules.declaration import (
    Check,
    Closing,
    Finding,
    Rule,
    counted_back,
    evidence,
    gone,
    recorded_by,
    site_of,
)
from gateway.coordination.rules.signs import OBSERVED
from gateway.coordination.rules.stays import (
    focus_on,
    happened,
    in_bed_at,
    makes_care_tasks,
    numbers_of,
    scope_of,
    stay_of,
)
from gateway.coordination.tasks import newest, was_retracted

_TWO_DAYS = timedelta(days=2)
_MOON_OWED_AFTER = timedelta(hours=24)


def medicare_of(draft: Draft, stay: Encounter) -> str | None:
    """The plan type of Medicare or Medicare Advantage on file (IN1-15, EB04); None when there is none."""
    wanted = numbers_of(draft, stay).medicare_plan_types
    for row in draft.subject.coverages.values():
        if row.active:
            for said in (row.plan_type, row.insurance_type):
                if said and said.upper() in wanted:
                    return said
    return None


def about_open_stays(draft: Draft) -> list[Encounter]:
    return draft.subject.encounters.open()


# -- Important Message -------------------------------------------------------------------------------------------------


def wants_message(draft: Draft, stay: Encounter) -> Finding | str:
    """The first copy after the admission; the second when the discharge is near and two days have passed."""
    if stay.status not in ("inpatient", "on-leave") or stay.inpatient_at is None or not makes_care_tasks(stay):
        return "the patient is no inpatient"
    if medicare_of(draft, stay) is None:
        return "no Medicare plan is on file"
    first = MESSAGE.key_of(scope_of(stay), "first")
    before = newest(draft, first)
    if before is None or was_retracted(before):
        due = within_days(stay.inpatient_at, 2, site_of(draft, stay.facility_id))
        return _message(draft, stay, first, stay.inpatient_at, due)
    return _second_copy(draft, stay, recorded_by(draft))


def checks_of_message(draft: Draft, stay: Encounter) -> Sequence[Check]:
    expected = stay.expected_discharge_at
    if stay.status != "inpatient" or expected is None or expected - _TWO_DAYS <= recorded_by(draft):
        return []
    return [Check(kind="second-copy", at=expected - _TWO_DAYS)]


def ripe_message(draft: Draft, stay: Encounter, timer: Timer) -> Finding | str:
    if not in_bed_at(stay, timer.fire_at) or medicare_of(draft, stay) is None:
        return "the patient is no Medicare inpatient"
    return _second_copy(draft, stay, timer.fire_at)


def _second_copy(draft: Draft, stay: Encounter, moment: datetime) -> Finding | str:
    expected, admitted = stay.expected_discharge_at, stay.inpatient_at
    announced = happened(draft, "discharge-pending", stay.encounter_id)
    near = expected is not None and expected - _TWO_DAYS <= moment
    if admitted is None or not (announced or near):
        return "the first copy is asked for, and no discharge is near"
    leaves = expected or moment + hours(8)
    if leaves - admitted <= _TWO_DAYS:
        return "the first copy is recent enough"
    due, priority = counted_back(leaves - hours(4), moment, MESSAGE.priority)
    found = _message(draft, stay, MESSAGE.key_of(scope_of(stay), "followup"), moment, due)
    found.priority = priority
    return found


def _message(draft: Draft, stay: Encounter, key: str, moment: datetime, due: datetime) -> Finding:
    copy = "a second copy of the" if key.endswith("followup") else "the"
    return Finding(
        key=key,
        due_at=due,
        reason=f"A Medicare inpatient is owed {copy} Important Message.",
        evidence=[
            evidence(draft, "PV1-2", "inpatient"),
            evidence(draft, "PV1-44", stay.inpatient_at.isoformat() if stay.inpatient_at else moment.isoformat()),
            evidence(draft, "IN1-15", medicare_of(draft, stay)),
        ],
        focus=focus_on(stay),
    )


def settle_message(draft: Draft, task: Task) -> Closing | None:
    stay = stay_of(draft, task)
    if stay is not None and stay.status in ("outpatient", "observation", "emergency"):
        return gone("the stay is no longer inpatient")
    return gone("the patient died") if stay is not None and stay.status == "expired" else None


# -- observation notice ------------------------------------------------------------------------------------------------


def checks_of_moon(draft: Draft, stay: Encounter) -> Sequence[Check]:
    if stay.status != "observation" or stay.observation_at is None:
        return []
    fires = stay.observation_at + hours(numbers_of(draft, stay).obs_warn_h)
    return [Check(kind="moon", at=fires)] if fires > recorded_by(draft) else []


def wants_moon(draft: Draft, stay: Encounter) -> Finding | str:
    return _moon(draft, stay, recorded_by(draft))


def ripe_moon(draft: Draft, stay: Encounter, timer: Timer) -> Finding | str:
    """A stay that was observation then, whatever it is by now (settled reading 1)."""
    return _moon(draft, stay, timer.fire_at)


def _moon(draft: Draft, stay: Encounter, moment: datetime) -> Finding | str:
    numbers, start = numbers_of(draft, stay), stay.observation_at
    if start is None or _ended(stay, start, by=moment):
        return "the patient is not in observation"
    if moment < start + hours(numbers.obs_warn_h):
        return f"observation has lasted less than {numbers.obs_warn_h} hours"
    if medicare_of(draft, stay) is None:
        return "no Medicare plan is on file"
    return Finding(
        key=MOON.key_of(scope_of(stay), f"{start:%Y%m%dT%H%MZ}"),
        due_at=start + hours(numbers.moon_deadline_h),
        reason=f"In observation for {numbers.obs_warn_h} hours: a Medicare patient is owed the outpatient observation "
        f"notice by the {numbers.moon_deadline_h}th hour, or before the release.",
        evidence=[
            evidence(draft, "PV1-2", "observation"),
            evidence(draft, "observation start", start.isoformat()),
            evidence(draft, "IN1-15", medicare_of(draft, stay)),
        ],
        focus=focus_on(stay),
    )


def _ended(stay: Encounter, start: datetime, by: datetime) -> bool:
    """Whether the observation was over by then: admitted, left, cancelled or another class."""
    if stay.status == "observation":
        return False
    over = [at for at in (stay.inpatient_at, stay.discharged_at) if at is not None and at >= start]
    return min(over) <= by if over else True


def settle_moon(draft: Draft, task: Task) -> Closing | None:
    """Before the 24th hour the end of the observation takes the reason away; after it the notice is still owed."""
    stay = stay_of(draft, task)
    if stay is None or stay.observation_at is None or stay.status == "observation":
        return None
    if stay.status == "expired":
        return gone("the patient died")
    if f"{stay.observation_at:%Y%m%dT%H%MZ}" not in task.task_key.split("|"):
        return None
    if _ended(stay, stay.observation_at, by=stay.observation_at + _MOON_OWED_AFTER - timedelta(seconds=1)):
        return gone("the observation ended before its 24th hour")
    return None


MESSAGE = Rule(
    id="medicare-notice-im",
    trigger="Inpatient with Medicare or Medicare Advantage (IN1-15, EB04); a second copy when more than 2 days have "
    "passed and the discharge is announced (A16) or expected within 2 days (PV2-9)",
    task="Important Message from Medicare",
    type="notice",
    priority="urgent",
    due="2 days after the admission; the second copy 4 hours before PV2-9",
    queue="case-management",
    resolves="Logged",
    retracts="A11; A07; death",
    key="enc|{first,followup}",
    basis="42 CFR 405.1205, 422.620",
    settings=("medicare_plan_types",),
    watches=(Encounter, Coverage),
    about=about_open_stays,
    wants=wants_message,
    checks=checks_of_message,
    ripe=ripe_message,
    settle=settle_message,
)

MOON = Rule(
    id="obs-24h-moon",
    trigger="In observation without a break for 20 hours (before the 24th), with Medicare or Medicare Advantage",
    task="Deliver MOON",
    type="notice",
    priority="asap",
    due="36 hours after the start of the observation, or at the release if earlier",
    queue="case-management",
    resolves="Logged",
    retracts="A06 or A03 before the 24th hour; after it neither does: an undelivered notice is still owed",
    key="enc|{observation start}",
    basis="NOTICE Act, CMS MOON",
    settings=("obs_warn_h", "moon_deadline_h", "medicare_plan_types"),
    watches=(Encounter, Coverage),
    hears=(OBSERVED,),
    about=about_open_stays,
    wants=wants_moon,
    checks=checks_of_moon,
    ripe=ripe_moon,
    settle=settle_moon,
)
