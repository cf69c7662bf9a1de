"""What real feeds do (chapter 2 says otherwise): each oddity is survived, read as meant where that is plain, and noted.

Bodies here are our own.  The corpus of real messages has a test beside them where it shows the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.inspect import inspect_bytes
from mappings.profile import Facility, FeedProfile

FEED = FeedProfile(channel="adt", default_authority="HOSP", facilities=(Facility(id="main", aliases=("FAC",)),))
CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "hl7"

MSH = "MSH|^~\\&|APP|FAC|C|D|20261109143000||{}|M1|P|2.5"
EVN = "EVN||20261109142800"
PID = "PID|1||900123^^^HOSP^MR||TESTER^ANNA||19480217|F"
PV1 = "PV1|1|I|4W^410^A||||||||||||||||V1"
SCH = "SCH|P1|F1|||||||||^^30^20261201090000^20261201093000||||||||||||||BOOKED"


def lines(*segments: str, end: str = "\r") -> bytes:
    return (end.join(segments) + end).encode()


def admit(*more: str, msh: str = MSH.format("ADT^A01"), end: str = "\r") -> bytes:
    return lines(msh, EVN, PID, PV1, *more, end=end)


def book(sch: str = SCH, *more: str, event: str = "S12") -> bytes:
    return lines(MSH.format(f"SIU^{event}"), sch, PID, *more)


def inspect(body: bytes) -> dict[str, Any]:
    (found,) = inspect_bytes("-", body, FEED)
    return found


def codes(found: dict[str, Any]) -> set[str]:
    return {problem["code"] for problem in found["problems"]}


def assert_admitted(found: dict[str, Any]) -> None:
    assert found["outcome"] == "processed", found
    assert found["events"][0]["type"] == "encounter.admitted"
    assert found["events"][0]["patient"]["key"] == {"value": "900123", "authority": "HOSP", "type": "MR"}
    assert "\rMSA|AA|M1" in found["acknowledgement"]


# 1 to 4: bytes before, between and around the segments; separators


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b"\r\n", b"  ", b"\x0b"])
def test_byte_order_mark_or_blanks_before_the_header(start: bytes) -> None:
    assert_admitted(inspect(start + admit()))


def test_byte_order_mark_before_a_file_header() -> None:
    found = list(inspect_bytes("-", b"\xef\xbb\xbfFHS|^~\\&|A\rBHS|^~\\&|A\r" + admit() + b"BTS|1\rFTS|1\r", FEED))
    assert len(found) == 1
    assert_admitted(found[0])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r", "\n\n", "\r\n\r\n"])
def test_line_feeds_and_doubled_ends(end: str) -> None:
    assert_admitted(inspect(admit(end=end)))


def test_mixed_ends_in_one_message() -> None:
    assert_admitted(inspect(f"{MSH.format('ADT^A01')}\r{EVN}\r\n{PID}\n{PV1}\r".encode()))


@pytest.mark.parametrize("characters", ["^~\\\\&", "^~\\&#", "^~\\", "^", ""])
def test_encoding_characters_doubled_five_short_or_empty(characters: str) -> None:
    found = inspect(admit(msh=MSH.format("ADT^A01").replace("^~\\&", characters, 1)))
    assert_admitted(found)


def test_other_separators_altogether() -> None:
    body = admit().replace(b"&", b"!").replace(b"|", b"*").replace(b"^", b"|").replace(b"*", b"^")
    found = inspect(body)
    assert found["outcome"] == "processed"
    assert found["events"][0]["patient"]["key"]["authority"] == "HOSP"
    assert "MSA^AA^M1" in found["acknowledgement"]


@pytest.mark.parametrize("junk", [b"\x00" * 500, b"MSH", b"MSH\x00\x00\x00|||", b"MSHA^~\\&AAA", b"\xff\xfe" * 99])
def test_nuls_and_bytes_that_are_no_message_are_refused_fast(junk: bytes) -> None:
    found = inspect(junk)
    assert found["outcome"] == "rejected"
    assert found["problems"]


# 5: message types


def test_message_type_missing_is_rejected_with_its_place() -> None:
    found = inspect(admit(msh=MSH.format("")))
    assert (found["outcome"], found["reason"]) == ("rejected", "no-message-type")
    assert "\rMSA|AR|M1\rERR||MSH^1^9|101" in found["acknowledgement"]


def test_event_missing_in_the_header_is_taken_from_evn() -> None:
    assert_admitted(inspect(lines(MSH.format("ADT"), "EVN|A01|20261109", PID, PV1)))


@pytest.mark.parametrize("sent", ["adt^a01", "ADT^A01\u200b", " ADT^A01 ", "ADT^A01^", "ADT^A01^ADT_A01^x"])
def test_event_in_lower_case_or_with_invisible_characters(sent: str) -> None:
    assert_admitted(inspect(admit(msh=MSH.format(sent))))


@pytest.mark.parametrize("sent", ["ADT^O01", "ADT^A0X", "ADT^A99", "XYZ^Z99"])
def test_event_that_does_not_exist_is_accepted_and_filtered(sent: str) -> None:
    found = inspect(admit(msh=MSH.format(sent)))
    assert (found["outcome"], found["reason"]) == ("filtered", f"no-mapping:{sent}")
    assert "\rMSA|AA|M1" in found["acknowledgement"]


# 6, 7: segments and appointments


def test_segment_ids_in_lower_case() -> None:
    body = lines(MSH.format("ADT^A01"), EVN.replace("EVN", "evn"), PID.replace("PID", "pid"), PV1.replace("PV1", "Pv1"))
    assert_admitted(inspect(body))


def test_segments_out_of_order() -> None:
    assert_admitted(inspect(lines(MSH.format("ADT^A01"), PV1, "ZXX|1", PID, EVN)))
    found = inspect(lines(MSH.format("SIU^S12"), PID, PV1, SCH))
    assert found["events"][0]["type"] == "appointment.booked"


def test_scheduling_message_without_sch_is_parked_with_the_reason() -> None:
    found = inspect(lines(MSH.format("SIU^S12"), PID))
    assert found["outcome"] == "parked"
    assert "\rMSA|AA|M1" in found["acknowledgement"]


@pytest.mark.parametrize(
    ("sch", "more"),
    [
        ("SCH|P1|F1|||||||||^^30^20261201090000^20261201093000", ()),
        ("SCH|P1|F1|||||||||20261201090000", ()),
        ("SCH|P1|F1", ("TQ1|1||||||20261201090000",)),
        ("SCH|P1|F1", ("RGS|1", "AIS|1|A|CHECK|20261201090000")),
        ("SCH|P1|F1", ("RGS|1", "AIG|1|A|ROOM|||||20261201090000")),
    ],
)
def test_start_of_an_appointment_wherever_it_stands(sch: str, more: tuple[str, ...]) -> None:
    found = inspect(book(sch, *more))
    assert found["appointment"]["start"] == "2026-12-01T14:00:00Z"


@pytest.mark.parametrize(
    "sch", ["SCH|P1|F1||||NO SHOW", SCH.replace("BOOKED", "NO SHOW"), SCH.replace("BOOKED", "NOSHOW")]
)
def test_no_show_in_the_reason_or_the_status(sch: str) -> None:
    assert inspect(book(sch, event="S14"))["events"][0]["type"] == "appointment.no-showed"


def test_filler_id_as_a_repetition() -> None:
    found = inspect(book(SCH.replace("|F1|", "|~F1^HOSP|")))
    assert found["events"][0]["appointment"]["filler_id"] == "F1"


# 8 to 11: ids, times, codes, nulls


def test_control_id_that_is_empty_is_accepted_with_a_note() -> None:
    found = inspect(admit(msh=MSH.format("ADT^A01").replace("|M1|", "||")))
    assert found["outcome"] == "processed"
    assert found["acknowledgement"].split("\r")[1] == "MSA|AA|"


@pytest.mark.parametrize("control_id", ["2026.11.09.1", "GENERAL HOSPITAL/77", "a^b", "x" * 199])
def test_control_id_of_any_form_comes_back_as_sent(control_id: str) -> None:
    found = inspect(admit(msh=MSH.format("ADT^A01").replace("|M1|", f"|{control_id}|")))
    assert found["acknowledgement"].split("\r")[1] == f"MSA|AA|{control_id}"


@pytest.mark.parametrize("sent", ["18996565", "201305471305", "20000101+^D", "99999999", "0", "20261301"])
def test_impossible_date_is_noted_and_kept_as_sent(sent: str) -> None:
    found = inspect(lines(MSH.format("ADT^A01"), EVN, PID.replace("19480217", sent), PV1))
    assert found["outcome"] == "processed"
    if sent != "20000101+^D":
        assert "102" in codes(found)
        assert found["patient"]["birth_date"] == sent


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2026-11-09T14:30:00", "2026-11-09T19:30:00Z"),
        ("2026-11-09T14:30:00Z", "2026-11-09T14:30:00Z"),
        ("20261109143000.1234-0500", "2026-11-09T19:30:00.123400Z"),
        ("202611091430", "2026-11-09T19:30:00Z"),
    ],
)
def test_time_of_the_message_in_iso_form_with_fractions_and_zone(sent: str, read: str) -> None:
    found = inspect(admit(msh=MSH.format("ADT^A01").replace("20261109143000", sent)))
    assert found["message"]["sent_at"] == read


@pytest.mark.parametrize(("sent", "read"), [("INPATIENT", "inpatient"), ("ff", "unknown"), ("1", "unknown")])
def test_patient_class_outside_the_table(sent: str, read: str) -> None:
    found = inspect(lines(MSH.format("ADT^A01"), EVN, PID, PV1.replace("|I|", f"|{sent}|")))
    assert found["outcome"] == "processed"
    assert found["events"][0]["encounter"]["class"] == read
    assert found["encounter"]["patient_class"] == sent
    assert ("103" in codes(found)) == (read == "unknown")


@pytest.mark.parametrize(("sent", "read"), [("Female", "F"), ("2", "F"), ("m", "M")])
def test_sex_in_words_and_numbers(sent: str, read: str) -> None:
    found = inspect(lines(MSH.format("ADT^A01"), EVN, PID[:-1] + sent, PV1))
    assert found["events"][0]["patient"]["sex"] == read


def test_free_text_in_the_visit_number_is_no_identifier() -> None:
    found = inspect(lines(MSH.format("ADT^A01"), EVN, PID, PV1.replace("|V1", "|" + "slipped " * 60)))
    assert found["outcome"] == "processed"
    assert "key" not in found["events"][0]["encounter"]
    assert "102" in codes(found)


def test_null_deletes_and_empty_says_nothing() -> None:
    pid = 'PID|1||900123^^^HOSP^MR||TESTER^ANNA^""||""||||||""'
    patient = inspect(lines(MSH.format("ADT^A08"), EVN, pid, PV1))["events"][0]["patient"]
    assert patient["birth_date"] == '""'
    assert patient["phone"] == '""'
    assert "sex" not in patient


# 12: character sets


@pytest.mark.parametrize(
    ("name", "codec"),
    [("8859/1", "iso8859-1"), ("8859/15", "iso8859-15"), ("UNICODE UTF-8", "utf-8"), ("UNICODE", "utf-8")],
)
def test_character_set_is_read_by_its_odd_names(name: str, codec: str) -> None:
    body = admit(msh=MSH.format("ADT^A01") + "||||||" + name).decode().replace("ANNA", "ÅSA").encode(codec)
    assert inspect(body)["patient"]["given"] == "ÅSA"


def test_character_set_in_the_second_repetition_with_escapes() -> None:
    body = admit(msh=MSH.format("ADT^A01") + "||||||~ISO IR87").decode().replace("ANNA", "太郎").encode("iso2022_jp")
    assert inspect(body)["patient"]["given"] == "太郎"


@pytest.mark.parametrize("name", ["ISO IR 999", "KLINGON", "\x01", "??"])
def test_character_set_that_is_unknown_is_noted_and_never_fatal(name: str) -> None:
    found = inspect(admit(msh=MSH.format("ADT^A01") + "||||||" + name))
    assert_admitted(found)
    assert "character-set" in codes(found)


# 13 to 17: shifted header, two patients, batches, frames, local segments


def test_header_with_one_separator_too_many() -> None:
    found = inspect(admit(msh=MSH.format("ADT^A01").replace("|C|D|", "|C||D|")))
    assert_admitted(found)
    assert "header-shifted" in codes(found)


def test_two_patients_in_one_message() -> None:
    body = lines(MSH.format("ADT^A40"), EVN, PID, "MRG|900777^^^HOSP^MR")
    (event,) = inspect(body)["events"]
    assert event["type"] == "patient.merged"
    assert event["prior"][0]["key"]["value"] == "900777"


def test_patient_without_evn() -> None:
    found = inspect(lines(MSH.format("ADT^A01"), PID, PV1))
    assert_admitted(found)


def test_batch_with_a_wrong_count_a_broken_message_and_none_at_all() -> None:
    batch = b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + admit() + b"MSH\x01broken\r" + admit() + b"BTS|7\rFTS|1\r"
    found = list(inspect_bytes("-", batch, FEED))
    assert [one["outcome"] for one in found if one["outcome"] == "processed"] == ["processed"] * 2
    assert "batch-count" in codes(found[0])
    (empty,) = inspect_bytes("-", b"FHS|^~\\&|A\rBHS|^~\\&|A\rBTS|0\rFTS|1\r", FEED)
    assert (empty["standard"], empty["outcome"]) == ("hl7v2", "filtered")


@pytest.mark.parametrize(("start", "end"), [(b"\x0b", b"\x1c\r"), (b"", b"\x1c\r"), (b"\x0b", b"\x1c"), (b"", b"\x1c")])
def test_frame_bytes_stored_in_a_file(start: bytes, end: bytes) -> None:
    assert_admitted(inspect(start + admit() + end))


def test_local_segments_anywhere() -> None:
    body = lines("MSH" + MSH.format("ADT^A01")[3:], "ZAA|1", EVN, "Z01", PID, "ZZZ|" + "^~&" * 50, PV1, "ZPV|x")
    assert_admitted(inspect(body))


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus is not here")
def test_corpus_oddities_are_read_answered_and_noted() -> None:
    wanted = {
        "microsoft__fhir-converter/Hl7v2__ADT01-23.hl7": "byte-order-mark",
        "cosyte__hl7/edge-cases__mixed-line-endings.hl7": "segment-end",
        "linuxforhealth__connect/resources__adt_a01_26.hl7": "separators",
        "cosyte__hl7/vendor-quirks__segment-case.hl7": "segment-case",
        "cosyte__hl7/vendor-quirks__unknown-charset.hl7": "character-set",
        "balneario-de-cofrentes__hl7v2/hl7v2__reality_check_test.exs_12.hl7": "header-shifted",
        "cosyte__hl7/vendor-quirks__missing-required-field.hl7": "101",
    }
    for name, code in wanted.items():
        found = list(inspect_bytes(name, (CORPUS / name).read_bytes(), FEED))
        assert any(code in codes(one) for one in found), (name, json.dumps(found)[:500])
        assert all(one.get("acknowledgement") for one in found), name
