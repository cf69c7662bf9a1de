"""Stays: facts, order of arrival, corrections, locations and death (domain reference 2.1 to 2.5)."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from mappings.events import DELETE, CanonicalEvent, Diagnosis, EncounterFacts, Location, PatientFacts, Person
from tests.gateway.coordination.transition_builders import (
    ANNA,
    Story,
    adt,
    after,
    kinds,
    moves,
    person,
    stay,
    types,
)

HOME = {"disposition": "01", "disposition_category": "home"}
SNF = {"disposition": "03", "disposition_category": "snf"}
DEAD = {"disposition": "20", "disposition_category": "expired"}
EMERGENCY = {"class_": "emergency", "patient_class": "E"}
INPATIENT = {"class_": "inpatient", "patient_class": "I"}


def bed(unit: str, room: str = "1") -> Location:
    return Location(point_of_care=unit, room=room, bed="A", facility="GENHOSP")


def test_admission_of_a_new_patient_is_announced_with_what_is_known() -> None:
    story = Story()
    facts = stay(
        **INPATIENT,
        location=bed("4W"),
        attending=Person(id="A1077", family="ATTEND", given="ALAN"),
        admitted_at=after(-1),
    )
    draft = story.hear(adt("A01", encounter=facts))
    assert types(draft) == ["patient.created", "encounter.admitted"]
    assert draft.emitted[1].data == {
        "visit_number": "V1",
        "class": "inpatient",
        "status": "inpatient",
        "started_at": "2026-11-05T13:00:00Z",
        "admitted_at": "2026-11-05T13:00:00Z",
        "location": "4W-1-A",
        "attending_id": "A1077",
        "attending_name": "ATTEND, ALAN",
        "via": "direct",
    }
    assert kinds(draft) == ["patient-created", "admitted", "encounter-status"]
    assert (story.encounter.started_at, story.encounter.inpatient_at) == (after(-1), after(-1))


def test_discharge_states_disposition_length_of_stay_and_number() -> None:
    story = Story()
    story.hear(adt("A01"))
    diagnosis = Diagnosis(code="I50.23", system="I10", type="F", priority=1)
    facts = stay(
        **HOME, discharged_at=after(50), discharged_precision="second", diagnoses=(diagnosis,), destination="HOME"
    )
    draft = story.hear(adt("A03", 51, encounter=facts))
    (event,) = draft.emitted
    assert event.type == "encounter.discharged"
    assert (event.data["los_days"], event.data["discharge_number"]) == (2, 1)
    assert event.data["diagnoses"] == [{"code": "I50.23", "system": "I10", "type": "F", "priority": 1}]
    assert moves(draft, "discharged") == [("inpatient", "home")]
    assert story.encounter.discharged_at == after(50)


def test_discharge_cancelled_then_done_again_counts_two() -> None:  # scenario 3
    story = Story()
    cancelled = story.tell(adt("A01"), adt("A03", 1, encounter=stay(**HOME)), adt("A13", 2))
    assert types(cancelled) == ["encounter.discharge-cancelled"]
    assert moves(cancelled, "discharge-cancelled") == [("1", "inpatient")]
    known = story.encounter
    assert (known.status, known.discharged_at, known.disposition_category) == ("inpatient", None, None)
    story.hear(adt("A03", 3, encounter=stay(**HOME)))
    assert (story.encounter.status, story.encounter.discharge_number) == ("discharged", 2)


def test_discharge_sent_again_with_another_disposition_is_a_correction() -> None:  # scenario 4
    story = Story()
    draft = story.tell(adt("A01"), adt("A03", 1, encounter=stay(**HOME)), adt("A03", 2, encounter=stay(**SNF)))
    (event,) = draft.emitted
    assert (event.type, event.flags) == ("encounter.discharged", ["correction"])
    assert {"path": "disposition_category", "old": "home", "new": "snf"} in event.changes
    assert moves(draft, "discharge-corrected") == [("home", "snf")]
    assert (story.encounter.discharge_number, story.encounter.discharged_at) == (1, after(1))


def test_discharge_told_twice_is_one() -> None:  # scenario 6
    story = Story()
    story.tell(adt("A01"), adt("A03", 1, encounter=stay(**HOME)))
    again = story.hear(adt("A03", 1, encounter=stay(**HOME))).changes()
    assert (again.upserts, again.emitted, again.transitions) == ([], [], [])


def test_cancel_before_the_discharge_swallows_it() -> None:  # scenario 5
    story = Story()
    story.tell(adt("A01"), adt("A13", 6))
    draft = story.hear(adt("A03", 5, encounter=stay(**HOME)))
    assert (types(draft), kinds(draft)) == ([], ["retracted-before"])
    assert (story.encounter.status, story.encounter.discharge_number) == ("inpatient", 0)


def test_discharge_recorded_after_an_early_cancel_counts() -> None:
    story = Story()
    story.tell(adt("A01"), adt("A13", 6), adt("A03", 7, encounter=stay(**HOME)))
    assert story.encounter.status == "discharged"


def test_cancel_of_an_admission_before_it_comes_swallows_it() -> None:
    story = Story()
    story.tell(adt("A11", 6), adt("A01", 5))
    assert (story.encounter.status, story.encounter.instance) == ("cancelled", 1)
    story.hear(adt("A01", 7))
    assert (story.encounter.status, story.encounter.instance) == ("inpatient", 2)


def test_admission_cancelled_ends_the_stay() -> None:  # scenario 7
    story = Story()
    draft = story.tell(adt("A01"), adt("A11", 1))
    assert types(draft) == ["encounter.admit-cancelled"]
    assert draft.emitted[0].data["prior_status"] == "inpatient"
    assert moves(draft, "encounter-status") == [("inpatient", "cancelled")]


def test_late_admission_completes_a_stay_known_from_its_discharge() -> None:
    story = Story()
    story.hear(adt("A03", 50, encounter=stay(**HOME, **INPATIENT)))
    assert (story.encounter.started_at, story.encounter.inpatient_at) == (None, None)
    draft = story.hear(adt("A01", 0, encounter=stay(**INPATIENT, hospital_service="MED")))
    assert draft.late
    assert types(draft) == ["encounter.admitted"]
    assert draft.emitted[0].flags == ["late"]
    known = story.encounter
    assert (known.status, known.inpatient_at, known.hospital_service) == ("discharged", after(0), "MED")
    assert known.recorded_at == after(50)


def test_late_discharge_behind_an_update_still_discharges() -> None:
    story = Story()
    story.tell(adt("A01"), adt("A08", 9, encounter=stay(hospital_service="SUR")))
    draft = story.hear(adt("A03", 8, encounter=stay(**HOME, hospital_service="MED")))
    assert draft.late
    assert (story.encounter.status, story.encounter.hospital_service) == ("discharged", "SUR")


def test_late_discharge_behind_its_cancel_changes_nothing() -> None:
    story = Story()
    story.tell(adt("A01"), adt("A03", 5, encounter=stay(**HOME)), adt("A13", 6))
    again = story.hear(adt("A03", 5, encounter=stay(**HOME)))
    assert (types(again), story.encounter.status) == ([], "inpatient")


def test_older_update_overwrites_nothing_newer() -> None:
    story = Story()
    story.tell(adt("A01"), adt("A08", 9, encounter=stay(financial_class="B")))
    draft = story.hear(adt("A08", 8, encounter=stay(financial_class="A", admission_type="E")))
    assert (story.encounter.financial_class, story.encounter.admission_type) == ("B", "E")
    assert [event.flags for event in draft.emitted] == [["late"]]


def test_update_without_a_difference_says_nothing() -> None:
    story = Story()
    story.hear(adt("A01"))
    draft = story.hear(adt("A08", 1, encounter=stay(**INPATIENT)))
    assert (draft.emitted, draft.transitions) == ([], [])
    assert story.encounter.recorded_at == after(1)


def test_update_clears_what_the_sender_deletes_and_keeps_what_is_empty() -> None:
    story = Story()
    story.hear(adt("A01", encounter=stay(**INPATIENT, hospital_service="MED", admission_type="E")))
    draft = story.hear(adt("A08", 1, encounter=stay(hospital_service=DELETE)))
    assert (story.encounter.hospital_service, story.encounter.admission_type) == (None, "E")
    assert draft.emitted[0].changes == [{"path": "hospital_service", "old": "MED", "new": None}]


@pytest.mark.parametrize(
    ("before", "facts", "status", "expected"),
    [
        (adt("A04", encounter=stay(**EMERGENCY)), stay(**INPATIENT), "inpatient", ["class-changed", "admitted"]),
        (adt("A01"), stay(class_="observation", patient_class="O"), "observation", ["class-changed"]),
        (adt("A04", encounter=stay(**EMERGENCY)), stay(class_="observation"), "observation", ["class-changed"]),
    ],
)
def test_update_of_the_class_is_an_implied_change(
    before: CanonicalEvent, facts: EncounterFacts, status: str, expected: list[str]
) -> None:
    story = Story()
    story.hear(before)
    draft = story.hear(adt("A08", 1, encounter=facts))
    assert story.encounter.status == status
    assert [kind for kind in kinds(draft) if kind != "encounter-status"] == expected
    assert all("implied" in event.flags for event in draft.emitted)


def test_update_without_the_observation_marker_does_not_end_the_observation() -> None:
    story = Story()
    story.hear(adt("A04", encounter=stay(class_="observation", patient_class="O")))
    story.hear(adt("A08", 1, encounter=stay(class_="outpatient", patient_class="O")))
    assert story.encounter.status == "observation"


def test_update_that_clears_the_discharge_time_is_an_implied_cancel() -> None:
    story = Story()
    draft = story.tell(
        adt("A01"), adt("A03", 1, encounter=stay(**HOME)), adt("A08", 2, encounter=stay(clear_discharge=True))
    )
    assert (types(draft), draft.emitted[0].flags) == (["encounter.discharge-cancelled"], ["implied"])
    assert story.encounter.status == "inpatient"


def test_update_of_a_disposition_corrects_the_discharge() -> None:
    story = Story()
    draft = story.tell(adt("A01"), adt("A03", 1, encounter=stay(**HOME)), adt("A08", 2, encounter=stay(**SNF)))
    assert (types(draft), draft.emitted[0].flags) == (["encounter.discharged"], ["implied", "correction"])


def test_conversion_keeps_the_start_and_tells_both_events() -> None:
    story = Story()
    story.hear(adt("A04", encounter=stay(**EMERGENCY, admitted_at=after(0))))
    draft = story.hear(adt("A06", 4, encounter=stay(**INPATIENT, admitted_at=after(0))))
    assert types(draft) == ["encounter.class-changed", "encounter.admitted"]
    assert draft.emitted[1].data["via"] == "conversion"
    known = story.encounter
    assert (known.prior_status, known.started_at, known.inpatient_at) == ("emergency", after(0), after(4))


def test_admission_of_an_open_visit_with_the_same_number_converts_it() -> None:
    story = Story()
    story.hear(adt("A04", encounter=stay(**EMERGENCY)))
    draft = story.hear(adt("A01", 4))
    assert story.encounter.via_conversion
    assert moves(draft, "admitted") == [("emergency", "inpatient")]
    assert moves(draft, "class-changed") == [("emergency", "inpatient")]


@pytest.mark.parametrize(
    ("facts", "admitted_at", "expected"),
    [
        (stay(**INPATIENT, admitted_at=after(0)), None, after(4)),  # PV1-44 is still the start of the visit
        (stay(**INPATIENT, admitted_at=after(3)), None, after(3)),
        (stay(**INPATIENT, admitted_at=after(3)), after(2), after(2)),  # EVN-6 wins
    ],
)
def test_conversion_happens_at_evn6_else_a_new_pv1_44_else_when_recorded(
    facts: EncounterFacts, admitted_at: object, expected: object
) -> None:
    story = Story()
    story.hear(adt("A04", encounter=stay(**EMERGENCY, admitted_at=after(0))))
    story.hear(adt("A06", 4, encounter=facts, occurred_at=admitted_at or after(4)))
    assert story.encounter.inpatient_at == expected


def test_interim_bill_does_not_end_the_stay() -> None:
    story = Story()
    draft = story.tell(
        adt("A01"), adt("A03", 1, encounter=stay(disposition="30", disposition_category="still-patient"))
    )
    assert story.encounter.status == "inpatient"
    assert "state-anomaly" in kinds(draft)


def test_admission_again_after_the_discharge_reopens_only_a_later_one() -> None:
    story = Story()
    story.tell(adt("A01"), adt("A03", 5, encounter=stay(**HOME)))
    story.hear(adt("A01", 6, occurred_at=after(0)))
    assert story.encounter.status == "discharged"
    draft = story.hear(adt("A01", 8))
    assert (story.encounter.status, story.encounter.disposition) == ("inpatient", None)
    assert moves(draft, "discharge-cancelled") == [("1", "inpatient")]


# -- which stay ---------------------------------------------------------------------------------------------------------


def test_new_visit_number_is_a_new_stay() -> None:
    story = Story()
    story.tell(adt("A01"), adt("A03", 1), adt("A01", 30, encounter=stay("V2", **INPATIENT)))
    assert [one.status for one in story.home.encounters.values()] == ["discharged", "inpatient"]


def test_message_without_a_number_joins_the_only_open_stay() -> None:
    story = Story()
    story.tell(adt("A01"), adt("A08", 1, encounter=stay(None, hospital_service="MED")))
    assert story.encounter.hospital_service == "MED"


def test_message_without_a_number_and_two_open_stays_is_flagged() -> None:
    story = Story()
    story.tell(adt("A01"), adt("A04", 1, encounter=stay("V2", class_="outpatient")))
    draft = story.hear(adt("A08", 2, encounter=stay(None, hospital_service="MED")))
    assert kinds(draft) == ["encounter-unknown"]
    assert all(one.hospital_service is None for one in story.home.encounters.values())


def test_update_never_opens_a_second_stay() -> None:
    story = Story()
    story.hear(adt("A01"))
    draft = story.hear(adt("A08", 1, encounter=stay("V2", **INPATIENT)))
    assert (kinds(draft), story.encounter.visit_number) == (["encounter-unknown"], "V1")


def test_update_of_a_stay_that_began_before_us_opens_it_with_a_warning() -> None:
    story = Story()
    draft = story.hear(adt("A08", encounter=stay(**INPATIENT, admitted_at=after(-20))))
    assert (story.encounter.status, story.encounter.started_at) == ("inpatient", after(-20))
    assert (types(draft)[1:], "admitted" in kinds(draft)) == (["encounter.updated"], False)


def test_later_visit_number_is_added_to_the_stay_without_one() -> None:
    story = Story()
    story.hear(adt("A01", encounter=stay(None, **INPATIENT, account_number="ACC7")))
    story.hear(adt("A08", 1, encounter=stay("V9", account_number="ACC7")))
    assert story.encounter.visit_number == "V9"


def test_conversion_under_a_new_number_continues_the_stay_of_the_old_account() -> None:
    story = Story()
    story.hear(adt("A04", encounter=stay(**EMERGENCY, account_number="ACC1")))
    story.hear(adt("A04", 1, encounter=stay("V5", class_="outpatient", account_number="ACC5")))
    prior = (PatientFacts(account_number="ACC1"),)
    story.hear(adt("A06", 2, encounter=stay("V2", **INPATIENT, account_number="ACC2"), prior=prior))
    first = next(one for one in story.home.encounters.values() if one.visit_number == "V1")
    assert (first.status, msgspec.json.decode(first.aliases_json)) == ("inpatient", ["V2"])
    story.hear(adt("A03", 3, encounter=stay("V2", **HOME)))
    assert story.home.encounters[first.encounter_id].status == "discharged"


# -- where ------------------------------------------------------------------------------------------------------------


def test_transfer_and_its_cancel_keep_the_history() -> None:
    story = Story()
    story.hear(adt("A01", encounter=stay(**INPATIENT, location=bed("ED"))))
    moved = story.hear(adt("A02", 3, encounter=stay(location=bed("4W"))))
    assert (types(moved), moves(moved, "transferred")) == (["encounter.transferred"], [("ED", "4W")])
    assert moved.emitted[0].data["to"] == "4W-1-A"
    back = story.hear(adt("A12", 4, encounter=stay(location=bed("ED"))))
    assert (types(back), moves(back, "transfer-cancelled")) == (["encounter.transfer-cancelled"], [("4W", "ED")])
    rows = [(row.point_of_care, row.from_at, row.to_at, row.cancelled) for row in story.home.locations.values()]
    assert rows == [("ED", after(0), None, False), ("4W", after(3), None, True)]


def test_transfer_cancel_told_twice_cancels_one_transfer() -> None:
    story = Story()
    story.hear(adt("A01", encounter=stay(**INPATIENT, location=bed("ED"))))
    story.tell(adt("A02", 1, encounter=stay(location=bed("4W"))), adt("A02", 2, encounter=stay(location=bed("5W"))))
    cancel = adt("A12", 3, encounter=stay(location=bed("4W")))
    again = story.tell(cancel, cancel).changes()
    assert (again.upserts, story.encounter.point_of_care) == ([], "4W")


def test_transfer_cancelled_before_it_comes_is_swallowed() -> None:
    story = Story()
    story.hear(adt("A01", encounter=stay(**INPATIENT, location=bed("ED"))))
    story.hear(adt("A12", 3, encounter=stay(location=bed("ED"))))
    draft = story.hear(adt("A02", 3, encounter=stay(location=bed("4W"))))
    assert (story.encounter.point_of_care, kinds(draft)) == ("ED", ["retracted-before"])


def test_discharge_and_its_cancel_close_and_open_the_place() -> None:
    story = Story()
    story.hear(adt("A01", encounter=stay(**INPATIENT, location=bed("4W"))))
    story.hear(adt("A03", 5, encounter=stay(**HOME, location=bed("4W"))))
    (row,) = story.home.locations.values()
    assert row.to_at == after(5)
    story.hear(adt("A13", 6, encounter=stay(location=bed("4W"))))
    (row,) = story.home.locations.values()
    assert row.to_at is None


# -- death ------------------------------------------------------------------------------------------------------------


def test_discharge_as_expired_is_a_death_known_from_the_stay() -> None:  # scenario 14
    story = Story()
    draft = story.tell(adt("A01"), adt("A03", 1, encounter=stay(**DEAD)))
    assert types(draft) == ["encounter.discharged", "patient.deceased"]
    assert story.encounter.status == "expired"
    assert (story.patient.deceased_at, story.patient.deceased_source) == (after(1), story.encounter.encounter_id)


@pytest.mark.parametrize("undo", [adt("A13", 2), adt("A03", 2, encounter=stay(**HOME)), adt("A11", 2)])
def test_death_known_from_a_discharge_goes_with_it(undo: CanonicalEvent) -> None:
    story = Story()
    draft = story.tell(adt("A01"), adt("A03", 1, encounter=stay(**DEAD)), undo)
    assert story.patient.deceased_source is None
    assert "death-withdrawn" in kinds(draft)


def test_death_known_from_pid_stays_when_the_discharge_is_cancelled() -> None:
    story = Story()
    dead = msgspec.structs.replace(ANNA, deceased=True, deceased_at=after(1))
    draft = story.tell(adt("A01"), adt("A03", 1, encounter=stay(**DEAD), patient=dead))
    assert types(draft).count("patient.deceased") == 1
    story.hear(adt("A13", 2))
    assert (story.encounter.status, story.patient.deceased_source) == ("inpatient", "PID")


def test_historical_message_is_flagged_and_changes_state() -> None:
    story = Story()
    draft = story.hear(adt("A01", historical=True))
    assert story.encounter.status == "inpatient"
    assert all(event.flags == ["historical"] for event in draft.emitted)
    assert not draft.makes_tasks


def test_person_messages_never_touch_a_stay() -> None:
    story = Story()
    story.tell(adt("A28", patient=person("1", family="X")), adt("A31", 1, patient=person("1", family="Y")))
    assert (story.patient.family, story.home.encounters) == ("Y", {})


def test_start_restated_moves_with_the_admission() -> None:
    story = Story()
    story.tell(
        adt("A01", encounter=stay(**INPATIENT, admitted_at=after(0))),
        adt("A08", 1, encounter=stay(admitted_at=after(-2))),
    )
    assert (story.encounter.started_at, story.encounter.inpatient_at) == (after(-2), after(-2))
    assert story.encounter.started_at - after(0) == timedelta(hours=-2)


@pytest.mark.parametrize("trigger", ["A03", "A11"])
def test_message_without_a_number_told_twice_ends_one_stay(trigger: str) -> None:
    story = Story()
    story.tell(adt("A05", encounter=stay("V2", class_="inpatient")), adt("A01", 1))
    last = adt(trigger, 2, encounter=stay(None))
    story.tell(last, last)
    assert [one.status for one in story.home.encounters.values()].count("preadmitted") == 1
