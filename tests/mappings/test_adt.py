from __future__ import annotations

import msgspec
import pytest

from mappings.events import DELETE, Diagnosis, Location, Person
from tests.mappings.hl7_messages import PROFILE, codes, event_of, message, read, segment, utc

EVN = "EVN||20261109142800-0500|||||GENHOSP"


def pv1(**fields: str) -> str:
    """PV1 with f<number>=value."""
    return segment("PV1", {int(name[1:]): sent for name, sent in fields.items()})


@pytest.mark.parametrize(
    ("trigger", "class_", "expected"),
    [
        ("ADT^A01", "I", "encounter.admitted"),
        ("ADT^A01", "E", "encounter.registered"),
        ("ADT^A02", "I", "encounter.transferred"),
        ("ADT^A03", "I", "encounter.discharged"),
        ("ADT^A04", "O", "encounter.registered"),
        ("ADT^A05", "P", "encounter.preadmitted"),
        ("ADT^A06", "I", "encounter.class-changed"),
        ("ADT^A07", "O", "encounter.class-changed"),
        ("ADT^A08", "I", "encounter.updated"),
        ("ADT^A11", "I", "encounter.admit-cancelled"),
        ("ADT^A12", "I", "encounter.transfer-cancelled"),
        ("ADT^A13", "I", "encounter.discharge-cancelled"),
        ("adt^a01", "I", "encounter.admitted"),
    ],
)
def test_encounter_trigger_gives_its_event(trigger: str, class_: str, expected: str) -> None:
    event = event_of(message(trigger, EVN, pv1(f2=class_, f19="V1")))
    assert event.type == expected
    assert event.trigger == trigger.upper()
    assert event.encounter is not None and event.encounter.visit_number == "V1"


@pytest.mark.parametrize(("trigger", "expected"), [("ADT^A28", "patient.created"), ("ADT^A31", "patient.updated")])
def test_person_trigger_with_dummy_pv1_has_no_encounter(trigger: str, expected: str) -> None:
    event = event_of(message(trigger, EVN, "PV1||N"))
    assert (event.type, event.encounter) == (expected, None)


def test_a08_without_pv1_updates_the_patient_only() -> None:
    event = event_of(message("ADT^A08", EVN))
    assert (event.type, event.encounter) == ("patient.updated", None)


def test_a03_without_pv1_keeps_the_event_and_notes_the_gap() -> None:
    item = read(message("ADT^A03", EVN))
    (event,) = item.events
    assert event.encounter is not None and event.encounter.key is None
    assert "100 PV1" in codes(item)


# -- times ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trigger", "evn", "visit", "expected"),
    [
        ("ADT^A01", "EVN||20261109142800-0500", {44: "20261109120000-0500"}, utc(2026, 11, 9, 17)),
        (
            "ADT^A01",
            "EVN||20261109142800-0500||||20261109110000-0500",
            {44: "20261109120000-0500"},
            utc(2026, 11, 9, 16),
        ),
        ("ADT^A04", "EVN||20261109142800-0500", {44: "202611091200"}, utc(2026, 11, 9, 17)),
        ("ADT^A03", "EVN||20261109142800-0500", {45: "20261109130000-0500"}, utc(2026, 11, 9, 18)),
        ("ADT^A03", "EVN||20261109142800-0500", {45: "202611080000~20261109130000"}, utc(2026, 11, 9, 18)),
        ("ADT^A03", "EVN||20261109142800-0500", {}, utc(2026, 11, 9, 19, 28)),
        ("ADT^A06", "EVN||20261109142800-0500", {44: "20261101"}, utc(2026, 11, 9, 19, 28)),
        ("ADT^A02", "EVN||20261109142800-0500", {44: "20261101"}, utc(2026, 11, 9, 19, 28)),
    ],
)
def test_occurred_at_follows_the_time_model(trigger: str, evn: str, visit: dict[int, str], expected: object) -> None:
    event = event_of(message(trigger, evn, segment("PV1", {2: "I", **visit})))
    assert event.occurred_at == expected
    assert event.recorded_at == utc(2026, 11, 9, 19, 28)


def test_occurred_at_of_a05_is_the_expected_admission() -> None:
    event = event_of(message("ADT^A05", EVN, "PV1||P", segment("PV2", {8: "20261201080000-0500"})))
    assert event.occurred_at == utc(2026, 12, 1, 13)
    assert not event.problems


