"""Every event of the ADT catalogue (domain reference 2.2): a message of it gives the canonical event that the table says."""

from __future__ import annotations

import pytest

from mappings.codes import EVENTS
from mappings.events import Allergy, Location, Person
from mappings.identity import IDENTITY
from tests.mappings.hl7_messages import codes, event_of, message, read, segment, utc

EVN = "EVN||20261109142800-0500|20261110090000-0500||||GENHOSP"
PV1 = segment(
    "PV1",
    {
        2: "I",
        3: "4E^413^A",
        6: "ED^1",
        7: "D1^ONE",
        9: "C1^ASK",
        11: "XR",
        19: "V1",
        42: "5E^501",
        44: "20261109080000",
    },
)
VISITS = sorted(
    trigger
    for trigger, type_ in EVENTS.items()
    if type_.startswith("encounter.") and trigger != "ADT^A17" and trigger not in IDENTITY
)


@pytest.mark.parametrize("trigger", VISITS)
def test_visit_event_gives_its_type_with_the_facts_of_the_stay(trigger: str) -> None:
    event = event_of(message(trigger, EVN, PV1))
    assert event.type == EVENTS[trigger]
    assert event.encounter is not None
    assert event.encounter.visit_number == "V1"
    assert event.encounter.location == Location(point_of_care="4E", room="413", bed="A")
    assert event.encounter.pending_location == Location(point_of_care="5E", room="501")
    assert event.encounter.temporary_location == Location(point_of_care="XR")
    assert event.encounter.consulting == Person(id="C1", family="ASK")


def test_a15_says_when_it_is_planned() -> None:
    event = event_of(message("ADT^A15", EVN, PV1))
    assert event.encounter is not None and event.encounter.planned_at == utc(2026, 11, 10, 14, 0)
    assert event.occurred_at == event.recorded_at


@pytest.mark.parametrize(("trigger", "field"), [("ADT^A14", "expected_admit_at"), ("ADT^A16", "expected_discharge_at")])
def test_planned_time_of_evn_3_stands_in_where_pv2_has_none(trigger: str, field: str) -> None:
    encounter = event_of(message(trigger, EVN, PV1)).encounter
    assert getattr(encounter, field) == utc(2026, 11, 10, 14, 0)
    later = event_of(message(trigger, EVN, PV1, segment("PV2", {8: "20261112", 9: "20261112"}))).encounter
    assert getattr(later, field) == utc(2026, 11, 12, 5, 0)


def test_a21_says_when_the_patient_is_expected_back() -> None:
    event = event_of(message("ADT^A21", EVN, PV1, segment("PV2", {47: "20261112"})))
    assert event.encounter is not None and event.encounter.expected_return_at == utc(2026, 11, 12, 5, 0)


def test_attending_of_a_role_after_the_visit_is_read_where_pv1_has_none() -> None:
    pv1 = segment("PV1", {2: "I", 19: "V1"})
    event = event_of(message("ADT^A54", EVN, "ROL|1|UP|AT|X9^PERSONAL", pv1, "ROL|2|UP|AT|D2^TWO"))
    assert event.encounter is not None and event.encounter.attending == Person(id="D2", family="TWO")


# -- A17: two patients ---------------------------------------------------------------------------------------------

OTHER = "PID|1||900124^^^HOSP^MR||OTHER^OLGA"


def test_a17_moves_each_of_the_two_patients_to_his_new_bed() -> None:
    item = read(message("ADT^A17", EVN, PV1, OTHER, segment("PV1", {2: "I", 3: "4E^414^B", 19: "V2"})))
    assert [
        (event.patient.key.value, event.encounter.visit_number, event.encounter.location.room)  # type: ignore[union-attr]
        for event in item.events
    ] == [("900123", "V1", "413"), ("900124", "V2", "414")]
    assert {event.type for event in item.events} == {"encounter.transferred"}
    assert item.events[0].recorded_at == item.events[1].recorded_at == utc(2026, 11, 9, 19, 28)


def test_a17_with_one_patient_who_cannot_be_told_is_parked_as_a_whole() -> None:
    item = read(message("ADT^A17", EVN, PV1, "PID|1||||NOBODY", PV1))
    assert (item.outcome, item.reason) == ("parked", "no-patient-id")


def test_a17_that_names_one_patient_is_read_and_noted() -> None:
    item = read(message("ADT^A17", EVN, PV1))
    assert len(item.events) == 1 and "100 MSH^1^9" in codes(item)


# -- A20, A29, A60 -------------------------------------------------------------------------------------------------


def test_a20_is_about_a_bed_and_no_patient() -> None:
    event = event_of(message("ADT^A20", EVN, "NPU|4E^413^A^WEST|H", pid=""))
    assert (event.type, event.patient, event.facility) == ("location.bed-status", None, "west")
    assert event.place is not None and event.place.status == "H"


@pytest.mark.parametrize("npu", ["NPU||H", "NPU|4E", "ZZZ|1"])
def test_a20_without_bed_or_status_is_parked(npu: str) -> None:
    item = read(message("ADT^A20", EVN, npu, pid=""))
    assert (item.outcome, item.reason) == ("parked", "no-location")


def test_a29_is_about_the_person_only() -> None:
    event = event_of(message("ADT^A29", EVN, "PV1||N"))
    assert (event.type, event.encounter) == ("patient.deactivated", None)


def test_a60_reads_actions_and_leaves_out_what_is_unchanged() -> None:
    rows = ("IAM|1|DA|1191^ASPIRIN|SV||A|ALG1", "IAM|2||LATEX^LATEX|||D", "IAM|3||NUTS|||X", "IAM|4|||||A")
    item = read(message("ADT^A60", EVN, *rows))
    (event,) = item.events
    assert event.encounter is None and event.patient is not None
    assert event.patient.allergies == (
        Allergy(id="ALG1", code="1191", text="ASPIRIN", type="DA", severity="SV"),
        Allergy(id="LATEX", code="LATEX", text="LATEX", removed=True),
    )
    assert not event.patient.allergies_complete
    assert "101 IAM^4^3" in codes(item)


def test_al1_rows_are_the_whole_set_and_the_null_withdraws_it() -> None:
    patient = event_of(message("ADT^A08", EVN, PV1, "AL1|1|DA|1191^ASPIRIN|SV")).patient
    assert patient is not None and patient.allergies_complete and patient.allergies is not None
    empty = event_of(message("ADT^A08", EVN, PV1, 'AL1|1||""')).patient
    assert empty is not None and (empty.allergies, empty.allergies_complete) == ((), True)
    silent = event_of(message("ADT^A08", EVN, PV1)).patient
    assert silent is not None and silent.allergies is None


@pytest.mark.parametrize("trigger", ["ADT^A19", "QRY^A19", "ADT^A56", "ADT^A59", "SIU^S25"])
def test_event_that_is_none_of_ours_is_filtered_by_its_name(trigger: str) -> None:
    item = read(message(trigger, EVN, PV1))
    assert (item.outcome, item.reason) == ("filtered", f"no-mapping:{trigger}")
