"""Announcements, leaves, ways, deletions and doctors of a stay: A09, A10, A14 to A16, A20 to A27, A32, A33, A38, A52 to
A55, A60 to A62, in the order in which they happened and in any other."""

from __future__ import annotations

from itertools import permutations

import pytest

from gateway.coordination.transitions.flags import is_flagged, standing
from mappings.codes import EVENTS
from mappings.events import Allergy, CanonicalEvent, Location, Person, PlaceFacts
from tests.gateway.coordination.transition_builders import Story, adt, after, kinds, moves, person, stay, types

WAYS: dict[str, tuple[CanonicalEvent, ...]] = {
    "none": (),
    "preadmitted": (adt("A05", -3, encounter=stay(class_="inpatient")),),
    "outpatient": (adt("A04", -3),),
    "inpatient": (adt("A01", -3),),
    "on-leave": (adt("A01", -3), adt("A21", -2)),
    "discharged": (adt("A01", -3), adt("A03", -2)),
    "cancelled": (adt("A01", -3), adt("A11", -2)),
    "deleted": (adt("A01", -3), adt("A23", -2)),
}
TABLE = """
from         A14           A21        A22         A16           A38           A27          A23      A52         A53
none         preadmitted   on-leave!  inpatient!  inpatient!    cancelled     cancelled    deleted  inpatient!  on-leave!
preadmitted  preadmitted   same!      same!       same!         cancelled     same         deleted  same!       same!
outpatient   same          same!      same!       same          same!         same         deleted  same!       same!
inpatient    same!         on-leave   same!       same          same!         same         deleted  same!       on-leave
on-leave     same!         same       inpatient   same          same!         same!        deleted  inpatient   same!
discharged   same!         same!      same!       same!         same!         same!        deleted  same!       same!
cancelled    preadmitted   same!      same!       same!         same          same         deleted  same!       same!
deleted      preadmitted!  same!      same!       same!         same!         same!        same     same!       same!
"""
HEADER, *ROWS = (line.split() for line in TABLE.strip().splitlines())
CELLS = [(row[0], column, cell) for row in ROWS for column, cell in zip(HEADER[1:], row[1:], strict=True)]
IDS = [f"{row}-{column}" for row, column, _ in CELLS]


@pytest.mark.parametrize(("state", "trigger", "cell"), CELLS, ids=IDS)
def test_visit_event_in_a_state_gives_the_status_of_the_table(state: str, trigger: str, cell: str) -> None:
    story = Story()
    for event in WAYS[state]:
        story.hear(event)
    draft = story.hear(adt(trigger, 5))
    assert story.encounter.status == (state if cell.rstrip("!") == "same" else cell.rstrip("!"))
    assert ("state-anomaly" in kinds(draft)) is cell.endswith("!")


@pytest.mark.parametrize(("state", "trigger", "cell"), CELLS, ids=IDS)
def test_visit_event_told_twice_changes_nothing_more(state: str, trigger: str, cell: str) -> None:
    story = Story()
    for event in WAYS[state]:
        story.hear(event)
    story.hear(adt(trigger, 5))
    again = story.hear(adt(trigger, 5)).changes()
    assert (again.upserts, again.emitted) == ([], [])


@pytest.mark.parametrize(
    ("history", "trigger", "flag"),
    [
        (("A04",), "A14", "pending-admit"),
        (("A01",), "A15", "pending-transfer"),
        (("A01",), "A16", "pending-discharge"),
        (("A01",), "A09", "in-transit"),
        (("A01", "A09", "A10"), "A32", "in-transit"),
    ],
)
def test_announcement_raises_its_flag_and_tells(history: tuple[str, ...], trigger: str, flag: str) -> None:
    story = Story()
    for hour, earlier in enumerate(history):
        story.hear(adt(earlier, hour))
    draft = story.hear(adt(trigger, 8))
    assert is_flagged(story.encounter, flag)
    assert types(draft) == [EVENTS[f"ADT^{trigger}"]]


