from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.core.envelope import CoreError
from parsers.core.mime import read_mime, write_mime
from parsers.core.multipart import read_parts
from tests.parsers.core.core_messages import BATCH, FIELDS, REQUEST, mime

TYPE = "multipart/form-data; boundary=XbX"


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize("content_type", [TYPE, 'Multipart/Form-Data; boundary="XbX"', "multipart/form-data"])
def test_mime_request_gives_fields_credentials_and_payload(newline: str, content_type: str) -> None:
    found = read_mime(content_type, mime(FIELDS, REQUEST, newline=newline))
    assert (found.fields, found.payload) == (FIELDS, REQUEST)
    assert (found.user, found.password) == ("baton", "secret") and found.kind is None and found.exact


def test_mime_names_of_any_case_and_order_are_understood() -> None:
    fields = {
        "processingmode": "RealTime",
        "PayloadId": FIELDS["PayloadID"],
        "Timestamp": FIELDS["TimeStamp"],
        "payloadType": FIELDS["PayloadType"],
        "SenderId": "HOSPITAL",
        "ReceiverId": "PAYER",
        "CoreRuleVersion": "2.2.0",
    }
    assert read_mime(TYPE, mime(fields, REQUEST)).fields == FIELDS


def test_mime_payload_may_hold_anything_but_its_boundary_at_a_line_start() -> None:
    payload = b"ISA\r\n\r\n--XbXy\r\n--Xb\r\nabc--XbX--\r\n\r\n"
    assert read_mime(TYPE, mime(FIELDS, payload)).payload == payload


def test_mime_payload_in_base64_is_decoded() -> None:
    body = mime(FIELDS, b"SVNBKjAw").replace(
        b'name="Payload"\r\n', b'name="Payload"\r\nContent-Transfer-Encoding: base64\r\n'
    )
    assert read_mime(TYPE, body).payload == b"ISA*00"


def test_mime_field_twice_keeps_the_first_and_says_so() -> None:
    body = mime(FIELDS | {"senderid": "SECOND"}, REQUEST)
    found = read_mime(TYPE, body)
    assert found.get("SenderID") == "HOSPITAL" and found.repeated == ("SenderID",)


@pytest.mark.parametrize(
    ("content_type", "body", "why"),
    [
        ("text/xml", mime(FIELDS, REQUEST), "multipart"),
        (TYPE, b"", "no part"),
        (TYPE, b"ISA*00", "no part"),
        ("multipart/form-data", b"ISA*00", "without a boundary"),
        (TYPE, mime(FIELDS, REQUEST)[:-20], "does not end"),
        (TYPE, b"--XbX\r\n\r\nx\r\n" * 33 + b"--XbX--", "too many parts"),
        (TYPE, b"--XbX\r\nA: " + b"x" * 9000 + b"\r\n\r\n\r\n--XbX--", "too long"),
        (TYPE, b"--XbX\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n--XbX--", "inside a part"),
        (TYPE, b"--XbX\r\nContent-Transfer-Encoding: base64\r\n\r\n!!\r\n--XbX--", "base64"),
        (TYPE, b"--XbX\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n!!\r\n--XbX--", "transfer encoding"),
    ],
)
def test_mime_that_is_no_envelope_is_refused(content_type: str, body: bytes, why: str) -> None:
    with pytest.raises(CoreError, match=why):
        read_mime(content_type, body)


def test_mime_begun_body_gives_the_complete_parts() -> None:
    body = mime(BATCH, REQUEST * 500)
    found = read_mime(TYPE, body[:4000], whole=False)
    assert (found.user, found.password) == ("baton", "secret") and found.payload is None


def test_mime_long_field_is_cut_and_a_wrong_byte_survived() -> None:
    found = read_mime(TYPE, mime(FIELDS | {"SenderID": "x" * 100_000}, REQUEST).replace(b"PAYER", b"\xff"))
    assert len(found.get("SenderID")) == 4096 and found.get("ReceiverID") == "�"


@settings(max_examples=80)
@given(
    payload=st.binary(max_size=400) | st.lists(st.sampled_from([b"--core-", b"\r\n", b"--", b"ISA"])).map(b"".join),
    sender=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])).map(str.strip),
)
def test_mime_round_trip_keeps_every_byte(payload: bytes, sender: str) -> None:
    content_type, body = write_mime(FIELDS | {"SenderID": sender}, payload, credentials=("u", "p"))
    found = read_mime(content_type, body)
    assert (found.payload, found.get("SenderID"), found.user, found.password) == (payload, sender, "u", "p")


def test_mime_partner_spelling_is_written() -> None:
    _, body = write_mime(FIELDS, REQUEST, spelling={"PayloadID": "PayloadId"})
    assert b'name="PayloadId"' in body and b'name="PayloadID"' not in body


@settings(max_examples=150)
@given(data=st.data())
def test_mime_hostile_bytes_are_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    good = mime(FIELDS, REQUEST)
    at = data.draw(st.integers(0, len(good)))
    cut = data.draw(st.integers(at, min(len(good), at + 80)))
    body = good[:at] + data.draw(st.binary(max_size=60)) + good[cut:]
    content_type = data.draw(st.sampled_from([TYPE, "multipart/form-data", "multipart/form-data; boundary=", "x"]))
    for whole in (True, False):
        try:
            read_mime(content_type, body, whole=whole)
        except CoreError as refused:
            assert "HOSPITAL" not in str(refused) and "secret" not in str(refused)


class Scanned(bytes):
    """Bytes that count how far each search in them went."""

    scanned = 0

    def find(self, sub: bytes, start: int = 0, end: int | None = None) -> int:  # type: ignore[override]
        found = super().find(sub, start, len(self) if end is None else end)
        Scanned.scanned += (min(len(self), end or len(self)) if found < 0 else found) - start
        return found


@pytest.mark.parametrize(
    "shape", [b"--XbX", b"\n--XbX", b"--XbXy\n", b"\r\n\r\n", b"\n--XbX\n\n", b"\n--XbX" + b" " * 200]
)
def test_mime_cost_is_linear_in_the_body(shape: bytes) -> None:
    body = Scanned(b"--XbX\r\n\r\n" + shape * 20_000 + b"\r\n--XbX--\r\n")
    Scanned.scanned = 0
    try:
        read_parts(body, b"XbX")
    except CoreError as refused:
        assert "too many parts" in str(refused) or "does not end" in str(refused)
    assert Scanned.scanned <= 2 * len(body)