@pytest.mark.parametrize(
    ("evn", "msh7", "expected"),
    [
        ("EVN", "20261109143000-0500", utc(2026, 11, 9, 19, 30)),
        ("EVN", "", utc(2026, 11, 10, 12)),
        ("EVN||19966565", "20261109143000", utc(2026, 11, 9, 19, 30)),
        ("EVN||2026", "2026-11-09T14:30:00-05:00", utc(2026, 11, 9, 19, 30)),
    ],
)
def test_recorded_at_falls_back_to_msh7_then_receipt(evn: str, msh7: str, expected: object) -> None:
    assert event_of(message("ADT^A08", evn, msh7=msh7)).recorded_at == expected


def test_discharge_by_date_keeps_its_precision() -> None:
    event = event_of(message("ADT^A03", EVN, pv1(f2="I", f45="20261109")))
    assert event.encounter is not None
    assert (event.encounter.discharged_at, event.encounter.discharged_precision) == (utc(2026, 11, 9, 5), "day")
    assert event.occurred_at == utc(2026, 11, 9, 5)


def test_local_times_are_in_the_zone_of_the_facility() -> None:
    event = event_of(message("ADT^A01", "EVN||20261109142800", pv1(f2="I", f3="4W^1^A^WEST"), msh7="20261109143000"))
    assert event.facility == "west"
    assert event.recorded_at == utc(2026, 11, 9, 22, 28)


def test_offset_of_msh7_that_is_not_the_zones_rules_the_message() -> None:
    event = event_of(message("ADT^A08", "EVN||20261109142800", msh7="20261109143000-0800"))
    assert event.recorded_at == utc(2026, 11, 9, 22, 28)
    assert "offset-mismatch MSH^1^7" in codes(event)


def test_offset_of_msh7_in_winter_does_not_bend_a_summer_time() -> None:
    event = event_of(message("ADT^A08", EVN, pv1(f2="I", f44="20260705090000")))
    assert event.encounter is not None
    assert event.encounter.admitted_at == utc(2026, 7, 5, 13)
    assert not event.problems


@pytest.mark.parametrize(
    ("sent", "expected", "problem"),
    [
        ("20261101013000", utc(2026, 11, 1, 5, 30), "ambiguous-time PV1^1^44"),
        ("20260308023000", utc(2026, 3, 8, 7, 30), "nonexistent-time PV1^1^44"),
        ("18996565", None, "102 PV1^1^44"),
        ("201305471305", None, "102 PV1^1^44"),
        ("2026", None, "102 PV1^1^44"),
    ],
)
def test_odd_local_times_are_read_and_noted(sent: str, expected: object, problem: str) -> None:
    event = event_of(message("ADT^A08", EVN, pv1(f2="I", f44=sent)))
    assert event.encounter is not None
    assert event.encounter.admitted_at == expected
    assert problem in codes(event)


def test_event_far_after_receipt_is_noted() -> None:
    event = event_of(message("ADT^A01", EVN, pv1(f2="I", f44="20261120")))
    assert "future-event MSH^1^7" in codes(event)


# -- place ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "evn7", "msh4", "expected", "noted"),
    [
        ("4W^1^A^WEST", "GENHOSP", "GENHOSP", "west", False),
        ("4W^1^A", "WEST", "GENHOSP", "west", False),
        ("", "", "WEST", "west", False),
        ("4W^1^A^NOWHERE", "WEST", "", "west", False),
        ("", "", "NOWHERE", "main", True),
        ("", "", "", "main", False),
    ],
)
def test_facility_is_the_first_known_alias(point: str, evn7: str, msh4: str, expected: str, noted: bool) -> None:
    evn = segment("EVN", {2: "20261109142800", 7: evn7})
    event = event_of(message("ADT^A01", evn, pv1(f2="I", f3=point), facility=msh4))
    assert event.facility == expected
    assert ("103 MSH^1^4" in codes(event)) is noted


# -- patient -------------------------------------------------------------------------------------------------------


