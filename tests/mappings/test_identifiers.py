from __future__ import annotations

import msgspec
import pytest

from mappings.events import Identifier
from mappings.identifiers import patient_key, prior_keys
from mappings.profile import FeedProfile, IdentifierRule
from tests.mappings.hl7_messages import PROFILE, codes, event_of, message, read, segment


def cx(text: str) -> Identifier:
    """ "900123^HOSP^MR" -> Identifier."""
    value, authority, kind = (*text.split("^"), "", "")[:3]
    return Identifier(value=value, authority=authority or None, type=kind or None)


def keyed(profile: FeedProfile, *sent: str) -> str | None:
    key = patient_key([cx(one) for one in sent], profile)
    return f"{key.value}^{key.authority}^{key.type or ''}" if key else None


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (("1^X^PI", "2^Y^MR", "3^Z^MR"), "2^Y^MR"),
        (("1^X^DL", "2^Y^PI"), "2^Y^PI"),
        (("1", "2^Y"), "2^Y^"),
        (("1", "2"), "1^HOSP^"),
        (("1^^MR",), "1^HOSP^MR"),
        (("111^USSSA^SS", "2"), "2^HOSP^"),
        (("111^USSSA^SS",), None),
        (("9^HOSP^AN", "8^HOSP^VN"), None),
        ((), None),
    ],
)
def test_patient_key_without_rules_prefers_mr_pi_authority_default(sent: tuple[str, ...], expected: str | None) -> None:
    assert keyed(PROFILE, *sent) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (("1^X^MR", "2^EMPI^PI", "3^HOSP^MR"), "2^EMPI^PI"),
        (("1^X^MR", "3^^MR"), "3^HOSP^MR"),
        (("1^X^MR",), None),
    ],
)
def test_patient_key_with_rules_follows_their_order_and_nothing_else(
    sent: tuple[str, ...], expected: str | None
) -> None:
    rules = (IdentifierRule(authority="EMPI"), IdentifierRule(authority="HOSP", type="MR"))
    assert keyed(msgspec.structs.replace(PROFILE, patient_id=rules), *sent) == expected


def test_patient_key_default_authority_is_the_channel_when_none_is_set() -> None:
    assert keyed(FeedProfile(channel="lab-feed"), "1") == "1^lab-feed^"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (("800^HOSP^MR",), ["800"]),
        (("800",), ["800"]),
        (("800^HOSP^MR", "801^HOSP^MR"), ["800", "801"]),
        (("7^EMPI^PI", "800^HOSP^MR"), ["800"]),
        (("7^OTHER^MR",), ["7"]),
        (("7^USSSA^SS",), []),
        ((), []),
    ],
)
def test_prior_keys_are_those_like_the_survivor(sent: tuple[str, ...], expected: list[str]) -> None:
    found = prior_keys([cx(one) for one in sent], cx("900^HOSP^MR"), PROFILE)
    assert [key.value for key in found] == expected


def test_read_identifiers_universal_id_stands_in_for_a_missing_namespace() -> None:
    event = event_of(message("ADT^A31", pid="PID|||7^^^&2.16.840.1.1&ISO^mr"))
    assert event.patient is not None
    assert event.patient.key == Identifier(value="7", authority="2.16.840.1.1", type="MR")


def test_read_identifiers_null_and_empty_values_are_left_out() -> None:
    event = event_of(message("ADT^A31", pid='PID|||~""^^^HOSP^MR~ 7 ^^^HOSP^MR'))
    assert event.patient is not None
    assert [one.value for one in event.patient.identifiers] == ["7"]


def test_read_identifiers_slipped_free_text_is_no_identifier() -> None:
    item = read(message("ADT^A31", pid="PID|||" + "x" * 5000))
    assert (item.outcome, item.reason) == ("parked", "no-patient-id")
    assert "102 PID^1^3" in codes(item)


@pytest.mark.parametrize(
    ("pv1", "pid18", "expected"),
    [
        ({19: "V1^^^WEST^VN"}, "A1^^^HOSP", ("V1", "WEST", "VN")),
        ({19: "V1"}, "", ("V1", "GENHOSP", None)),
        ({2: "I"}, "A1^^^HOSP^AN", ("A1", "HOSP", "AN")),
        ({19: '""'}, "", None),
    ],
)
def test_encounter_key_is_visit_then_account_under_its_authority(
    pv1: dict[int, str], pid18: str, expected: tuple[str, str, str | None] | None
) -> None:
    pid = segment("PID", {3: "900123^^^HOSP^MR", 18: pid18})
    event = event_of(message("ADT^A08", "EVN||20261109", segment("PV1", pv1), pid=pid))
    assert event.encounter is not None
    key = event.encounter.key
    assert (key and (key.value, key.authority, key.type)) == expected


def test_encounter_key_follows_the_feed_setting() -> None:
    profile = msgspec.structs.replace(PROFILE, encounter_id=("PV1-50",))
    event = event_of(message("ADT^A08", "EVN||20261109", segment("PV1", {19: "V1", 50: "ALT9"})), profile)
    assert event.encounter is not None and event.encounter.key is not None
    assert event.encounter.key.value == "ALT9"
