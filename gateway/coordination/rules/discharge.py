"""Rules after a discharge home: the call within two business days and the visit that nobody booked (6.2, 1 and 2)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta

from gateway.coordination.calendar import at, local_date, within_business_days, within_days
from gateway.coordination.changes import TimerFired
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Appointment, Encounter, Patient, Task
from gateway.coordination.rules.declaration import (
    Finding,
    Rule,
    evidence,
    open_for,
    set_check,
    set_due,
    site_of,
    timers_of,
)
from gateway.coordination.rules.stays import (
    AT_DISCHARGE,
    discharge_moment,
    focus_on,
    follow_ups,
    happened,
    is_dead,
    is_high_risk,
    is_home_discharge,
    life_returned,
    makes_care_tasks,
    numbers_of,
    principal_code,
    readmission_after,
    recorded_by,
    scope_of,
    stays_of_rule,
    told,
)
from gateway.coordination.tasks import Evidence, Step, newest, resolve, retract, was_retracted

_NOON = time(12, 0)
_DISCHARGES = ("discharged", "discharge-corrected")


def look_contact(draft: Draft) -> None:
    for stay in stays_of_rule(draft, CONTACT, *_DISCHARGES):
        key = CONTACT.key_of(scope_of(stay), f"dis{stay.discharge_number}")
        task = newest(draft, key)
        obstacle = obstacle_to(draft, stay)
        due = within_business_days(
            discharge_moment(draft, stay), numbers_of(draft, stay).contact_bd, site_of(draft, stay.facility_id)
        )
        if task is not None and task.open:
            if obstacle:
                retract(draft, task, told(draft, obstacle))
            elif _seen_by(draft, stay, due):
                resolve(draft, task, told(draft, "the patient was seen in time"))
            else:
                set_due(draft, CONTACT, task, due)
        elif not obstacle and (_triggered(draft, stay) or was_retracted(task)) and not _seen_by(draft, stay, due):
            reason = f"{_went_home(stay)}: a contact is due within {numbers_of(draft, stay).contact_bd} business days."
            open_for(
                draft,
                CONTACT,
                focus_on(stay),
                Finding(key=key, due_at=due, reason=reason, evidence=_discharge_evidence(draft, stay)),
            )


def look_unbooked(draft: Draft) -> None:
    for stay in stays_of_rule(draft, UNBOOKED, *_DISCHARGES):
        key = UNBOOKED.key_of(scope_of(stay), f"dis{stay.discharge_number}")
        task = newest(draft, key)
        obstacle = obstacle_to(draft, stay)
        if not is_home_discharge(stay, numbers_of(draft, stay)):
            _drop_checks(draft, stay)
        if task is not None and task.open:
            _settle_unbooked(draft, stay, task, obstacle)
        elif not obstacle and (_triggered(draft, stay) or was_retracted(task)):
            _check_unbooked(draft, stay, key)


def fire_unbooked(draft: Draft, fired: TimerFired) -> None:
    stay = draft.subject.encounters.get(fired.timer.encounter_id or "")
    if stay is None:
        return
    moment = fired.timer.fire_at
    dead_by_then = is_dead(draft.subject.patient) and (draft.subject.patient.deceased_at or moment) <= moment
    if dead_by_then or readmission_after(draft, stay, by=moment) or not makes_care_tasks(stay):
        return
    left = stay.discharged_at or moment - hours(numbers_of(draft, stay).unbooked_check_h)
    site = site_of(draft, stay.facility_id)
    if any(follow_ups(draft, left, site, by=moment)):
        return
    key = UNBOOKED.key_of(scope_of(stay), fired.timer.cycle)
    task = _open_unbooked(draft, stay, key, moment)
    if task is not None:
        _settle_unbooked(draft, stay, task, obstacle_to(draft, stay))


def obstacle_to(draft: Draft, stay: Encounter) -> str | None:
    """Why the rules of a discharge home do not hold (any more); None when they do."""
    if stay.status == "expired" or is_dead(draft.subject.patient):
        return "the patient died"
    if stay.status != "discharged":
        return "the discharge was cancelled"
    if not is_home_discharge(stay, numbers_of(draft, stay)):
        return "it is not a discharge home"
    if readmission_after(draft, stay):
        return "the patient was admitted again"
    return None


def _triggered(draft: Draft, stay: Encounter) -> bool:
    return life_returned(draft) or any(happened(draft, kind, stay.encounter_id) for kind in _DISCHARGES)


def _check_unbooked(draft: Draft, stay: Encounter, key: str) -> None:
    """At once for a high-risk patient, else a day after the discharge."""
    moment = discharge_moment(draft, stay)
    if is_high_risk(draft, stay):
        _drop_checks(draft, stay)
        if not any(follow_ups(draft, moment, site_of(draft, stay.facility_id))):
            _open_unbooked(draft, stay, key, moment)
        return
    check_at = moment + hours(numbers_of(draft, stay).unbooked_check_h)
    set_check(draft, UNBOOKED, focus_on(stay), "check", f"dis{stay.discharge_number}", check_at)


def _open_unbooked(draft: Draft, stay: Encounter, key: str, moment: datetime) -> Task | None:
    numbers = numbers_of(draft, stay)
    days = numbers.followup_high_cd if is_high_risk(draft, stay) else numbers.followup_std_cd
    risk = "high-risk " if is_high_risk(draft, stay) else ""
    reason = f"{_went_home(stay)} and no follow-up visit is booked: {risk}patients are seen within {days} days."
    due = within_business_days(moment, 1, site_of(draft, stay.facility_id))
    proof = _discharge_evidence(draft, stay)
    if stay.readmission:
        proof.append(evidence(draft, "PV1-13", "R"))
    elif is_high_risk(draft, stay):
        proof.append(evidence(draft, "DG1-3", principal_code(stay)))
    return open_for(draft, UNBOOKED, focus_on(stay), Finding(key=key, due_at=due, reason=reason, evidence=proof))


def _settle_unbooked(draft: Draft, stay: Encounter, task: Task, obstacle: str | None) -> None:
    site = site_of(draft, stay.facility_id)
    if obstacle:
        retract(draft, task, told(draft, obstacle))
    elif any(follow_ups(draft, discharge_moment(draft, stay), site)):
        resolve(draft, task, told(draft, "a follow-up visit is booked"))
    elif happened(draft, "discharge-corrected", stay.encounter_id):
        wait = 0 if is_high_risk(draft, stay) else numbers_of(draft, stay).unbooked_check_h
        set_due(draft, UNBOOKED, task, within_business_days(discharge_moment(draft, stay) + hours(wait), 1, site))


def _drop_checks(draft: Draft, stay: Encounter) -> None:
    """Checks whose time has not come go; one that is due by now still runs and judges its own moment (reading 1)."""
    for timer in timers_of(draft, UNBOOKED, encounter_id=stay.encounter_id):
        if timer.fire_at > recorded_by(draft):
            draft.clear_timer(timer)


def _seen_by(draft: Draft, stay: Encounter, due: datetime) -> bool:
    """A visit after the discharge, kept before the contact is due, stands for the call."""
    left = stay.discharged_at
    return left is not None and any(
        visit.status == "fulfilled"
        and visit.start_at is not None
        and left < visit.start_at <= due
        and (visit.service or "").upper() not in numbers_of(draft, visit).not_followup_services
        for visit in draft.subject.appointments.values()
    )


def _went_home(stay: Encounter) -> str:
    where = "home with home health" if stay.disposition_category == "home-health" else "home"
    return f"Discharged {where} from {'observation' if stay.class_ == 'observation' else 'an inpatient stay'}"


def _discharge_evidence(draft: Draft, stay: Encounter) -> list[Evidence]:
    when = stay.discharged_at.isoformat() if stay.discharged_at else None
    return [evidence(draft, "PV1-36", stay.disposition), evidence(draft, "PV1-45", when)]


def contact_steps(draft: Draft, task: Task) -> Iterable[Step]:
    site = site_of(draft, task.facility_id)
    yield Step(at(local_date(task.due_at, site), _NOON, site), "escalate")
    yield Step(task.due_at, "due")


def unbooked_steps(draft: Draft, task: Task) -> Iterable[Step]:
    yield Step(task.due_at, "due")
    stay = draft.subject.encounters.get(task.encounter_id or "")
    left = discharge_moment(draft, stay) if stay else task.due_at - timedelta(days=2)
    yield Step(within_days(left, 5, site_of(draft, task.facility_id)), "escalate", "transitions")


CONTACT = Rule(
    id="discharge-contact-2bd",
    trigger="Discharge of an inpatient or observation stay to home or home health",
    task="Call patient/caregiver after discharge",
    type="outreach",
    priority="urgent",
    due="2 business days after PV1-45",
    queue="transitions",
    resolves="Outreach logged (contact, or two documented attempts); a visit kept within 2 business days",
    retracts="A13; readmission; death; a disposition that is no longer home",
    escalates="12:00 of the due day: one priority up, lead of the queue; overdue at the due time",
    key="enc|dis{n}",
    basis="CPT 99495/99496",
    settings=("contact_bd", "tcm_extra_dispositions"),
    watches=(Encounter, Appointment, Patient),
    hears=AT_DISCHARGE,
    look=look_contact,
    steps=contact_steps,
)

UNBOOKED = Rule(
    id="discharge-followup-unbooked",
    trigger="24 hours after a discharge home no follow-up visit starts within 30 days; at once with PV1-13 = R or a "
    "principal diagnosis of the readmissions-reduction groups",
    task="Book post-discharge visit (7 days high-risk, 14 days other)",
    type="schedule",
    priority="urgent",
    due="1 business day after the check",
    queue="scheduling",
    resolves="A booking (S12, S13) that starts within 30 days of the discharge",
    retracts="A13; readmission; death; a disposition that is no longer home",
    escalates="Still unbooked 5 days after the discharge: to the lead of transitions; overdue at the due time",
    key="enc|dis{n}",
    basis="CPT 99496 within 7 days, 99495 within 14; TRC within 30",
    settings=(
        "unbooked_check_h",
        "followup_high_cd",
        "followup_std_cd",
        "followup_none_cd",
        "followup_types",
        "followup_location_types",
        "not_followup_services",
    ),
    watches=(Encounter, Appointment, Patient),
    hears=AT_DISCHARGE,
    look=look_unbooked,
    fire=fire_unbooked,
    steps=unbooked_steps,
)
