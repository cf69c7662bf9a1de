"""Extended rules about the course of a stay: higher care, too long, on leave, doctors, the family (6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.coordination.calendar import local_date, within_business_days
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Encounter, Patient, Task, Timer
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
from gateway.coordination.rules.stays import (
    coming_category,
    focus_on,
    happened,
    makes_care_tasks,
    numbers_of,
    scope_of,
    stay_of,
    stays_with,
)

_DAY = timedelta(days=1)
_GRAVE = frozenset({"snf", "hospice", "ltach"})
_ENDED = ("discharged", "expired", "cancelled", "deleted")


def higher_units(draft: Draft, stay: Encounter) -> set[str]:
    return {unit.upper() for unit in numbers_of(draft, stay).higher_care_units}


def went_up(draft: Draft, stay: Encounter) -> bool:
    """The transfer of this message leads from an ordinary unit to one of intensive or step-down care."""
    move = happened(draft, "transferred", stay.encounter_id)
    units = higher_units(draft, stay)
    return move is not None and (move.to_value or "").upper() in units and (move.from_value or "").upper() not in units


# -- higher care -------------------------------------------------------------------------------------------------------


def about_transfers(draft: Draft) -> list[Encounter]:
    return stays_with(draft, "transferred")


def wants_notice(draft: Draft, stay: Encounter) -> Finding | str:
    if not went_up(draft, stay):
        return "the unit is none of higher care"
    return Finding(
        key=HIGHER.key_of(scope_of(stay), f"v{stay.point_of_care}", f"{draft.occurred_at:%Y%m%dT%H%MZ}"),
        due_at=draft.occurred_at + hours(4),
        reason=f"The patient moved to higher care ({stay.point_of_care}): family and primary care provider are told.",
        evidence=[evidence(draft, "PV1-3", stay.point_of_care)],
        focus=focus_on(stay),
    )


def settle_notice(draft: Draft, task: Task) -> Closing | None:
    stay = stay_of(draft, task)
    if stay is not None and happened(draft, "transfer-cancelled", stay.encounter_id):
        return gone("the transfer was cancelled")
    return gone("the patient died") if stay is not None and stay.status == "expired" else None


# -- too long ----------------------------------------------------------------------------------------------------------


def about_changed_stays(draft: Draft) -> list[Encounter]:
    return draft.touched(Encounter)


def checks_of_length(draft: Draft, stay: Encounter) -> Sequence[Check]:
    limit = _limit(stay)
    if stay.status != "inpatient" or limit is None or limit <= recorded_by(draft):
        return []
    return [Check(kind="length", at=limit)]


def _limit(stay: Encounter) -> datetime | None:
    """When the stay has lasted a day longer than estimated."""
    if stay.started_at is None or not stay.length_estimate_days:
        return None
    return stay.started_at + timedelta(days=stay.length_estimate_days) + _DAY


def ripe_length(draft: Draft, stay: Encounter, timer: Timer) -> Finding | str:
    limit = _limit(stay)
    if stay.status != "inpatient" or limit is None or limit > timer.fire_at:
        return "the stay is within its estimate"
    site = site_of(draft, stay.facility_id)
    return Finding(
        key=LENGTH.key_of(scope_of(stay), f"d{local_date(timer.fire_at, site).isoformat()}"),
        due_at=within_business_days(timer.fire_at, 1, site),
        reason=f"The stay is longer than its estimate of {stay.length_estimate_days} days: what keeps the patient?",
        evidence=[evidence(draft, "PV2-10", str(stay.length_estimate_days))],
        focus=focus_on(stay),
    )


def settle_length(draft: Draft, task: Task) -> Closing | None:
    stay = stay_of(draft, task)
    if stay is None:
        return None
    if stay.status in _ENDED:
        return done("the patient was discharged")
    limit = _limit(stay)
    return gone("the estimate was raised") if limit is None or limit > recorded_by(draft) else None


# -- on leave ----------------------------------------------------------------------------------------------------------


def checks_of_leave(draft: Draft, stay: Encounter) -> Sequence[Check]:
    back = stay.expected_return_at
    if stay.status != "on-leave" or back is None:
        return []
    return [Check(kind="leave", at=back + hours(2), cycle=f"v{back:%Y%m%dT%H%MZ}")]


def ripe_leave(draft: Draft, stay: Encounter, timer: Timer) -> Finding | str:
    back = stay.expected_return_at
    if stay.status != "on-leave" or back is None or timer.cycle != f"v{back:%Y%m%dT%H%MZ}":
        return "the patient is back, or expected later"
    return Finding(
        key=LEAVE.key_of(scope_of(stay), timer.cycle),
        due_at=timer.fire_at + hours(2),
        reason="The patient has not come back from leave two hours after the expected time.",
        evidence=[evidence(draft, "PV2-47", back.isoformat())],
        focus=focus_on(stay),
    )


def settle_leave(draft: Draft, task: Task) -> Closing | None:
    stay = stay_of(draft, task)
    return done("the leave ended") if stay is not None and stay.status != "on-leave" else None


# -- doctors -----------------------------------------------------------------------------------------------------------


def about_new_doctors(draft: Draft) -> list[Encounter]:
    return stays_with(draft, "attending-changed")


def wants_contacts(draft: Draft, stay: Encounter) -> Finding | str:
    named = draft.subject.tasks.naming(stay.encounter_id)
    if not any(task.type == "handoff" for task in named):
        return "no hand-off of this stay is open"
    return Finding(
        key=ATTENDING.key_of(scope_of(stay), f"v{stay.attending_id or 'unknown'}"),
        due_at=within_business_days(draft.occurred_at, 1, site_of(draft, stay.facility_id)),
        reason="The attending doctor changed while a hand-off is open: its contacts change too.",
        evidence=[evidence(draft, "PV1-7", stay.attending_id)],
        focus=focus_on(stay),
    )


# -- the family --------------------------------------------------------------------------------------------------------


def wants_meeting(draft: Draft, stay: Encounter) -> Finding | str:
    sign = _decision(draft, stay)
    if sign is None or not makes_care_tasks(stay) or stay.status in _ENDED:
        return "no decision for the family is at hand"
    place, value, cycle = sign
    return Finding(
        key=MEETING.key_of(scope_of(stay), f"v{cycle}"),
        due_at=within_business_days(draft.occurred_at, 1, site_of(draft, stay.facility_id)),
        reason="A decision is at hand that the family shares: offer a meeting.",
        evidence=[evidence(draft, place, value)],
        focus=focus_on(stay),
    )


def _decision(draft: Draft, stay: Encounter) -> tuple[str, str, str] | None:
    """(field, value, cycle): to intensive care, to a facility or hospice, or an order not to resuscitate newly set."""
    if went_up(draft, stay):
        return "PV1-3", stay.point_of_care or "", f"icu.{draft.occurred_at:%Y%m%dT%H%MZ}"
    changed = {
        str(one["path"]): one.get("new")
        for event in draft.emitted
        if event.aggregate_id in (stay.encounter_id, stay.patient_id)
        for one in event.changes
    }
    category = coming_category(stay)
    if changed.get("expected_disposition") and category in _GRAVE:
        return "PV2-27", category or "", f"disposition.{category}"
    directive = str(changed.get("advance_directive") or "")
    return ("PV2-45", directive, f"directive.{directive}") if "DNR" in directive.upper() else None


HIGHER = Rule(
    id="transfer-to-higher-care",
    trigger="A02 from an ordinary unit to one of intensive or step-down care (`higher_care_units`)",
    task="Notify family & PCP of transfer to higher care",
    type="notify",
    priority="urgent",
    due="4 hours",
    queue="case-management",
    resolves="Logged",
    retracts="A12; A11; death",
    key="enc|v{unit}|{time}",
    basis="Product default",
    settings=("higher_care_units",),
    extended=True,
    watches=(Encounter,),
    hears=("transferred",),
    about=about_transfers,
    wants=wants_notice,
    settle=settle_notice,
)

LENGTH = Rule(
    id="los-exceeds-estimate",
    trigger="An inpatient stay has lasted a day longer than PV2-10 after PV1-44",
    task="Barrier review: stay longer than estimated",
    type="review",
    priority="routine",
    due="1 business day",
    queue="case-management",
    resolves="A03",
    retracts="PV2-10 raised; A11",
    key="enc|d{day}",
    basis="Product default",
    extended=True,
    watches=(Encounter,),
    checks=checks_of_length,
    ripe=ripe_length,
    settle=settle_length,
)

LEAVE = Rule(
    id="leave-overdue",
    trigger="On leave (A21) two hours after the expected return (PV2-47)",
    task="Locate patient on leave",
    type="outreach",
    priority="asap",
    due="2 hours",
    queue="case-management",
    resolves="A22, A52 or any other end of the leave",
    retracts="A11; death",
    key="enc|v{PV2-47}",
    basis="Product default",
    extended=True,
    watches=(Encounter,),
    checks=checks_of_leave,
    ripe=ripe_leave,
    settle=settle_leave,
)

ATTENDING = Rule(
    id="attending-changed",
    trigger="A54 or A55 while a hand-off of the stay is open",
    task="Update contacts of the hand-off",
    type="handoff",
    priority="routine",
    due="1 business day",
    queue="case-management",
    resolves="Logged",
    retracts="A11",
    key="enc|v{doctor}",
    basis="Product default",
    extended=True,
    watches=(Encounter,),
    hears=("attending-changed",),
    about=about_new_doctors,
    wants=wants_contacts,
)

MEETING = Rule(
    id="family-meeting",
    trigger="Transfer to intensive care, PV2-27 changed to a nursing facility, long-term hospital or hospice, or an "
    "order not to resuscitate newly set (PV2-45, PD1-15)",
    task="Offer family meeting",
    type="review",
    priority="urgent",
    due="1 business day",
    queue="case-management",
    resolves="Logged",
    retracts="A11",
    key="enc|v{trigger}",
    basis="Product default",
    settings=("higher_care_units",),
    extended=True,
    watches=(Encounter, Patient),
    about=about_changed_stays,
    wants=wants_meeting,
)
