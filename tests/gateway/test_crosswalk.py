"""What the rows of a cross-walk would do, and what a link changes (decision 9)."""

from __future__ import annotations

import msgspec
import pytest

from gateway.coordination.changes import Cause, Changes, Link
from gateway.coordination.decide import decide
from gateway.coordination.scope import PatientScope, Scope
from gateway.crosswalk import judge, lanes_of_number
from gateway.lanes import patient_lane
from gateway.store.crosswalk import Number, Owner
from tests.gateway.coordination.transition_builders import SETTINGS, World, adt, after, person

HERE, CLINIC, LAB = Number("GENHOSP", "1"), Number("CLINIC", "77"), Number("LAB", "5")
ANN, BOB = Owner("pat_a", "main", True), Owner("pat_b", "main", True)


def statuses(rows: list[tuple[Number, Number]], owners: dict[Number, Owner]) -> list[str]:
    return [one.status for one in judge(rows, owners)]


def test_judge_links_from_either_side_and_on_from_what_was_linked() -> None:
    rows = [(CLINIC, HERE), (CLINIC, LAB), (HERE, LAB)]
    assert statuses(rows, {HERE: ANN}) == ["link", "link", "known"]


def test_judge_never_joins_two_patients() -> None:
    assert statuses([(HERE, CLINIC)], {HERE: ANN, CLINIC: BOB}) == ["conflict"]
    other = Number("GENHOSP", "2")
    assert statuses([(HERE, CLINIC), (other, CLINIC)], {HERE: ANN, other: BOB}) == ["link", "conflict"]


def test_judge_number_that_does_not_name_its_patient_proves_nothing() -> None:
    alias = ANN._replace(names=False)
    assert statuses([(CLINIC, LAB)], {CLINIC: alias}) == ["unknown"]
    assert statuses([(HERE, CLINIC)], {HERE: ANN, CLINIC: alias}) == ["link"]
    assert statuses([(HERE, CLINIC)], {HERE: BOB, CLINIC: alias}) == ["conflict"]
    assert statuses([(HERE, CLINIC)], {}) == ["unknown"]


def test_lanes_of_number_are_those_of_every_split() -> None:
    lanes = lanes_of_number(CLINIC, {1, 8})
    assert {patient_lane("CLINIC", "77"), patient_lane("CLINIC", "77", 8)} == set(lanes)


@pytest.fixture
def home() -> PatientScope:
    world = World()
    world.tell(adt("A01", patient=person("900001")))
    (found,) = world.state.patients.values()
    return found


def linked(home: PatientScope, others: dict[str, PatientScope] | None = None) -> Changes:
    link = Link(patient_id=home.patient.patient_id, authority="CLINIC", value="77", lanes=(9,), actor="jdoe")
    cause = Cause(message_id="link-x", origin="link.x", channel="api", received_at=after(1))
    return decide(Scope(subject=home, others=others or {}), link, cause, after(1), SETTINGS, b"salt")


def test_link_adds_a_naming_number_its_lanes_and_an_event(home: PatientScope) -> None:
    changes = linked(home)
    assert home.identifiers["CLINIC", "77"].key and 9 in msgspec.json.decode(home.patient.lanes_json)
    assert [event.type for event in changes.emitted] == ["patient.updated"]
    assert [change.kind for change in changes.transitions] == ["number-linked"]


def test_link_again_of_another_or_of_who_was_merged_is_refused(home: PatientScope) -> None:
    elsewhere = linked(home, {"pat_other": PatientScope(patient=home.patient)})
    assert (elsewhere.outcome, elsewhere.upserts) == ("filtered", [])
    linked(home)
    assert linked(home).outcome == "filtered"
    home.patient = msgspec.structs.replace(home.patient, merged_into="pat_other")
    assert "merged" in (linked(home).reason or "")
