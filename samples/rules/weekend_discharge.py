"""A rule of a site's own: patients discharged home on a weekend are called the same evening."""

from __future__ import annotations

from gateway.coordination.rules.authoring import (
    Closing,
    Draft,
    Encounter,
    Finding,
    Rule,
    Task,
    evidence,
    focus_of,
    gone,
    hours,
    local_date,
    scope_of,
    site_of,
    stay_of,
    stays_with,
)


def about(draft: Draft) -> list[Encounter]:
    return stays_with(draft, "discharged")


def wants(draft: Draft, stay: Encounter) -> Finding | str:
    left = stay.discharged_at
    if left is None or stay.disposition_category != "home":
        return "the patient did not go home"
    if local_date(left, site_of(draft, stay.facility_id)).weekday() < 5:
        return "it is no weekend"
    return Finding(
        key=WEEKEND.key_of(scope_of(stay), f"dis{stay.discharge_number}"),
        due_at=left + hours(6),
        reason="Discharged home on a weekend, when the clinic is closed.",
        evidence=[evidence(draft, "PV1-45", left.isoformat())],
        focus=focus_of(draft, stay),
    )


def settle(draft: Draft, task: Task) -> Closing | None:
    stay = stay_of(draft, task)
    return gone("the discharge was cancelled") if stay is not None and stay.status == "inpatient" else None


WEEKEND = Rule(
    id="site-weekend-discharge",
    trigger="Discharge home on a Saturday or Sunday",
    task="Call tonight: weekend discharge",
    type="outreach",
    priority="urgent",
    due="6 hours after the discharge",
    queue="transitions",
    resolves="Contact logged",
    retracts="A13",
    key="enc|dis{n}",
    basis="Policy of the site",
    watches=(Encounter,),
    about=about,
    wants=wants,
    settle=settle,
)
