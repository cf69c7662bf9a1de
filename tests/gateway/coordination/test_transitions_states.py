"""The state machine of domain reference 2.1, cell by cell."""

from __future__ import annotations

import msgspec
import pytest

from gateway.coordination.records import Encounter
from mappings.events import CanonicalEvent, EncounterFacts
from tests.gateway.coordination.transition_builders import Story, adt, kinds, stay

INPATIENT = {"class_": "inpatient", "patient_class": "I"}
EMERGENCY = {"class_": "emergency", "patient_class": "E"}
OBSERVATION = {"class_": "observation", "patient_class": "O"}

WAYS: dict[str, tuple[CanonicalEvent, ...]] = {
    "none": (),
    "preadmitted": (adt("A05", encounter=stay(class_="inpatient")),),
    "outpatient": (adt("A04"),),
    "emergency": (adt("A04", encounter=stay(**EMERGENCY)),),
    "observation": (adt("A04", encounter=stay(**OBSERVATION)),),
    "inpatient": (adt("A01"),),
    "converted": (adt("A04", -2, encounter=stay(**EMERGENCY)), adt("A06")),
    "discharged": (adt("A01", -2), adt("A03")),
    "expired": (adt("A01", -2), adt("A03", encounter=stay(disposition="20", disposition_category="expired"))),
    "cancelled": (adt("A01", -2), adt("A11")),
}

TABLE = """
from         A05           A04          A01          A06         A07           A03          A11         A13
none         preadmitted   outpatient   inpatient    inpatient   outpatient    discharged   cancelled   inpatient!
preadmitted  preadmitted   outpatient   inpatient    inpatient   outpatient    discharged!  cancelled   preadmitted!
outpatient   outpatient!   outpatient   inpatient    inpatient   outpatient!   discharged   cancelled   outpatient!
emergency    emergency!    emergency    inpatient    inpatient   emergency!    discharged   cancelled   emergency!
observation  observation!  observation  inpatient    inpatient   observation!  discharged   cancelled   observation!
inpatient    inpatient!    inpatient!   inpatient    inpatient!  outpatient    discharged   cancelled   inpatient!
converted    inpatient!    inpatient!   inpatient    inpatient!  outpatient    discharged   emergency   inpatient!
discharged   discharged!   discharged!  inpatient!   discharged! discharged!   discharged   cancelled   inpatient
expired      expired!      expired!     inpatient!   expired!    expired!      expired      cancelled   inpatient
cancelled    preadmitted   outpatient   inpatient    inpatient!  outpatient!   cancelled!   cancelled   cancelled!
"""
HEADER, *ROWS = (line.split() for line in TABLE.strip().splitlines())
CELLS = [(row[0], column, cell) for row in ROWS for column, cell in zip(HEADER[1:], row[1:], strict=True)]


@pytest.mark.parametrize(("state", "trigger", "cell"), CELLS, ids=[f"{row}-{column}" for row, column, _ in CELLS])
def test_state_machine_message_in_a_state_gives_the_status_of_the_table(state: str, trigger: str, cell: str) -> None:
    story = Story()
    for event in WAYS[state]:
        story.hear(event)
    draft = story.hear(adt(trigger, 5))
    assert story.encounter.status == cell.rstrip("!")
    assert ("state-anomaly" in kinds(draft)) is cell.endswith("!")
    assert ("state-anomaly" in draft.flags) is cell.endswith("!")


@pytest.mark.parametrize(("state", "trigger", "cell"), CELLS, ids=[f"{row}-{column}" for row, column, _ in CELLS])
def test_state_machine_message_told_twice_changes_nothing_more(state: str, trigger: str, cell: str) -> None:
    story = Story()
    for event in WAYS[state]:
        story.hear(event)
    story.hear(adt(trigger, 5))
    again = story.hear(adt(trigger, 5)).changes()
    assert (again.upserts, again.emitted, again.transitions) == ([], [], [])


DELETED = {
    "A05": "preadmitted!", "A04": "outpatient!", "A01": "inpatient!", "A06": "deleted!", "A07": "deleted!",
    "A03": "deleted!", "A11": "deleted!", "A13": "deleted!",
}  # fmt: skip
ON_LEAVE = {
    "A05": "on-leave!", "A04": "on-leave!", "A01": "inpatient!", "A06": "inpatient!", "A07": "outpatient!",
    "A03": "discharged", "A11": "cancelled", "A13": "inpatient!",
}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "trigger", "cell"),
    [("deleted", *item) for item in DELETED.items()] + [("on-leave", *item) for item in ON_LEAVE.items()],
)
def test_state_machine_states_of_other_events_follow_the_table(status: str, trigger: str, cell: str) -> None:
    story = Story()
    story.hear(adt("A01"))
    known = story.encounter
    story.home.encounters[known.encounter_id] = msgspec.structs.replace(known, status=status, prior_status="inpatient")
    draft = story.hear(adt(trigger, 5))
    assert story.encounter.status == cell.rstrip("!")
    assert ("state-anomaly" in kinds(draft)) is cell.endswith("!")


@pytest.mark.parametrize("trigger", ["A02", "A08", "A12"])
@pytest.mark.parametrize("state", [name for name in WAYS if name != "none"])
def test_state_machine_events_without_a_column_keep_the_status(state: str, trigger: str) -> None:
    story = Story()
    for event in WAYS[state]:
        story.hear(event)
    before = story.encounter.status
    story.hear(adt(trigger, 5, encounter=stay(hospital_service="MED")))
    assert story.encounter.status == before


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        (stay(**INPATIENT), "inpatient"),
        (stay(**EMERGENCY), "emergency"),
        (stay(**OBSERVATION), "observation"),
        (stay(class_="recurring"), "outpatient"),
        (stay(), "inpatient"),
    ],
)
def test_admission_status_follows_the_class_sent(facts: EncounterFacts, status: str) -> None:
    story = Story()
    story.hear(adt("A01", encounter=facts))
    assert story.encounter.status == status


def test_converted_visit_discharged_and_reopened_can_still_be_reverted() -> None:
    story = Story()
    story.tell(*WAYS["converted"], adt("A03", 2), adt("A13", 3))
    assert story.encounter.status == "inpatient"
    story.hear(adt("A11", 4))
    assert (story.encounter.status, story.encounter.class_) == ("emergency", "emergency")


def test_conversion_reverted_and_done_again_is_a_new_instance() -> None:
    story = Story()
    story.tell(*WAYS["converted"], adt("A11", 1))
    reverted: Encounter = story.encounter
    assert (reverted.instance, reverted.via_conversion, reverted.inpatient_at) == (1, False, None)
    story.hear(adt("A06", 2))
    assert (story.encounter.instance, story.encounter.via_conversion) == (2, True)


def test_preadmission_admitted_then_cancelled_ends_cancelled() -> None:
    story = Story()
    story.tell(adt("A05"), adt("A01", 1), adt("A11", 2))
    assert story.encounter.status == "cancelled"
