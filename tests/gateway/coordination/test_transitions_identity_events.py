"""Links, moves and changed numbers (A24, A35 to A51): chains, unknown sides, repetitions, conflicts."""

from __future__ import annotations

import msgspec
import pytest

from mappings.events import CanonicalEvent, Identifier, IdentityFacts, PatientFacts
from tests.gateway.coordination.transition_builders import World, adt, kinds, moves, person, siu, stay, types

A, B, C = (person(number, family="TESTER") for number in ("900001", "900002", "900003"))


def number(value: str) -> Identifier:
    return Identifier(value=value, authority="GENHOSP")


def identity(
    trigger: str, patient: PatientFacts, *prior: PatientFacts, hours: float = 10, **facts: object
) -> CanonicalEvent:
    event = adt(trigger, hours, patient=patient, prior=prior, encounter=None)
    return msgspec.structs.replace(event, identity=IdentityFacts(**facts) if facts else None)


def two_patients() -> World:
    """A with a stay V1 on account K1; B with a stay V2 on account K2 and a booking of it."""
    world = World()
    world.tell(
        adt("A01", 0, patient=A, encounter=stay("V1", class_="inpatient", account_number="K1")),
        adt("A01", 0, patient=B, encounter=stay("V2", class_="inpatient", account_number="K2")),
        siu("S12", 1, patient=B, visit_number="V2"),
    )
    return world


# -- merges --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trigger", ["A18", "A30", "A34", "A36", "A39", "A40"])
def test_every_merge_event_retires_the_prior(trigger: str) -> None:
    world = two_patients()
    draft = world.hear(identity(trigger, A, B))
    assert types(draft) == ["patient.merged"]
    assert world.home(B) is world.home(A)
    assert {one.visit_number for one in world.home(A).encounters.values()} == {"V1", "V2"}


def test_merges_in_a_chain_lead_to_the_last_survivor_in_either_order() -> None:
    for chain in ([(B, A), (C, B)], [(C, B), (B, A)]):
        world = World()
        world.tell(*(adt("A28", patient=each) for each in (A, B, C)))
        for prior, survivor in chain:
            world.hear(identity("A40", survivor, prior))
        assert world.home(C) is world.home(B) is world.home(A)
        assert world.home(C).patient.mrn == "900001"


def test_merge_that_would_close_a_circle_is_parked_and_changes_nothing() -> None:
    world = World()
    world.tell(*(adt("A28", patient=each) for each in (A, B, C)))
    world.tell(identity("A40", A, B), identity("A40", B, C))
    draft = world.hear(identity("A40", C, A))
    assert (draft.outcome, draft.reason) == ("parked", "merge-cycle")
    assert draft.changes().upserts == []


# -- links ---------------------------------------------------------------------------------------------------------


def test_link_makes_both_who_are_unknown_tells_each_once_and_a37_takes_it_back() -> None:
    world = World()
    draft = world.hear(identity("A24", A, B))
    assert types(draft) == ["patient.created", "patient.created", "patient.linked", "patient.linked"]
    linked = [event for event in draft.emitted if event.type == "patient.linked"]
    assert [event.patient_id for event in linked] == [event.data["linked"] for event in reversed(linked)]
    assert types(world.hear(identity("A24", B, A))) == []
    assert world.home(A) is not world.home(B)
    assert types(world.hear(identity("A37", B, A))) == ["patient.unlinked"] * 2
    assert world.home(A).patient.links_json == world.home(B).patient.links_json == "[]"


def test_unlink_of_somebody_unknown_makes_nobody() -> None:
    world = World()
    world.hear(adt("A28", patient=A))
    assert types(world.hear(identity("A37", A, B))) == []


# -- moves ---------------------------------------------------------------------------------------------------------


def test_a44_moves_the_stays_of_the_account_with_all_that_hangs_on_them() -> None:
    world = two_patients()
    draft = world.hear(identity("A44", A, B, old_account="K2", account="K2"))
    a, b = world.home(A), world.home(B)
    assert a is not b and not b.encounters and not b.appointments
    assert {one.visit_number for one in a.encounters.values()} == {"V1", "V2"}
    assert {one.patient_id for one in [*a.encounters.values(), *a.appointments.values()]} == {a.patient.patient_id}
    assert types(draft)[-1] == "account.moved"
    (entry,) = draft.merges
    assert (entry.prior_id, entry.survivor_id) == (b.patient.patient_id, a.patient.patient_id)
    assert kinds(world.hear(identity("A44", A, B, old_account="K2", account="K2"))) == []


