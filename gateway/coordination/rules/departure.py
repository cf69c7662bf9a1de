"""Rules of the day a patient leaves: medication, hand-off, home health, against advice (6.2, 9 to 12)."""

from __future__ import annotations

from datetime import timedelta

from gateway.coordination.calendar import end_of_day, local_date, within_business_days, within_days
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Encounter, Patient, Task
from gateway.coordination.rules.declaration import Closing, Finding, Rule, gone, site_of
from gateway.coordination.rules.signs import LEAVING
from gateway.coordination.rules.stays import (
    AT_DISCHARGE,
    OPEN_STAYS,
    coming_category,
    discharge_evidence,
    discharge_moment,
    focus_on,
    happened,
    is_dead,
    is_home_discharge,
    makes_care_tasks,
    numbers_of,
    scope_of,
    stay_of,
    stays_with,
)

HANDED_OFF = frozenset({"snf", "rehab", "ltach", "psych", "acute-transfer", "hospice"})
_DISCHARGES = ("discharged", "discharge-corrected")
_PENDING = ("discharge-pending",)
_RETURN_REACH = timedelta(hours=24)


def about_discharges(draft: Draft) -> list[Encounter]:
    return stays_with(draft, *_DISCHARGES)


def about_departures(draft: Draft) -> list[Encounter]:
    """Discharges, and stays whose discharge is announced (A16) or whose expected disposition changed."""
    announced = [row for row in draft.touched(Encounter) if row.status in OPEN_STAYS and row.expected_disposition]
    return [*stays_with(draft, *_DISCHARGES, *_PENDING), *announced]


def left_care(draft: Draft, stay: Encounter) -> str | None:
    """Why what follows a discharge does not hold (any more); None when it does."""
    if stay.status == "expired" or is_dead(draft.subject.patient):
        return "the patient died"
    if stay.status != "discharged":
        return "the discharge was cancelled"
    return None if makes_care_tasks(stay) else "this class of visit has no discharge tasks"


# -- medication reconciliation -----------------------------------------------------------------------------------------


def _no_reconciliation(draft: Draft, stay: Encounter) -> str | None:
    if obstacle := left_care(draft, stay):
        return obstacle
    return None if is_home_discharge(stay, numbers_of(draft, stay)) else "it is not a discharge home"


def wants_reconciliation(draft: Draft, stay: Encounter) -> Finding | str:
    if obstacle := _no_reconciliation(draft, stay):
        return obstacle
    return Finding(
        key=RECONCILIATION.key_of(scope_of(stay), f"dis{stay.discharge_number}"),
        due_at=within_days(discharge_moment(draft, stay), 30, site_of(draft, stay.facility_id)),
        reason="Discharged home: medications are reconciled within 30 days.",
        evidence=discharge_evidence(draft, stay),
        focus=focus_on(stay),
    )


def settle_reconciliation(draft: Draft, task: Task) -> Closing | None:
    stay = stay_of(draft, task)
    obstacle = _no_reconciliation(draft, stay) if stay else None
    return gone(obstacle) if obstacle else None


# -- to another facility -----------------------------------------------------------------------------------------------


def _destination(stay: Encounter) -> str | None:
    """Category to which the patient goes: of the discharge, or announced by PV2-27."""
    return stay.disposition_category if stay.status == "discharged" else coming_category(stay)


def _coming_number(stay: Encounter) -> int:
    """The n of dis{n}: before the A03 that of the coming discharge (6.1)."""
    return stay.discharge_number + (stay.status in OPEN_STAYS)


def wants_handoff(draft: Draft, stay: Encounter) -> Finding | str:
    announced = stay.status in OPEN_STAYS and happened(draft, "discharge-pending", stay.encounter_id)
    leaving = stay.status == "discharged" or announced
    category = _destination(stay)
    if not leaving or category not in HANDED_OFF:
        return "the patient goes to no other facility"
    if not makes_care_tasks(stay):
        return "this class of visit has no discharge tasks"
    moment = discharge_moment(draft, stay) if stay.status == "discharged" else draft.occurred_at
    site = site_of(draft, stay.facility_id)
    return Finding(
        key=HANDOFF.key_of(scope_of(stay), f"dis{_coming_number(stay)}", f"v{category}"),
        due_at=end_of_day(local_date(moment, site), site),
        reason=f"The patient goes to another facility ({category}): it needs the hand-off and the records today.",
        evidence=discharge_evidence(draft, stay),
        focus=focus_on(stay),
    )


def settle_handoff(draft: Draft, task: Task) -> Closing | None:
    stay = stay_of(draft, task)
    if stay is None:
        return None
    if stay.status == "expired":
        return gone("the patient died")
    if stay.status in OPEN_STAYS and happened(draft, "discharge-pending-cancelled", stay.encounter_id):
        return gone("the announced discharge was cancelled")
    if f"v{_destination(stay)}" not in task.task_key.split("|"):
        return gone("the destination changed")
    return None


# -- home health -------------------------------------------------------------------------------------------------------


