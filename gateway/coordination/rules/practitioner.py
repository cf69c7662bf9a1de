"""Rules about the primary care provider: told of the admission and the discharge, or missing (6.2, 6 to 8; 6.3)."""

from __future__ import annotations

from gateway.coordination.calendar import within_business_days, within_days
from gateway.coordination.draft import Draft
from gateway.coordination.records import Coverage, Encounter, Patient, Task
from gateway.coordination.rules.declaration import Closing, Finding, Rule, done, evidence, gone, next_value, site_of
from gateway.coordination.rules.departure import about_discharges, left_care
from gateway.coordination.rules.payer import focus_of
from gateway.coordination.rules.stays import (
    AT_DISCHARGE,
    discharge_evidence,
    discharge_moment,
    focus_on,
    is_home_discharge,
    makes_care_tasks,
    numbers_of,
    scope_of,
    stay_of,
    stays_with,
)
from gateway.coordination.tasks import amend

_PHASES = {"emergency": "ed", "inpatient": "inpatient"}


def pcp_of(draft: Draft) -> str | None:
    """The primary care provider known from PD1-4, ROL or a 271: id, else name; None when nobody is."""
    patient = draft.subject.patient
    if patient.pcp_id or patient.pcp_name:
        return patient.pcp_id or patient.pcp_name
    told = (row.pcp_id or row.pcp_name for row in draft.subject.coverages.values())
    return next((name for name in told if name), None)


# -- told of the admission ---------------------------------------------------------------------------------------------


def about_arrivals(draft: Draft) -> list[Encounter]:
    """Admissions and registrations now, and the open stays when the provider may just have become known."""
    found = stays_with(draft, "admitted", "registered")
    return [*found, *draft.subject.encounters.open()]


def wants_admission_notice(draft: Draft, stay: Encounter) -> Finding | str:
    phase = _PHASES.get(stay.status)
    if phase is None or not makes_care_tasks(stay):
        return "the patient is neither an inpatient nor in the emergency department"
    pcp = pcp_of(draft)
    if pcp is None:
        return "no primary care provider is known"
    began = (stay.inpatient_at if phase == "inpatient" else stay.started_at) or draft.occurred_at
    return Finding(
        key=ADMISSION_NOTICE.key_of(scope_of(stay), phase),
        due_at=within_days(began, 1, site_of(draft, stay.facility_id)),
        reason="The primary care provider is to be told of the "
        + ("admission." if phase == "inpatient" else "emergency visit."),
        evidence=[evidence(draft, "PV1-44", began.isoformat()), evidence(draft, "PD1-4", pcp)],
        focus=focus_on(stay),
    )


# -- told of the discharge ---------------------------------------------------------------------------------------------


def _discharge_notice(draft: Draft, stay: Encounter, classes: tuple[str, ...]) -> str | None:
    if obstacle := left_care(draft, stay):
        return obstacle
    if stay.class_ not in classes:
        return "this rule is for another class of stay"
    if stay.disposition_category in ("expired", "still-patient"):
        return "the patient did not leave"
    return None if pcp_of(draft) else "no primary care provider is known"


def wants_discharge_information(draft: Draft, stay: Encounter) -> Finding | str:
    if obstacle := _discharge_notice(draft, stay, ("inpatient", "observation")):
        return obstacle
    return Finding(
        key=INFORMATION.key_of(scope_of(stay), f"dis{stay.discharge_number}"),
        due_at=within_days(discharge_moment(draft, stay), 1, site_of(draft, stay.facility_id)),
        reason="The primary care provider needs the discharge information by the day after the discharge.",
        evidence=[*discharge_evidence(draft, stay), evidence(draft, "PD1-4", pcp_of(draft))],
        focus=focus_on(stay),
    )


def wants_emergency_notice(draft: Draft, stay: Encounter) -> Finding | str:
    if obstacle := _discharge_notice(draft, stay, ("emergency",)):
        return obstacle
    return Finding(
        key=EMERGENCY_NOTICE.key_of(scope_of(stay), f"dis{stay.discharge_number}"),
        due_at=within_business_days(discharge_moment(draft, stay), 1, site_of(draft, stay.facility_id)),
        reason="The primary care provider is to be told of the emergency visit that ended.",
        evidence=[*discharge_evidence(draft, stay), evidence(draft, "PD1-4", pcp_of(draft))],
        focus=focus_on(stay),
    )


# -- nobody known ------------------------------------------------------------------------------------------------------


def about_stays_without_pcp(draft: Draft) -> list[Encounter]:
    return stays_with(draft, "admitted", "discharged", "discharge-corrected")


