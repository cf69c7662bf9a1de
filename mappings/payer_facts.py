"""What payers and their requesters say: 270, 271, 278 and the acknowledgements of what we sent (domain reference 4, 5).

`mappings.events` hands these on; conventions for fields are the ones stated there.  Amounts, percents and quantities
stay text as sent: they are shown, compared as decimals where a rule needs it, and never calculated with as floats.
"""

from __future__ import annotations

from datetime import datetime

from mappings.facts import Facts


class Rejection(Facts, frozen=True, kw_only=True):
    """AAA.  `kind`, `meaning`, `advice` and `who` come from `x12_rejections`, so that every AAA can be shown apart."""

    reason: str  # AAA03
    loop: str
    valid: str | None = None  # AAA01
    follow_up: str | None = None  # AAA04
    kind: str | None = None  # outage | operations | provider | patient | member | not-found | ambiguous | date | ...
    meaning: str | None = None
    advice: str | None = None
    who: str | None = None  # queue of the people who can act
    service_types: tuple[str, ...] = ()  # 2110: EB03 or EQ01 that this AAA alone rejects


class RelatedEntity(Facts, frozen=True, kw_only=True):
    """NM1 of 2120: somebody whom a benefit names."""

    kind: str  # NM101
    name: str | None = None  # "FAMILY, GIVEN" of a person, else the organization
    id_qualifier: str | None = None  # NM108: XX = NPI
    id: str | None = None
    phone: str | None = None
    url: str | None = None


class Benefit(Facts, frozen=True, kw_only=True):
    """EB row of a 271 (2110C/D) with what follows it."""

    code: str  # EB01
    service_types: tuple[str, ...] = ()  # EB03
    insurance_type: str | None = None
    plan: str | None = None
    period: str | None = None  # EB06
    amount: str | None = None
    percent: str | None = None
    quantity: str | None = None
    authorization_required: str | None = None  # EB11 Y / N / U
    in_network: str | None = None
    begins_on: str | None = None
    ends_on: str | None = None
    coverage_level: str | None = None  # EB02
    quantity_unit: str | None = None  # EB09
    procedure: str | None = None  # EB13.2
    limits: tuple[str, ...] = ()  # HSD: "20 VS per 1 CY"; as sent, joined by blanks
    places: tuple[str, ...] = ()  # III02 of 2115
    referral_number: str | None = None  # REF 9F
    authorization_number: str | None = None  # REF G1
    messages: tuple[str, ...] = ()  # MSG01
    entities: tuple[RelatedEntity, ...] = ()  # 2120


class MemberFacts(Facts, frozen=True, kw_only=True):
    """Who a payer's answer is about: the dependent when there is one, else the subscriber."""

    payer_id: str | None = None
    payer_name: str | None = None
    member_id: str | None = None
    family: str | None = None
    given: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    dependent: bool = False
    traces: tuple[str, ...] = ()  # TRN02: of an answer where TRN01 = 2 (ours, echoed); of a request its own
    reference: str | None = None  # BHT03
    service_on: str | None = None  # earliest date of service in the set, with the member id the last way to a request


class ServiceAnswer(Facts, frozen=True, kw_only=True):
    """What a 271 says of one service, by network tier (4.3: exact rows override those of the plan as a whole).

    `status`: active | inactive | not-covered | unknown.  `authorization_required`: Y, N, or None: the payer does not
    say, which is not the same as N.
    """

    service_type: str | None = None
    procedure: str | None = None
    in_network: str | None = None  # EB12
    status: str = "unknown"
    authorization_required: str | None = None
    begins_on: str | None = None
    ends_on: str | None = None


class Remaining(Facts, frozen=True, kw_only=True):
    """EB06 = 29: what is left of a limit, deductible or stop-loss, beside the total where the payer states it."""

    code: str  # EB01: F limitation, C deductible, G out of pocket, B co-payment ...
    service_types: tuple[str, ...] = ()
    in_network: str | None = None
    coverage_level: str | None = None  # EB02: IND, FAM
    amount: str | None = None  # EB07 left
    quantity: str | None = None  # EB10 left
    unit: str | None = None  # EB09: VS, DY, HS ...
    total_amount: str | None = None
    total_quantity: str | None = None
    period: str | None = None  # EB06 of the total: 23 calendar year, 32 lifetime ...


class OtherPayer(Facts, frozen=True, kw_only=True):
    """EB01 = R: another payer of the patient."""

    payer_id: str | None = None
    payer_name: str | None = None
    order: str | None = None  # primary | secondary | tertiary; None: not said
    insurance_type: str | None = None
    member_id: str | None = None
    group_number: str | None = None
    plan: str | None = None
    begins_on: str | None = None
    ends_on: str | None = None
    phone: str | None = None


