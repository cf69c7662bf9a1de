"""Canonical events: what a partner's message says, in one vocabulary for HL7 v2 and X12.

A mapping turns one message into zero or more `CanonicalEvent`s.  It knows the message and the feed's
profile, nothing else: whether an event changes anything is decided by `gateway.coordination` against
what is known about the patient.

Conventions for every text field below
    None       the message gave no information: what is known stays
    DELETE     the sender sent the HL7 null `""`: what is known is withdrawn
    otherwise  the new value
Times are aware UTC datetimes.  Dates of birth are ISO text of the precision sent ("1948", "1948-02-17").
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from mappings.facts import Facts
from mappings.payer_facts import (
    AcknowledgementFacts,
    AuthorizationFacts,
    Benefit,
    EligibilityFacts,
    MemberFacts,
    Rejection,
    RequestFacts,
    ServiceDecision,
)

__all__ = [
    "DELETE",
    "AcknowledgementFacts",
    "AppointmentFacts",
    "AuthorizationFacts",
    "Benefit",
    "CanonicalEvent",
    "CoverageFacts",
    "Diagnosis",
    "EligibilityFacts",
    "EncounterFacts",
    "Facts",
    "Identifier",
    "Location",
    "MemberFacts",
    "PatientFacts",
    "Person",
    "Problem",
    "Rejection",
    "RequestFacts",
    "ServiceDecision",
]

DELETE = '""'
"""The HL7 v2 null (chapter 2, "delete the value"): kept as sent so that it survives every hop."""


class Problem(Facts, frozen=True, kw_only=True):
    """Something odd in a message, for the person who reads it.  `text` never holds a value of the message."""

    severity: str  # error | warning | information
    code: str  # HL7 table 0357 / X12 code where one applies, else a short word of ours
    location: str  # "PID^1^3", "2100C NM1*3", "frame"
    text: str


class Identifier(Facts, frozen=True, kw_only=True):
    """CX: identifier with its assigning authority (CX.4.1) and type (CX.5)."""

    value: str
    authority: str | None = None
    type: str | None = None


class Person(Facts, frozen=True, kw_only=True):
    """XCN: a clinician."""

    id: str | None = None
    family: str | None = None
    given: str | None = None


class PatientFacts(Facts, frozen=True, kw_only=True):
    """PID, PD1: who the message is about.  `key` is the identifier that names the patient (decision 9)."""

    key: Identifier | None = None
    identifiers: tuple[Identifier, ...] = ()
    family: str | None = None
    given: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    language: str | None = None
    phone: str | None = None
    address: str | None = None  # lines, city, state, postal code joined by ", "
    account_number: str | None = None
    deceased: bool | None = None  # PID-30
    deceased_at: datetime | None = None  # PID-29
    pcp: Person | None = None
    restricted: bool | None = None
    living_arrangement: str | None = None  # PD1-2
    homeless: bool | None = None  # PID-11.7 HL, or words in its place
    contact_known: bool | None = None  # NK1; None: the message says nothing of contacts
    advance_directive: str | None = None  # PD1-15
    identity_reliability: str | None = None  # PID-32
    allergies: tuple[Allergy, ...] | None = None  # AL1, IAM; None: the message says nothing of them
    allergies_complete: bool = False  # the list is the whole set (AL1), not single changes (IAM-6)


class Allergy(Facts, frozen=True, kw_only=True):
    """AL1 or IAM: one allergy.  `id` tells it apart: IAM-7, else the code, else the text."""

    id: str
    code: str | None = None
    text: str | None = None
    type: str | None = None  # table 0127: DA drug, FA food, EA environment ...
    severity: str | None = None  # table 0128: SV, MO, MI, U
    removed: bool = False  # IAM-6 D


class Diagnosis(Facts, frozen=True, kw_only=True):
    """DG1."""

    code: str
    system: str | None = None
    text: str | None = None
    type: str | None = None  # A admitting, W working, F final
    priority: int | None = None


class Location(Facts, frozen=True, kw_only=True):
    """PL: point of care, room, bed, facility as sent."""

    point_of_care: str | None = None
    room: str | None = None
    bed: str | None = None
    facility: str | None = None


class EncounterFacts(Facts, frozen=True, kw_only=True):
    """PV1, PV2, DG1: one stay.  `key` names the encounter on this feed (default PV1-19, else PID-18)."""

    key: Identifier | None = None
    visit_number: str | None = None
    account_number: str | None = None
    patient_class: str | None = None  # as sent (table 0004 or local)
    class_: str | None = msgspec.field(default=None, name="class")  # see codes.CLASSES
    location: Location | None = None
    prior_location: Location | None = None
    admission_type: str | None = None
    admit_source: str | None = None
    readmission: bool | None = None  # PV1-13 = R
    attending: Person | None = None
    hospital_service: str | None = None
    financial_class: str | None = None
    self_pay: bool | None = None
    admitted_at: datetime | None = None
    discharged_at: datetime | None = None
    discharged_precision: str | None = None  # second | minute | hour | day
    clear_discharge: bool = False  # PV1-45 is ""
    disposition: str | None = None  # PV1-36 as sent
    disposition_category: str | None = None  # see codes.DISPOSITIONS
    planned_readmission: bool | None = None
    destination: str | None = None
    expected_admit_at: datetime | None = None
    expected_discharge_at: datetime | None = None
    expected_disposition: str | None = None
    newborn: bool | None = None
    restricted: bool | None = None
    diagnoses: tuple[Diagnosis, ...] | None = None
    drg: str | None = None  # DRG-1
    length_estimate_days: int | None = None  # PV2-10
    advance_directive: str | None = None  # PV2-45
    pending_location: Location | None = None  # PV1-42
    temporary_location: Location | None = None  # PV1-11
    planned_at: datetime | None = None  # EVN-3
    expected_return_at: datetime | None = None  # PV2-47
    consulting: Person | None = None  # first PV1-9


class CoverageFacts(Facts, frozen=True, kw_only=True):
    """IN1, IN2, IN3: one insurance of the patient."""

    payer_id: str | None = None
    payer_name: str | None = None
    plan_id: str | None = None
    group_number: str | None = None
    member_id: str | None = None
    effective_on: str | None = None
    expires_on: str | None = None
    priority: int | None = None  # IN1-22, else IN1-1
    plan_type: str | None = None
    relationship: str | None = None
    verified_at: datetime | None = None  # IN1-29
    authorization_number: str | None = None  # IN1-14, IN1-28 or IN3-2
    authorization_begins_on: str | None = None
    authorization_ends_on: str | None = None


class AppointmentFacts(Facts, frozen=True, kw_only=True):
    """SCH, TQ1, AIS, AIL, AIP: one appointment.  Key: filler id, else placer id, with SCH-3."""

    filler_id: str | None = None
    placer_id: str | None = None
    occurrence: str | None = None
    parent_id: str | None = None  # SCH-23/24
    event_reason: str | None = None  # SCH-6
    reason: str | None = None  # SCH-7 code
    type: str | None = None  # SCH-8 code
    start: datetime | None = None
    end: datetime | None = None
    filler_status: str | None = None  # SCH-25 as sent
    status: str | None = None  # normalised, see codes.APPOINTMENT_STATUSES; None when SCH-25 is absent or unknown
    service: str | None = None  # AIS-3 code
    provider: Person | None = None  # first AIP
    location: Location | None = None  # first AIL
    location_type: str | None = None  # AIL-4
    visit_number: str | None = None  # PV1-19
    resources: tuple[ResourceFacts, ...] | None = None  # AIS, AIG, AIL, AIP; None: the message has none
    resources_complete: bool = True  # they are the whole set, not single changes (S18 to S22)


class ResourceFacts(Facts, frozen=True, kw_only=True):
    """AIS, AIG, AIL or AIP: a service, thing, place or person that an appointment takes."""

    kind: str  # name of the segment
    id: str
    text: str | None = None  # name, or what it is
    type: str | None = None  # AIG-4, AIL-4, AIP-4
    start: datetime | None = None
    removed: bool = False  # action D, or an event that takes it away


class SlotFacts(Facts, frozen=True, kw_only=True):
    """S23, S24: time of one resource that is blocked or free again.

    The gateway sends it on to whom it concerns (decision 13) and fills in what a message never says: `patient_id`, who
    hears it; `after`, up to whom it was sent; of the time of a visit that was called off `given_up_by`, whose visit."""

    resource: ResourceFacts
    start: datetime | None = None
    end: datetime | None = None
    reason: str | None = None  # SCH-6
    further: tuple[ResourceFacts, ...] = ()  # of a visit that was called off: what else it took
    patient_id: str = ""
    after: str = ""
    given_up_by: str = ""


class PlaceFacts(Facts, frozen=True, kw_only=True):
    """NPU: the state of a bed (A20)."""

    location: Location
    status: str  # table 0116 as sent: C, H, I, K, O, U


class IdentityFacts(Facts, frozen=True, kw_only=True):
    """MRG against PID and PV1: what an identity event names besides the patients (domain reference 2.3)."""

    moved: tuple[Identifier, ...] = ()  # A43: identifiers that go to the patient
    old: Identifier | None = None  # A46 to A48: an identifier and what it is now
    new: Identifier | None = None
    old_account: str | None = None  # MRG-3
    account: str | None = None  # PID-18
    old_visit: Identifier | None = None  # MRG-5; of A51 MRG-6
    visit: Identifier | None = None  # PV1-19; of A51 PV1-50


class CanonicalEvent(Facts, frozen=True, kw_only=True):
    """One thing that a message says happened.  `type` is `<family>.<event>` of domain reference 7.2."""

    type: str
    trigger: str  # "ADT^A03", "271", "278"
    recorded_at: datetime
    occurred_at: datetime
    facility: str = ""  # our facility id (decision 11)
    patient: PatientFacts | None = None
    encounter: EncounterFacts | None = None
    coverages: tuple[CoverageFacts, ...] | None = None
    partial_coverages: bool = False  # the message names some of the insurances: the others stay
    appointment: AppointmentFacts | None = None
    place: PlaceFacts | None = None
    slot: SlotFacts | None = None
    prior: tuple[PatientFacts, ...] = ()  # identity events: the records retired into `patient`, or the other patient
    identity: IdentityFacts | None = None
    member: MemberFacts | None = None
    eligibility: EligibilityFacts | None = None
    authorization: AuthorizationFacts | None = None
    request: RequestFacts | None = None
    acknowledgement: AcknowledgementFacts | None = None
    historical: bool = False  # MSH-11.2 A, R, I: state only, no tasks
    problems: tuple[Problem, ...] = ()
    site: dict[str, str] = msgspec.field(default_factory=dict)  # values that the feed's profile picked, by its names

    @property
    def family(self) -> str:
        return self.type.partition(".")[0]
