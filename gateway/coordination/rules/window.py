"""The follow-up visit against its window: booked too late, or not kept (6.2, 3 and 5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.coordination.calendar import local_date, within_business_days, within_days
from gateway.coordination.draft import Draft
from gateway.coordination.records import Appointment, Encounter, Patient, Task, Timer
from gateway.coordination.rules.declaration import (
    Check,
    Closing,
    Finding,
    Rule,
    done,
    evidence,
    gone,
    site_of,
    timers_of,
)
from gateway.coordination.rules.discharge import obstacle_to
from gateway.coordination.rules.stays import (
    AT_DISCHARGE,
    ATTENDED,
    discharge_evidence,
    discharge_moment,
    focus_on,
    follow_ups,
    is_high_risk,
    is_home_discharge,
    numbers_of,
    scope_of,
    stay_of,
    stays_with,
)

_DISCHARGES = ("discharged", "discharge-corrected")
_REACH = timedelta(days=45)
_SECOND_LOOK = 25


def window_of(draft: Draft, stay: Encounter) -> int:
    """Days in which a patient is seen after this discharge."""
    numbers = numbers_of(draft, stay)
    return numbers.followup_high_cd if is_high_risk(draft, stay) else numbers.followup_std_cd


# -- booked too late ---------------------------------------------------------------------------------------------------


def about_windows(draft: Draft) -> list[Encounter]:
    """Discharges now, and those of the last weeks when a visit changed."""
    found = {stay.encounter_id: stay for stay in stays_with(draft, *_DISCHARGES)}
    if draft.touched(Appointment):
        since = draft.occurred_at - _REACH
        for stay in draft.subject.encounters.values():
            if stay.discharged_at is not None and stay.discharged_at >= since:
                found[stay.encounter_id] = stay
    return list(found.values())


def _first_visit(draft: Draft, stay: Encounter) -> Appointment | None:
    site = site_of(draft, stay.facility_id)
    return next(iter(follow_ups(draft, discharge_moment(draft, stay), site)), None)


def _is_inside(draft: Draft, stay: Encounter, start: datetime) -> bool:
    left = discharge_moment(draft, stay)
    return start <= within_days(left, window_of(draft, stay), site_of(draft, stay.facility_id))


def wants_earlier(draft: Draft, stay: Encounter) -> Finding | str:
    if obstacle := obstacle_to(draft, stay):
        return obstacle
    visit = _first_visit(draft, stay)
    if visit is None or visit.start_at is None:
        return "no follow-up visit is booked"
    if visit.status in ATTENDED or _is_inside(draft, stay, visit.start_at):
        return "the follow-up visit is inside its window"
    site = site_of(draft, stay.facility_id)
    return Finding(
        key=_window_key(stay, visit),
        due_at=within_business_days(draft.occurred_at, 1, site),
        reason=f"The first follow-up visit is on {local_date(visit.start_at, site).isoformat()}, later than "
        f"{window_of(draft, stay)} days after the discharge.",
        evidence=[*discharge_evidence(draft, stay), evidence(draft, "SCH-11.4", visit.start_at.isoformat())],
        focus=focus_on(stay, appointment_id=visit.appointment_id),
    )


def _window_key(stay: Encounter, visit: Appointment) -> str:
    start = visit.start_at.strftime("%Y%m%dT%H%MZ") if visit.start_at else "none"
    return OUTSIDE.key_of(scope_of(stay), f"dis{stay.discharge_number}", f"v{start}")


def settle_earlier(draft: Draft, task: Task) -> Closing | None:
    stay = stay_of(draft, task)
    if stay is None:
        return None
    if obstacle := obstacle_to(draft, stay):
        return gone(obstacle)
    visit = _first_visit(draft, stay)
    if visit is None or visit.start_at is None:
        return gone("the visit is no longer booked")
    if visit.status in ATTENDED or _is_inside(draft, stay, visit.start_at):
        return done("a visit inside the window is booked")
    return gone("the visit was moved again") if not task.task_key.startswith(_window_key(stay, visit)) else None


# -- not kept ----------------------------------------------------------------------------------------------------------


def checks_of_visit(draft: Draft, stay: Encounter) -> Sequence[Check] | None:
    """At the end of the window, and again 25 days after the discharge."""
    known = timers_of(draft, NOT_COMPLETED, encounter_id=stay.encounter_id)
    if not known and stay not in stays_with(draft, *_DISCHARGES):
        return None
    if not is_home_discharge(stay, numbers_of(draft, stay)):
        return []
    left, site = discharge_moment(draft, stay), site_of(draft, stay.facility_id)
    cycle = f"dis{stay.discharge_number}"
    return [
        Check(kind="first", at=within_days(left, window_of(draft, stay), site), cycle=cycle),
        Check(kind=str(_SECOND_LOOK), at=within_days(left, _SECOND_LOOK, site), cycle=cycle),
    ]


def ripe_visit(draft: Draft, stay: Encounter, timer: Timer) -> Finding | str:
    if timer.cycle != f"dis{stay.discharge_number}":
        return "the discharge was cancelled"
    if obstacle := obstacle_to(draft, stay):
        return obstacle
    if kept_visit(draft, stay):
        return "the follow-up visit was kept"
    days = window_of(draft, stay) if timer.kind == "first" else _SECOND_LOOK
    return Finding(
        key=NOT_COMPLETED.key_of(scope_of(stay), timer.cycle, timer.kind),
        due_at=within_business_days(timer.fire_at, 2, site_of(draft, stay.facility_id)),
        reason=f"{days} days after the discharge home no follow-up visit has been kept.",
        evidence=discharge_evidence(draft, stay),
        focus=focus_on(stay),
    )


def kept_visit(draft: Draft, stay: Encounter, by: datetime | None = None) -> Appointment | None:
    """A follow-up visit to which the patient came; many feeds never say that a visit ended, so an arrival counts."""
    left = discharge_moment(draft, stay)
    for visit in follow_ups(draft, left, site_of(draft, stay.facility_id)):
        if visit.status in ATTENDED and (by is None or (visit.start_at or left) <= by):
            return visit
    return None


def settle_not_completed(draft: Draft, task: Task) -> Closing | None:
    stay = stay_of(draft, task)
    if stay is None:
        return None
    if obstacle := obstacle_to(draft, stay):
        return gone(obstacle)
    return done("the follow-up visit was kept") if kept_visit(draft, stay) else None


OUTSIDE = Rule(
    id="followup-outside-window",
    trigger="The first follow-up visit of a discharge home is booked, or moved (S12, S13), later than 14 days after "
    "the discharge (7 when high-risk)",
    task="Move follow-up inside window",
    type="schedule",
    priority="urgent",
    due="1 business day",
    queue="scheduling",
    resolves="S12 or S13 gives a visit inside the window",
    retracts="A13; readmission; death; a disposition that is no longer home; the visit is no longer booked, or moved "
    "to another day outside (which opens its own task)",
    key="enc|dis{n}|v{start}",
    basis="TCM",
    settings=("followup_high_cd", "followup_std_cd", "followup_none_cd"),
    watches=(Encounter, Appointment, Patient),
    hears=(*AT_DISCHARGE, Appointment),
    about=about_windows,
    wants=wants_earlier,
    settle=settle_earlier,
    revives=True,
)

NOT_COMPLETED = Rule(
    id="followup-not-completed",
    trigger="14 days after a discharge home (7 when high-risk), and again after 25, no follow-up visit has been kept "
    "(arrived, checked in or completed)",
    task="Follow-up visit not done",
    type="outreach",
    priority="urgent",
    due="2 business days after the check",
    queue="transitions",
    resolves="A follow-up visit is kept",
    retracts="A13; readmission; death; a disposition that is no longer home",
    key="enc|dis{n}|{first,25}",
    basis="TRC engagement within 30 days",
    settings=("followup_high_cd", "followup_std_cd"),
    watches=(Encounter, Appointment, Patient),
    hears=AT_DISCHARGE,
    checks=checks_of_visit,
    ripe=ripe_visit,
    settle=settle_not_completed,
)
