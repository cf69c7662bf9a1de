"""Extended rules at the door: contacts, interpreter, social risk, no arrival, allergies, unlinked charts (6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from gateway.coordination.calendar import end_of_day, local_date, parse_day, within_business_days
from gateway.coordination.condition_groups import groups_of, in_family
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Appointment, Encounter, Patient, Task, Timer
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
    site_of,
)
from gateway.coordination.rules.payer import focus_of
from gateway.coordination.rules.stays import codes_of, focus_on, happened, numbers_of, scope_of, stay_of, stays_with

_ALONE = "A"
_OLD = 75
_QUIET = timedelta(days=90)
_LEFT_HOMELESS = "21"
_GONE = ("cancelled", "deleted")


# -- contacts ----------------------------------------------------------------------------------------------------------


def checks_of_contacts(draft: Draft, stay: Encounter) -> Sequence[Check] | None:
    if happened(draft, "admitted", stay.encounter_id) is None:
        return None if stay.status == "inpatient" else []
    if stay.inpatient_at is None or draft.subject.patient.contact_known:
        return []
    return [Check(kind="contact", at=stay.inpatient_at + hours(24))]


def ripe_contacts(draft: Draft, stay: Encounter, timer: Timer) -> Finding | str:
    if draft.subject.patient.contact_known or stay.status != "inpatient":
        return "a contact is known, or the patient left"
    return Finding(
        key=CONTACT.key_of(scope_of(stay)),
        due_at=within_business_days(timer.fire_at, 2, site_of(draft, stay.facility_id)),
        reason="A day after the admission nobody is on file whom to call.",
        evidence=[evidence(draft, "NK1", "none")],
        focus=focus_on(stay),
    )


def settle_contacts(draft: Draft, task: Task) -> Closing | None:
    if draft.subject.patient.contact_known:
        return done("a contact is on file")
    stay = stay_of(draft, task)
    return gone("the stay ended") if stay is not None and stay.status not in ("inpatient", "on-leave") else None


# -- interpreter -------------------------------------------------------------------------------------------------------


def about_encounters_to_come(draft: Draft) -> list[Appointment]:
    return [visit for visit in draft.touched(Appointment) if visit.status == "booked"]


def wants_interpreter(draft: Draft, visit: Appointment) -> Finding | str:
    language = (draft.subject.patient.language or "").lower()
    if not language or language in {one.lower() for one in numbers_of(draft, visit).languages}:
        return "the patient speaks a language of the house, or none is known"
    if visit.start_at is None or visit.start_at <= recorded_by(draft):
        return "the appointment is not ahead"
    due, priority = counted_back(visit.start_at - timedelta(days=1), recorded_by(draft), INTERPRETER.priority)
    return Finding(
        key=INTERPRETER.key_of(scope_of(visit)),
        due_at=due,
        priority=priority,
        reason="The patient needs an interpreter for this appointment.",
        evidence=[evidence(draft, "PID-15", language)],
        focus=focus_of(draft, visit),
    )


def settle_interpreter(draft: Draft, task: Task) -> Closing | None:
    visit = draft.subject.appointments.get(task.appointment_id or "")
    return gone("the appointment is off") if visit is not None and visit.status == "noshow" else None


def about_admissions(draft: Draft) -> list[Encounter]:
    return stays_with(draft, "admitted")


def wants_bedside_interpreter(draft: Draft, stay: Encounter) -> Finding | str:
    language = (draft.subject.patient.language or "").lower()
    if not language or language in {one.lower() for one in numbers_of(draft, stay).languages}:
        return "the patient speaks a language of the house, or none is known"
    return Finding(
        key=BEDSIDE.key_of(scope_of(stay)),
        due_at=draft.occurred_at + hours(4),
        reason="The patient needs an interpreter in hospital.",
        evidence=[evidence(draft, "PID-15", language)],
        focus=focus_on(stay),
    )


# -- social risk -------------------------------------------------------------------------------------------------------


def about_arrivals(draft: Draft) -> list[Encounter]:
    return [*stays_with(draft, "admitted", "registered", "discharged"), *draft.touched(Encounter)]


def wants_screening(draft: Draft, stay: Encounter) -> Finding | str:
    if stay.status in (*_GONE, "expired"):
        return "the stay does not stand"
    sign = _social_sign(draft, stay)
    if sign is None:
        return "nothing points to a social risk"
    patient = draft.subject.patient
    recent = [
        task
        for task in draft.subject.tasks.values()
        if task.rule_id == SOCIAL.id
        and task.business_status != "retracted"
        and draft.occurred_at - task.opened_at < _QUIET
    ]
    if recent:
        return "screening was asked for in the last 90 days"
    site = site_of(draft, stay.facility_id)
    return Finding(
        key=SOCIAL.key_of(patient.patient_id, f"d{local_date(draft.occurred_at, site).isoformat()}"),
        due_at=within_business_days(draft.occurred_at, 3, site),
        reason="Signs of a social risk: screen, and offer help.",
        evidence=[evidence(draft, *sign)],
        focus=focus_on(stay),
    )


def _social_sign(draft: Draft, stay: Encounter) -> tuple[str, str] | None:
    patient = draft.subject.patient
    if patient.homeless:
        return "PID-11", "homeless"
    if stay.disposition == _LEFT_HOMELESS:
        return "PV1-36", _LEFT_HOMELESS
    born = parse_day(patient.birth_date)
    today = local_date(draft.occurred_at, site_of(draft, stay.facility_id))
    if patient.living_arrangement == _ALONE and born is not None and _age(born, today) >= _OLD:
        return "PD1-2", _ALONE
    replaced = numbers_of(draft, stay).condition_groups
    found = next((code for code in codes_of(stay) if in_family(groups_of(code, replaced), "social-risk")), None)
    return ("DG1-3", found) if found else None


def _age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


# -- expected and not come ---------------------------------------------------------------------------------------------


def checks_of_arrival(draft: Draft, stay: Encounter) -> Sequence[Check]:
    if stay.status != "preadmitted" or stay.expected_admit_at is None:
        return []
    return [Check(kind="arrival", at=stay.expected_admit_at + hours(24))]


def ripe_arrival(draft: Draft, stay: Encounter, timer: Timer) -> Finding | str:
    expected = stay.expected_admit_at
    if stay.status != "preadmitted" or expected is None or expected + hours(24) > timer.fire_at:
        return "the patient came, or is expected later"
    return Finding(
        key=NOT_ARRIVED.key_of(scope_of(stay)),
        due_at=within_business_days(timer.fire_at, 1, site_of(draft, stay.facility_id)),
        reason="The patient was expected a day ago and has not been admitted.",
        evidence=[evidence(draft, "PV2-8", expected.isoformat())],
        focus=focus_on(stay),
    )


def settle_arrival(draft: Draft, task: Task) -> Closing | None:
    stay = stay_of(draft, task)
    return done("the patient was admitted") if stay is not None and stay.status not in ("preadmitted", *_GONE) else None


# -- allergies ---------------------------------------------------------------------------------------------------------


def about_allergies(draft: Draft) -> list[Patient]:
    return [draft.subject.patient] if any(row.kind == "allergies-changed" for row in draft.transitions) else []


def wants_plan_review(draft: Draft, patient: Patient) -> Finding | str:
    stay = next((one for one in draft.subject.encounters.open() if one.status != "preadmitted"), None)
    if stay is None:
        return "no stay is open"
    severe = [
        str(one.get("code") or "uncoded")
        for event in draft.emitted
        if event.type == "patient.allergies-changed"
        for one in _rows(event.data.get("added_allergies"))
        if one.get("severity") == "SV"
    ]
    if not severe:
        return "no severe allergy was added"
    site = site_of(draft, stay.facility_id)
    return Finding(
        key=ALLERGY.key_of(patient.patient_id, "+".join(sorted(severe))),
        due_at=end_of_day(local_date(draft.occurred_at, site), site),
        reason="A severe allergy was added during the stay: the plan is reviewed, the patient told.",
        evidence=[evidence(draft, "AL1-3", code) for code in severe],
        focus=focus_on(stay),
    )


def _rows(listed: object) -> list[dict[str, object]]:
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


# -- unlinked ----------------------------------------------------------------------------------------------------------


def about_unlinked(draft: Draft) -> list[Patient]:
    return [draft.subject.patient] if any(row.kind == "unlinked" for row in draft.transitions) else []


def wants_separation(draft: Draft, patient: Patient) -> Finding | str:
    row = next((row for row in draft.transitions if row.kind == "unlinked"), None)
    if row is None:
        return "nothing was unlinked"
    focus = focus_of(draft, patient)
    ids = sorted({patient.patient_id, row.aggregate_id, row.to_value or ""} - {""})
    return Finding(
        key=UNLINKED.key_of(*ids),
        due_at=within_business_days(draft.occurred_at, 1, site_of(draft, focus.facility_id)),
        reason="Two charts were unlinked: tasks made meanwhile may belong to the other person.",
        evidence=[evidence(draft, "event", "A37")],
        focus=focus,
    )


CONTACT = Rule(
    id="family-contact-missing",
    trigger="A day after an inpatient admission no contact is on file (NK1 with a phone, or role C or N)",
    task="Obtain family contact",
    type="social",
    priority="routine",
    due="2 business days",
    queue="intake",
    resolves="NK1 arrives",
    retracts="The stay ended",
    key="enc",
    basis="Product default",
    extended=True,
    watches=(Encounter, Patient),
    hears=("admitted",),
    checks=checks_of_contacts,
    ripe=ripe_contacts,
    settle=settle_contacts,
)

INTERPRETER = Rule(
    id="interpreter-needed",
    trigger="PID-15 is none of `languages` and an appointment is booked",
    task="Arrange interpreter",
    type="schedule",
    priority="urgent",
    due="A day before the appointment",
    queue="scheduling",
    resolves="Logged",
    retracts="Appointment off; death",
    key="appt",
    basis="Product default",
    settings=("languages",),
    extended=True,
    watches=(Appointment,),
    about=about_encounters_to_come,
    wants=wants_interpreter,
    settle=settle_interpreter,
)

BEDSIDE = Rule(
    id="interpreter-needed-inpatient",
    trigger="PID-15 is none of `languages` at an inpatient admission",
    task="Arrange interpreter",
    type="schedule",
    priority="urgent",
    due="4 hours",
    queue="scheduling",
    resolves="Logged",
    retracts="A11; death",
    key="enc",
    basis="Product default",
    settings=("languages",),
    extended=True,
    watches=(Encounter,),
    hears=("admitted",),
    about=about_admissions,
    wants=wants_bedside_interpreter,
)

SOCIAL = Rule(
    id="social-risk-screen",
    trigger="Lives alone (PD1-2 = A) at 75 or more, homeless, PV1-36 = 21, or a diagnosis Z55 to Z65; not again within "
    "90 days",
    task="Screen for social needs",
    type="social",
    priority="routine",
    due="3 business days",
    queue="social-work",
    resolves="Logged",
    retracts="A11; death",
    key="patient|d{day}",
    basis="Product default",
    settings=("condition_groups",),
    extended=True,
    watches=(Encounter,),
    about=about_arrivals,
    wants=wants_screening,
)

NOT_ARRIVED = Rule(
    id="preadmit-not-arrived",
    trigger="A pre-admitted patient has not come a day after PV2-8",
    task="Check status of pre-admission",
    type="schedule",
    priority="routine",
    due="1 business day",
    queue="intake",
    resolves="A01",
    retracts="A38; death",
    key="enc",
    basis="Product default",
    extended=True,
    watches=(Encounter,),
    checks=checks_of_arrival,
    ripe=ripe_arrival,
    settle=settle_arrival,
)

ALLERGY = Rule(
    id="allergy-changed-active-plan",
    trigger="A60 or AL1 adds a severe allergy (AL1-4 = SV) during an open stay",
    task="Review plan: new severe allergy",
    type="review",
    priority="urgent",
    due="The same day",
    queue="case-management",
    resolves="Logged",
    retracts="Never",
    key="patient|allergen",
    basis="Product default",
    extended=True,
    watches=(Patient,),
    hears=("allergies-changed",),
    about=about_allergies,
    wants=wants_plan_review,
)

UNLINKED = Rule(
    id="patient-unlinked-review",
    trigger="A37",
    task="Check shared tasks of unlinked charts",
    type="identity",
    priority="routine",
    due="1 business day",
    queue="records",
    resolves="Logged",
    retracts="Never",
    key="ids",
    basis="Domain reference 2.3",
    extended=True,
    watches=(Patient,),
    hears=("unlinked",),
    about=about_unlinked,
    wants=wants_separation,
)