@pytest.mark.parametrize(
    ("raised", "lowered"), [("A14", "A27"), ("A15", "A26"), ("A16", "A25"), ("A09", "A33"), ("A09", "A10")]
)
def test_announcement_and_its_cancel_leave_the_same_in_either_order(raised: str, lowered: str) -> None:
    ends = []
    for order in ((raised, lowered), (lowered, raised)):
        story = Story()
        story.hear(adt("A04" if raised == "A14" else "A01"))
        for trigger in order:
            story.hear(adt(trigger, {raised: 1, lowered: 2}[trigger]))
        assert not standing(story.encounter)
        ends.append((story.encounter.status, story.encounter.class_))
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    "told",
    [
        ("A21", "A22"),
        ("A21", "A52"),
        ("A21", "A22", "A53"),
        ("A16", "A25", "A16"),
        ("A15", "A02"),
        ("A09", "A10", "A32"),
    ],
)
def test_messages_of_one_stay_leave_the_same_in_any_order(told: tuple[str, ...]) -> None:
    """What leaves and flags say; the location history follows the newest message (2.5)."""
    events = [adt(trigger, hour) for hour, trigger in enumerate(told, 1)]
    ends = set()
    for order in permutations(events):
        story = Story()
        story.tell(adt("A01"), *order)
        on = tuple(sorted(standing(story.encounter)))
        ends.add((story.encounter.status, story.encounter.leave_status, on))
    assert len(ends) == 1


def test_leave_keeps_the_conversion_that_an_a11_can_still_revert() -> None:
    story = Story()
    story.tell(
        adt("A04", encounter=stay(class_="emergency")), adt("A06", 1), adt("A21", 2), adt("A22", 3), adt("A11", 4)
    )
    assert story.encounter.status == "emergency"


def test_stay_discharged_from_leave_and_reopened_is_on_leave_again() -> None:
    story = Story()
    story.tell(adt("A01"), adt("A21", 1), adt("A03", 2), adt("A13", 3))
    assert (story.encounter.status, story.encounter.leave_status) == ("on-leave", "inpatient")


def test_a27_withdraws_the_announcement_only_where_an_a05_stands() -> None:
    story = Story()
    draft = story.tell(adt("A05"), adt("A14", 1), adt("A27", 2))
    assert (story.encounter.status, is_flagged(story.encounter, "pending-admit")) == ("preadmitted", False)
    assert types(draft) == ["encounter.preadmit-cancelled"]
    other = Story()
    other.tell(adt("A14"), adt("A27", 2))
    assert other.encounter.status == "cancelled"


@pytest.mark.parametrize(("planned", "cancel"), [("A05", "A38"), ("A14", "A27")])
def test_preadmission_cancelled_before_it_came_opens_nothing(planned: str, cancel: str) -> None:
    story = Story()
    draft = story.tell(adt(cancel, 2), adt(planned, 1))
    assert story.encounter.status == "cancelled"
    assert "retracted-before" in kinds(draft)


def test_discharge_and_admission_lower_what_was_announced() -> None:
    story = Story()
    story.tell(adt("A04"), adt("A14", 1), adt("A01", 2))
    assert not is_flagged(story.encounter, "pending-admit")
    story.tell(adt("A16", 3), adt("A15", 4), adt("A03", 5))
    assert not standing(story.encounter)


def test_a15_says_where_to_and_a26_forgets_it() -> None:
    story = Story()
    where = Location(point_of_care="5E", room="501")
    draft = story.tell(adt("A01"), adt("A15", 1, encounter=stay(pending_location=where, planned_at=after(9))))
    assert draft.emitted[0].data["to"] == "5E-501" and draft.emitted[0].data["expected_at"]
    story.hear(adt("A26", 2))
    assert story.encounter.pending_location is None


def test_a09_moves_nobody_and_a10_does_unless_the_place_is_temporary() -> None:
    story = Story()
    ward, new = Location(point_of_care="4E"), Location(point_of_care="5E")
    story.tell(adt("A01", encounter=stay(class_="inpatient", location=ward)))
    left = story.hear(adt("A09", 1, encounter=stay(location=new, prior_location=ward)))
    assert (left.emitted[0].data["from"], left.emitted[0].data["to"]) == ("4E", "5E")
    assert story.encounter.point_of_care == "4E"
    story.hear(adt("A10", 2, encounter=stay(location=new, temporary_location=Location(point_of_care="XR"))))
    assert story.encounter.point_of_care == "4E"
    story.hear(adt("A10", 3, encounter=stay(location=new)))
    assert story.encounter.point_of_care == "5E"


