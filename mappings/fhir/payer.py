"""Coverage, CoverageEligibilityResponse and ClaimResponse (a preauthorization)."""

from __future__ import annotations

import json
from typing import Any

from mappings.fhir.elements import (
    OWN,
    TERMINOLOGY,
    Resource,
    Row,
    concept,
    dates,
    instant,
    kept,
    meta,
    named,
    present,
    reference,
    to_fhir_id,
)

X12_SERVICE_TYPE = "https://codesystem.x12.org/005010/1365"
X12_REJECTION = "https://codesystem.x12.org/005010/901"
X12_ACTION = "https://codesystem.x12.org/005010/306"
REVIEW_ACTION = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-reviewAction"
REVIEW_ACTION_CODE = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-reviewActionCode"

OUTCOMES = {
    "requested": "queued",
    "accepted": "queued",
    "pended": "queued",
    "info-requested": "queued",
    "appealed": "queued",
    "partially-certified": "partial",
    "rejected": "error",
    "transport-failed": "error",
}
"""Authorization status -> ClaimResponse.outcome; every other one is complete."""
_VOID = ("cancelled", "superseded")
_RELATIONSHIPS = {
    "18": "self",
    "SEL": "self",
    "SLF": "self",
    "01": "spouse",
    "SPO": "spouse",
    "19": "child",
    "CHD": "child",
}


def coverage(row: Row) -> Resource:
    subscriber = concept(f"{TERMINOLOGY}subscriber-relationship", _RELATIONSHIPS.get(row["relationship"] or ""))
    return kept(
        resourceType="Coverage",
        id=to_fhir_id(row["coverage_id"]),
        meta=meta(row),
        identifier=present({"system": f"{OWN}member", "value": row["member_id"]} if row["member_id"] else None),
        status="active" if row["active"] else "cancelled",
        type=concept("plan-type", row["plan_type"], row.get("plan_name")),
        subscriberId=row["member_id"],
        beneficiary=reference("Patient", row["patient_id"]),
        relationship=subscriber,
        period=dates(row["effective_on"], row["expires_on"]),
        payor=[_insurer(row)],
        class_=present(_class("plan", row["plan_id"]), _class("group", row["group_number"])),
        order=row["priority"] if row["priority"] and row["priority"] > 0 else None,
    )


def eligibility_response(row: Row) -> Resource | None:
    """The newest 271 about a coverage; None when the payer was never heard."""
    errors: list[dict[str, Any]] = json.loads(row["rejections_json"] or "[]")
    heard = row["eligibility_as_of"] or row["rejected_at"]
    if heard is None:
        return None
    refused = row["eligibility"] == "rejected" or (bool(errors) and row["eligibility_as_of"] is None)
    inforce = {"active": True, "inactive": False, "not-covered": False}.get(row["eligibility"] or "")
    services: list[dict[str, Any]] = json.loads(row["services_json"] or "[]")
    insurance = kept(
        coverage=reference("Coverage", row["coverage_id"]),
        inforce=inforce,
        benefitPeriod=dates(row["answer_begins_on"], row["answer_ends_on"]),
        item=[_service(each) for each in services if each.get("service_type") or each.get("procedure")],
    )
    return kept(
        resourceType="CoverageEligibilityResponse",
        id=eligibility_id(row["coverage_id"]),
        meta=meta(row),
        status="active",
        purpose=["benefits"],
        patient=reference("Patient", row["patient_id"]),
        created=instant(heard),
        request={"display": "270 asked" if row["asked_at"] else "not asked by this gateway"},
        outcome="error" if refused else "complete",
        insurer=_insurer(row),
        insurance=None if refused else [insurance],
        error=[{"code": concept(X12_REJECTION, each.get("reason"), each.get("meaning"))} for each in errors],
    )


def eligibility_id(coverage_id: str) -> str:
    """One response per coverage: `elg-` and the rest of the coverage's id."""
    return "elg-" + coverage_id.partition("_")[2]


def claim_response(row: Row) -> Resource:
    decisions: list[dict[str, Any]] = json.loads(row["decisions_json"] or "[]")
    errors: list[dict[str, Any]] = json.loads(row["rejections_json"] or "[]")
    status = row["status"]
    return kept(
        resourceType="ClaimResponse",
        id=to_fhir_id(row["authorization_id"]),
        meta=meta(row),
        identifier=[
            {"system": f"{OWN}authorization:{kind}", "value": row[kind]}
            for kind in ("number", "tracking_number", "trace")
            if row[kind]
        ],
        status="cancelled" if status in _VOID else "active",
        type=concept(
            f"{TERMINOLOGY}claim-type", "institutional" if row["request_category"] == "AR" else "professional"
        ),
        use="preauthorization",
        patient=reference("Patient", row["patient_id"]),
        created=instant(row["decided_at"] or row["requested_at"] or row["recorded_at"]),
        insurer=named("Organization", "payer", row["payer_id"], None if row["payer_id"] else "unknown payer"),
        outcome=OUTCOMES.get(status, "complete"),
        disposition=status,
        preAuthRef=row["number"],
        preAuthPeriod=dates(row["effective_on"], row["expires_on"]),
        item=[_decision(number, each) for number, each in enumerate(decisions, 1)],
        error=[{"code": concept(X12_REJECTION, each.get("reason"), each.get("meaning"))} for each in errors],
    )


def _insurer(row: Row) -> Resource:
    found = named("Organization", "payer", row["payer_id"], row["payer_name"])
    return found or {"type": "Organization", "display": "unknown payer"}


def _class(kind: str, value: str | None) -> Resource | None:
    return {"type": concept(f"{TERMINOLOGY}coverage-class", kind), "value": value} if value else None


def _service(each: Row) -> Resource:
    needed = {"Y": True, "N": False}.get(each.get("authorization_required") or "")
    network = {"Y": "in", "N": "out"}.get(each.get("in_network") or "")
    return kept(
        category=concept(X12_SERVICE_TYPE, each.get("service_type")),
        productOrService=concept("procedure", each.get("procedure")),
        excluded=True if each.get("status") == "not-covered" else None,
        network=concept(f"{TERMINOLOGY}benefit-network", network),
        authorizationRequired=needed,
    )


def _decision(number: int, each: Row) -> Resource:
    """A line of the 278: its action, with the reasons, as the Da Vinci extension puts it on an adjudication."""
    action = kept(
        url=REVIEW_ACTION,
        extension=[
            *present(
                {"url": REVIEW_ACTION_CODE, "valueCodeableConcept": concept(X12_ACTION, each.get("action"))}
                if each.get("action")
                else None
            ),
            *present({"url": "number", "valueString": each["number"]} if each.get("number") else None),
            *(
                {"url": "reasonCode", "valueCodeableConcept": concept(X12_REJECTION, reason)}
                for reason in each.get("reasons", ())
            ),
        ],
    )
    submitted = {"category": concept(f"{TERMINOLOGY}adjudication", "submitted")}
    return {
        "itemSequence": number,
        "adjudication": [submitted | ({"extension": [action]} if action.get("extension") else {})],
    }
