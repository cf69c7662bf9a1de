"""The missed post-discharge visit (6.2, rule 4)."""

from __future__ import annotations

from datetime import datetime, time

from gateway.coordination.calendar import same_business_day
from gateway.coordination.draft import Draft
from gateway.coordination.records import Appointment, Encounter, Task
from gateway.coordination.rules.declaration import Finding, Focus, Rule, evidence, open_for, site_of
from gateway.coordination.rules.stays import (
    LIVE_VISITS,
    discharge_moment,
    follow_ups,
    happened,
    in_follow_up_window,
    is_dead,
    is_home_discharge,
    numbers_of,
    scope_of,
    told,
)
from gateway.coordination.tasks import newest, resolve, retract, was_retracted

_SAME_DAY_UNTIL = time(15, 0)
_CAME = ("arrived", "checked-in", "fulfilled")


def look_no_show(draft: Draft) -> None:
    for task in draft.subject.tasks.open_of(NO_SHOW.id):
        _settle(draft, task)
    for visit in draft.touched(Appointment):
        moved = happened(draft, "appointment-status", visit.appointment_id)
        if moved is not None and visit.status == "noshow" and not is_dead(draft.subject.patient):
            stay = stay_followed_by(draft, visit)
            if stay is not None:
                _open(draft, visit, stay)


def _open(draft: Draft, visit: Appointment, stay: Encounter) -> None:
    key = NO_SHOW.key_of(scope_of(visit), version_of(visit))
    before = newest(draft, key)
    if before is not None and not was_retracted(before):
        return
    site = site_of(draft, visit.facility_id)
    open_for(
        draft,
        NO_SHOW,
        Focus(facility_id=visit.facility_id, appointment_id=visit.appointment_id, encounter_id=stay.encounter_id),
        Finding(
            key=key,
            due_at=same_business_day(draft.occurred_at, _SAME_DAY_UNTIL, site),
            reason="The patient did not come to the visit that follows the discharge.",
            evidence=[
                evidence(draft, "SCH-25", "Noshow"),
                evidence(draft, "SCH-11.4", visit.start_at.isoformat() if visit.start_at else None),
            ],
        ),
    )


def _settle(draft: Draft, task: Task) -> None:
    visit = draft.subject.appointments.get(task.appointment_id or "")
    if visit is None:
        return
    if visit.status in _CAME:
        retract(draft, task, told(draft, "the patient came after all"))
    elif visit.status == "booked":
        resolve(draft, task, told(draft, "the visit was booked again"))
    elif _rebooked_since(draft, visit, task):
        resolve(draft, task, told(draft, "another follow-up visit was booked"))


def _rebooked_since(draft: Draft, missed: Appointment, task: Task) -> bool:
    """A follow-up of the same discharge, booked after the no-show."""
    stay = draft.subject.encounters.get(task.encounter_id or "")
    if stay is None:
        return False
    found = follow_ups(draft, discharge_moment(draft, stay), site_of(draft, stay.facility_id))
    return any(
        visit.appointment_id != missed.appointment_id and (visit.booked_at or visit.recorded_at) > missed.recorded_at
        for visit in found
    )


def stay_followed_by(draft: Draft, visit: Appointment) -> Encounter | None:
    """The latest discharge home, when this visit is the earliest one standing for it."""
    stays = [
        stay
        for stay in draft.subject.encounters.values()
        if stay.discharged_at is not None and is_home_discharge(stay, numbers_of(draft, stay))
    ]
    if not stays or visit.start_at is None:
        return None
    stay = max(stays, key=_left)
    left, site = discharge_moment(draft, stay), site_of(draft, stay.facility_id)
    if not in_follow_up_window(draft, visit, left, site):
        return None
    earlier = [other for other in follow_ups(draft, left, site) if other.start_at and other.start_at < visit.start_at]
    return None if any(other.status in LIVE_VISITS for other in earlier) else stay


def _left(stay: Encounter) -> datetime:
    assert stay.discharged_at is not None
    return stay.discharged_at


def version_of(visit: Appointment) -> str:
    """v{start}: a start that returns after another one is a new cycle, so the count of moves belongs to it."""
    start = visit.start_at.strftime("%Y%m%dT%H%MZ") if visit.start_at else "none"
    return f"v{start}.{visit.reschedules}"


NO_SHOW = Rule(
    id="followup-no-show",
    trigger="No-show (S26, SCH-25 = Noshow) at the visit that counts as the follow-up of the latest discharge home",
    task="Reach patient, rebook missed post-discharge visit",
    type="outreach",
    priority="asap",
    due="Same business day; the next one after 15:00",
    queue="transitions",
    resolves="A new booking in the follow-up window, or the same visit booked again",
    retracts="The no-show is corrected: the patient arrived (S14, admission message); S15, S17; death",
    key="appt|v{start}",
    basis="TCM, TRC",
    settings=("followup_none_cd", "followup_types"),
    watches=(Appointment,),
    hears=("appointment-status",),
    look=look_no_show,
)
