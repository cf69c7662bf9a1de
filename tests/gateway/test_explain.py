"""A message in plain words, and a feed's settings from a sample."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from gateway.coordination.changes import CoordinationSettings
from gateway.coordination.records import Task
from gateway.explain import explain
from gateway.profile_learning import learn, propose
from gateway.settings.channels import MllpListener
from mappings.profile import FeedProfile

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
FEED = FeedProfile(channel="adt")
MESSAGE = (
    "MSH|^~\\&|ADT1|GENHOSP|C|D|20261109143000-0500||{trigger}|M1|{mode}|2.5.1\r"
    "EVN||20261109142800-0500\r"
    "PID|1||900123^^^GENHOSP^MR~55^^^STATE^SS||TESTER^ANNA||19480217|F\r"
    "PV1|1|{class_}|4W^410^A|||||||||||||||{kind}|V10001|||||||||||||||||01||||||||20261105|20261109141000\r"
    "ZPV|1|RUIZ\r"
)


def message(trigger: str = "ADT^A03", mode: str = "P", class_: str = "I", kind: str = "IP") -> bytes:
    return MESSAGE.format(trigger=trigger, mode=mode, class_=class_, kind=kind).encode()


def test_explanation_names_fields_events_and_tasks() -> None:
    found = explain(message(), FEED, CoordinationSettings(), NOW)
    lines = {field.place: field for segment in found.segments for field in segment.fields}
    assert lines["PID-3"].name == "Patient identifier list"
    assert lines["PID-3"].parts[0] == (
        ("ID number", "900123"), ("Assigning authority", "GENHOSP"), ("Identifier type code", "MR"),
    )  # fmt: skip
    assert lines["ZPV-2"].parts == ((("", "RUIZ"),),)
    (followed,) = found.followed
    assert followed.type == "encounter.discharged"
    assert "discharge-contact-2bd" in {one.rule_id for one in followed.changes.upserts if isinstance(one, Task)}
    made = {one.rule_id: one for one in followed.rules}
    assert made["discharge-contact-2bd"].outcome == "opened"
    assert made["ama-discharge"].outcome == "stopped" and made["ama-discharge"].because


def test_explanation_of_what_cannot_be_read_says_why() -> None:
    found = explain(b"no message", FEED, CoordinationSettings(), NOW)
    assert (found.segments, found.followed) == ((), ())
    assert (found.reading.outcome, found.reading.reason) == ("rejected", "no-header")


@given(st.binary(max_size=300))
def test_explanation_of_any_bytes_never_raises(content: bytes) -> None:
    explain(b"MSH|^~\\&|A|B|C|D|20260322||ADT^A01|1|P|2.5.1\r" + content, FEED, CoordinationSettings(), NOW)


def test_proposal_is_a_channel_that_the_settings_take() -> None:
    sample = [message(), message("ADT^A01", class_="INPT", kind="OBS1"), message("ADT^A99", mode="T"), b"nothing"]
    found = learn(sample, FEED)
    text = propose(found, "north")
    channel = MllpListener(**tomllib.loads(text)["channel"][0])
    assert (channel.name, channel.default_authority) == ("north", "GENHOSP")
    assert channel.patient_id[0].type == "MR"
    assert channel.observation_when == (("PV1-18", "OBS1"),)
    assert found.messages == 3 and found.unreadable == 1
    assert "ADT^A99" in text and "ZPV: 3 segments" in text and '"INPT" = "?"' in text


def test_proposal_holds_no_value_about_a_person() -> None:
    text = propose(learn([message()], FEED), "north")
    for secret in ("900123", "TESTER", "ANNA", "19480217", "V10001", "RUIZ"):
        assert secret not in text


def test_long_or_broken_codes_are_counted_together() -> None:
    found = learn([message(class_="X" * 40), message(class_='a"b'), message(class_="I")], FEED)
    assert found.values["PV1-2"] == {"(other)": 2, "I": 1}


def test_number_of_different_values_is_bounded() -> None:
    found = learn([message(class_=f"C{number}") for number in range(300)], FEED)
    assert len(found.values["PV1-2"]) == 201