def wants_pcp(draft: Draft, stay: Encounter) -> Finding | str:
    if pcp_of(draft) is not None:
        return "a primary care provider is known"
    if not makes_care_tasks(stay):
        return "this class of visit needs none"
    leaving = is_home_discharge(stay, numbers_of(draft, stay))
    if stay.status != "inpatient" and not leaving:
        return "neither an admission nor a discharge home"
    if leaving:
        for task in draft.subject.tasks.open_of(NO_PCP.id):
            if task.encounter_id == stay.encounter_id and task.priority == "routine":
                amend(draft, task, "the patient was discharged", priority="urgent")
                return "asked at the admission already; urgent now"
    moment = discharge_moment(draft, stay) if leaving else stay.inpatient_at or draft.occurred_at
    return Finding(
        key=NO_PCP.key_of(draft.subject.patient.patient_id, scope_of(stay)),
        due_at=within_business_days(moment, 2, site_of(draft, stay.facility_id)),
        priority="urgent" if leaving else None,
        reason="No primary care provider is on file: nobody takes over after the stay.",
        evidence=[evidence(draft, "PD1-4", "empty")],
        focus=focus_on(stay),
    )


def settle_pcp(draft: Draft, task: Task) -> Closing | None:
    if pcp_of(draft) is not None:
        return done("a primary care provider is on file")
    stay = stay_of(draft, task)
    return gone("the patient died") if stay is not None and stay.status == "expired" else None


# -- changed -----------------------------------------------------------------------------------------------------------


def about_changed_pcp(draft: Draft) -> list[Patient]:
    paths = {str(change["path"]) for event in draft.emitted for change in event.changes if change.get("old")}
    return [draft.subject.patient] if paths & {"pcp_id", "pcp_name"} else []


def wants_rerouting(draft: Draft, patient: Patient) -> Finding | str:
    pcp = pcp_of(draft)
    if pcp is None:
        return "no primary care provider is known"
    focus = focus_of(draft, patient)
    return Finding(
        key=PCP_CHANGED.key_of(patient.patient_id, next_value(draft, PCP_CHANGED, patient.patient_id, pcp)),
        due_at=within_business_days(draft.occurred_at, 2, site_of(draft, focus.facility_id)),
        reason="The primary care provider changed: notices go to another one.",
        evidence=[evidence(draft, "PD1-4", pcp)],
        focus=focus,
    )


ADMISSION_NOTICE = Rule(
    id="notify-pcp-admission",
    trigger="Admission, or registration in the emergency department, of a patient whose primary care provider is known "
    "(PD1-4, ROL PP, 271 EB*L)",
    task="Notify PCP of admission",
    type="notify",
    priority="urgent",
    due="End of the day after the admission (TRC limit: the second day)",
    queue="intake",
    resolves="Notice delivered",
    retracts="A11",
    key="enc|{ed,inpatient}",
    basis="42 CFR 482.24(d); TRC",
    watches=(Encounter, Patient, Coverage),
    about=about_arrivals,
    wants=wants_admission_notice,
)

INFORMATION = Rule(
    id="discharge-info-to-pcp",
    trigger="Discharge of an inpatient or observation stay, not expired, of a patient whose primary care provider is "
    "known",
    task="Send discharge information to PCP",
    type="notify",
    priority="urgent",
    due="End of the day after the discharge (TRC limit: the second day)",
    queue="transitions",
    resolves="Information delivered",
    retracts="A13",
    key="enc|dis{n}",
    basis="42 CFR 482.24(d), TRC",
    watches=(Encounter,),
    hears=AT_DISCHARGE,
    about=about_discharges,
    wants=wants_discharge_information,
)

EMERGENCY_NOTICE = Rule(
    id="notify-pcp-discharge",
    trigger="Discharge of an emergency visit of a patient whose primary care provider is known",
    task="Notify PCP of emergency discharge",
    type="notify",
    priority="routine",
    due="1 business day",
    queue="transitions",
    resolves="Notice delivered",
    retracts="A13",
    key="enc|dis{n}",
    basis="42 CFR 482.24(d)",
    extended=True,
    watches=(Encounter,),
    hears=AT_DISCHARGE,
    about=about_discharges,
    wants=wants_emergency_notice,
)

NO_PCP = Rule(
    id="no-pcp-on-file",
    trigger="Inpatient admission, or discharge home, and no primary care provider in PD1-4, ROL or a 271",
    task="Assign or find PCP",
    type="schedule",
    priority="routine",
    due="2 business days; urgent at the discharge",
    queue="case-management",
    resolves="A primary care provider appears (A08, A31, 271)",
    retracts="A11; death",
    key="patient|enc",
    basis="TRC, TCM",
    watches=(Encounter, Patient, Coverage),
    hears=("admitted", *AT_DISCHARGE),
    about=about_stays_without_pcp,
    wants=wants_pcp,
    settle=settle_pcp,
)

PCP_CHANGED = Rule(
    id="pcp-changed",
    trigger="The primary care provider on file changes to another one (PD1-4, ROL, 271 EB*L)",
    task="Re-route notices to the new PCP",
    type="notify",
    priority="routine",
    due="2 business days",
    queue="intake",
    resolves="Logged",
    retracts="Never",
    key="patient|v{pcp}",
    basis="Product default",
    extended=True,
    watches=(Patient, Coverage),
    about=about_changed_pcp,
    wants=wants_rerouting,
)
