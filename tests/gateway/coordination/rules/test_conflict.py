"""identity-conflict."""

from __future__ import annotations

from mappings.events import Identifier, PatientFacts

MISSED, CANCELLED, RESOURCE = "appointment-no-show", "appointment-cancelled-no-rebook", "appointment-resource-lost"
FREQUENT, CONFLICT = "ed-frequent-use", "identity-conflict"
CLINIC = {"service": "CARD", "reason": "CHECK", "type": "NEW"}


def person(family: str, born: str, **facts: object) -> PatientFacts:
    key = Identifier(value="1001", authority="GH", type="MR")
    return PatientFacts(key=key, family=family, birth_date=born, **facts)


def test_number_used_again_for_another_person_is_a_conflict(bench) -> None:
    for at, who in (("09:00", person("DOE", "1948-02-17")), ("10:00", person("ROE", "1990-03-04"))):
        bench.hear(bench.event("patient.updated", "ADT^A31", f"2026-07-01 {at}", patient=who))
    task = bench.task(CONFLICT)
    assert (task.priority, task.due_at, task.queue) == ("asap", bench.local("2026-07-01 14:00"), "records")
    assert "ROE" not in task.reason + task.evidence_json


def test_marriage_and_default_values_are_no_conflict(bench) -> None:
    for at, who in (
        ("09:00", person("DOE", "1948-02-17")),
        ("10:00", person("ROE", "1948-02-17", identity_reliability="US")),
    ):
        bench.hear(bench.event("patient.updated", "ADT^A31", f"2026-07-01 {at}", patient=who))
    assert bench.tasks(CONFLICT) == []


def test_payer_that_knows_the_member_differently_is_a_conflict(bench) -> None:
    from mappings.payer_facts import Rejection

    bench.hear(bench.event("patient.updated", "ADT^A31", "2026-07-01 08:00", coverages=bench.insurance()))
    bench.hear(bench.eligibility("2026-07-01 09:00", "rejected", rejections=(Rejection(reason="71", loop="2100C"),)))
    assert bench.task(CONFLICT).open


def test_merge_of_a_record_into_itself_is_parked_and_a_person_is_told(bench) -> None:
    bench.hear(bench.event("patient.updated", "ADT^A31", "2026-07-01 09:00", patient=person("DOE", "1948-02-17")))
    circle = bench.event(
        "patient.merged",
        "ADT^A40",
        "2026-07-01 10:00",
        patient=person("DOE", "1948-02-17"),
        prior=(person("DOE", "1948-02-17"),),
    )
    changes = bench.hear(circle)
    assert (changes.outcome, changes.reason) == ("parked", "merge-cycle")
    task = bench.task(CONFLICT)
    assert (task.priority, task.queue) == ("asap", "records") and "parked" in task.reason