def test_a45_moves_one_stay_under_its_new_number_and_keeps_the_old_one_as_alias() -> None:
    world = two_patients()
    draft = world.hear(identity("A45", A, B, old_visit=number("V2"), visit=number("V9"), account="K1"))
    assert moves(draft, "encounter-moved") == [(world.home(B).patient.patient_id, world.home(A).patient.patient_id)]
    world.hear(adt("A03", 11, patient=A, encounter=stay("V2")))
    moved = next(one for one in world.home(A).encounters.values() if one.visit_number == "V9")
    assert (moved.status, moved.account_number) == ("discharged", "K1")


def test_a45_inside_one_patient_changes_the_account_only() -> None:
    world = two_patients()
    draft = world.hear(identity("A45", A, old_visit=number("V1"), visit=number("V1"), account="K7"))
    assert types(draft) == ["encounter.moved"] and draft.merges == []
    (only,) = world.home(A).encounters.values()
    assert only.account_number == "K7"


def test_death_told_by_a_stay_goes_with_the_stay() -> None:
    world = two_patients()
    world.hear(adt("A03", 2, patient=B, encounter=stay("V2", disposition="20", disposition_category="expired")))
    assert world.home(B).patient.deceased_source is not None
    world.hear(identity("A45", A, B, old_visit=number("V2"), visit=number("V2")))
    assert world.home(B).patient.deceased_source is None
    assert world.home(A).patient.deceased_source is not None


@pytest.mark.parametrize("trigger", ["A44", "A45"])
def test_move_of_something_unknown_is_said_and_changes_no_stay(trigger: str) -> None:
    world = two_patients()
    facts = {"old_account": "K404", "account": "K404"} if trigger == "A44" else {"old_visit": number("V404")}
    draft = world.hear(identity(trigger, A, B, **facts))
    assert "encounter-unknown" in kinds(draft) and draft.merges == []


def test_a43_of_a_records_only_identifier_takes_the_whole_record() -> None:
    world = two_patients()
    assert types(world.hear(identity("A43", A, B, moved=(number("900002"),)))) == ["patient.merged"]
    assert len(world.home(A).encounters) == 2


def test_a43_of_one_identifier_of_many_moves_that_and_nothing_else() -> None:
    world = World()
    second = number("900077")
    both = msgspec.structs.replace(
        B, identifiers=(*B.identifiers, Identifier(value="900077", authority="GENHOSP", type="MR"))
    )
    world.tell(adt("A28", patient=A), adt("A01", 1, patient=both, encounter=stay("V2", class_="inpatient")))
    mover = PatientFacts(key=second, identifiers=(second,))
    draft = world.hear(identity("A43", A, mover, moved=(second,)))
    assert types(draft) == ["patient.identifier-moved"]
    assert world.home(mover) is world.home(A) and len(world.home(B).encounters) == 1


def test_a43_of_the_keying_identifier_leaves_the_record_under_another_of_its_own() -> None:
    world = World()
    both = msgspec.structs.replace(
        B, identifiers=(*B.identifiers, Identifier(value="900077", authority="GENHOSP", type="MR"))
    )
    world.tell(adt("A28", patient=A), adt("A28", patient=both))
    world.hear(identity("A43", A, B, moved=(number("900002"),)))
    left = world.home(person("900077"))
    assert left.patient.mrn == "900077" and left is not world.home(A)


def test_a43_of_an_unknown_identifier_makes_it_an_alias() -> None:
    world = World()
    world.hear(adt("A28", patient=A))
    world.hear(identity("A43", A, moved=(number("900404"),)))
    assert world.home(person("900404")) is world.home(A)


# -- other numbers -------------------------------------------------------------------------------------------------


def test_a47_keys_the_same_person_anew_and_the_old_identifier_still_finds_him() -> None:
    world = World()
    world.hear(adt("A28", patient=A))
    draft = world.hear(identity("A47", B, A, old=A.key, new=B.key))
    assert types(draft)[-1] == "patient.identifier-changed"
    assert world.home(A) is world.home(B) and world.home(B).patient.mrn == "900002"
    assert types(world.hear(identity("A47", B, A, old=A.key, new=B.key))) == []