class EligibilityFacts(Facts, frozen=True, kw_only=True):
    """271, one patient: domain reference 4.3.  `status`: active | inactive | not-covered | unknown | rejected."""

    status: str
    as_of: datetime | None = None
    benefits: tuple[Benefit, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    group_number: str | None = None
    plan: str | None = None
    begins_on: str | None = None
    ends_on: str | None = None
    authorization_required: str | None = None
    pending: bool = False  # EB01 5, 7, 8
    insurance_type: str | None = None  # EB04 of the plan's active rows: MA, MB, MC, HM ...
    plan_number: str | None = None  # REF 18
    services: tuple[ServiceAnswer, ...] = ()
    remaining: tuple[Remaining, ...] = ()
    other_payers: tuple[OtherPayer, ...] = ()
    pcp: RelatedEntity | None = None
    pcp_since: str | None = None  # DTP 295
    contacts: tuple[RelatedEntity, ...] = ()  # EB01 U, MC; 2100A PER: whom to call
    restricted_to: tuple[RelatedEntity, ...] = ()  # EB01 N
    facility_episodes: tuple[RelatedEntity, ...] = ()  # EB01 X
    card_lost: bool = False  # EB01 T
    deceased_on: str | None = None  # DTP 442
    corrected: bool = False  # INS03 = 001, INS04 = 25: the payer corrects who the member is
    messages: tuple[str, ...] = ()


class RequestedDocument(Facts, frozen=True, kw_only=True):
    """What a payer asks for before it decides: PWK or HI*LOI of an answer."""

    kind: str  # PWK | LOI
    code: str  # PWK01, or the LOINC
    transmission: str | None = None  # PWK02: BM, EL, EM, FX, VO, AA
    control_number: str | None = None  # PWK06
    text: str | None = None  # PWK07
    service: str | None = None  # of the line that asks; None: the whole event


class ServiceDecision(Facts, frozen=True, kw_only=True):
    """One line of a 278 response: event (2000E) or service (2000F) level."""

    level: str  # event | service
    action: str | None = None  # HCR01
    number: str | None = None  # HCR02
    reasons: tuple[str, ...] = ()  # HCR03
    trace: str | None = None
    service: str | None = None  # procedure code, else UM03
    effective_on: str | None = None
    expires_on: str | None = None
    quantity: str | None = None
    unit: str | None = None
    remaining: str | None = None  # HSD05 = 29: HSD06
    second_opinion: bool = False  # HCR04 = Y
    provider: RelatedEntity | None = None  # 2010F, else 2010EA
    messages: tuple[str, ...] = ()  # MSG01: also a denial said in prose


class AuthorizationFacts(Facts, frozen=True, kw_only=True):
    """278 response, one patient event: domain reference 5.  `status`: certified | partially-certified | modified |
    denied | pended | info-requested | contact-payer | not-required | cancelled | rejected."""

    status: str
    number: str | None = None  # HCR02 of a certification
    tracking_number: str | None = None
    decided_at: datetime | None = None  # BHT04/05
    provisional: bool = False  # BHT06 = 19
    request_category: str | None = None  # UM01
    certification_type: str | None = None  # UM02
    service_type: str | None = None  # UM03
    urgent: bool = False  # UM06 in 03, U
    event_begins_on: str | None = None  # DTP AAH / 435 / 472
    event_ends_on: str | None = None
    effective_on: str | None = None  # 007
    expires_on: str | None = None  # 036, else the end by domain reference 5.4
    previous_number: str | None = None  # REF BB
    decisions: tuple[ServiceDecision, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    issued_on: str | None = None  # DTP 102
    admission_on: str | None = None  # DTP 435
    quantity: str | None = None  # certified: of the event, else of its first certified line
    unit: str | None = None
    remaining: str | None = None
    documents: tuple[RequestedDocument, ...] = ()
    provider: RelatedEntity | None = None
    contacts: tuple[RelatedEntity, ...] = ()  # PER of the payer: where to send, whom to call
    messages: tuple[str, ...] = ()
    answers_inquiry: bool = False  # X215: says what was decided before, decides nothing itself


class RequestedService(Facts, frozen=True, kw_only=True):
    """One service of a 270 (EQ) or 278 (2000F)."""

    service_type: str | None = None
    procedure: str | None = None
    quantity: str | None = None
    unit: str | None = None
    trace: str | None = None


class RequestFacts(Facts, frozen=True, kw_only=True):
    """A 270 or 278 request: what was asked, by whom.

    `kind`: eligibility | authorization | inquiry | cancellation | extension | notification.
    """

    kind: str
    asked_at: datetime | None = None  # BHT04/05
    services: tuple[RequestedService, ...] = ()
    service_on: str | None = None
    service_ends_on: str | None = None
    provider: RelatedEntity | None = None  # 2100B, 2010B: who asks
    request_category: str | None = None  # UM01
    certification_type: str | None = None  # UM02
    service_type: str | None = None  # UM03
    urgent: bool = False
    admission_on: str | None = None  # DTP 435
    previous_number: str | None = None  # REF BB, or HCR02 of an inquiry
    appeal: bool = False  # UM02 1, 2, N


class AcknowledgementFacts(Facts, frozen=True, kw_only=True):
    """TA1 or 999 (997) about one interchange, group or set that we sent.  `verdict`: accepted | rejected."""

    partner: str  # ISA06 of the acknowledgement
    kind: str  # TA1 | 999
    control_number: int  # of ours: TA101, AK102
    verdict: str
    codes: tuple[str, ...] = ()  # "TA1 R 025", "IK5 R 5" ...
    warnings: bool = False  # accepted with errors noted
    inquiry_id: str | None = None  # filled in when the store has told whose document it is
