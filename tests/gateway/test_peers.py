"""Who may speak for whom."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.ports import Inbound
from gateway.admission import Admission, IntakeFeed, admit
from gateway.peers import FOREIGN_SENDER, UNKNOWN_PEER, Peer, make_peer, refuse_sender, senders_of
from parsers.hl7v2.header import scan_header
from tests.gateway.test_intake import NOW, PROFILE, message

ENGINE = make_peer(["10.1.0.0/16", "::1"], ["Engine.example"], ["ADT|HOSP", "LAB*|*"])
CLINIC = make_peer(["192.168.7.4"], [], ["*|CLINIC"])
PEERS = (ENGINE, CLINIC)


@pytest.mark.parametrize(
    ("peer", "names", "sender", "reason"),
    [
        ("10.1.2.3:5000", ("engine.example",), ("ADT", "HOSP"), None),
        ("[::1]:5000", ("x", "engine.example"), ("LAB7", "ANY"), None),
        ("10.1.2.3:5000", ("engine.example",), ("ADT", "CLINIC"), FOREIGN_SENDER),
        ("10.1.2.3:5000", (), ("ADT", "HOSP"), UNKNOWN_PEER),
        ("10.2.0.1:5000", ("engine.example",), ("ADT", "HOSP"), UNKNOWN_PEER),
        ("192.168.7.4:1", (), ("WHATEVER", "CLINIC"), None),
        ("192.168.7.4:1", (), ("", ""), FOREIGN_SENDER),
        ("192.168.7.4:1", (), ("X", "clinic"), FOREIGN_SENDER),
        ("a file name", (), ("ADT", "CLINIC"), UNKNOWN_PEER),
    ],
)
def test_sender_is_refused_unless_its_peer_may_speak_for_it(
    peer: str, names: tuple[str, ...], sender: tuple[str, str], reason: str | None
) -> None:
    assert refuse_sender(PEERS, peer, names, sender) == reason


def test_without_peers_anybody_speaks_for_anybody() -> None:
    assert refuse_sender((), "10.1.2.3:1", (), ("A", "B")) is None


@settings(max_examples=60)
@given(st.text(max_size=20), st.text(max_size=20))
def test_a_sender_written_out_means_itself_alone(application: str, facility: str) -> None:
    if "|" in application + facility or set("*?") & set(application + facility):
        return
    peer = make_peer(["10.0.0.1"], [], [f"{application}|{facility}"])
    assert peer.may_send_for(application, facility)
    assert not peer.may_send_for(application + "x", facility)
    assert not peer.may_send_for(application, facility + "x")


def judged(body: bytes, *peers: Peer, peer: str = "192.168.7.4:1") -> Admission:
    feed = IntakeFeed(profile=PROFILE, peers=peers)
    return admit(Inbound("adt", peer, NOW, body, lambda _: None, names=("clinic.example",)), feed)


@pytest.mark.parametrize(("application", "code"), [("", "AR"), ("AL", "CE")])
def test_message_of_another_sender_is_kept_and_answered_with_its_place(application: str, code: str) -> None:
    admission = judged(message(accept=application), CLINIC)
    assert (admission.entry.rejected, admission.code) == (FOREIGN_SENDER, code)
    assert admission.error is not None and (admission.error.code, admission.error.location) == ("103", "MSH^1^3")
    assert admission.entry.body and admission.entry.lanes == ()


def test_message_of_its_own_sender_is_taken_and_the_certificate_is_kept_with_the_peer() -> None:
    admission = judged(message().replace(b"|HOSP|", b"|CLINIC^1.2.3^ISO|", 1), CLINIC)
    assert (admission.entry.rejected, admission.code) == (None, "AA")
    assert admission.entry.peer == "192.168.7.4:1 clinic.example"


@pytest.mark.parametrize("wrapped", [True, False])
def test_batch_cannot_carry_a_message_of_another_sender(wrapped: bool) -> None:
    own, other = message("1").replace(b"|HOSP|", b"|CLINIC|", 1), message("2")
    head, tail = (b"FHS|^~\\&|ADT|CLINIC\rBHS|^~\\&|ADT|CLINIC\r", b"BTS|2\rFTS|1\r") if wrapped else (b"", b"")
    assert judged(head + own + own + tail, CLINIC).entry.rejected is None
    assert judged(head + own + other + tail, CLINIC).entry.rejected == FOREIGN_SENDER


def test_senders_of_a_unit_are_named_once() -> None:
    body = message("1") + message("2")
    assert senders_of(body, scan_header(body)) == [("ADT", "HOSP")]


def test_unreadable_unit_of_a_known_peer_is_answered_as_unreadable() -> None:
    assert judged(b"PID|1", CLINIC).entry.rejected == "no-header"
