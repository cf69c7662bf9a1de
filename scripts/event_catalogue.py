"""The events of this release: when each is published and what its `data` holds.

docs/events.md, docs/asyncapi.yaml and docs/schemas are made from here; tests/docs holds them against what the gateway
really publishes.  A released type never loses a field, changes one or requires a further one: that is version 2.
"""

from __future__ import annotations

from scripts.event_parts import MOMENT, NUMBER, TEXT, TEXTS, YES_NO, EventType, Schema, items, optional_text
from scripts.event_parts import about as _about
from scripts.identity_events import IDENTITY_FIELDS, IDENTITY_TYPES
from scripts.payer_events import ANSWER_MORE, BENEFITS, DECIDED_MORE, DECISIONS, PAYER_FIELDS, PAYER_TYPES, REJECTIONS

RESOURCES = items(("kind", "id"), kind=TEXT, id=TEXT, text=TEXT, type=TEXT, start=TEXT)
ALLERGIES = items((), code=TEXT, text=TEXT, type=TEXT, severity=TEXT)

FIELDS: dict[str, tuple[Schema, str]] = {
    # patient
    "authority": (TEXT, "assigning authority of the identifier that keys the patient"),
    "mrn": (TEXT, "that identifier"),
    "family": (TEXT, "PID-5.1"),
    "given": (TEXT, "PID-5.2"),
    "birth_date": (TEXT, "PID-7 as ISO date, as precise as sent"),
    "sex": (TEXT, "PID-8: F, M, O, U, A or N"),
    "language": (TEXT, "PID-15"),
    "phone": (TEXT, "PID-13"),
    "address": (TEXT, "PID-11 in one line"),
    "pcp_id": (TEXT, "primary care provider: PD1-4 or ROL"),
    "pcp_name": (TEXT, "FAMILY, GIVEN"),
    "deceased_at": (MOMENT, "PID-29, or the discharge that said so"),
    "source": (TEXT, "deceased: `PID` or `disposition`; authorization: `278` or `adt`"),
    "survivor": (TEXT, "our id of the patient that stays"),
    "prior": (TEXTS, "our ids of the patients retired into him"),
    "prior_identifier": (TEXT, "authority|value of the retired record"),
    "moved": ({"type": "object", "additionalProperties": TEXTS}, "table -> ids that went to the survivor"),
    **IDENTITY_FIELDS,
    # encounter
    "visit_number": (TEXT, "PV1-19"),
    "class": (TEXT, "inpatient, outpatient, emergency, observation, preadmit, recurring, obstetrics, unknown"),
    "status": (TEXT, "status after the event"),
    "started_at": (MOMENT, "start of the stay"),
    "location": (TEXT, "unit-room-bed"),
    "attending_id": (TEXT, "PV1-7.1"),
    "attending_name": (TEXT, "FAMILY, GIVEN"),
    "hospital_service": (TEXT, "PV1-10"),
    "admission_type": (TEXT, "PV1-4"),
    "admit_source": (TEXT, "PV1-14"),
    "expected_admit_at": (MOMENT, "PV2-8"),
    "expected_discharge_at": (MOMENT, "PV2-9"),
    "via": ({"type": "string", "enum": ["direct", "conversion"]}, "`conversion`: an open visit became inpatient"),
    "admitted_at": (MOMENT, "when the patient became inpatient"),
    "from_class": (TEXT, "class before"),
    "to_class": (TEXT, "class after"),
    "at": (MOMENT, "when it happened"),
    "messages": (TEXTS, "our ids of the messages whose changes are told as one"),
    "account_change": (YES_NO, "the account number changed with the class"),
    "discharged_at": (MOMENT, "PV1-45"),
    "discharged_precision": (TEXT, "second, minute, hour or day"),
    "disposition": (TEXT, "PV1-36 as sent"),
    "disposition_category": (TEXT, "home, home-health, snf, rehab, acute-transfer, hospice, ama, expired ..."),
    "destination": (TEXT, "PV1-37"),
    "planned_readmission": (YES_NO, "UB-04 status 81 to 95"),
    "los_days": (NUMBER, "midnights from start to discharge at the facility"),
    "discharge_number": (NUMBER, "1 for the first discharge of the stay"),
    "diagnoses": (
        items(("code",), code=TEXT, system=TEXT, text=TEXT, type=TEXT, priority=NUMBER),
        "DG1",
    ),
    "prior_status": (TEXT, "status before the cancelled admission ended"),
    "conversion": (YES_NO, "true: only the conversion to inpatient is taken back, the visit stays"),
    "from": (TEXT, "unit-room-bed before"),
    "to": (TEXT, "unit-room-bed after"),
    "expected_disposition": (TEXT, "PV2-27"),
    "expected_at": (MOMENT, "EVN-3"),
    "expected_return_at": (MOMENT, "PV2-47"),
    "old_attending_id": (TEXT, "attending before"),
    "old_attending_name": (TEXT, "FAMILY, GIVEN"),
    "bed_status": (
        {
            "type": "string",
            "enum": ["closed", "housekeeping", "isolated", "contaminated", "occupied", "unoccupied", "other"],
        },
        "NPU-2",
    ),
    "code": (TEXT, "NPU-2 as sent"),
    "added_allergies": (ALLERGIES, "AL1 or IAM rows that are new"),
    "removed_allergies": (ALLERGIES, "rows that are gone"),
    # appointment
    "filler_id": (TEXT, "SCH-2"),
    "placer_id": (TEXT, "SCH-1"),
    "occurrence": (TEXT, "SCH-3"),
    "parent_id": (TEXT, "SCH-23 or SCH-24"),
    "start": (MOMENT, "begin"),
    "end": (MOMENT, "end"),
    "reason": (TEXT, "appointment: SCH-7; task: one sentence, why it is there"),
    "event_reason": (TEXT, "SCH-6"),
    "type": (TEXT, "appointment: SCH-8; task: kind of work"),
    "service": (TEXT, "AIS-3"),
    "provider_id": (TEXT, "AIP-3.1"),
    "provider_name": (TEXT, "FAMILY, GIVEN"),
    "point_of_care": (TEXT, "AIL-3.1"),
    "location_type": (TEXT, "AIL-4"),
    "old_start": (MOMENT, "begin before"),
    "new_start": (MOMENT, "begin after"),
    "resources": (RESOURCES, "what the appointment still takes"),
    "removed_resources": (RESOURCES, "what it does not take any more"),
    "blocked_resources": (TEXTS, "what it takes that is blocked at its time, `AIP:77`"),
    "resource": ({"type": "string", "enum": ["AIP", "AIL", "AIG", "AIS", "SCH"]}, "segment that names the resource"),
    "resource_id": (TEXT, "person, place, thing, service or schedule (SCH-5)"),
    "resource_name": (TEXT, "its name"),
    "no_show_count_180d": (NUMBER, "no-shows of the patient in the 180 days before the visit"),
    "encounter_id": (TEXT, "our id of the stay it belongs to"),
    # coverage and answers
    "coverage_id": (TEXT, "our id of the coverage"),
    "payer_id": (TEXT, "IN1-3, or the payer's NM109"),
    "payer_name": (TEXT, "IN1-4"),
    "plan_id": (TEXT, "IN1-2"),
    "group_number": (TEXT, "IN1-8"),
    "member_id": (TEXT, "IN1-36, IN1-49 or the answer's NM109"),
    "priority": (NUMBER, "coverage: IN1-22, else IN1-1"),
    "relationship": (TEXT, "IN1-17"),
    "plan_type": (TEXT, "IN1-15"),
    "effective_on": (TEXT, "ISO date"),
    "expires_on": (TEXT, "ISO date"),
    "verified_at": (MOMENT, "IN1-29"),
    "as_of": (MOMENT, "time of the payer's answer (BHT04/05)"),
    "plan": (TEXT, "plan named by the answer"),
    "begins_on": (TEXT, "ISO date"),
    "ends_on": (TEXT, "ISO date"),
    "pending": (YES_NO, "EB01 5, 7 or 8"),
    "authorization_required": (TEXT, "EB11: Y, N or U"),
    "benefits": (BENEFITS, "EB rows"),
    "rejections": (REJECTIONS, "AAA rows"),
    "coverages": (
        items(
            ("coverage_id",),
            **dict.fromkeys(("coverage_id", "payer_id", "payer_name", "plan_id", "group_number", "member_id"), TEXT),
            priority=NUMBER,
            **dict.fromkeys(("relationship", "plan_type", "effective_on", "expires_on"), TEXT),
        ),
        "the registered set now",
    ),
    "added": (TEXTS, "coverage ids new in the set"),
    "removed": (TEXTS, "coverage ids no longer in it"),
    # authorization
    "number": (TEXT, "HCR02, or the number that registration carries"),
    "tracking_number": (TEXT, "payer's number of a pended request"),
    "trace": (TEXT, "TRN02, ours, echoed"),
    "reference": (TEXT, "BHT03 of the request"),
    "request_category": (TEXT, "UM01: AR admission, HS services ..."),
    "certification_type": (TEXT, "UM02"),
    "service_type": (TEXT, "UM03"),
    "urgent": (YES_NO, "UM06"),
    "decided_at": (MOMENT, "BHT04/05 of the answer"),
    "decision": (NUMBER, "counts the decisions of this authorization"),
    "appointment_id": (TEXT, "our id of the booking it belongs to"),
    "decisions": (DECISIONS, "one per HCR: event or service level"),
    "overturned": (YES_NO, "a denial became a grant"),
    # task
    "task_id": (TEXT, "our id"),
    "facility_id": (TEXT, "our facility id"),
    "revision": (NUMBER, "send it back as If-Match when you change the task"),
    "task_key": (TEXT, "rule, scope and cycle: one piece of work"),
    "rule_id": (TEXT, "docs/rules.md"),
    "rule_version": (NUMBER, "version of the rule"),
    "title": (TEXT, "what to do"),
    "due_at": (MOMENT, "when it is due"),
    "queue": (TEXT, "whose work it is"),
    "business_status": (TEXT, "auto-resolved, retracted, merged, or the outcome a person gave"),
    "status_reason": (TEXT, "why it was closed"),
    "owner": (TEXT, "the person who claimed it"),
    "patient_id": (TEXT, "our id; empty for an answer that belongs to nobody we know"),
    "authorization_id": (TEXT, "our id of the authorization"),
    "evidence": (items(("message_id", "location"), message_id=TEXT, location=TEXT, value=TEXT), "what fired the rule"),
    "overdue": (YES_NO, "the due time passed"),
    "escalations": (NUMBER, "how often the lead of the queue was told"),
    "late": (YES_NO, "checked after a catch-up hold"),
    "closed_by": (TEXT, "person, or event id"),
    "opened_at": (MOMENT, "when it was made"),
    "closed_at": (MOMENT, "when it was closed"),
    "updated_at": (MOMENT, "newest change"),
    "snoozed_until": (MOMENT, "when it is work again"),
    "attempts": (NUMBER, "documented attempts to reach somebody that reached nobody"),
    "checklist": (
        items(("id", "text"), id=TEXT, text=TEXT, done_at=MOMENT, done_by=TEXT),
        "what there is to do, and what is done",
    ),
    "team": (TEXT, "whose members may own it"),
    "covering_for": (TEXT, "the absent owner whom the present one stands in for"),
    **PAYER_FIELDS,
}

