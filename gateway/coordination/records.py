"""What Baton knows about a patient: one record type per table of the coordination store, fields in column order.

These records are the state that `decide` reads and the rows that downstream readers query
(docs/database.md).  `gateway/store/schema.py` declares the tables; a test holds the two together.
Times are aware UTC; dates are ISO text; columns named `*_json` hold JSON text.
Every record carries `facility_id` (decision 11) and `revision` (optimistic concurrency, +1 per change).
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class Record(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """Base of all rows: encoded as an array so that a database row decodes straight into it.  They hold text, numbers
    and moments, nothing that the garbage collector need look at."""


class Patient(Record, kw_only=True):
    patient_id: str
    facility_id: str
    revision: int
    authority: str  # of the keying identifier
    mrn: str  # its value
    family: str | None = None
    given: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    language: str | None = None
    phone: str | None = None
    address: str | None = None
    pcp_id: str | None = None
    pcp_name: str | None = None
    deceased_at: datetime | None = None
    deceased_source: str | None = None  # "PID" | encounter id of the discharge that said so; None: alive
    restricted: bool = False
    active: bool = True
    merged_into: str | None = None  # surviving patient_id
    lanes_json: str = "[]"  # every lane of every identifier merged into this patient, ascending
    gap_since: str | None = None  # message id of a parked message not yet folded in (decision 16)
    recorded_at: datetime | None = None  # of the newest message applied to the demographics
    created_at: datetime
    updated_at: datetime
    allergies_json: str = "{}"  # transitions.keyed_set.KeyedSet of AL1 and IAM
    links_json: str = "[]"  # ids of patients linked by A24: searched across, nothing shared
    held_json: str = "[]"  # news of details that waits to be told as one (decision 15): [floods.Held]
    living_arrangement: str | None = None  # PD1-2: A alone, F family, I institution, R relative, S spouse
    homeless: bool = False  # PID-11.7 = HL, or the address says so
    contact_known: bool = False  # an NK1 with a phone, or an emergency contact or next of kin
    advance_directive: str | None = None  # PD1-15
    identity_reliability: str | None = None  # PID-32: AL alias, US, UD, UA default values


class PatientIdentifier(Record, kw_only=True):
    authority: str
    value: str
    patient_id: str
    facility_id: str
    type: str | None = None
    key: bool = False  # may name the patient by itself; an alias of another authority may not (decision 9)
    since: datetime


class Encounter(Record, kw_only=True):
    encounter_id: str
    facility_id: str
    revision: int
    patient_id: str
    visit_number: str | None = None
    visit_authority: str | None = None
    aliases_json: str = "[]"  # further visit numbers and accounts that name this stay
    account_number: str | None = None
    status: str  # domain reference 2.1
    status_at: datetime | None = None  # recorded time of the message that decided the status: an older one cannot
    prior_status: str | None = None
    class_: str | None = None
    patient_class: str | None = None  # PV1-2 as sent
    via_conversion: bool = False
    instance: int = 1
    discharge_number: int = 0  # n of dis{n}
    point_of_care: str | None = None
    room: str | None = None
    bed: str | None = None
    attending_id: str | None = None
    attending_name: str | None = None
    hospital_service: str | None = None
    admission_type: str | None = None
    admit_source: str | None = None
    readmission: bool = False
    financial_class: str | None = None
    self_pay: bool = False
    newborn: bool = False
    restricted: bool = False
    started_at: datetime | None = None
    inpatient_at: datetime | None = None  # admission or conversion to inpatient
    discharged_at: datetime | None = None
    discharged_precision: str | None = None
    disposition: str | None = None
    disposition_category: str | None = None
    planned_readmission: bool = False
    expected_admit_at: datetime | None = None
    expected_discharge_at: datetime | None = None
    expected_disposition: str | None = None
    diagnoses_json: str = "[]"  # [mappings.events.Diagnosis]
    tombstones_json: str = "[]"  # cancels that came before what they cancel: [{trigger, recorded_at, expires_at}]
    recorded_at: datetime  # of the newest message applied
    created_at: datetime
    updated_at: datetime
    flags_json: str = "{}"  # {flag: [is it on, recorded time of the message that said so]}
    leave_status: str | None = None  # status before the leave of absence
    expected_return_at: datetime | None = None  # PV2-47
    pending_location: str | None = None  # unit-room-bed of an announced transfer
    consulting_id: str | None = None
    consulting_name: str | None = None
    merged_into: str | None = None  # encounter_id of the stay that this one became (A42)
    history_json: str = "{}"  # transitions.history.History: what was said of the status, in recorded order
    observation_at: datetime | None = None  # start of the newest observation
    drg: str | None = None  # DRG-1
    length_estimate_days: int | None = None  # PV2-10
    advance_directive: str | None = None  # PV2-45


class EncounterLocation(Record, kw_only=True):
    encounter_id: str
    facility_id: str
    sequence: int
    point_of_care: str | None = None
    room: str | None = None
    bed: str | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None
    message_id: str
    cancelled: bool = False


class Appointment(Record, kw_only=True):
    appointment_id: str
    facility_id: str
    revision: int
    patient_id: str
    filler_id: str | None = None
    placer_id: str | None = None
    occurrence: str | None = None
    parent_id: str | None = None
    status: str  # domain reference 3.2
    instance: int = 1
    reschedules: int = 0
    start_at: datetime | None = None
    end_at: datetime | None = None
    reason: str | None = None
    type: str | None = None
    event_reason: str | None = None
    service: str | None = None
    provider_id: str | None = None
    provider_name: str | None = None
    point_of_care: str | None = None
    location_type: str | None = None
    visit_number: str | None = None
    booked_at: datetime | None = None
    cancelled_at: datetime | None = None
    recorded_at: datetime
    created_at: datetime
    updated_at: datetime
    status_at: datetime | None = None  # recorded time of the message that decided the status: an older one cannot
    timing_at: datetime | None = None  # the same of start and end
    resources_json: str = "{}"  # transitions.keyed_set.KeyedSet of AIS, AIG, AIL and AIP
    blocks_json: str = "[]"  # [transitions.blocks.Said]: S23 and S24 about its resources at its time


class Coverage(Record, kw_only=True):
    coverage_id: str
    facility_id: str
    revision: int
    patient_id: str
    payer_id: str | None = None
    payer_name: str | None = None
    plan_id: str | None = None
    group_number: str | None = None
    member_id: str | None = None
    priority: int | None = None
    relationship: str | None = None
    plan_type: str | None = None
    effective_on: str | None = None
    expires_on: str | None = None
    active: bool = True  # still in the newest insurance snapshot
    verified_at: datetime | None = None  # IN1-29
    eligibility: str | None = None  # newest 271: active | inactive | not-covered | unknown | rejected
    eligibility_as_of: datetime | None = None
    inactive_since: datetime | None = None  # as_of of the first inactive answer in a row
    authorization_required: str | None = None  # EB11 for inpatient (48) or plan level
    answer_json: str | None = None  # newest mappings.events.EligibilityFacts
    recorded_at: datetime
    created_at: datetime
    updated_at: datetime
    insurance_type: str | None = None  # EB04 of the newest active answer: MA, MB, MC, HM ...
    plan_name: str | None = None  # EB05 of the newest active answer
    answer_begins_on: str | None = None  # period of the newest answer; `effective_on`, `expires_on` are registration's
    answer_ends_on: str | None = None
    pending: bool = False  # EB01 5, 7 or 8 in the newest answer
    pcp_id: str | None = None  # EB01 L or a 2120 P3 of the newest answer that names one
    pcp_name: str | None = None
    services_json: str = "[]"  # [ServiceAnswer] of the newest answer: EB11 and status by service and network tier
    remaining_json: str = "[]"  # [Remaining]: what is left of limits, deductible, stop-loss
    other_payers_json: str = "[]"  # [OtherPayer]: EB01 R
    rejections_json: str = "[]"  # [Rejection] with advice, of the newest AAA; [] once an answer came
    rejected_at: datetime | None = None  # of that AAA
    asked_at: datetime | None = None  # newest 270, ours or one that passed through


class Authorization(Record, kw_only=True):
    authorization_id: str
    facility_id: str
    revision: int
    patient_id: str
    payer_id: str | None = None
    number: str | None = None
    tracking_number: str | None = None
    trace: str | None = None
    reference: str | None = None  # BHT03 of the request
    source: str  # 278 | adt
    status: str  # domain reference 5.4
    request_category: str | None = None
    certification_type: str | None = None
    service_type: str | None = None
    urgent: bool = False
    encounter_id: str | None = None
    appointment_id: str | None = None
    requested_at: datetime | None = None
    clock_started_at: datetime | None = None
    clock_assumed: bool = False
    decided_at: datetime | None = None
    decision: int = 0  # counts decisions: the v{decision} of task keys
    event_begins_on: str | None = None
    event_ends_on: str | None = None
    effective_on: str | None = None
    expires_on: str | None = None
    decisions_json: str = "[]"  # [mappings.events.ServiceDecision]
    rejections_json: str = "[]"
    recorded_at: datetime
    created_at: datetime
    updated_at: datetime
    provisional: bool = False  # BHT06 = 19: the payer will send more
    issued_on: str | None = None  # DTP 102
    admission_on: str | None = None  # DTP 435
    previous_number: str | None = None  # REF BB: what this one replaces
    quantity: str | None = None  # certified, as sent; of the event, else of its first certified line
    unit: str | None = None  # HSD01 or the service line's: VS, DY, HS, MN, FL, UN
    remaining: str | None = None  # HSD05 = 29
    requested_json: str = "[]"  # [RequestedService] of the request, where it was ours or passed through
    documents_json: str = "[]"  # [RequestedDocument] that the payer waits for
    provider_id: str | None = None  # whom the payer certified: 2010F, else 2010EA
    provider_name: str | None = None
    contacts_json: str = "[]"  # [RelatedEntity]: PER of the payer
    messages_json: str = "[]"  # MSG01 as sent, also a denial said in prose
    overturned: bool = False  # a denial became a grant
    appealed_at: datetime | None = None  # UM02 1, 2 or N was sent
    transport: str | None = None  # "TA1 R 025", "999 R IK5 R 5": why the request never reached the payer
    inquired_at: datetime | None = None  # newest X215 inquiry
    needs_recheck: bool = False  # the insurance changed since the payer's answer


class Inquiry(Record, kw_only=True):
    """One 270 or 278 that went to a payer, sent by us or passing through us, and what became of it."""

    inquiry_id: str
    facility_id: str
    revision: int
    patient_id: str
    kind: str  # mappings.payer_facts.RequestFacts.kind
    source: str  # baton | passing
    reason: str  # why it was asked: admission, booking, insurance-changed, pended, a person's id, "passing"
    payer_id: str | None = None
    payer_name: str | None = None
    member_id: str | None = None
    coverage_id: str | None = None
    authorization_id: str | None = None
    encounter_id: str | None = None
    appointment_id: str | None = None
    trace: str | None = None  # TRN02
    reference: str | None = None  # BHT03
    service_on: str | None = None
    service_types: str = ""  # EB03 codes asked for, joined by blanks
    channel: str = ""  # that it leaves by; empty: it passed through
    request_json: str = "{}"  # what a resend builds the same document from
    status: str  # waiting | sent | accepted | answered | rejected | failed | overdue | given-up
    attempts: int = 0
    asked_at: datetime
    due_at: datetime | None = None  # when an acknowledgement or the answer is late
    acknowledged_at: datetime | None = None
    acknowledgement: str | None = None  # "TA1 A 000", "999 R IK5 R 5"
    answered_at: datetime | None = None
    answer: str | None = None  # status word of the answer: active, pended, rejected 42 ...
    created_at: datetime
    updated_at: datetime


class Task(Record, kw_only=True):
    task_id: str
    facility_id: str
    revision: int
    task_key: str  # idempotency key: rule|scope|cycle
    rule_id: str
    rule_version: int
    type: str  # domain reference 7.3
    title: str
    priority: str  # stat | asap | urgent | routine
    due_at: datetime
    queue: str
    status: str  # FHIR Task.status
    business_status: str | None = None
    status_reason: str | None = None
    owner: str | None = None
    patient_id: str
    encounter_id: str | None = None
    appointment_id: str | None = None
    coverage_id: str | None = None
    authorization_id: str | None = None
    reason: str  # one sentence: why am I here
    evidence_json: str = "[]"  # [{message_id, location, value}]
    overdue: bool = False
    escalations: int = 0
    late: bool = False  # evaluated after a catch-up hold (decision 17)
    closed_by: str | None = None  # actor or event id
    opened_at: datetime
    closed_at: datetime | None = None
    updated_at: datetime
    snoozed_until: datetime | None = None
    attempts: int = 0  # documented attempts to reach somebody that reached nobody
    checklist_json: str = "[]"  # [gateway.coordination.commands.ChecklistItem]
    team: str | None = None  # whose members may own it; null: not placed yet
    covering_for: str | None = None  # the absent owner whom the present one stands in for

    @property
    def open(self) -> bool:
        return self.closed_at is None


class Timer(Record, kw_only=True):
    """A moment at which a rule looks again.  The row goes when it has fired or its reason vanished."""

    timer_id: str
    facility_id: str
    patient_id: str
    lane: int
    channel: str  # feed whose silence holds it (decision 17)
    rule_id: str
    kind: str  # what the rule does then: "check", "due", "escalate", "75" ...
    task_id: str | None = None
    encounter_id: str | None = None
    appointment_id: str | None = None
    coverage_id: str | None = None
    authorization_id: str | None = None
    cycle: str = ""
    fire_at: datetime
    set_at: datetime
    message_id: str = ""  # of the message that set it off: evidence of what it opens


class TaskChange(Record, kw_only=True):
    """Append-only history of a task: who, when, what, why."""

    task_id: str
    revision: int
    facility_id: str
    at: datetime
    actor: str  # "rule:<id>" or a coordinator's id
    change: str  # opened | claimed | released | declined | started | waiting | snoozed | woken | noted | attempted ...
    from_status: str | None = None
    to_status: str | None = None
    reason: str | None = None  # why, or the text of a note
    cause: str | None = None  # event id
    detail_json: str | None = None  # of an attempt {channel, result}; of a checklist {added, done, undone}


class Transition(Record, kw_only=True):
    """Append-only log of what changed about a patient, from what, to what, by which message."""

    transition_id: str
    facility_id: str
    patient_id: str
    kind: str  # encounter-status, admitted-without-authorization, coverage-lapsed ...
    aggregate: str  # encounter | appointment | coverage | authorization | patient
    aggregate_id: str
    from_value: str | None = None
    to_value: str | None = None
    message_id: str
    event_id: str
    occurred_at: datetime
    at: datetime


class Merge(Record, kw_only=True):
    """Reversible journal of merges and moves (domain reference 2.3 e).  `trigger` of the row that undoes one:
    "undo:<merge_id>"."""

    merge_id: str
    facility_id: str
    survivor_id: str
    prior_id: str
    trigger: str
    message_id: str
    moved_json: str  # {table: [ids]}
    at: datetime


class TaskRequest(Record, kw_only=True):
    """A person's act that was done under an Idempotency-Key: the same request again is answered, not done again."""

    request_id: str  # digest of API key and Idempotency-Key
    facility_id: str
    task_id: str
    digest: str  # of what was asked
    at: datetime