def test_patient_facts_are_read_from_pid_and_pd1() -> None:
    pid = segment(
        "PID",
        {
            3: "900123^^^HOSP^MR~123^^^USSSA^SS",
            5: "O&#39;TEST&&&&X^ANNA^Q",
            7: "194802",
            8: "Female",
            11: "1 MAIN ST^APT 2^TOWN^OH^43001",
            13: "^NET^Internet^a@example.org~^PRN^PH^^1^614^5550100",
            15: "ENG",
            18: "ACC777^^^HOSP",
            29: "20261109120000-0500",
            30: "Y",
        },
    )
    pd1 = segment("PD1", {4: "1234567893^PRIMARY^PAULA", 12: "Y"})
    patient = event_of(message("ADT^A31", EVN, pd1, pid=pid)).patient
    assert patient is not None and patient.key is not None
    assert patient.key.value == "900123"
    assert [one.type for one in patient.identifiers] == ["MR", "SS"]
    assert (patient.family, patient.given, patient.birth_date, patient.sex) == ("O", "ANNA", "1948-02", "F")
    assert (patient.address, patient.phone) == ("1 MAIN ST, APT 2, TOWN, OH, 43001", "1 614 5550100")
    assert (patient.language, patient.account_number) == ("ENG", "ACC777")
    assert (patient.deceased, patient.deceased_at, patient.restricted) == (True, utc(2026, 11, 9, 17), True)
    assert patient.pcp == Person(id="1234567893", family="PRIMARY", given="PAULA")


def test_patient_nulls_withdraw_and_empty_fields_say_nothing() -> None:
    fields = {3: "900123^^^HOSP^MR", 5: '""', 7: '""', 8: '""', 11: '""', 13: '""', 15: '""', 18: '""', 30: '""'}
    gone = event_of(message("ADT^A31", EVN, 'PD1||||""', pid=segment("PID", fields))).patient
    silent = event_of(message("ADT^A31", EVN, "PD1|", pid="PID|||900123^^^HOSP^MR")).patient
    assert gone is not None and silent is not None
    names = ("family", "given", "birth_date", "sex", "address", "phone", "language", "account_number")
    assert [getattr(gone, name) for name in names] == [DELETE] * len(names)
    assert (gone.deceased, gone.pcp) == (False, Person(id=DELETE))
    assert [getattr(silent, name) for name in names] == [None] * len(names)
    assert (silent.deceased, silent.pcp) == (None, None)


def test_pcp_comes_from_a_role_when_pd1_has_none() -> None:
    role = segment("ROL", {2: "AD", 3: "PP", 4: "77^FAMILY^FRED"})
    gone = segment("ROL", {2: "DE", 3: "PP", 4: "66^OLD^OLGA"})
    patient = event_of(message("ADT^A31", EVN, gone, role)).patient
    assert patient is not None and patient.pcp == Person(id="77", family="FAMILY", given="FRED")


@pytest.mark.parametrize(("field", "sent"), [(7, "18996565"), (8, "19600101")])
def test_unreadable_demographics_are_noted_without_their_value(field: int, sent: str) -> None:
    event = event_of(message("ADT^A31", EVN, pid=segment("PID", {3: "1^^^HOSP^MR", field: sent})))
    assert any(one.location == f"PID^1^{field}" for one in event.problems)
    assert sent not in "".join(one.text for one in event.problems)


@pytest.mark.parametrize("pid", ["", "PID|1", "PID|1||^^^HOSP^MR", "PID|1||123^^^USSSA^SS"])
def test_message_that_names_no_patient_is_parked(pid: str) -> None:
    item = read(message("ADT^A01", EVN, "PV1||I", pid=pid))
    assert (item.outcome, item.reason, item.events) == ("parked", "no-patient-id", ())
    assert item.problems[0].location in ("PID", "PID^1^3")


def test_text_is_decoded_by_msh18_and_nul_never_gets_through() -> None:
    body = message("ADT^A31", EVN, pid="PID|||1^^^HOSP^MR||M\\XC4\\D\\X00\\CHEN", character_set="8859/1")
    patient = event_of(body).patient
    assert patient is not None and patient.family == "MÄDCHEN"


# -- encounter -----------------------------------------------------------------------------------------------------


