from __future__ import annotations

import pytest

from mappings.codes import (
    EVENTS,
    appointment_event,
    appointment_status_of,
    class_of,
    disposition_of,
    encounter_event,
    planned_readmission,
    sex_of,
)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("I", "inpatient"),
        ("INPATIENT", "inpatient"),
        ("Inpatient", "inpatient"),
        ("O", "outpatient"),
        ("OUTPATIENT", "outpatient"),
        ("C", "outpatient"),
        ("E", "emergency"),
        ("OBS", "observation"),
        ("V", "observation"),
        ("P", "preadmit"),
        ("PREADMIT", "preadmit"),
        ("R", "recurring"),
        ("B", "obstetrics"),
        ("N", "unknown"),
        ("U", "unknown"),
        ("ff", None),
        ("1", None),
    ],
)
def test_class_of_table_and_local_values_gives_our_word(sent: str, expected: str | None) -> None:
    assert class_of(sent) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [("F", "F"), ("female", "F"), ("2", "F"), ("M", "M"), ("1", "M"), ("U", "U"), ("X", "O"), ("19600101", None)],
)
def test_sex_of_letters_words_and_numbers_gives_table_0001(sent: str, expected: str | None) -> None:
    assert sex_of(sent) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("01", "home"),
        ("1", "home"),
        ("81", "home"),
        ("06", "home-health"),
        ("02", "acute-transfer"),
        ("03", "snf"),
        ("61", "snf"),
        ("62", "rehab"),
        ("63", "ltach"),
        ("65", "psych"),
        ("50", "hospice"),
        ("07", "ama"),
        ("20", "expired"),
        ("41", "expired"),
        ("09", "still-patient"),
        ("30", "still-patient"),
        ("21", "other"),
        ("39", "other"),
        ("Home Health", "home-health"),
        ("GDD", None),
    ],
)
def test_disposition_of_ub04_codes_gives_category(sent: str, expected: str | None) -> None:
    assert disposition_of(sent) == expected


def test_planned_readmission_only_for_81_to_95() -> None:
    assert [code for code in ("01", "80", "81", "95", "96") if planned_readmission(code)] == ["81", "95"]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("Noshow", "noshow"),
        ("NO SHOW", "noshow"),
        ("No-Show", "noshow"),
        ("NO_SHOW", "noshow"),
        ("Booked", "booked"),
        ("Overbook", "booked"),
        ("Scheduled", "booked"),
        ("Confirmed", "booked"),
        ("Pending", "pending"),
        ("Waitlist", "waitlist"),
        ("Arrived", "arrived"),
        ("Checked-in", "checked-in"),
        ("CHECKED IN", "checked-in"),
        ("Started", "checked-in"),
        ("Complete", "fulfilled"),
        ("Completed", "fulfilled"),
        ("Cancelled", "cancelled"),
        ("CANCELED", "cancelled"),
        ("Dc", "cancelled"),
        ("Deleted", "entered-in-error"),
        ("Blocked", "blocked"),
        ("Left-without-being-seen", None),
        ("", None),
    ],
)
def test_appointment_status_of_spellings_gives_status(sent: str, expected: str | None) -> None:
    assert appointment_status_of(sent) == expected


@pytest.mark.parametrize(
    ("trigger", "status", "expected"),
    [
        ("SIU^S12", None, "appointment.booked"),
        ("SIU^S12", "pending", "appointment.booked"),
        ("SIU^S12", "fulfilled", "appointment.fulfilled"),
        ("SIU^S13", "booked", "appointment.rescheduled"),
        ("SIU^S14", "booked", "appointment.updated"),
        ("SIU^S14", "arrived", "appointment.arrived"),
        ("SIU^S14", "checked-in", "appointment.checked-in"),
        ("SIU^S14", "noshow", "appointment.no-showed"),
        ("SIU^S14", "cancelled", "appointment.cancelled"),
        ("SIU^S14", "entered-in-error", "appointment.deleted"),
        ("SIU^S15", "booked", "appointment.cancelled"),
        ("SIU^S15", "noshow", "appointment.no-showed"),
        ("SIU^S17", "cancelled", "appointment.deleted"),
        ("SIU^S26", "booked", "appointment.no-showed"),
    ],
)
def test_appointment_event_specific_status_wins_over_a_vague_trigger(
    trigger: str, status: str | None, expected: str
) -> None:
    assert appointment_event(trigger, status) == expected


@pytest.mark.parametrize(
    ("class_", "expected"),
    [
        ("inpatient", "encounter.admitted"),
        ("obstetrics", "encounter.admitted"),
        ("unknown", "encounter.admitted"),
        (None, "encounter.admitted"),
        ("emergency", "encounter.registered"),
        ("outpatient", "encounter.registered"),
        ("observation", "encounter.registered"),
        ("recurring", "encounter.registered"),
        ("preadmit", "encounter.preadmitted"),
    ],
)
def test_encounter_event_a01_says_what_its_class_says(class_: str | None, expected: str) -> None:
    assert encounter_event("ADT^A01", class_) == expected


def test_encounter_event_other_triggers_ignore_the_class() -> None:
    for trigger in EVENTS:
        if trigger.startswith("ADT") and trigger != "ADT^A01":
            assert encounter_event(trigger, "emergency") == EVENTS[trigger]