_PERSON = ("authority", "mrn")
_PERSON_MORE = (
    "family", "given", "birth_date", "sex", "language", "phone", "address", "pcp_id", "pcp_name", "deceased_at",
)  # fmt: skip
_START = (
    "visit_number", "class", "started_at", "location", "attending_id", "attending_name", "hospital_service",
    "admission_type", "admit_source", "expected_admit_at", "expected_discharge_at",
)  # fmt: skip
_PLANNED = ("visit_number", "class")
_BOOKING = (
    "filler_id", "placer_id", "occurrence", "parent_id", "start", "end", "reason", "event_reason", "type", "service",
    "provider_id", "provider_name", "point_of_care", "location_type", "visit_number",
)  # fmt: skip
_COVERAGE = (
    "payer_id", "payer_name", "plan_id", "group_number", "member_id", "priority", "relationship", "plan_type",
    "effective_on", "expires_on",
)  # fmt: skip
_ANSWER = (
    "as_of", "plan", "begins_on", "ends_on", "pending", "authorization_required", "benefits", "rejections",
    *ANSWER_MORE,
)  # fmt: skip
_DECIDED = ("source", "status", "urgent", "decision", "decisions", "rejections")
_DECIDED_MORE = (
    "number", "tracking_number", "trace", "reference", "payer_id", "request_category", "certification_type",
    "service_type", "decided_at", "effective_on", "expires_on", "encounter_id", "appointment_id", "overturned",
    *DECIDED_MORE,
)  # fmt: skip
_TASK = (
    "task_id", "facility_id", "revision", "task_key", "rule_id", "rule_version", "type", "title", "priority", "due_at",
    "queue", "status", "business_status", "status_reason", "owner", "patient_id", "encounter_id", "appointment_id",
    "coverage_id", "authorization_id", "reason", "overdue", "escalations", "late", "closed_by", "opened_at",
    "closed_at", "updated_at", "evidence",
)  # fmt: skip
_TASK_MORE = ("snoozed_until", "attempts", "checklist", "team", "covering_for")
TASK_MAY_BE_NULL = frozenset(
    (
        "business_status", "status_reason", "owner", "encounter_id", "appointment_id", "coverage_id",
        "authorization_id", "closed_by", "closed_at", "snoozed_until", "team", "covering_for",
    )
)  # fmt: skip
"""A task is shown whole: what is not known is null."""


