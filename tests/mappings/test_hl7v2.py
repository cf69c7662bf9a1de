from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings import registry
from mappings.codes import EVENTS
from mappings.hl7v2 import read_hl7v2
from mappings.profile import Facility, FeedProfile
from tests.mappings.hl7_messages import PROFILE, RECEIVED, codes, message, read

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "hl7"
OUTCOMES = {"events", "filtered", "parked", "rejected"}
A01 = message("ADT^A01", "EVN||20261109142800", "PV1||I")


@pytest.mark.parametrize(
    ("trigger", "evn", "reason"),
    [
        ("ADT^A19", "EVN", "no-mapping:ADT^A19"),
        ("ORU^R01", "OBR|1", "no-mapping:ORU^R01"),
        ("SIU^S25", "SCH|1", "no-mapping:SIU^S25"),
        ("ADT", "EVN|A19", "no-mapping:ADT^A19"),
        ("ACK", "MSA|AA|1", "no-mapping:ACK"),
        ("TESTER^ANNA MARIA", "EVN", "no-mapping:?^?"),
    ],
)
def test_event_without_a_mapping_is_filtered_by_name(trigger: str, evn: str, reason: str) -> None:
    item = read(message(trigger, evn))
    assert (item.outcome, item.reason) == ("filtered", reason)


def test_event_of_evn_stands_in_for_a_missing_msh9_2_and_never_overrules_it() -> None:
    assert read(message("ADT", "EVN|A08")).events[0].trigger == "ADT^A08"
    item = read(message("ADT^A08", "EVN|A03"))
    assert item.events[0].trigger == "ADT^A08"
    assert "evn-mismatch MSH^1^9" in codes(item)
    item = read(message("ADT^ADT_A01", "EVN|A08"))
    assert item.events[0].trigger == "ADT^A08"
    assert "103 MSH^1^9" in codes(item)


@pytest.mark.parametrize(
    ("processing", "outcome"),
    [("P", "events"), ("p", "events"), ("", "events"), ("T", "filtered"), ("D", "filtered"), ("T^A", "filtered")],
)
def test_test_traffic_is_filtered(processing: str, outcome: str) -> None:
    item = read(message("ADT^A31", "EVN", processing=processing))
    assert item.outcome == outcome
    assert item.reason == ("test-message" if outcome == "filtered" else None)


def test_processing_ids_are_the_feeds_own() -> None:
    profile = msgspec.structs.replace(PROFILE, processing_ids=("T",))
    assert read(message("ADT^A31", "EVN", processing="T"), profile).outcome == "events"
    assert read(message("ADT^A31", "EVN", processing="P"), profile).reason == "test-message"


@pytest.mark.parametrize(("mode", "historical"), [("", False), ("T", False), ("A", True), ("R", True), ("I", True)])
def test_archive_and_initial_loads_are_historical(mode: str, historical: bool) -> None:
    (event,) = read(message("ADT^A31", "EVN", processing=f"P^{mode}")).events
    assert event.historical is historical


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"no header at all", "no-header"),
        (b"MSH", "no-header"),
        (message("", "EVN"), "no-message-type"),
    ],
)
def test_what_can_never_be_read_is_rejected_with_an_error(body: bytes, reason: str) -> None:
    item = read(body)
    assert (item.outcome, item.reason) == ("rejected", reason)
    assert item.problems[-1].severity == "error"


def test_batch_gives_one_item_per_message_by_position() -> None:
    body = b"FHS|^~\\&\rBHS|^~\\&\r" + A01 + message("ORU^R01", "OBR") + message("ADT^A08", "EVN") + b"BTS|7\rFTS|1\r"
    reading = read_hl7v2(body, PROFILE, RECEIVED)
    assert [(item.item, item.outcome) for item in reading.items] == [(0, "events"), (1, "filtered"), (2, "events")]
    assert any(problem.location.startswith("BTS") for problem in reading.problems)


def test_broken_message_in_a_batch_leaves_its_siblings_alone() -> None:
    body = b"BHS|^~\\&\r" + A01 + message("", "EVN") + A01 + b"BTS|3\r"
    assert [item.outcome for item in read_hl7v2(body, PROFILE, RECEIVED).items] == ["events", "rejected", "events"]


def test_registry_reads_each_kind_with_its_reader() -> None:
    assert registry.read("hl7v2", A01, PROFILE, RECEIVED) == read_hl7v2(A01, PROFILE, RECEIVED)
    assert registry.read("x12", A01, PROFILE, RECEIVED).items[0].outcome == "rejected"


