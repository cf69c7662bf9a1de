"""The feed's own ways: translated, relocated, picked, filtered and checked by its profile."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.adjustment import adjust
from mappings.profile import FeedProfile, Translation
from parsers.hl7v2.message import Message
from tests.mappings.hl7_messages import PROFILE, codes, event_of, message, read, segment


def profile(**given: Any) -> FeedProfile:
    return msgspec.structs.replace(PROFILE, **given)


EVN = "EVN||20261109142800-0500"


def test_class_of_the_feed_is_translated() -> None:
    feed = profile(translate=(Translation(field="PV1-2", values={"STATIONAER": "I"}),))
    event = event_of(message("ADT^A01", EVN, segment("PV1", {2: "STATIONAER", 19: "V1"})), feed)
    assert event.encounter is not None and event.encounter.class_ == "inpatient"


def test_code_that_is_not_translated_stays() -> None:
    feed = profile(translate=(Translation(field="PV1-36", values={"HEIM": "01"}),))
    event = event_of(message("ADT^A03", EVN, segment("PV1", {2: "I", 19: "V1", 36: "03"})), feed)
    assert event.encounter is not None and event.encounter.disposition_category == "snf"


def test_component_is_translated_and_its_neighbours_stay() -> None:
    feed = profile(translate=(Translation(field="PV1-3.1", values={"INTENSIV": "ICU"}),))
    event = event_of(message("ADT^A01", EVN, segment("PV1", {2: "I", 3: "INTENSIV^4^B", 19: "V1"})), feed)
    assert event.encounter is not None and event.encounter.location is not None
    assert (event.encounter.location.point_of_care, event.encounter.location.bed) == ("ICU", "B")


def test_value_of_a_z_segment_is_read_in_its_proper_place() -> None:
    feed = profile(relocate=(("ZPV-2.2", "PV1-36"), ("ZPV-3", "PV1-7")))
    body = message("ADT^A03", EVN, segment("PV1", {2: "I", 19: "V1"}), "ZPV|1|x^06|77^ALLEN^AMY")
    event = event_of(body, feed)
    assert event.encounter is not None and event.encounter.attending is not None
    assert event.encounter.disposition_category == "home-health"
    assert event.encounter.attending.family == "ALLEN"


def test_relocation_without_a_value_or_a_segment_changes_nothing() -> None:
    feed = profile(relocate=(("ZPV-2", "PV1-36"), ("PID-5", "PV2-3")))
    event = event_of(message("ADT^A03", EVN, segment("PV1", {2: "I", 19: "V1", 36: "01"})), feed)
    assert event.encounter is not None and event.encounter.disposition == "01"


def test_picked_value_goes_along_with_the_event() -> None:
    feed = profile(pick=(("case-manager", "ZPV-4.2"), ("nothing", "ZPV-9")))
    event = event_of(message("ADT^A01", EVN, segment("PV1", {2: "I", 19: "V1"}), "ZPV|||" + "|7^RUIZ"), feed)
    assert event.site == {"case-manager": "RUIZ"}


def test_encounter_id_may_be_a_component() -> None:
    feed = profile(encounter_id=("ZVI-1.2", "PV1-19"))
    event = event_of(message("ADT^A01", EVN, segment("PV1", {2: "I", 19: "V1"}), "ZVI|a^E77"), feed)
    assert event.encounter is not None and event.encounter.key is not None
    assert event.encounter.key.value == "E77"


@pytest.mark.parametrize("pattern", ["ADT^A08", "ADT^*", "ADT^A0?"])
def test_event_that_the_feed_does_not_want_is_filtered(pattern: str) -> None:
    item = read(message("ADT^A08", EVN, segment("PV1", {2: "I", 19: "V1"})), profile(filter_events=(pattern,)))
    assert (item.outcome, item.reason) == ("filtered", "feed:ADT^A08")


def test_structure_warn_notes_and_reads_on() -> None:
    item = read(message("ADT^A01", segment("PV1", {2: "", 19: "V1"})), profile(structure="warn"))
    assert item.outcome == "events"
    assert {"100 EVN", "101 PV1^1^2"} <= codes(item)


def test_structure_reject_parks_what_misses_a_required_part() -> None:
    feed = profile(structure="reject")
    item = read(message("ADT^A01", segment("PV1", {2: "I", 19: "V1"})), feed)
    assert (item.outcome, item.reason) == ("parked", "structure")
    good = message("ADT^A01", EVN, segment("PV1", {2: "I", 19: "V1"}))
    assert read(good, feed).outcome == "events"


def test_partial_insurance_is_told_with_the_event() -> None:
    body = message("ADT^A08", EVN, segment("PV1", {2: "I", 19: "V1"}), "IN1|1|P|PAYER5|ACME")
    assert event_of(body, profile(insurance="partial")).partial_coverages
    assert not event_of(body).partial_coverages


def test_character_set_of_the_channel_holds_against_a_wrong_msh_18() -> None:
    pid = "PID|1||900123^^^HOSP^MR||MÜLLER^ANNA"
    body = message("ADT^A01", EVN, pid=pid, character_set="8859/5").decode().encode("iso8859-1")
    wrong, right = event_of(body), event_of(body, profile(character_set="iso8859-1", character_set_from="channel"))
    assert wrong.patient is not None and wrong.patient.family != "MÜLLER"
    assert right.patient is not None and right.patient.family == "MÜLLER"


ADJUSTED = profile(
    translate=(
        Translation(field="PV1-2.1", values={"A": "I"}),
        Translation(field="ZPV-2.3", values={"": "x", "B": "C"}),
    ),
    relocate=(("ZPV-1.2", "PV1-3.4"), ("PV1-3", "ZPV-9")),
    pick=(("one", "ZPV-1"), ("two", "PV1-3.4")),
)


@given(st.binary(max_size=300))
def test_adjustment_of_any_bytes_never_raises(content: bytes) -> None:
    for separators in (b"|^~\\&", b"#*~\\&", b"|~^\\", b"|||||"):
        found = adjust(Message(b"MSH" + separators + b"|A\r" + content), ADJUSTED)
        assert set(found) <= {"one", "two"}
