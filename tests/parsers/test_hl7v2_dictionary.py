"""Names of fields and structures of messages."""

from __future__ import annotations

import pytest

from parsers.hl7v2.dictionary import dictionary, structure_of
from parsers.hl7v2.message import Message
from parsers.hl7v2.structure import check_structure, read_structure
from scripts import hl7_dictionary

MSH = b"MSH|^~\\&|A|B|C|D|20260322||ADT^A01|1|P|2.5.1\r"
EVN = b"EVN||20260322\r"
PID = b"PID|1||1^^^H^MR||T^A\r"
PV1 = b"PV1|1|I\r"


def test_dictionary_is_what_its_source_says() -> None:
    assert hl7_dictionary.PATH.read_text("utf-8") == hl7_dictionary.render(hl7_dictionary.dictionary())


@pytest.mark.parametrize(
    ("segment", "field", "component", "name"),
    [
        ("PID", 3, 0, "Patient identifier list"),
        ("PID", 3, 4, "Assigning authority"),
        ("PV1", 36, 0, "Discharge disposition"),
        ("SCH", 25, 0, "Filler status code"),
        ("PID", 40, 0, "Patient telecommunication information"),  # of a later version
    ],
)
def test_field_has_the_name_of_the_standard(segment: str, field: int, component: int, name: str) -> None:
    found = dictionary().field(segment, field)
    assert found is not None
    assert (dictionary().component(segment, field, component) if component else found.name) == name


def test_field_beyond_the_segment_has_no_name() -> None:
    assert dictionary().field("PID", 400) is None
    assert dictionary().field("ZPV", 1) is None
    assert dictionary().component("PID", 400, 1) == ""


@pytest.mark.parametrize(
    ("trigger", "structure"),
    [("ADT^A01", "ADT_A01"), ("ADT^A08", "ADT_A01"), ("ADT^A40", "ADT_A39"), ("SIU^S26", "SIU_S12"), ("ORU^R01", None)],
)
def test_structure_of_an_event(trigger: str, structure: str | None) -> None:
    assert structure_of(trigger) == structure


def test_structure_is_read_from_its_syntax() -> None:
    found = read_structure("MSH EVN {PID [PD1] MRG [PV1]}")
    assert found.required == ("MSH", "EVN", "PID", "MRG")
    assert found.names == {"MSH", "EVN", "PID", "PD1", "MRG", "PV1"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (MSH + EVN + PID + PV1, []),
        (MSH + EVN + PID + PV1 + b"ZPV|1\r", []),
        (MSH + PID + PV1, ["error 100 EVN"]),
        (MSH + EVN + PID, ["error 100 PV1"]),
        (MSH + EVN + PV1 + PID, ["warning 100 PID^1"]),
        (MSH + EVN + PID + PV1 + b"SCH|1\r", ["warning 100 SCH^1"]),
        (MSH + EVN + b"PID|1||||T^A\r" + PV1, ["error 101 PID^1^3"]),
        (MSH + EVN + PID + b"PV1|1|\r", ["error 101 PV1^1^2"]),
        (MSH + EVN + PID + PV1 + b"AL1|1||PEN\rAL1|2\r", ["error 101 AL1^2^3"]),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(body: bytes, expected: list[str]) -> None:
    found = [f"{odd.severity} {odd.code} {odd.location}" for odd in check_structure(Message(body), "ADT^A01")]
    assert found == expected


def test_event_without_a_structure_is_not_checked() -> None:
    assert check_structure(Message(MSH), "ORU^R01") == []