def test_attending_changed_and_back_tells_both_doctors_once() -> None:
    story = Story()
    story.hear(adt("A01", encounter=stay(class_="inpatient", attending=Person(id="D1", family="ONE"))))
    change = adt("A54", 1, encounter=stay(attending=Person(id="D2", family="TWO")))
    assert types(story.hear(change)) == ["encounter.attending-changed"]
    assert types(story.hear(adt("A54", 2, encounter=stay(attending=Person(id="D2", family="TWO"))))) == []
    back = story.hear(adt("A55", 3, encounter=stay(attending=Person(id="D1", family="ONE"))))
    assert (back.emitted[0].data["old_attending_id"], back.emitted[0].data["attending_id"]) == ("D2", "D1")


def test_consulting_doctor_changed_is_an_update() -> None:
    story = Story()
    draft = story.tell(adt("A01"), adt("A61", 1, encounter=stay(consulting=Person(id="C1", family="ASK"))))
    assert types(draft) == ["encounter.updated"] and story.encounter.consulting_name == "ASK"
    assert "consulting-changed" in kinds(draft)


def test_deleted_stay_ends_its_tasks_as_errors_and_stays_readable() -> None:
    story = Story()
    draft = story.tell(adt("A01"), adt("A23", 1))
    assert types(draft) == ["encounter.deleted"]
    assert moves(draft, "encounter-status") == [("inpatient", "deleted")]


@pytest.mark.parametrize("trigger", ["A09", "A10", "A15", "A25", "A26", "A32", "A33", "A54", "A55", "A61", "A62"])
def test_event_without_a_state_opens_no_second_stay(trigger: str) -> None:
    story = Story()
    story.tell(adt("A01"), adt(trigger, 1, encounter=stay("V9")))
    assert len(story.home.encounters) == 1


def test_bed_status_is_told_of_no_patient_under_one_id() -> None:
    place = PlaceFacts(location=Location(point_of_care="4E", bed="A"), status="H")
    event = adt("A20", patient=None, encounter=None, place=place)
    first, second = Story().hear(event), Story().hear(adt("A20", 3, patient=None, encounter=None, place=place))
    (told,) = first.emitted
    assert (told.type, told.patient_id, told.data["bed_status"]) == ("location.bed-status", "", "housekeeping")
    assert told.aggregate_id == second.emitted[0].aggregate_id and told.revision < second.emitted[0].revision
    assert first.outcome == "processed" and first.changes().upserts == []


def _allergic(hours: float, *names: str, complete: bool = False, removed: bool = False) -> CanonicalEvent:
    listed = tuple(Allergy(id=name, code=name, removed=removed) for name in names)
    return adt("A60", hours, encounter=None, patient=person(allergies=listed, allergies_complete=complete))


def test_allergies_added_and_removed_are_told_and_an_unchanged_list_is_not() -> None:
    story = Story()
    draft = story.hear(_allergic(1, "ASPIRIN", "LATEX", complete=True))
    assert draft.emitted[-1].data["added_allergies"] == [{"code": "ASPIRIN"}, {"code": "LATEX"}]
    assert types(story.hear(_allergic(2, "ASPIRIN", "LATEX", complete=True))) == []
    gone = story.hear(_allergic(3, "LATEX", removed=True))
    assert gone.emitted[0].data["removed_allergies"] == [{"code": "LATEX"}]


def test_allergies_leave_the_same_set_in_any_order() -> None:
    told = [
        _allergic(1, "ASPIRIN", complete=True), _allergic(2, "LATEX"), _allergic(3, "NUTS", complete=True),
        _allergic(4, "LATEX"), _allergic(5, "LATEX", removed=True),
    ]  # fmt: skip
    ends = set()
    for order in permutations(told):
        story = Story()
        story.tell(adt("A28"), *order)
        items = story.patient.allergies_json
        ends.add(tuple(sorted(name for name in ("ASPIRIN", "LATEX", "NUTS") if f'"{name}"' in _standing(items))))
    assert ends == {("NUTS",)}


def _standing(text: str) -> str:
    import msgspec

    items = msgspec.json.decode(text)["items"]
    return msgspec.json.encode([name for name, item in items.items() if not item.get("removed")]).decode()


def test_person_deactivated_and_added_again_is_active() -> None:
    story = Story()
    assert types(story.tell(adt("A28"), adt("A29", 1))) == ["patient.deactivated"]
    assert not story.patient.active
    story.hear(adt("A28", 2))
    assert story.patient.active
