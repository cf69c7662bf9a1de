from __future__ import annotations

import hashlib

import pytest

from parsers.core.checking import Expectations, check_request, check_sum, error_of_response, is_uuid, sum_fits
from parsers.core.envelope import ACK_RETRIEVAL, RESULTS_ACK, RESULTS_RETRIEVAL, SUBMIT, Envelope, unwrap
from parsers.core.payloads import BY_USE, TABLE, kind_of, use_of, use_of_document, value_of
from tests.parsers.core.core_messages import ANSWER, BATCH, FIELDS, REQUEST, UUID

WANTED = Expectations(sender_ids=("Hospital",), receiver_ids=("PAYER",))


def envelope(payload: bytes | None = REQUEST, **changes: str) -> Envelope:
    fields = {name: value for name, value in (FIELDS | changes).items() if value}
    return Envelope(form="mime", fields=fields, payload=payload)


def code(given: Envelope, wanted: Expectations = WANTED) -> str | None:
    found = check_request(given, wanted)
    return found.code if found else None


def test_check_good_requests_have_no_error() -> None:
    assert code(envelope()) is None
    assert code(envelope(**BATCH)) is None


@pytest.mark.parametrize("name", list(FIELDS))
def test_check_missing_field_is_named(name: str) -> None:
    assert code(envelope(**{name: ""})) == f"{name}Required"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ProcessingMode": "Sometimes"}, "ProcessingModeIllegal"),
        ({"ProcessingMode": "realtime"}, None),
        ({"PayloadType": "X12_999_Nothing"}, "PayloadTypeIllegal"),
        ({"PayloadType": "x12_270_request_005010x279a1"}, None),
        ({"PayloadID": "12345"}, "PayloadIDIllegal"),
        ({"PayloadID": UUID.replace("-", "").upper()}, None),
        ({"TimeStamp": "yesterday"}, "TimeStampIllegal"),
        ({"TimeStamp": "2026-03-02T14:30:00.123Z"}, None),
        ({"TimeStamp": "2026-03-02T14:30:00-05:00"}, None),
        ({"SenderID": "hospital"}, None),
        ({"SenderID": "OTHER"}, "SenderIDIllegal"),
        ({"SenderID": "x" * 51}, "SenderIDIllegal"),
        ({"ReceiverID": "OTHER"}, "ReceiverIDIllegal"),
        ({"CORERuleVersion": "v2.2.0"}, None),
        ({"CORERuleVersion": "4.0.0"}, "VersionMismatch"),
        ({"PayloadLength": "-1"}, "PayloadLengthIllegal"),
        ({"PayloadLength": "7"}, "PayloadLengthIllegal"),
        ({"PayloadLength": "９"}, "PayloadLengthIllegal"),
        ({"CheckSum": "0" * 40}, "ChecksumMismatched"),
        ({"CheckSum": "short"}, "ChecksumMismatched"),
        ({"CheckSum": hashlib.sha256(REQUEST).hexdigest().upper()}, None),
    ],
)
def test_check_value_gives_the_code_of_the_rule(changes: dict[str, str], expected: str | None) -> None:
    assert code(envelope(**changes)) == expected


def test_check_payload_is_sniffed_before_it_is_believed() -> None:
    assert code(envelope(None)) == "PayloadRequired"
    assert code(envelope(b"")) == "PayloadRequired"
    assert code(envelope(b'{"error": "busy"}')) == "PayloadIllegal"
    assert code(envelope(b"\xef\xbb\xbf\r\n" + REQUEST)) is None


def test_check_length_of_text_that_xml_may_have_changed_is_not_held_against_it() -> None:
    given = envelope(PayloadLength="7", CheckSum="0" * 40)
    given.exact = False
    assert code(given) is None


def test_check_repeated_field_is_illegal() -> None:
    given = envelope()
    given.repeated = ("SenderID",)
    assert code(given) == "SenderIDIllegal"


def test_check_partner_takes_only_his_uses_and_his_spellings() -> None:
    wanted = Expectations(uses=("278",), payload_types={"278": "MY_278"})
    assert code(envelope(), wanted) == "PayloadTypeIllegal"
    asks = REQUEST.replace(b"ST*270", b"ST*278")
    assert code(envelope(asks, PayloadType="my_278"), wanted) is None
    assert code(envelope(asks, PayloadType=BY_USE["278"]), wanted) is None
    assert value_of("278", wanted.payload_types) == "MY_278" and value_of("270", wanted.payload_types) == BY_USE["270"]