EVENT_TYPES: tuple[EventType, ...] = (
    _about("patient", "created", "the first message that names the patient", _PERSON, _PERSON_MORE),
    _about(
        "patient",
        "updated",
        "demographics or identifiers changed (A31, A08 and others), or a death was taken back",
        _PERSON,
        (*_PERSON_MORE, "messages"),
    ),
    _about(
        "patient", "deceased", "PID-30 or PID-29, or a discharge with disposition 20, 40 to 42", ("source",), ("at",)
    ),
    _about(
        "patient",
        "merged",
        "A40 and its older kin: one per retired record that was known; what was his is the survivor's now",
        ("survivor", "prior", "prior_identifier", "moved"),
    ),
    *IDENTITY_TYPES,
    _about("patient", "deactivated", "A29: the record is not to be used; nothing is deleted", _PERSON, _PERSON_MORE),
    _about(
        "patient",
        "allergies-changed",
        "A60, or another message with AL1 or IAM rows that say something new",
        ("added_allergies", "removed_allergies"),
    ),
    _about("encounter", "preadmitted", "A05, or A01 of class preadmit", ("status",), _START),
    _about(
        "encounter",
        "registered",
        "a visit began that is no inpatient stay (A04, A01 of its class)",
        ("status",),
        _START,
    ),
    _about(
        "encounter",
        "admitted",
        "the patient became inpatient: A01, A06, or a message that implies it",
        ("status", "via"),
        (*_START, "admitted_at"),
    ),
    _about(
        "encounter",
        "class-changed",
        "A06, A07, or another message with a new class; a change to inpatient also gives `encounter.admitted`",
        ("account_change",),
        ("visit_number", "from_class", "to_class", "at"),
    ),
    _about("encounter", "transferred", "A02 to another unit, room or bed", ("at",), ("visit_number", "from", "to")),
    _about(
        "encounter", "transfer-cancelled", "A12: the patient is where he was", ("at",), ("visit_number", "from", "to")
    ),
    _about(
        "encounter",
        "updated",
        "anything else that changed about the stay (A08 and others)",
        ("status",),
        (*_START, "messages"),
    ),
    _about(
        "encounter",
        "discharged",
        "A03; with the flag `correction` when it corrects an earlier one",
        ("planned_readmission", "discharge_number", "diagnoses"),
        (
            "visit_number",
            "class",
            "discharged_at",
            "discharged_precision",
            "disposition",
            "disposition_category",
            "destination",
            "los_days",
        ),
    ),
    _about(
        "encounter",
        "discharge-cancelled",
        "A13: the stay is open again",
        ("discharge_number",),
        ("visit_number", "discharged_at"),
    ),
    _about(
        "encounter",
        "admit-cancelled",
        "A11: the visit is gone, or is again what it was before it became inpatient",
        ("conversion",),
        ("visit_number", "prior_status"),
    ),
    _about(
        "encounter",
        "preadmit-cancelled",
        "A38, A27: the planned stay is off, or only its announcement (`status` tells)",
        ("status",),
        ("visit_number", "prior_status"),
    ),
    _about("encounter", "deleted", "A23: the stay was recorded in error", (), ("visit_number", "prior_status")),
    _about(
        "encounter",
        "admit-pending",
        "A14: an admission is announced",
        ("status",),
        (*_PLANNED, "expected_admit_at", "to"),
    ),
    _about(
        "encounter",
        "transfer-pending",
        "A15: a transfer is announced",
        ("status",),
        (*_PLANNED, "from", "to", "expected_at"),
    ),
    *(
        _about(
            "encounter",
            name,
            when,
            ("status",),
            (*_PLANNED, "expected_discharge_at", "expected_disposition", "destination"),
        )
        for name, when in (
            ("discharge-pending", "A16: a discharge is announced"),
            ("discharge-pending-cancelled", "A25: it is not to be expected any more"),
        )
    ),
    _about(
        "encounter",
        "departed-location",
        "A09: the patient left a place, on his way to another",
        ("status", "at"),
        (*_PLANNED, "from", "to"),
    ),
    _about("encounter", "arrived-location", "A10: he is there", ("status", "at"), (*_PLANNED, "from", "to")),
    *(
        _about("encounter", name, when, ("status", "at"), (*_PLANNED, "expected_return_at"))
        for name, when in (
            ("leave-started", "A21: a leave of absence began"),
            ("leave-ended", "A22: the patient is back"),
            ("leave-cancelled", "A52: there was no leave"),
            ("leave-return-cancelled", "A53: he is still away"),
        )
    ),
    _about(
        "encounter",
        "attending-changed",
        "A54, or A55 which takes it back",
        ("status",),
        (*_PLANNED, "attending_id", "attending_name", "old_attending_id", "old_attending_name"),
    ),
    EventType(
        "location.bed-status",
        "A20: the state of a bed; no patient's",
        ("location",),
        ("location", "bed_status", "code"),
    ),
    _about("appointment", "booked", "S12, or a booking not known so far", ("status",), _BOOKING),
    _about(
        "appointment",
        "rescheduled",
        "a planned visit moved to another time (S13, S12)",
        ("status", "old_start", "new_start"),
        _BOOKING,
    ),
    _about(
        "appointment",
        "updated",
        "S14 or another message changed it, but for status and time; or S23, S24 changed what is blocked of it",
        ("status",),
        (*_BOOKING, "blocked_resources"),
    ),
    _about(
        "appointment",
        "arrived",
        "SCH-25, or the visit of the booking began (ADT with its visit number, or within 4 hours at the facility)",
        ("status",),
        (*_BOOKING, "at", "encounter_id"),
    ),
    _about("appointment", "checked-in", "SCH-25", ("status",), _BOOKING),
    _about("appointment", "fulfilled", "SCH-25", ("status",), _BOOKING),
    _about("appointment", "cancelled", "S15", ("status",), _BOOKING),
    _about(
        "appointment",
        "discontinued",
        "S16: what had not begun will not be done",
        ("status",),
        _BOOKING,
    ),
    _about(
        "appointment",
        "resource-cancelled",
        "S20, S21: it lost a service, place, thing or person",
        ("status", "resources", "removed_resources"),
        _BOOKING,
    ),
    *(
        EventType(
            f"schedule.{name}",
            when,
            ("schedule",),
            ("resource", "resource_id"),
            ("resource_name", "start", "end", "event_reason"),
        )
        for name, when in (
            ("blocked", "S23: time of a resource is not to be booked; no patient's"),
            ("opened", "S24: it is free again"),
        )
    ),
    _about("appointment", "deleted", "S17: it was booked in error", ("status",), _BOOKING),
    _about("appointment", "no-showed", "S26, or SCH-25", ("status", "no_show_count_180d"), _BOOKING),
    _about("coverage", "active", "271: EB01 says active", ("coverage_id", "status"), (*_COVERAGE, *_ANSWER)),
    _about(
        "coverage",
        "inactive",
        "271: inactive, or not covered (`status` tells which)",
        ("coverage_id", "status"),
        (*_COVERAGE, *_ANSWER),
    ),
    _about("coverage", "unknown", "271: the payer cannot say", ("coverage_id", "status"), (*_COVERAGE, *_ANSWER)),
    _about(
        "coverage",
        "changed",
        "another set of insurances (IN1): `coverages`, `added`, `removed`; or a 271 that names another plan, group or "
        "end: the fields of that coverage",
        (),
        ("coverages", "added", "removed", "coverage_id", *_COVERAGE),
    ),
    _about("coverage", "verified-by-registration", "a new verification date in IN1-29", ("verified_at",)),
    EventType("eligibility.rejected", "271 with AAA", ("coverage", "patient"), ("status",), _ANSWER),
    *(
        _about("authorization", name, when, _DECIDED, _DECIDED_MORE)
        for name, when in (
            ("certified", "278 with A1, or a number that registration carries (IN1-14, IN1-28, IN3-2)"),
            ("partially-certified", "278: some services certified, some not"),
            ("modified", "278 with A6"),
            ("denied", "278 with A3"),
            ("pended", "278 with A4"),
            ("info-requested", "278 with A4 that asks for documents (PWK, HI LOI)"),
            ("requested", "a 278 request of ours, or one that passed through"),
            ("acknowledged", "a TA1 or 999 took the request, or the payer confirmed a notification (X216)"),
            ("transport-failed", "a TA1 or 999 refused the request: the payer never saw it"),
            (
                "expiring",
                "its end (036 or what stands for it) is `auth_ends_soon_cd` days away; not of a shorter period",
            ),
            ("expired", "its end is over; the status stays what the payer decided"),
            ("exhausted", "the last authorized visit was kept, or the payer says that none is left"),
            ("appealed", "a 278 request with UM02 1, 2 or N about a denial"),
            ("contact-payer", "278 with CT"),
            ("not-required", "278 with NA"),
            ("cancelled", "278 with C"),
            ("rejected", "278 with AAA"),
        )
    ),
    *PAYER_TYPES,
    _about("task", "created", "a rule opened a task", _TASK, _TASK_MORE),
    _about(
        "task",
        "updated",
        "claimed, begun, put on hold, noted, given back or reassigned by a person; placed by the desk; due time or "
        "status changed by its rule; woken; given back after a cancel",
        _TASK,
        _TASK_MORE,
    ),
    _about("task", "escalated", "the due time or an escalation step passed", _TASK, _TASK_MORE),
    _about("task", "completed", "done: by a message (`auto-resolved`) or by a person", _TASK, _TASK_MORE),
    _about(
        "task",
        "cancelled",
        "its reason went away (`retracted`), it was merged into another, or a person said so",
        _TASK,
        _TASK_MORE,
    ),
)


def field_schema(event: EventType, name: str) -> Schema:
    """The schema of one field of `data`."""
    schema, text = FIELDS[name]
    if event.family == "task":
        if name == "priority":
            schema = {"type": "string", "enum": ["stat", "asap", "urgent", "routine"]}
        if name in TASK_MAY_BE_NULL:
            schema = optional_text(schema)
    return {**schema, "description": text}
