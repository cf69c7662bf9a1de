"""A batch answered message by message."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from parsers.hl7v2.batch import split_batch
from parsers.hl7v2.batch_acknowledgement import build_batch_acknowledgement
from parsers.hl7v2.header import scan_header

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
HEAD = b"BHS|^~\\&|APP|FAC|GW|HUB|20261110||||B77\r"


def message(control_id: str, kind: str = "ADT^A01", accept: str = "") -> bytes:
    return f"MSH|^~\\&|APP|FAC|GW|HUB|20261110||{kind}|{control_id}|P|2.5|||{accept}\rPID|1||1^^^H^MR\r".encode()


def answer(body: bytes) -> list[str]:
    ids = (f"R{number}" for number in itertools.count(1))
    made = build_batch_acknowledgement(body, scan_header(body), "auto", now=NOW, control_ids=ids)
    return made.decode("latin-1").split("\r")[:-1] if made is not None else []


def test_each_message_is_answered_in_order_by_its_own_header() -> None:
    found = answer(HEAD + message("M1") + message("M2", "") + b"BTS|2\r")
    assert found[0].startswith("BHS|^~\\&|GW|HUB|APP|FAC|20261110120000+0000||||R") and found[0].endswith("|B77")
    assert [line for line in found if line.startswith("MSA")] == ["MSA|AA|M1", "MSA|AR|M2"]
    assert [line.split("|")[2] for line in found if line.startswith("ERR")] == ["MSH^1^9"]
    assert found[-1] == "BTS|2"


def test_messages_that_want_no_answer_have_none() -> None:
    assert answer(HEAD + message("M1", accept="NE") + b"BTS|1\r") == []
    found = answer(HEAD + message("M1", accept="NE") + message("M2", accept="AL") + b"BTS|2\r")
    assert [line for line in found if line.startswith("MSA")] == ["MSA|CA|M2"]
    assert found[-1] == "BTS|1"


def test_answer_is_a_batch_that_is_read_back() -> None:
    batch = split_batch("\r".join(answer(HEAD + message("M1") + message("M2") + b"BTS|2\r")).encode() + b"\r")
    assert len(batch.messages) == 2
    assert batch.oddities == []


@given(st.binary(max_size=300))
def test_answer_to_any_bytes_is_made(content: bytes) -> None:
    answer(HEAD + content)
    answer(HEAD + message("M1") + content)
