"""The part of the catalogue about payers: what answers, requests and acknowledgements add."""

from __future__ import annotations

from scripts.event_parts import TEXT, TEXTS, YES_NO, EventType, Schema, about, items


def _texts(*names: str) -> dict[str, Schema]:
    return dict.fromkeys(names, TEXT)


REJECTIONS = items(
    ("reason", "loop"),
    **_texts("reason", "loop", "valid", "follow_up", "kind", "meaning", "advice", "who"),
    service_types=TEXTS,
)
ENTITIES = items(("kind",), **_texts("kind", "name", "id_qualifier", "id", "phone", "url"))
BENEFITS = items(
    ("code",),
    code=TEXT,
    service_types=TEXTS,
    **_texts("insurance_type", "plan", "period", "amount", "percent", "quantity", "authorization_required"),
    **_texts("in_network", "begins_on", "ends_on", "coverage_level", "quantity_unit", "procedure"),
    limits=TEXTS,
    places=TEXTS,
    **_texts("referral_number", "authorization_number"),
    messages=TEXTS,
    entities=ENTITIES,
)
DECISIONS = items(
    ("level",),
    **_texts("level", "action", "number"),
    reasons=TEXTS,
    **_texts("trace", "service", "effective_on", "expires_on", "quantity", "unit", "remaining"),
    second_opinion=YES_NO,
    provider={"type": "object", "properties": _texts("kind", "name", "id_qualifier", "id", "phone", "url")},
    messages=TEXTS,
)
SERVICES = items(
    ("status",),
    **_texts("service_type", "procedure", "in_network", "status", "authorization_required", "begins_on", "ends_on"),
)
REMAINING = items(
    ("code",),
    code=TEXT,
    service_types=TEXTS,
    **_texts("in_network", "coverage_level", "amount", "quantity", "unit", "total_amount", "total_quantity", "period"),
)
OTHER_PAYERS = items(
    (),
    **_texts("payer_id", "payer_name", "order", "insurance_type", "member_id", "group_number", "plan"),
    **_texts("begins_on", "ends_on", "phone"),
)
DOCUMENTS = items(("kind", "code"), **_texts("kind", "code", "transmission", "control_number", "text", "service"))
REQUESTED = items((), **_texts("service_type", "procedure", "quantity", "unit", "trace"))

PAYER_FIELDS: dict[str, tuple[Schema, str]] = {
    "insurance_type": (TEXT, "EB04 of the plan: MA, MB, MC, HM ..."),
    "plan_number": (TEXT, "REF 18"),
    "services": (SERVICES, "what the answer says of each service and network tier; EB11 absent means not said"),
    "remaining_benefits": (REMAINING, "EB06 = 29: what is left of limits, deductible, stop-loss"),
    "other_payers": (OTHER_PAYERS, "EB01 R"),
    "contacts": (ENTITIES, "whom to call, where to send"),
    "restricted_to": (ENTITIES, "EB01 N: providers whom the benefit is restricted to"),
    "facility_episodes": (ENTITIES, "EB01 X: facilities where the payer has the patient now"),
    "card_lost": (YES_NO, "EB01 T: the card was reported lost or stolen"),
    "messages": (TEXTS, "MSG01 as sent: shown, not interpreted"),
    "deceased_on": (TEXT, "DTP 442: advice, never a fact by itself"),
    "issued_on": (TEXT, "DTP 102, ISO date"),
    "admission_on": (TEXT, "DTP 435, ISO date"),
    "previous_number": (TEXT, "REF BB: the authorization that this one replaces"),
    "quantity": (TEXT, "certified: HSD02, or of the service line"),
    "unit": (TEXT, "HSD01: VS visits, DY days, HS hours, MN months, FL units"),
    "remaining": (TEXT, "HSD06 where HSD05 = 29"),
    "requested": (REQUESTED, "services of the request"),
    "documents": (DOCUMENTS, "what the payer asks for before it decides"),
    "transport": (TEXT, "the TA1 or 999 that refused the request"),
    "upheld": (YES_NO, "an appealed denial stays a denial"),
    "inquiry_id": (TEXT, "our id of the question"),
    "service_types": (TEXTS, "EQ01 or UM03"),
    "service_on": (TEXT, "ISO date"),
}
ANSWER_MORE = (
    "insurance_type", "plan_number", "services", "remaining_benefits", "other_payers", "pcp_id", "pcp_name", "contacts",
    "restricted_to", "facility_episodes", "card_lost", "messages",
)  # fmt: skip
DECIDED_MORE = (
    "issued_on", "admission_on", "previous_number", "quantity", "unit", "remaining", "provider_id", "provider_name",
    "requested", "documents", "contacts", "messages", "transport", "upheld", "inquiry_id",
)  # fmt: skip
_COVERAGE = (
    "coverage_id", "payer_id", "payer_name", "plan_id", "group_number", "member_id", "priority", "relationship",
    "plan_type", "effective_on", "expires_on",
)  # fmt: skip

PAYER_TYPES: tuple[EventType, ...] = (
    about(
        "coverage", "other-payer-found", "271: EB01 R names a payer that was not known", ("other_payers",), _COVERAGE
    ),
    about(
        "coverage",
        "member-data-corrected",
        "271 with INS03 001 and INS04 25: `changes` says what the payer has otherwise; ours stays",
        ("coverage_id",),
        _COVERAGE,
    ),
    EventType(
        "pcp.changed",
        "271: another primary care provider than known so far; registration's stays",
        ("coverage",),
        ("source",),
        ("coverage_id", "pcp_id", "pcp_name", "begins_on"),
    ),
    about("patient", "deceased-reported", "271 with DTP 442: advice only", ("deceased_on", "source")),
    EventType(
        "eligibility.requested",
        "a 270 of ours, or one that passed through",
        ("inquiry",),
        ("inquiry_id", "source", "service_types"),
        ("payer_id", "payer_name", "member_id", "coverage_id", "trace", "reference", "service_on", "reason"),
    ),
)
