from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.hl7v2.message import Message
from parsers.hl7v2.writer import write_field, write_header, write_segment, write_text


def test_write_segment_places_fields_components_and_subcomponents() -> None:
    assert write_segment("PID", {1: "1", 3: ["77", "", "", ["GENHOSP", "1.2", "ISO"], "MR"], 8: "F"}) == (
        "PID|1||77^^^GENHOSP&1.2&ISO^MR|||||F\r"
    )
    assert write_segment("EVN", {1: "A01", 2: "", 6: ""}) == "EVN|A01\r"
    assert write_segment("RGS", {}) == "RGS\r"


def test_write_header_starts_with_its_separators() -> None:
    assert write_header({3: "A", 9: ["ADT", "A01"], 18: ""}) == "MSH|^~\\&|A||||||ADT^A01\r"


def test_write_text_escapes_what_separates_and_what_would_break_a_segment() -> None:
    assert write_text("A&B|C^D~E\\F") == "A\\T\\B\\F\\C\\S\\D\\R\\E\\E\\F"
    assert write_text("one\r\ntwo\nthree\x0b\x1c") == "one\\.br\\two\\.br\\three  "
    assert write_field(["", ""]) == ""


@settings(max_examples=150)
@given(st.text(alphabet=st.characters(blacklist_categories=("Cs",)), max_size=40), st.text(max_size=10))
def test_written_values_are_read_again_whole(value: str, other: str) -> None:
    plain = "".join(one for one in value if one.isprintable())
    body = (
        write_header({3: "A", 9: "ADT", 18: "UNICODE UTF-8"}) + write_segment("ZZZ", {1: [plain, other], 2: "x"})
    ).encode()
    segment = Message(body).first("ZZZ")
    assert segment is not None
    assert segment.text(1, 1) == plain.strip(" ") or segment.text(1, 1) == plain
    assert segment.text(2) == "x"
