"""Who is sent a message, and what of a sender's settings does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels.ports import Inbound
from gateway.admission import IntakeFeed, admit
from gateway.forwarding import ForwardRule, forwards, patient_key
from gateway.openings.kinds import event_sinks, feeds_of
from gateway.openings.mllp import message_sinks
from gateway.settings.check import check, load
from parsers.hl7v2.header import scan_header
from tests.gateway.test_intake import NOW, PROFILE, message

ALL, SOME = ForwardRule("all"), ForwardRule("some", ("ADT^A3?", "SIU^*"), by_patient=True)


@pytest.mark.parametrize(
    ("event", "sinks"),
    [("ADT^A01", ["all"]), ("ADT^A31", ["all", "some"]), ("SIU^S12", ["all", "some"]), ("SIU", ["all"]), ("", ["all"])],
)
def test_forwards_by_type(event: str, sinks: list[str]) -> None:
    header = scan_header(message(event=event))
    assert [sink for sink, _ in forwards((ALL, SOME), "adt", event, header)] == sinks


def test_ordering_key_is_the_feed_or_one_that_tells_patients_apart_and_names_none() -> None:
    body = message(event="ADT^A31")
    keys = dict(forwards((ALL, SOME), "adt", "ADT^A31", scan_header(body)))
    other = patient_key(scan_header(body.replace(b"77^", b"78^")))
    assert keys["all"] == "adt" and keys["some"] != other and "77" not in (keys["some"], other)
    assert patient_key(scan_header(b"MSH|^~\\&|A")) == "nobody"


def test_admitted_message_names_its_takers_and_a_refused_one_none() -> None:
    feed = IntakeFeed(profile=PROFILE, forward=(ALL,), versions=("2.5",))
    accepted, refused = (
        admit(Inbound("adt", "10.0.0.1:5", NOW, message(version=version), lambda _: None), feed).entry.forward
        for version in ("2.5", "2.3")
    )
    assert (accepted, refused) == ((("all", "adt"),), ())


SENDER = (
    '[[channel]]\nname = "adt"\nkind = "mllp-listener"\n[[channel]]\nname = "down"\nkind = "mllp-sender"\nport = 2580\n'
)


def write(folder: Path, text: str, host: str = "127.0.0.1") -> Path:
    path = folder / "baton.toml"
    path.write_text(f'[gateway]\ndata_dir = "{folder}"\n{SENDER}host = "{host}"\n{text}\n')
    return path


@pytest.mark.parametrize(
    ("text", "key", "cure"),
    [
        ("", "channel.1.kind", "Name feeds"),
        ('forward = ["adt"]\nevents = ["encounter.*"]', "channel.1.kind", "not both"),
        ('forward = ["down"]', "channel.1.forward", "of that kind"),
        ('forward = ["adt"]\nfacilities = ["main"]', "channel.1.facilities", "`events`"),
        ('events = ["encounter.*"]\nmessages = ["ADT^A31"]', "channel.1.messages", "`forward`"),
        ('forward = ["adt"]\nconnections = 2', "channel.1.connections", "patient"),
        ('events = ["task.*"]', "channel.1.events", "original"),
        ('forward = ["adt"]\nmessages = ["adt-a31"]', "channel.1.messages.0", "form"),
        ('forward = ["adt"]\n[channel.reactions]\nAA = "maybe"', "channel.1.reactions.AA", "'stop'"),
        ('forward = ["adt"]\n[channel.tls]\nkey = "x"', "channel.1.tls", "docs/settings.md"),
    ],
)
def test_sender_settings_that_do_not_fit_are_named(tmp_path: Path, text: str, key: str, cure: str) -> None:
    found = [finding for finding in check(write(tmp_path, text)) if finding.severity == "error"]
    assert [finding.key for finding in found] == [key]
    assert cure in found[0].cure


def test_sender_off_loopback_needs_tls_or_the_explicit_setting(tmp_path: Path) -> None:
    text = 'forward = ["adt"]'
    assert [one.key for one in check(write(tmp_path, text, "10.0.0.1"))] == ["channel.1.host"]
    assert check(write(tmp_path, f"{text}\nallow_plaintext = true", "10.0.0.1")) == []


def test_settings_say_who_is_sent_what(tmp_path: Path) -> None:
    settings = load(write(tmp_path, 'forward = ["adt"]\nmessages = ["ADT^A31"]'))
    assert feeds_of(settings)["adt"].forward == (ForwardRule("down", ("ADT^A31",)),)
    assert (message_sinks(settings.channel), event_sinks(settings)) == ({"down"}, ())
    settings = load(write(tmp_path, 'events = ["encounter.*"]\nfacilities = ["main"]'))
    assert (message_sinks(settings.channel), feeds_of(settings)["adt"].forward) == (frozenset(), ())
    [sink] = event_sinks(settings)
    assert (sink.name, sink.types, sink.facilities) == ("down", ("encounter.*",), {"main"})
