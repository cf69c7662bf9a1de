"""How a canonical event changes what is known about a patient (domain reference 2, 3, 4, 5; decisions 9, 10, 15, 29).

`apply_event` changes the scope through the draft, emits canonical events in causal order and logs one transition for
each thing that a rule may care about.  Rules run afterwards: they read `draft.transitions`, `draft.emitted` and the
state as it is now.

Transition kinds (`aggregate`: `from_value` -> `to_value`)
    encounter-status         encounter: old status or None -> new status
    registered               encounter: None -> class; a visit began, no inpatient stay (A04, A01 of its class)
    preadmitted              encounter: None -> class; A05
    admitted                 encounter: None or status before -> "inpatient"; became inpatient, by A01, A06, A01 or A08
                             converting an open visit; the encounter's `via_conversion` tells which
    discharged               encounter: status before -> disposition category or None; `discharge_number` is its n
    discharge-corrected      encounter: old disposition category -> new one (equal when only the time changed)
    discharge-cancelled      encounter: "{n}", number of the withdrawn discharge -> status now
    admit-cancelled          encounter: status before -> "cancelled"
    conversion-reverted      encounter: "inpatient" -> status now; A11 on a converted visit
    class-changed            encounter: old class -> new class; A06, A07, or implied by another message
    transferred              encounter: old unit -> new unit; A02
    transfer-cancelled       encounter: unit left -> unit returned to; A12
    admit-pending            encounter: status before -> status now; A14.  In the same form:
    transfer-pending         A15; transfer-pending-cancelled: A26
    discharge-pending        A16; discharge-pending-cancelled: A25
    preadmit-cancelled       A38, A27
    deleted                  A23
    departed, arrived        A09, A10; departure-cancelled: A33, arrival-cancelled: A32
    leave-started            A21; leave-cancelled: A52
    leave-ended              A22; leave-return-cancelled: A53
    attending-changed        A54, A55; the event's data has both doctors
    consulting-changed       A61, A62
    encounter-unknown        patient: None -> trigger; the message names no encounter that is known (decision 9)
    retracted-before         encounter: trigger -> status; the message had been cancelled before it came (tombstone)
    deceased                 patient: None -> "PID" or encounter id
    death-withdrawn          patient: "PID" or encounter id -> None
    deactivated, reactivated  patient: None -> None; A29, A28
    allergies-changed        patient: how many there were -> how many there are
    patient-created          patient: None -> None
    identity-conflict        patient: None -> further patient ids, joined by blanks; nothing was merged
    merged                   patient (the survivor): prior patient id -> survivor's; one per prior
    unmerged                 patient, each of the two: survivor's id -> id of the record that is its own again
    linked, unlinked         patient, each of the two: None -> the other's id; A24, A37
    number-linked            patient: None -> None; a cross-walk gave him a further number
    identifier-changed       patient: None -> None; A46 to A48
    identifier-moved         patient (who has it now): former patient's id -> his own; A43, where the former one goes on
    account-merged           patient: None -> None; A35, A36, A41.  account-identifier-changed: A49
    account-moved            patient (who has it now): former patient's id -> his own; A44
    encounter-moved          encounter: former patient's id -> patient's id, equal when only the account changed; A45
    encounter-merged         encounter (the one that stays): id of the other -> its own; A42
    encounter-renamed        encounter: None -> None; A50, A51
    coverage-changed         coverage: old set -> new set, coverage ids joined by blanks; not for the first set
    coverage-verified        coverage: None -> IN1-29 as ISO time
    coverage-status          coverage: old eligibility or None -> new one; equal when an answer only confirms
    eligibility-rejected     coverage or patient: None -> AAA03 codes joined by blanks
    payer-down               coverage, authorization or patient: None -> "42", "80"; nobody can act, it is asked again
    other-payer-found        coverage: None -> payer ids that the answer names for the first time
    pcp-changed              coverage: old provider -> the one of the newest answer
    member-data-corrected    coverage: None -> fields that the payer has otherwise
    deceased-reported        patient: None -> ISO date of a 271; advisory
    authorization-status     authorization: old status or None -> new one; equal when only the decision's lines changed
    appointment-status       appointment: old status or None -> new one
    appointment-rescheduled  appointment: old start -> new start, ISO times
    appointment-replaced     appointment (the new one): id of its parent (SCH-23/24), cancelled in the hour before ->
                             its own id
    appointment-resources    appointment: resources gone -> resources left, "AIP:77" joined by blanks; S18 to S22
    appointment-blocked      appointment: blocked resources before -> now, "AIP:77" joined by blanks; S23, S24
    slot-opened              appointment on the waiting list: None -> ISO time that came free; S24, S15, S17
    state-anomaly            encounter or appointment: status -> trigger or event type that does not fit it (2.1 `!`)

Event flags: late, correction, implied, historical, replayed, state-anomaly, reinstated, initial, provisional.
Re-applying an event that was applied changes, emits and logs nothing (except `identity-conflict`, `encounter-unknown`
and `retracted-before`, which say something about the message).

Late messages.  Every encounter keeps two moments: `recorded_at` of the newest message applied and `status_at` of the
message that decided its status.  Snapshot fields follow the newest message as a whole: an older one fills only what is
still unknown.  The status follows `status_at`: an older message cannot change it, a newer one can even when some update
came after it.  Demographics and insurance follow the patient's `recorded_at` in the same way (of insurance
a booking says nothing, so it makes none older), appointments their own, 271 and 278 answers the time of the answer.
Location history follows the newest message: a late A02 writes none.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.coordination.draft import Draft
from gateway.coordination.transitions.appointment import apply_appointment, join_visit
from gateway.coordination.transitions.authorization import (
    apply_registered,
    link_appointment,
    link_encounter,
)
from gateway.coordination.transitions.authorization_answer import apply_response
from gateway.coordination.transitions.coverage import apply_insurance, overtaken
from gateway.coordination.transitions.coverage_answer import apply_answer
from gateway.coordination.transitions.encounter import apply_encounter
from gateway.coordination.transitions.identity import merge_patients
from gateway.coordination.transitions.linking import link_patients
from gateway.coordination.transitions.merged_stays import merge_stays
from gateway.coordination.transitions.moving import move_account, move_identifiers, move_visit
from gateway.coordination.transitions.patient import know_patient
from gateway.coordination.transitions.place import apply_place, apply_slot
from gateway.coordination.transitions.renaming import change_account, rename_patient, rename_stay
from gateway.coordination.transitions.request import apply_acknowledgement, apply_request

__all__ = ["apply_event"]

_ANSWERS = frozenset(("coverage", "eligibility", "authorization"))
_IDENTITY: dict[str, Callable[[Draft], None]] = {
    "patient.merged": merge_patients,
    "patient.linked": link_patients,
    "patient.unlinked": link_patients,
    "patient.identifier-moved": move_identifiers,
    "patient.identifier-changed": rename_patient,
    "account.merged": change_account,
    "account.identifier-changed": change_account,
    "account.moved": move_account,
    "encounter.merged": merge_stays,
    "encounter.moved": move_visit,
    "encounter.identifier-changed": rename_stay,
}
_STARTS = frozenset(("registered", "admitted", "preadmitted"))


def apply_event(draft: Draft) -> None:
    """Apply the draft's event to its scope.

    An event that names nobody, or an answer without a patient, ends the draft as parked and changes nothing.
    """
    event = draft.event
    if event.historical:
        draft.flags.append("historical")
    if event.acknowledgement is not None and draft.scope.subject is not None:
        apply_acknowledgement(draft, event.acknowledgement)
    elif event.family in _ANSWERS:
        _apply_answers(draft)
    elif event.place is not None:
        apply_place(draft)
    elif event.slot is not None:
        apply_slot(draft)
    elif event.type in _IDENTITY:
        _IDENTITY[event.type](draft)
    else:
        _apply_registration(draft)


def _apply_registration(draft: Draft) -> None:
    """ADT and SIU: the person, then the stay or appointment, then the insurance."""
    event = draft.event
    newest = know_patient(draft)
    if newest is None:
        return
    encounter = None
    if event.encounter is not None:
        encounter = apply_encounter(draft)
        kinds = {entry.kind for entry in draft.transitions} & _STARTS
        if encounter is not None and kinds:
            link_encounter(draft, encounter)
            if not draft.late and kinds != {"preadmitted"}:
                join_visit(draft, encounter)
    elif event.family == "appointment":
        appointment = apply_appointment(draft)
        if appointment is not None:
            link_appointment(draft, appointment)
    if event.coverages is not None and (newest or not overtaken(draft.subject, event.recorded_at)):
        apply_insurance(draft, event.coverages)
        apply_registered(draft, event.coverages, encounter)


def _apply_answers(draft: Draft) -> None:
    """271 and 278: about a patient that the matching found (decision 10)."""
    event = draft.event
    if draft.scope.subject is None or event.member is None:
        draft.end("parked", "unmatched")
        return
    if event.eligibility is not None:
        apply_answer(draft, event.member, event.eligibility)
    if event.authorization is not None:
        apply_response(draft, event.member, event.authorization)
    if event.request is not None:
        apply_request(draft, event.member, event.request)
