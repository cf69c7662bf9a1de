from __future__ import annotations

import pytest

from gateway.lanes import feed_lane, keyed_identifier, lane_number, lanes_of, patient_lane, payer_lane
from mappings.profile import FeedProfile, IdentifierRule
from parsers.hl7v2.header import scan_header

PROFILE = FeedProfile(channel="adt", default_authority="HOME")
MSH = b"MSH|^~\\&|ADT|HOSP|BATON|GW|20260301120000||ADT^A40|1|P|2.5\r"


@pytest.mark.parametrize(
    ("identifiers", "rules", "expected"),
    [
        ([], (), None),
        ([(b"", b"HOSP", b"MR")], (), None),
        ([(b'""', b"HOSP", b"MR")], (), None),
        ([(b"1", b"A", b"SS"), (b"2", b"B", b"MR")], (), (b"2", b"B")),
        ([(b"1", b"A", b"PI"), (b"2", b"B", b"MR")], (), (b"2", b"B")),
        ([(b"1", b"A", b"XX"), (b"2", b"B", b"PI")], (), (b"2", b"B")),
        ([(b"1", b"", b""), (b"2", b"B", b"")], (), (b"2", b"B")),
        ([(b"1", b"", b"")], (), (b"1", b"HOME")),
        ([(b"1", b"", b"MR")], (), (b"1", b"HOME")),
        ([(b"1", b"A", b"MR"), (b"2", b"B", b"MR")], (IdentifierRule(authority="B", type="MR"),), (b"2", b"B")),
        (
            [(b"1", b"A", b"MR"), (b"2", b"B", b"EI")],
            (IdentifierRule(type="EI"), IdentifierRule(type="MR")),
            (b"2", b"B"),
        ),
    ],
)
def test_keyed_identifier_follows_rules_then_type_then_authority(
    identifiers: list[tuple[bytes, bytes, bytes]],
    rules: tuple[IdentifierRule, ...],
    expected: tuple[bytes, bytes] | None,
) -> None:
    profile = FeedProfile(channel="adt", default_authority="HOME", patient_id=rules)
    assert keyed_identifier(identifiers, profile) == expected


def test_lane_number_is_positive_63_bits_and_stable() -> None:
    assert lane_number("adt|HOSP") == lane_number(b"adt|HOSP")
    assert all(0 <= lane_number(f"adt|{n}") < 2**63 for n in range(2000))
    assert lane_number("feed|adt") == 2724684101521568853


def test_lanes_of_message_is_the_authority_of_its_patient() -> None:
    header = scan_header(MSH + b"PID|1||77^^^HOSP^MR\r")
    assert lanes_of(header, PROFILE) == (patient_lane("HOSP", "77"),)
    assert patient_lane("HOSP", "77") == patient_lane("HOSP", "78")


def test_lanes_of_message_without_patient_is_the_feed() -> None:
    assert lanes_of(scan_header(MSH + b"EVN|A40\r"), PROFILE) == (feed_lane("adt"),)


def test_lanes_of_merge_inside_an_authority_is_one_lane() -> None:
    header = scan_header(MSH + b"PID|1||77^^^HOSP^MR\rMRG|78^^^HOSP^MR\r")
    assert lanes_of(header, PROFILE) == (patient_lane("HOSP", ""),)


def test_lanes_of_merge_in_a_split_authority_names_both_ascending() -> None:
    header = scan_header(MSH + b"PID|1||77^^^HOSP^MR\rMRG|79^^^HOSP^MR\r")
    expected = {patient_lane("HOSP", "77", 64), patient_lane("HOSP", "79", 64)}
    assert lanes_of(header, PROFILE, 64) == tuple(sorted(expected))
    assert len(expected) == 2


def test_split_lanes_of_one_is_no_split() -> None:
    assert patient_lane("HOSP", "77", 1) == patient_lane("HOSP", "77")


def test_payer_lane_ignores_padding() -> None:
    assert payer_lane(b"60054          ") == payer_lane("60054")


def test_lanes_of_message_about_several_patients_names_them_all() -> None:
    header = scan_header(MSH + b"PID|1||1^^^A^MR\rMRG|2^^^B^MR\rPID|2||3^^^C^MR\rMRG|4^^^D^MR\r")
    assert lanes_of(header, PROFILE) == tuple(sorted(patient_lane(each, "") for each in "ABCD"))


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        (b"PID|1||7^^^A^MR\rPV1||I\rPID|2||8^^^B^MR\rPV1||I\r", "AB"),  # A17, A24, A37
        (b"PID|1||7^^^A^MR\rMRG|8^^^B^MR||K1\r", "AB"),  # A43 to A45, A47
        (b"PID|1|7^^^A\rMRG||||8^^^B\r", "AB"),  # A39 on the external id
        (b"PID|1||7^^^A^MR\rMRG||||8^^^B\r", "AB"),  # A46
        (b"PID|1||7^^^A^MR\rMRG||8^^^B\r", "AB"),  # A48
        (b"PID|1||7^^^A^MR\rMRG|||K1\r", "A"),  # A41, A49
    ],
)
def test_lanes_of_an_identity_event_are_those_of_both_sides(rows: bytes, named: str) -> None:
    header = scan_header(MSH + rows)
    assert lanes_of(header, PROFILE) == tuple(sorted(patient_lane(each, "") for each in named))
