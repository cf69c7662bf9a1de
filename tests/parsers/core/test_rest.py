from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.core.envelope import RESULTS_ACK, RESULTS_RETRIEVAL, SUBMIT, CoreError
from parsers.core.rest import places_at, read_json, status_of, write_json
from tests.parsers.core.core_messages import ANSWER, FIELDS, REQUEST, UUID


def test_rest_places_are_told_by_path_and_method() -> None:
    assert [place.kind for place, _ in places_at("/v1/batches")] == [SUBMIT]
    assert [(place.kind, found) for place, found in places_at(f"/v1/batches/{UUID}/results")] == [
        (RESULTS_RETRIEVAL, UUID)
    ]
    assert places_at(f"/v1/batches/{UUID}/results/acknowledgement")[0][0].kind is RESULTS_ACK
    nowhere = ("", "/", "/v2/batches", "/v1/batches/", "/v1/batches//results", "/v1/batches/a/b/results")
    assert all(places_at(path) == [] for path in (*nowhere, f"/v1/batches/{'x' * 51}/results"))


def test_json_names_of_any_case_and_payloads_of_both_kinds_are_read() -> None:
    made = json.dumps({"payloadtype": "a", "SENDERID": " s ", "PayloadLength": 7, "Other": [1], "CheckSum": None})
    found = read_json(made.encode())
    assert found.fields == {"PayloadType": "a", "SenderID": "s", "PayloadLength": "7"} and found.payload is None
    for text in (REQUEST.decode(), base64.b64encode(REQUEST).decode()):
        assert read_json(json.dumps({"Payload": text}).encode()).payload == REQUEST


def test_json_field_twice_keeps_the_first_and_says_so() -> None:
    found = read_json(b'{"SenderID": "a", "senderid": "b", "Payload": "x", "Payload": "y"}')
    assert (found.get("SenderID"), found.payload, found.repeated) == ("a", b"x", ("SenderID", "Payload"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]x",
        b"[1]",
        b'"text"',
        b"7",
        b'{"SenderID": {"a": 1}}',
        b'{"SenderID": true}',
        b'{"Payload": 1.5}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xff\xfe",
    ],
)
def test_json_that_is_no_envelope_is_refused(body: bytes) -> None:
    with pytest.raises(CoreError):
        read_json(body)


@given(st.binary(max_size=200))
def test_json_of_hostile_bytes_is_read_or_refused_and_nothing_else(body: bytes) -> None:
    try:
        read_json(body)
    except CoreError:
        pass


@given(st.binary(max_size=300))
def test_json_written_is_read_back_the_same(tail: bytes) -> None:
    document = ANSWER + tail
    found = read_json(write_json(FIELDS, document))
    assert found.fields == FIELDS and found.payload is not None
    assert found.payload == document


def test_statuses_of_errors() -> None:
    assert [status_of(code) for code in ("UnAuthorized", "Receiver", "PayloadIllegal", "VersionMismatch")] == [
        403, 503, 400, 400,
    ]  # fmt: skip