def test_a47_of_two_known_people_merges_nobody_and_is_a_conflict() -> None:
    world = two_patients()
    draft = world.hear(identity("A47", B, A, old=A.key, new=B.key))
    assert kinds(draft) == ["identity-conflict"]
    assert world.home(A) is not world.home(B)


@pytest.mark.parametrize("trigger", ["A46", "A48"])
def test_alternate_identifiers_change_without_keying_the_patient(trigger: str) -> None:
    world = World()
    world.hear(adt("A28", patient=A))
    world.hear(identity(trigger, A, old=number("X1"), new=number("X2")))
    assert world.home(person("X1")) is world.home(person("X2")) is world.home(A)
    assert world.home(A).patient.mrn == "900001"


@pytest.mark.parametrize("trigger", ["A35", "A41", "A49"])
def test_account_goes_into_another_with_its_stays(trigger: str) -> None:
    world = two_patients()
    draft = world.hear(identity(trigger, A, old_account="K1", account="K9"))
    assert types(draft)[-1] == ("account.identifier-changed" if trigger == "A49" else "account.merged")
    (only,) = world.home(A).encounters.values()
    assert only.account_number == "K9"


def test_a50_renumbers_the_stay_and_the_old_number_still_names_it() -> None:
    world = two_patients()
    draft = world.hear(identity("A50", A, old_visit=number("V1"), visit=number("V5")))
    assert types(draft) == ["encounter.identifier-changed"]
    world.hear(adt("A03", 11, patient=A, encounter=stay("V1")))
    (only,) = world.home(A).encounters.values()
    assert (only.visit_number, only.status) == ("V5", "discharged")
    assert kinds(world.hear(identity("A50", A, old_visit=number("V1"), visit=number("V5")))) == []


def test_a51_adds_the_alternate_number() -> None:
    world = two_patients()
    world.tell(
        identity("A51", A, old_visit=number("V1"), visit=number("ALT1")),
        adt("A03", 11, patient=A, encounter=stay("ALT1")),
    )
    (only,) = world.home(A).encounters.values()
    assert (only.visit_number, only.status) == ("V1", "discharged")


def test_a50_to_the_number_of_another_stay_changes_nothing() -> None:
    world = two_patients()
    world.hear(adt("A04", 2, patient=A, encounter=stay("V6", class_="outpatient")))
    draft = world.hear(identity("A50", A, old_visit=number("V1"), visit=number("V6")))
    assert kinds(draft) == ["state-anomaly"]
    assert {one.visit_number for one in world.home(A).encounters.values()} == {"V1", "V6"}


# -- A42 -----------------------------------------------------------------------------------------------------------


def test_a42_joins_two_records_of_one_stay() -> None:
    world = World()
    world.tell(
        adt("A04", 0, patient=A, encounter=stay("V1", class_="emergency", account_number="K1")),
        adt("A01", 3, patient=A, encounter=stay("V2", class_="inpatient")),
    )
    draft = world.hear(identity("A42", A, old_visit=number("V1"), visit=number("V2")))
    assert types(draft) == ["encounter.merged"]
    survivor = next(one for one in world.home(A).encounters.values() if one.visit_number == "V2")
    gone = next(one for one in world.home(A).encounters.values() if one is not survivor)
    assert (survivor.started_at.hour, survivor.account_number, survivor.status) == (14, "K1", "inpatient")
    assert (gone.status, gone.merged_into) == ("merged", survivor.encounter_id)
    world.hear(adt("A03", 5, patient=A, encounter=stay("V1")))
    assert world.home(A).encounters[survivor.encounter_id].status == "discharged"
    assert kinds(world.hear(identity("A42", A, old_visit=number("V1"), visit=number("V2")))) == []


def test_a42_with_one_side_unknown_keeps_the_number_as_an_alias() -> None:
    world = two_patients()
    world.hear(identity("A42", A, old_visit=number("V404"), visit=number("V1")))
    world.hear(identity("A42", A, old_visit=number("V1"), visit=number("V8")))
    (only,) = world.home(A).encounters.values()
    assert only.visit_number == "V8" and '"V404"' in only.aliases_json and '"V1"' in only.aliases_json


def test_a42_takes_the_stay_of_another_patient_over() -> None:
    world = two_patients()
    draft = world.hear(identity("A42", A, B, old_visit=number("V2"), visit=number("V1")))
    assert types(draft)[-1] == "encounter.merged"
    assert not world.home(B).encounters and len(world.home(A).encounters) == 2
