"""Rules about what insurance a patient has: changed, ending, another payer, none (6.2, 32 and 34 to 36)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from gateway.coordination.calendar import business_days_before, local_date, within_business_days
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Appointment, Authorization, Coverage, Encounter, Patient, Task, Timer
from gateway.coordination.rules.coverage import REVERTED_WITHIN
from gateway.coordination.rules.declaration import (
    Check,
    Closing,
    Finding,
    Focus,
    Rule,
    counted_back,
    done,
    evidence,
    gone,
    next_value,
    recorded_by,
    site_of,
    timers_of,
)
from gateway.coordination.rules.payer import GRANTED, WAITING, focus_of
from gateway.coordination.rules.signs import ANSWERED, VISITS
from gateway.coordination.rules.stays import focus_on, happened, is_dead, numbers_of, scope_of, stay_of, stays_with
from mappings.payer_facts import OtherPayer

_HORIZON = timedelta(days=365)
_ADMISSIONS = ("admitted",)
_IN_BED = ("inpatient", "observation", "on-leave")


# -- ends before the service -------------------------------------------------------------------------------------------


def about_visits_ahead(draft: Draft) -> list[Appointment]:
    """Bookings that changed; all ahead when an answer came."""
    if draft.touched(Coverage):
        held = [row for row in draft.subject.coverages.values() if row.active]
        if not any(row.pending or row.answer_ends_on or row.expires_on for row in held):
            return []
        ahead = draft.subject.appointments.between(draft.occurred_at, draft.occurred_at + _HORIZON)
        return [visit for visit in ahead if visit.status == "booked"]
    return [visit for visit in draft.touched(Appointment) if visit.status == "booked"]


def ending_coverage(draft: Draft, visit: Appointment) -> tuple[Coverage, str] | None:
    """An active coverage that will not be certain on the day of the visit, and why: its end, or "pending"."""
    if visit.start_at is None:
        return None
    day = local_date(visit.start_at, site_of(draft, visit.facility_id)).isoformat()
    for row in draft.subject.coverages.values():
        if not row.active:
            continue
        end = row.answer_ends_on or row.expires_on
        if row.eligibility == "active" and end and end[:10] < day:
            return row, end[:10]
        if row.pending and row.eligibility in ("active", "inactive"):
            return row, "pending"
    return None


def wants_reverification(draft: Draft, visit: Appointment) -> Finding | str:
    found = ending_coverage(draft, visit)
    moment = recorded_by(draft)
    if found is None or visit.start_at is None or visit.start_at <= moment:
        return "the coverage lasts until the service"
    coverage, end = found
    due, priority = counted_back(
        business_days_before(visit.start_at, 3, site_of(draft, visit.facility_id)), moment, ENDING.priority
    )
    why = "is under investigation by the payer" if end == "pending" else f"ends on {end}, before the service"
    return Finding(
        key=_ending_key(coverage, visit, end),
        due_at=due,
        priority=priority,
        reason=f"The coverage {why}.",
        evidence=[
            evidence(draft, "2110C DTP", end),
            evidence(draft, "SCH-11.4", visit.start_at.isoformat()),
        ],
        focus=Focus(
            facility_id=visit.facility_id, appointment_id=visit.appointment_id, coverage_id=coverage.coverage_id
        ),
    )


def _ending_key(coverage: Coverage, visit: Appointment, end: str) -> str:
    return ENDING.key_of(coverage.coverage_id, scope_of(visit), f"v{end}")


def settle_ending(draft: Draft, task: Task) -> Closing | None:
    visit = draft.subject.appointments.get(task.appointment_id or "")
    coverage = draft.subject.coverages.get(task.coverage_id or "")
    if visit is None or coverage is None:
        return None
    if visit.status != "booked":
        return gone("the appointment is no longer ahead")
    if not coverage.active:
        return gone("the coverage was replaced")
    found = ending_coverage(draft, visit)
    if found is not None and found[0].coverage_id == coverage.coverage_id:
        same = task.task_key.startswith(_ending_key(coverage, visit, found[1]))
        return None if same else gone("the end changed")
    return done("the coverage lasts until the service") if coverage.eligibility == "active" else None


# -- changed -----------------------------------------------------------------------------------------------------------


def about_changed_insurance(draft: Draft) -> list[Patient]:
    return [draft.subject.patient] if any(row.kind == "coverage-changed" for row in draft.transitions) else []


def coverage_set(draft: Draft) -> str:
    """A digest of the insurances on file: payer, plan, group and member of each."""
    rows = sorted(
        "|".join((row.payer_id or "", row.plan_id or "", row.group_number or "", row.member_id or ""))
        for row in draft.subject.coverages.values()
        if row.active
    )
    return hashlib.blake2b("\n".join(rows).encode(), digest_size=6).hexdigest()


def wants_recheck(draft: Draft, patient: Patient) -> Finding | str:
    change = next((row for row in draft.transitions if row.kind == "coverage-changed"), None)
    if change is None:
        return "the insurance did not change"
    if is_dead(patient):
        return "the patient died"
    if any(task.closed_at == draft.now for task in draft.subject.tasks.retracted_of(CHANGED.id)):
        return "it takes back a change of the last hour"
    standing = [row for row in draft.subject.authorizations.values() if row.status in GRANTED | WAITING]
    ahead = [visit for visit in draft.subject.appointments.from_on(draft.occurred_at) if visit.status == "booked"]
    stays = draft.subject.encounters.open()
    if not (standing or ahead or stays):
        return "no open stay, appointment ahead or authorization depends on it"
    _mark(draft, standing, set((change.to_value or "").split()))
    focus = focus_of(draft, patient)
    if ahead:
        focus.facility_id = ahead[0].facility_id
    return Finding(
        key=CHANGED.key_of(patient.patient_id, next_value(draft, CHANGED, patient.patient_id, coverage_set(draft))),
        due_at=within_business_days(draft.occurred_at, 1, site_of(draft, focus.facility_id)),
        reason=f"The insurance changed: verify it, and check {len(standing)} authorizations, {len(ahead)} appointments "
        f"and {len(stays)} open stays against it.",
        evidence=[evidence(draft, "IN1", f"{change.from_value} -> {change.to_value}")],
        focus=focus,
    )


def _mark(draft: Draft, standing: list[Authorization], staying: set[str]) -> None:
    """Authorizations of a payer that is no longer on file have to be looked at again."""
    payers = {row.payer_id for row in draft.subject.coverages.values() if row.coverage_id in staying}
    for row in standing:
        if row.payer_id and row.payer_id not in payers and not row.needs_recheck:
            fresh = draft.update(row, needs_recheck=True)
            draft.transition("authorization-needs-recheck", fresh, row.status, row.status)


def settle_changed(draft: Draft, task: Task) -> Closing | None:
    change = next((row for row in draft.transitions if row.kind == "coverage-changed"), None)
    if change is not None:
        back = f"{change.to_value} -> {change.from_value}"
        if back in task.evidence_json and draft.occurred_at - task.opened_at <= REVERTED_WITHIN:
            _unmark(draft)
            return gone("the change was taken back within the hour")
        return None
    if f"v{coverage_set(draft)}" not in {part.partition(".")[0] for part in task.task_key.split("|")}:
        return None
    held = [row for row in draft.subject.coverages.values() if row.active and row.priority is not None]
    answered = held and all(
        row.eligibility == "active" and (row.eligibility_as_of or task.opened_at) > task.opened_at for row in held
    )
    if answered and not any(row.needs_recheck for row in draft.subject.authorizations.values()):
        return done("the payer confirmed the new coverage and no authorization waits for a re-check")
    return None


def _unmark(draft: Draft) -> None:
    payers = {row.payer_id for row in draft.subject.coverages.values() if row.active}
    for row in list(draft.subject.authorizations.values()):
        if row.needs_recheck and row.payer_id in payers:
            draft.update(row, needs_recheck=False)


# -- another payer -----------------------------------------------------------------------------------------------------


def about_answered(draft: Draft) -> list[Coverage]:
    return [row for row in draft.touched(Coverage) if row.other_payers_json != "[]"]


def unknown_payers(draft: Draft, coverage: Coverage) -> list[OtherPayer]:
    known = {
        name
        for row in draft.subject.coverages.values()
        if row.active and row.priority is not None
        for name in (row.payer_id, _plain(row.payer_name))
        if name
    }
    others = msgspec.json.decode(coverage.other_payers_json, type=list[OtherPayer])
    return [one for one in others if not {one.payer_id, _plain(one.payer_name)} & known]


def _plain(name: str | None) -> str | None:
    return "".join(letter for letter in (name or "").upper() if letter.isalnum()) or None


def wants_coordination(draft: Draft, coverage: Coverage) -> Finding | str:
    others = unknown_payers(draft, coverage)
    if not others:
        return "every payer that the answer names is on file"
    other = others[0]
    focus = focus_of(draft, coverage)
    name = other.payer_id or _plain(other.payer_name) or "unnamed"
    return Finding(
        key=OTHER_PAYER.key_of(coverage.coverage_id, name),
        due_at=within_business_days(draft.occurred_at, 3, site_of(draft, focus.facility_id)),
        reason=f"The payer names {len(others)} further payer{'s' if len(others) > 1 else ''} of the patient: put them "
        "in order.",
        evidence=[evidence(draft, "2110C EB01", "R"), evidence(draft, "2120C NM109", name)],
        focus=focus,
    )


def settle_coordination(draft: Draft, task: Task) -> Closing | None:
    coverage = draft.subject.coverages.get(task.coverage_id or "")
    if coverage is None:
        return None
    names = {one.payer_id or _plain(one.payer_name) for one in unknown_payers(draft, coverage)}
    parts = set(task.task_key.split("|"))
    return None if names & parts else done("the insurance on file names it, or the payer no longer does")


# -- none --------------------------------------------------------------------------------------------------------------


def about_admissions(draft: Draft) -> list[Encounter]:
    return stays_with(draft, *_ADMISSIONS)


def checks_of_admission(draft: Draft, stay: Encounter) -> Sequence[Check] | None:
    known = timers_of(draft, SELF_PAY, encounter_id=stay.encounter_id)
    if not known and happened(draft, "admitted", stay.encounter_id) is None:
        return None
    if stay.status not in _IN_BED or stay.inpatient_at is None or _is_covered(draft):
        return []
    return [Check(kind="cover", at=stay.inpatient_at + hours(numbers_of(draft, stay).selfpay_wait_h))]


def wants_counselling(draft: Draft, stay: Encounter) -> Finding | str:
    if not stay.self_pay:
        return "the patient is not registered as self-pay"
    return _counselling(draft, stay, draft.occurred_at, "PV1-20", "registered as self-pay")


def ripe_counselling(draft: Draft, stay: Encounter, timer: Timer) -> Finding | str:
    if stay.status not in (*_IN_BED, "discharged") or _is_covered(draft, by=timer.fire_at):
        return "a coverage is known"
    wait = numbers_of(draft, stay).selfpay_wait_h
    return _counselling(draft, stay, timer.fire_at, "IN1", f"no coverage is known {wait} hours after the admission")


def _counselling(draft: Draft, stay: Encounter, moment: datetime, place: str, why: str) -> Finding:
    return Finding(
        key=SELF_PAY.key_of(scope_of(stay)),
        due_at=within_business_days(moment, 1, site_of(draft, stay.facility_id)),
        reason=f"Admitted without insurance ({why}): counselling, and Medicaid screening.",
        evidence=[evidence(draft, place, stay.financial_class or "none")],
        focus=focus_on(stay),
    )


def _is_covered(draft: Draft, by: datetime | None = None) -> bool:
    return any(
        row.active and (by is None or row.created_at <= by or row.recorded_at <= by)
        for row in draft.subject.coverages.values()
    )


def settle_counselling(draft: Draft, task: Task) -> Closing | None:
    stay = stay_of(draft, task)
    if stay is not None and not stay.self_pay and _is_covered(draft):
        return done("a coverage is known")
    return None


ENDING = Rule(
    id="coverage-ending-before-service",
    trigger="The coverage is active and ends before a booked appointment, or the payer marks it as pending (EB01 5, 7, "
    "8)",
    task="Re-verify nearer to service",
    type="verify-coverage",
    priority="routine",
    due="3 business days before the service",
    queue="eligibility",
    resolves="A new active period that covers the service",
    retracts="Appointment off; coverage replaced; the end changed; death",
    key="coverage|appt|v{end}",
    basis="Derived",
    watches=(Appointment, Coverage),
    hears=(VISITS,),
    about=about_visits_ahead,
    wants=wants_reverification,
    settle=settle_ending,
)

CHANGED = Rule(
    id="coverage-changed",
    trigger="The set of insurances changes (A08, A31, A01), or a 271 shows another plan, group or end, with an open "
    "stay, an appointment ahead or a standing authorization",
    task="Insurance changed: re-verify and re-check authorizations",
    type="verify-coverage",
    priority="urgent",
    due="1 business day",
    queue="eligibility",
    resolves="Every insurance on file is confirmed by a 271 and no authorization is marked to be checked again",
    retracts="The change is taken back within an hour; death",
    key="patient|v{insurance set}",
    basis="Derived",
    watches=(Patient, Coverage),
    hears=("coverage-changed",),
    about=about_changed_insurance,
    wants=wants_recheck,
    settle=settle_changed,
)

OTHER_PAYER = Rule(
    id="other-payer-found",
    trigger="A 271 names a further payer (EB01 = R, 2120 PRP, SEP, TTP) that is not among the insurances on file",
    task="Coordinate benefits – update payer order",
    type="verify-coverage",
    priority="routine",
    due="3 business days",
    queue="eligibility",
    resolves="The insurances on file contain it",
    retracts="Death",
    key="coverage|payer",
    basis="X279A1",
    watches=(Coverage,),
    hears=(ANSWERED,),
    about=about_answered,
    wants=wants_coordination,
    settle=settle_coordination,
)

SELF_PAY = Rule(
    id="self-pay-admission",
    trigger="PV1-20 is self-pay at the inpatient admission, or 4 hours after it no coverage is known from any source",
    task="Financial counselling / Medicaid screening",
    type="social",
    priority="urgent",
    due="1 business day",
    queue="social-work",
    resolves="A coverage appears",
    retracts="A11; death",
    key="enc",
    basis="Product default",
    settings=("selfpay_wait_h",),
    watches=(Encounter, Coverage),
    hears=_ADMISSIONS,
    about=about_admissions,
    wants=wants_counselling,
    checks=checks_of_admission,
    ripe=ripe_counselling,
    settle=settle_counselling,
)