@pytest.mark.parametrize("body", [b"", b"\r\n", b"FHS|^~\\&\rBHS|^~\\&\rBTS|0\rFTS|1\r"])
def test_body_without_messages_is_one_filtered_item(body: bytes) -> None:
    (item,) = read_hl7v2(body, PROFILE, RECEIVED).items
    assert (item.item, item.outcome, item.reason) == (0, "filtered", "empty-batch")


def test_other_separators_are_read_as_declared() -> None:
    body = A01.replace(b"|", b"#").replace(b"^", b"|").replace(b"#", b"^")
    (event,) = read(body).events
    assert (event.type, event.patient and event.patient.family) == ("encounter.admitted", "TESTER")


def test_flood_of_problems_is_cut_off() -> None:
    item = read(message("ADT^A08", "EVN", "PV1||I", *["IN1|1||P|||||||||19996666"] * 3000))
    assert len(item.problems) <= 101
    assert len(item.events[0].coverages or ()) == 3000


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["PID", "PV1", "SCH", "AIS", "MRG", "IN1", "DG1", "EVN", "TQ1"]),
            st.text('|^~\\&"2019-+X \x00é', max_size=60),
        ),
        max_size=8,
    ),
    st.sampled_from(sorted(EVENTS)),
)
@settings(max_examples=150, deadline=None)
def test_any_content_gives_an_outcome(rows: list[tuple[str, str]], trigger: str) -> None:
    item = read(message(trigger, *[f"{name}|{text}" for name, text in rows]))
    assert item.outcome in OUTCOMES
    assert "\x00" not in msgspec.json.encode(item.events).decode().replace("\\u0000", "\x00")


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_an_outcome(noise: bytes) -> None:
    for body in (noise, A01 + noise, A01[:40] + noise + A01[40:]):
        assert {item.outcome for item in read_hl7v2(body, PROFILE, RECEIVED).items} <= OUTCOMES


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")
def test_corpus_every_message_ends_and_ours_with_an_identifier_give_events() -> None:
    profile = FeedProfile(channel="corpus", processing_ids=("P", "T", "D"))
    silent = []
    for path in sorted(CORPUS.rglob("*.hl7")):
        for item in read_hl7v2(path.read_bytes(), profile, RECEIVED).items:
            assert item.outcome in OUTCOMES
            if item.outcome == "parked":
                silent.append((path.name, item.reason, item.cause and item.cause.location))
    # A message of ours is parked only where it names no patient, no appointment, or nothing that would be changed.
    wanted = {
        "no-patient-id": ("PID", "PID^1^3"),
        "no-appointment-id": ("SCH", "SCH^1^2"),
        "no-prior-id": ("PID^1^3", "PID^1^0", "MRG^1^1", "MRG^1^3", "MRG^1^5"),
    }
    for name, reason, place in silent:
        assert place in wanted[str(reason)], name


@pytest.mark.parametrize(
    ("header", "noted"),
    [
        ("M1|P|2.5.1", []),
        ("|P|2.5.1", ["warning 101 MSH^1^10"]),
        ('""|P|2.5.1', ["warning 101 MSH^1^10"]),
        ("M1|P|", ["information 101 MSH^1^12"]),
        ("M1|P|3.0", ["warning 203 MSH^1^12"]),
        ("M1|P|2.55", ["warning 203 MSH^1^12"]),
        ("M1|P|2.4^AUS", []),
        ('M1|""|2.5.1', ["information 101 MSH^1^11"]),
    ],
)
def test_odd_header_is_processed_and_noted(header: str, noted: list[str]) -> None:
    item = read(A01.replace(b"M1|P|2.5.1", header.encode()))
    assert item.outcome == "events"
    assert [f"{one.severity} {one.code} {one.location}" for one in item.problems] == noted


def test_second_patient_of_an_event_about_one_is_noted() -> None:
    item = read(message("ADT^A01", "EVN||20261109142800", "PID|2||900999^^^HOSP^MR", "PV1||I"))
    assert item.events[0].patient and item.events[0].patient.key and item.events[0].patient.key.value == "900123"
    assert [(one.code, one.location) for one in item.problems] == [("100", "PID^2^0")]


def test_facility_code_is_unknown_only_where_there_is_something_to_know() -> None:
    body = message("ADT^A08", "EVN||20261109142800", "PV1||I", facility="ELSEWHERE")
    one = msgspec.structs.replace(PROFILE, facilities=(Facility(id="main"),))
    assert [found.code for found in read(body, one).problems] == []
    assert [found.code for found in read(body).problems] == ["103"]