def test_encounter_facts_are_read_from_pv1_and_pv2() -> None:
    visit = pv1(
        f2="I", f3="4W^410^A^GENHOSP", f4="E", f6="ED^3", f7="A1^ATTEND^ALAN", f10="MED", f13="R", f14="7", f16="VIP",
        f19="V1^^^HOSP^VN", f20="SP", f36="86", f37="HHA^20261109", f44="202611050915", f45="20261109141000",
    )  # fmt: skip
    pv2 = segment("PV2", {8: "20261104", 9: "20261112", 27: "06", 36: "N"})
    found = event_of(message("ADT^A03", EVN, visit, pv2)).encounter
    assert found is not None
    assert (found.patient_class, found.class_) == ("I", "inpatient")
    assert found.location == Location(point_of_care="4W", room="410", bed="A", facility="GENHOSP")
    assert found.prior_location == Location(point_of_care="ED", room="3")
    assert found.attending == Person(id="A1", family="ATTEND", given="ALAN")
    assert (found.admission_type, found.admit_source, found.hospital_service) == ("E", "7", "MED")
    assert (found.readmission, found.financial_class, found.self_pay) == (True, "SP", True)
    assert (found.disposition, found.disposition_category, found.planned_readmission) == ("86", "home-health", True)
    assert (found.destination, found.expected_disposition) == ("HHA", "06")
    assert (found.admitted_at, found.discharged_precision) == (utc(2026, 11, 5, 14, 15), "second")
    assert (found.expected_admit_at, found.expected_discharge_at) == (utc(2026, 11, 4, 5), utc(2026, 11, 12, 5))
    assert (found.newborn, found.restricted, found.clear_discharge) == (False, True, False)


def test_encounter_nulls_withdraw_discharge_and_disposition() -> None:
    found = event_of(message("ADT^A08", EVN, pv1(f2="I", f36='""', f45='""'))).encounter
    assert found is not None
    assert (found.clear_discharge, found.discharged_at) == (True, None)
    assert (found.disposition, found.disposition_category) == (DELETE, DELETE)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({2: "O", 18: "OBS"}, "observation"),
        ({2: "E", 10: "OBV"}, "observation"),
        ({2: "", 3: "OBSU^1"}, "observation"),
        ({2: "O", 18: "X"}, "outpatient"),
        ({2: "I", 18: "OBS"}, "inpatient"),
    ],
)
def test_observation_predicates_mark_all_but_inpatients(fields: dict[int, str], expected: str) -> None:
    rules = (("PV1-18", "OBS"), ("PV1-10", "OBV"), ("PV1-3.1", "OBSU"))
    profile = msgspec.structs.replace(PROFILE, observation_when=rules)
    found = event_of(message("ADT^A04", EVN, segment("PV1", fields)), profile).encounter
    assert found is not None and found.class_ == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [("F10.20", True), ("F1020", True), ("f10.20", True), ("B20", True), ("J18.9", None), ("F1", None)],
)
def test_diagnosis_of_a_protected_group_makes_the_stay_restricted(code: str, expected: bool | None) -> None:
    profile = msgspec.structs.replace(PROFILE, restricted_codes=("F10", "B20"))
    body = message("ADT^A01", EVN, segment("PV1", {2: "I"}), segment("DG1", {1: "1", 3: f"{code}^x^I10"}))
    found, plain = event_of(body, profile).encounter, event_of(body).encounter
    assert found is not None and found.restricted is expected
    assert plain is not None and plain.restricted is None


@pytest.mark.parametrize(("field", "sent"), [(2, "ff"), (36, "GDD")])
def test_unknown_codes_are_kept_and_noted(field: int, sent: str) -> None:
    event = event_of(message("ADT^A03", EVN, segment("PV1", {field: sent})))
    assert event.encounter is not None
    assert sent in (event.encounter.patient_class, event.encounter.disposition)
    assert (event.encounter.class_, event.encounter.disposition_category) in (("unknown", None), (None, "other"))
    assert f"103 PV1^1^{field}" in codes(event)


def test_diagnoses_are_a_set_without_deleted_rows() -> None:
    rows = (
        segment("DG1", {3: "I50.23^Heart failure^I10", 6: "F", 15: "1"}),
        segment("DG1", {2: "I9", 3: "428.0", 4: "CHF", 6: "A"}),
        segment("DG1", {3: "J44.9", 21: "D"}),
        segment("DG1", {6: "W"}),
    )
    found = event_of(message("ADT^A08", EVN, "PV1||I", *rows)).encounter
    assert found is not None
    assert found.diagnoses == (
        Diagnosis(code="I50.23", system="I10", text="Heart failure", type="F", priority=1),
        Diagnosis(code="428.0", system="I9", text="CHF", type="A"),
    )


@pytest.mark.parametrize(("rows", "expected"), [((), None), (('DG1|1||""',), ())])
def test_diagnoses_absent_is_no_information_and_null_is_withdrawn(rows: tuple[str, ...], expected: object) -> None:
    found = event_of(message("ADT^A08", EVN, "PV1||I", *rows)).encounter
    assert found is not None and found.diagnoses == expected


