"""Rules before a discharge: the checklist of the last day, and the disposition still open (6.2, 13 and 14)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from gateway.coordination.calendar import at, local_date
from gateway.coordination.draft import Draft
from gateway.coordination.records import Encounter, Task, Timer
from gateway.coordination.rules.declaration import (
    Check,
    Closing,
    Finding,
    Rule,
    counted_back,
    done,
    evidence,
    gone,
    recorded_by,
    set_due,
    site_of,
)
from gateway.coordination.rules.signs import LEAVING
from gateway.coordination.rules.stays import focus_on, happened, makes_care_tasks, scope_of, stay_of

_DAY = timedelta(hours=24)
_THREE_DAYS = timedelta(hours=72)
_IN_BED = ("inpatient", "observation", "on-leave")
_AFTERNOON = time(15, 0)


def about_planned(draft: Draft) -> list[Encounter]:
    """Stays in a bed that changed."""
    return [stay for stay in draft.touched(Encounter) if stay.status in _IN_BED and makes_care_tasks(stay)]


# -- the checklist -----------------------------------------------------------------------------------------------------


def checks_of_checklist(draft: Draft, stay: Encounter) -> Sequence[Check]:
    expected = stay.expected_discharge_at
    if stay.status != "inpatient" or expected is None or expected - _DAY <= recorded_by(draft):
        return []
    return [Check(kind="day-before", at=expected - _DAY)]


def wants_checklist(draft: Draft, stay: Encounter) -> Finding | str:
    if happened(draft, "discharge-pending-cancelled", stay.encounter_id):  # what PV2-9 says is of before
        return "the announced discharge was cancelled"
    announced = happened(draft, "discharge-pending", stay.encounter_id)
    expected = stay.expected_discharge_at
    near = stay.status == "inpatient" and expected is not None and expected <= recorded_by(draft) + _DAY
    if not announced and not near:
        return "no discharge is announced for the next 24 hours"
    return _checklist(draft, stay, draft.occurred_at, "A16" if announced else "PV2-9")


def ripe_checklist(draft: Draft, stay: Encounter, timer: Timer) -> Finding | str:
    expected = stay.expected_discharge_at
    if stay.status != "inpatient" or expected is None or expected > timer.fire_at + _DAY:
        return "the discharge is no longer expected in the next 24 hours"
    return _checklist(draft, stay, timer.fire_at, "PV2-9")


def _checklist(draft: Draft, stay: Encounter, moment: datetime, sign: str) -> Finding | str:
    if any(task.encounter_id == stay.encounter_id for task in draft.subject.tasks.open_of(PENDING.id)):
        return "the checklist of this stay is open already"
    site, expected = site_of(draft, stay.facility_id), stay.expected_discharge_at
    version = expected.strftime("%Y%m%dT%H%MZ") if expected else local_date(moment, site).isoformat()
    wished = expected - timedelta(hours=4) if expected else at(local_date(moment, site), _AFTERNOON, site)
    due, priority = counted_back(wished, moment, PENDING.priority)
    return Finding(
        key=PENDING.key_of(scope_of(stay), f"v{version}"),
        due_at=due,
        priority=priority,
        reason="The patient is about to leave: destination, equipment, transport, follow-up, education, and the "
        "authorization of what comes after.",
        evidence=[evidence(draft, sign, version), evidence(draft, "PV2-27", stay.expected_disposition)],
        focus=focus_on(stay),
    )


def settle_checklist(draft: Draft, task: Task) -> Closing | None:
    """A date moved by less than a day moves the due time; one moved further takes the reason away."""
    stay = stay_of(draft, task)
    if stay is None:
        return None
    if stay.status in ("discharged", "expired"):
        return done("the patient was discharged")
    if happened(draft, "discharge-pending-cancelled", stay.encounter_id):
        return gone("the announced discharge was cancelled")
    expected = stay.expected_discharge_at
    if expected is None or not any(row.encounter_id == stay.encounter_id for row in draft.touched(Encounter)):
        return None
    if expected - timedelta(hours=4) > task.due_at + _DAY:
        return gone("the expected discharge moved by more than a day")
    if recorded_by(draft) < expected - timedelta(hours=4) != task.due_at:
        set_due(draft, PENDING, task, expected - timedelta(hours=4))
    return None


# -- disposition -------------------------------------------------------------------------------------------------------


def checks_of_disposition(draft: Draft, stay: Encounter) -> Sequence[Check]:
    expected = stay.expected_discharge_at
    open_question = stay.status == "inpatient" and expected is not None and not stay.expected_disposition
    if not open_question or expected is None or expected - _THREE_DAYS <= recorded_by(draft):
        return []
    return [Check(kind="three-days-before", at=expected - _THREE_DAYS)]


def wants_disposition(draft: Draft, stay: Encounter) -> Finding | str:
    return _disposition(draft, stay, recorded_by(draft))


def ripe_disposition(draft: Draft, stay: Encounter, timer: Timer) -> Finding | str:
    return _disposition(draft, stay, timer.fire_at)


def _disposition(draft: Draft, stay: Encounter, moment: datetime) -> Finding | str:
    expected = stay.expected_discharge_at
    if stay.status != "inpatient" or expected is None:
        return "no discharge of an inpatient is expected"
    if not _DAY < expected - moment <= _THREE_DAYS:
        return "the discharge is not expected in 24 to 72 hours"
    if stay.expected_disposition:
        return "the disposition is planned"
    due, priority = counted_back(expected - _DAY, moment, EXPECTED.priority)
    return Finding(
        key=EXPECTED.key_of(scope_of(stay), f"v{expected:%Y%m%dT%H%MZ}"),
        due_at=due,
        priority=priority,
        reason="The patient is expected to leave within three days and no disposition is planned.",
        evidence=[evidence(draft, "PV2-9", expected.isoformat())],
        focus=focus_on(stay),
    )


def settle_disposition(draft: Draft, task: Task) -> Closing | None:
    stay = stay_of(draft, task)
    if stay is None:
        return None
    if stay.expected_disposition:
        return done("the disposition is planned")
    if happened(draft, "discharge-pending", stay.encounter_id) or stay.status in ("discharged", "expired"):
        return done("the discharge is under way")
    expected = stay.expected_discharge_at
    if expected is None or f"v{expected:%Y%m%dT%H%MZ}" not in task.task_key.split("|"):
        return gone("the expected discharge changed")
    return None


PENDING = Rule(
    id="discharge-pending",
    trigger="A16, or PV2-9 of an inpatient at most 24 hours away",
    task="Discharge planning checklist",
    type="review",
    priority="urgent",
    due="4 hours before PV2-9, else 15:00 of the same day",
    queue="case-management",
    resolves="A03; the checklist done",
    retracts="A25; PV2-9 moved by more than 24 hours",
    key="enc|v{PV2-9, else day of the A16}",
    basis="42 CFR 482.43",
    watches=(Encounter,),
    hears=("discharge-pending", LEAVING),
    about=about_planned,
    wants=wants_checklist,
    checks=checks_of_checklist,
    ripe=ripe_checklist,
    settle=settle_checklist,
)

EXPECTED = Rule(
    id="expected-discharge-approaching",
    trigger="PV2-9 of an inpatient is 24 to 72 hours away and PV2-27 is empty",
    task="Plan disposition",
    type="review",
    priority="routine",
    due="24 hours before PV2-9",
    queue="case-management",
    resolves="PV2-27 valued; A16; A03",
    retracts="PV2-9 changed",
    key="enc|v{PV2-9}",
    basis="42 CFR 482.43",
    watches=(Encounter,),
    hears=(LEAVING,),
    about=about_planned,
    wants=wants_disposition,
    checks=checks_of_disposition,
    ripe=ripe_disposition,
    settle=settle_disposition,
)