def wants_home_health(draft: Draft, stay: Encounter) -> Finding | str:
    if _destination(stay) != "home-health" or stay.status not in OPEN_STAYS | {"discharged"}:
        return "the patient does not go home with home health"
    if not makes_care_tasks(stay):
        return "this class of visit has no discharge tasks"
    moment = discharge_moment(draft, stay) if stay.status == "discharged" else draft.occurred_at
    return Finding(
        key=HOME_HEALTH.key_of(scope_of(stay), f"dis{_coming_number(stay)}"),
        due_at=within_business_days(moment, 1, site_of(draft, stay.facility_id)),
        reason="The patient goes home with home health: its agency starts within 48 hours; check the authorization.",
        evidence=discharge_evidence(draft, stay),
        focus=focus_on(stay),
    )


def settle_home_health(draft: Draft, task: Task) -> Closing | None:
    stay = stay_of(draft, task)
    if stay is None:
        return None
    if stay.status in OPEN_STAYS and happened(draft, "discharge-pending-cancelled", stay.encounter_id):
        return gone("the announced discharge was cancelled")
    return gone("the destination changed") if _destination(stay) != "home-health" else None


# -- against medical advice --------------------------------------------------------------------------------------------


def wants_ama(draft: Draft, stay: Encounter) -> Finding | str:
    if obstacle := left_care(draft, stay):
        return obstacle
    if stay.disposition_category != "ama":
        return "the patient did not leave against advice"
    if _came_back(draft, stay):
        return "the patient came back within 24 hours"
    return Finding(
        key=AMA.key_of(scope_of(stay), f"dis{stay.discharge_number}"),
        due_at=discharge_moment(draft, stay) + hours(4),
        reason="The patient left against medical advice: reach him within 4 hours.",
        evidence=discharge_evidence(draft, stay),
        focus=focus_on(stay),
    )


def settle_ama(draft: Draft, task: Task) -> Closing | None:
    stay = stay_of(draft, task)
    if stay is None:
        return None
    if stay.disposition_category != "ama" and stay.status == "discharged":
        return gone("the disposition was corrected")
    if obstacle := left_care(draft, stay):
        return gone(obstacle)
    return gone("the patient came back within 24 hours") if _came_back(draft, stay) else None


def _came_back(draft: Draft, stay: Encounter) -> bool:
    left = stay.discharged_at
    return left is not None and any(
        other.encounter_id != stay.encounter_id
        and other.started_at is not None
        and left < other.started_at <= left + _RETURN_REACH
        and other.status not in ("cancelled", "deleted", "preadmitted")
        for other in draft.subject.encounters.values()
    )


RECONCILIATION = Rule(
    id="med-reconciliation-30d",
    trigger="Discharge of an inpatient or observation stay to home or home health",
    task="Medication reconciliation due",
    type="review",
    priority="routine",
    due="30 days after the discharge, its day included (31 days); with transitional care by the face-to-face visit",
    queue="transitions",
    resolves="Marked done",
    retracts="A13; death; a disposition that is no longer home",
    key="enc|dis{n}",
    basis="TRC MRP, TCM",
    settings=("tcm_extra_dispositions",),
    watches=(Encounter, Patient),
    hears=AT_DISCHARGE,
    about=about_discharges,
    wants=wants_reconciliation,
    settle=settle_reconciliation,
    revives=True,
)

HANDOFF = Rule(
    id="discharge-to-facility-handoff",
    trigger="Discharge to another facility (snf, rehab, ltach, psych, acute-transfer, hospice), or A16 whose PV2-27 "
    "says so",
    task="Confirm hand-off and records at receiving facility",
    type="handoff",
    priority="asap",
    due="The same day",
    queue="transitions",
    resolves="Hand-off logged",
    retracts="A13, A25; the destination changed (a new one opens its own task); death",
    key="enc|dis{n}|v{category}",
    basis="42 CFR 482.24(d), 482.43",
    watches=(Encounter,),
    hears=(*AT_DISCHARGE, *_PENDING, LEAVING),
    about=about_departures,
    wants=wants_handoff,
    settle=settle_handoff,
)

HOME_HEALTH = Rule(
    id="discharge-home-health",
    trigger="Discharge home with home health, or PV2-27 = 06 before it",
    task="Confirm home-health agency start of care",
    type="handoff",
    priority="urgent",
    due="1 business day (the agency starts within 48 hours)",
    queue="case-management",
    resolves="Logged",
    retracts="A13, A25; disposition or PV2-27 changed",
    key="enc|dis{n}",
    basis="Care standards (product default)",
    watches=(Encounter,),
    hears=(*AT_DISCHARGE, *_PENDING, LEAVING),
    about=about_departures,
    wants=wants_home_health,
    settle=settle_home_health,
    revives=True,
)

AMA = Rule(
    id="ama-discharge",
    trigger="PV1-36 = 07: the patient left against medical advice",
    task="AMA discharge – same-day outreach",
    type="outreach",
    priority="stat",
    due="4 hours",
    queue="case-management",
    resolves="Contact logged",
    retracts="A13; the patient came back within 24 hours; death; a corrected disposition",
    escalates="At the due time at once to the lead",
    key="enc|dis{n}",
    basis="Product default",
    watches=(Encounter, Patient),
    hears=AT_DISCHARGE,
    about=about_discharges,
    wants=wants_ama,
    settle=settle_ama,
    revives=True,
)