# -- insurance -----------------------------------------------------------------------------------------------------


def test_coverages_are_read_with_their_in2_and_in3() -> None:
    first = segment(
        "IN1",
        {1: "1", 2: "PLAN9", 3: "PAYER5", 4: "ACME", 8: "GRP", 12: "20260101", 13: "20261231", 14: "AUTH1^20261101",
         15: "HMO", 17: "SEL", 22: "2", 29: "20261108101500-0500", 36: "POL1", 49: "MBR1"},
    )  # fmt: skip
    second = segment("IN1", {1: "2", 3: "PAYER8", 4: "OTHER", 28: "CERT2"})
    rows = (first, second, segment("IN2", {61: "MBR2"}), segment("IN3", {2: "N3", 9: "20261105", 10: "20261110"}))
    found = event_of(message("ADT^A01", EVN, "PV1||I", *rows)).coverages
    assert found is not None
    one, two = found
    assert (one.payer_id, one.payer_name, one.plan_id, one.group_number) == ("PAYER5", "ACME", "PLAN9", "GRP")
    assert (one.member_id, one.priority, one.plan_type, one.relationship) == ("MBR1", 2, "HMO", "SEL")
    assert (one.effective_on, one.expires_on) == ("2026-01-01", "2026-12-31")
    assert (one.verified_at, one.authorization_number) == (utc(2026, 11, 8, 15, 15), "AUTH1")
    assert (two.member_id, two.priority, two.authorization_number) == ("MBR2", 2, "CERT2")
    assert (two.authorization_begins_on, two.authorization_ends_on) == ("2026-11-05", "2026-11-10")


@pytest.mark.parametrize(("rows", "expected"), [((), None), (('IN1|1|""',), ()), (("IN1|1",), ())])
def test_coverages_absent_is_no_information_and_null_is_withdrawn(rows: tuple[str, ...], expected: object) -> None:
    assert event_of(message("ADT^A08", EVN, "PV1||I", *rows)).coverages == expected


# -- merges --------------------------------------------------------------------------------------------------------


def test_a40_gives_one_event_per_group_with_all_prior_records() -> None:
    rows = (
        "PD1||||7^PRIMARY",
        "MRG|800456^^^HOSP^MR~800457^^^HOSP^MR||||||TESTER^ANN",
        "PID|2||900200^^^HOSP^MR",
        "MRG|800500",
    )
    item = read(message("ADT^A40", EVN, *rows))
    first, second = item.events
    assert [event.type for event in item.events] == ["patient.merged", "patient.merged"]
    assert first.patient is not None and first.patient.key is not None and first.patient.key.value == "900123"
    assert [prior.key.value for prior in first.prior if prior.key] == ["800456", "800457"]
    assert first.prior[0].given == "ANN"
    assert [prior.key.authority for prior in second.prior if prior.key] == ["HOSP"]
    assert first.encounter is None


def test_a40_aliases_of_the_prior_record_come_with_it() -> None:
    (prior,) = event_of(message("ADT^A40", EVN, "MRG|800456^^^HOSP^MR~77^^^EMPI^PI")).prior
    assert [one.value for one in prior.identifiers] == ["800456", "77"]


def test_a40_without_a_pid_is_parked() -> None:
    item = read(message("ADT^A40", EVN, "MRG|1^^^HOSP^MR", pid=""))
    assert (item.outcome, item.reason, codes(item)) == ("parked", "no-patient-id", {"100 PID"})


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        ((), "100 PID^1^0"),
        (("MRG|",), "101 MRG^1^1"),
        (("MRG|900123^^^HOSP^MR",), "101 MRG^1^1"),
        (("MRG|1^^^USSSA^SS",), "101 MRG^1^1"),
    ],
)
def test_a40_without_another_record_is_parked(rows: tuple[str, ...], place: str) -> None:
    item = read(message("ADT^A40", EVN, *rows))
    assert (item.outcome, item.reason) == ("parked", "no-prior-id")
    assert place in codes(item)


def test_a06_names_the_account_of_before_and_merges_nobody() -> None:
    mrg = "MRG|77^^^GENHOSP^MR||OLDACC^^^GENHOSP^AN"
    event = event_of(message("ADT^A06", EVN, mrg, pv1(f2="I", f19="V2")))
    assert event.type == "encounter.class-changed"
    assert [prior.account_number for prior in event.prior] == ["OLDACC"] and event.prior[0].key is None