@pytest.mark.parametrize(
    ("use", "kind"),
    [
        ("270", SUBMIT),
        ("batch:270", SUBMIT),
        ("retrieval:999", ACK_RETRIEVAL),
        ("retrieval:TA1", ACK_RETRIEVAL),
        ("results:271", RESULTS_RETRIEVAL),
        ("ack:999", RESULTS_ACK),
    ],
)
def test_kind_of_a_mime_batch_is_told_by_its_payload_type(use: str, kind: object) -> None:
    given = envelope(None, ProcessingMode="Batch", PayloadType=BY_USE[use])
    assert kind_of(given) is kind
    if kind in (ACK_RETRIEVAL, RESULTS_RETRIEVAL):
        assert code(given) is None  # asks for something: no payload, and any PayloadID
    elif kind is RESULTS_ACK:
        assert code(given) == "PayloadRequired"


@pytest.mark.parametrize(
    ("body", "use"),
    [
        (REQUEST, "270"),
        (ANSWER, "271"),
        (REQUEST.replace(b"ST*270", b"ST*278"), "278"),
        (ANSWER.replace(b"ST*271", b"ST*278"), "278-response"),
        (REQUEST.replace(b"ST*270", b"ST*999"), "999"),
        (REQUEST[:106] + b"TA1*000000101*260302*0930*R*001~IEA*0*000000101~", "TA1"),
        (b"ISA", None),
        (b"", None),
        (REQUEST[:106] + b"IEA*0*1~", None),
    ],
)
def test_use_of_a_document_is_told_by_its_first_set(body: bytes, use: str | None) -> None:
    assert use_of_document(body) == use


def test_response_is_believed_only_when_everything_fits() -> None:
    good = envelope(ANSWER, ErrorCode="success")
    assert error_of_response(good, FIELDS) is None
    assert error_of_response(envelope(ANSWER), FIELDS) is None  # seen: no code beside a TA1
    for given, expected in (
        (envelope(ANSWER, ErrorCode="UnAuthorized"), "UnAuthorized"),
        (envelope(b""), "Receiver"),
        (envelope(b'{"error": "no"}', ErrorCode="Success"), "PayloadIllegal"),
        (envelope(ANSWER, ErrorCode="Success", PayloadID=UUID.replace("f", "0")), "PayloadIDIllegal"),
    ):
        found = error_of_response(given, FIELDS)
        assert found is not None and found.code == expected


def test_sums_and_uuids() -> None:
    assert sum_fits(REQUEST, check_sum(REQUEST)) and not sum_fits(REQUEST + b" ", check_sum(REQUEST))
    assert is_uuid(UUID) and is_uuid("{" + UUID + "}") and not is_uuid(UUID + "0") and not is_uuid("a" * 100_000)


def test_unwrap_takes_text_as_it_is_and_base64_decoded() -> None:
    assert unwrap(b"  ISA*00") == (b"  ISA*00", False)
    assert unwrap(b"SVNB\r\n KjAw") == (b"ISA*00", True)
    assert unwrap(b"{error}") == (b"{error}", False)


def test_table_has_each_value_and_use_once_with_a_status() -> None:
    assert len({row.value.lower() for row in TABLE}) == len({row.use for row in TABLE}) == len(TABLE)
    assert {row.status for row in TABLE} == {"seen", "unconfirmed"}
    assert all(use_of(row.value.upper()) == row.use for row in TABLE)


@pytest.mark.parametrize(
    ("payload", "changes", "expected"),
    [
        (REQUEST, {"PayloadType": BY_USE["278"]}, "PayloadTypeIllegal"),
        (REQUEST.replace(b"ST*270", b"ST*278"), {}, "PayloadTypeIllegal"),
        (REQUEST, {"PayloadType": BY_USE["ack:999"], "ProcessingMode": "Batch"}, "PayloadTypeIllegal"),
        (REQUEST, {"PayloadType": BY_USE["batch:270"], "ProcessingMode": "Batch"}, None),
        (REQUEST[:106], {}, None),  # what it holds is for a TA1 to say
        (REQUEST + REQUEST, {}, "PayloadIllegal"),
        (REQUEST + REQUEST, {"ProcessingMode": "Batch"}, None),
    ],
)
def test_check_payload_fits_what_the_envelope_says_of_it(
    payload: bytes, changes: dict[str, str], expected: str | None
) -> None:
    assert code(envelope(payload, **changes)) == expected
