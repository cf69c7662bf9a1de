"""The person: identifiers, demographics, death, and what ends a draft (domain reference 2.4, 2.5; decision 9)."""

from __future__ import annotations

import msgspec
import pytest

from gateway.coordination.scope import Scope
from mappings.events import DELETE, Identifier, PatientFacts, Person
from tests.gateway.coordination.transition_builders import (
    ANNA,
    Story,
    adt,
    after,
    answer,
    kinds,
    moves,
    person,
    siu,
    types,
)


def test_unknown_patient_is_created_with_identifiers_and_lanes() -> None:
    story = Story()
    sent = (
        Identifier(value="900123", authority="GENHOSP", type="MR"),
        Identifier(value="900555", authority="GENHOSP", type="MR"),
        Identifier(value="P-1", authority="REGION", type="PI"),
        Identifier(value="123-45-6789", authority="USSSA", type="SS"),
        Identifier(value="bare"),
    )
    draft = story.hear(adt("A28", patient=msgspec.structs.replace(ANNA, identifiers=sent)), lanes=(9, 4))
    assert types(draft) == ["patient.created"]
    assert (story.patient.authority, story.patient.mrn, story.patient.lanes_json) == ("GENHOSP", "900123", "[4,9]")
    assert {key: row.key for key, row in story.home.identifiers.items()} == {
        ("GENHOSP", "900123"): True,
        ("GENHOSP", "900555"): True,
        ("REGION", "P-1"): False,
    }


def test_demographics_empty_keeps_delete_clears_and_changes_are_listed() -> None:
    story = Story()
    story.hear(
        adt("A28", patient=person(family="TESTER", given="ANNA", phone="614", pcp=Person(id="9", family="PRIMARY")))
    )
    draft = story.hear(adt("A31", 1, patient=person(given="ANN", phone=DELETE)))
    (event,) = draft.emitted
    assert event.type == "patient.updated"
    assert event.changes == [
        {"path": "given", "old": "ANNA", "new": "ANN"},
        {"path": "phone", "old": "614", "new": None},
    ]
    assert (story.patient.family, story.patient.pcp_name) == ("TESTER", "PRIMARY")


def test_demographics_of_an_older_message_are_ignored() -> None:
    story = Story()
    story.tell(adt("A28", 5, patient=person(family="NEW")), adt("A31", 4, patient=person(family="OLD")))
    assert story.patient.family == "NEW"


def test_older_message_says_what_the_newer_left_out() -> None:
    story = Story()
    first = person(family="NEW", pcp=Person(id="7"))
    older = person(family="OLD", given="ANNA", restricted=True, pcp=Person(id="9", family="PRIMARY"))
    story.tell(adt("A28", 5, patient=first), adt("A31", 4, patient=older), adt("A31", 4.5, patient=person(given="X")))
    found = story.patient
    assert (found.family, found.given, found.restricted) == ("NEW", "ANNA", True)
    assert (found.pcp_id, found.pcp_name) == ("7", None)
    assert found.recorded_at == after(5)


def test_message_between_two_that_agree_is_still_older() -> None:
    story = Story()
    story.tell(
        adt("A28", 1, patient=person(family="NEW")),
        adt("A31", 3, patient=person(family="NEW")),
        adt("A31", 2, patient=person(family="OLD")),
    )
    assert story.patient.family == "NEW"


def test_demographics_flood_tells_one_change() -> None:  # scenario 11
    story = Story()
    story.hear(adt("A01"))
    drafts = [story.hear(adt("A08", 1 + n / 3600, patient=person(phone="614" if n > 20 else None))) for n in range(50)]
    assert [name for draft in drafts for name in types(draft)] == ["patient.updated"]


def test_new_identifier_is_added_as_an_alias() -> None:
    story = Story()
    story.hear(adt("A28"))
    alias = Identifier(value="P-1", authority="REGION", type="PI")
    facts = msgspec.structs.replace(ANNA, identifiers=(*ANNA.identifiers, alias))
    draft = story.hear(adt("A31", 1, patient=facts))
    assert draft.emitted[0].changes == [{"path": "identifiers", "old": None, "new": "REGION|P-1"}]
    assert not story.home.identifiers["REGION", "P-1"].key


def test_identifiers_of_another_patient_are_never_taken() -> None:
    story = Story()
    story.hear(adt("A28"))
    story.scope.conflict = ("pat_other",)
    alias = Identifier(value="P-1", authority="REGION", type="PI")
    draft = story.hear(adt("A31", 1, patient=msgspec.structs.replace(ANNA, identifiers=(alias,))))
    assert ("REGION", "P-1") not in story.home.identifiers
    assert moves(draft, "identity-conflict") == [(None, "pat_other")]


@pytest.mark.parametrize(
    ("facts", "at"),
    [
        (person(deceased=True), None),
        (person(deceased_at=after(-3)), after(-3)),
        (person(deceased=True, deceased_at=after(1)), after(1)),
    ],
)
def test_death_from_pid_is_told_once(facts: PatientFacts, at: object) -> None:
    story = Story()
    first = story.tell(adt("A28"), adt("A31", 1, patient=facts))
    again = story.hear(adt("A31", 2, patient=facts))
    assert types(first) == ["patient.deceased"]
    assert (types(again), story.patient.deceased_at, story.patient.deceased_source) == ([], at, "PID")


def test_death_from_pid_is_withdrawn_by_pid() -> None:
    story = Story()
    draft = story.tell(adt("A28", patient=person(deceased=True)), adt("A31", 1, patient=person(deceased=False)))
    assert (kinds(draft), story.patient.deceased_source) == (["death-withdrawn"], None)


def test_scheduling_message_creates_its_patient() -> None:
    story = Story()
    assert types(story.hear(siu("S12"))) == ["patient.created", "appointment.booked"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (adt("A01", patient=None), "no-patient-id"),
        (adt("A31", patient=PatientFacts(family="X")), "no-patient-id"),
        (answer("active"), "unmatched"),
    ],
)
def test_event_about_nobody_is_parked_and_changes_nothing(event: object, reason: str) -> None:
    story = Story(Scope())
    draft = story.hear(event)
    made = draft.changes()
    assert (made.outcome, made.reason, made.upserts, made.emitted) == ("parked", reason, [], [])
