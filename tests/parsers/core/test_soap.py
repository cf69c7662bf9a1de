from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.core.envelope import ACK_RETRIEVAL, REAL_TIME, SUBMIT, CoreError
from parsers.core.soap import SoapFault, read_soap, write_fault, write_soap
from tests.parsers.core.core_messages import (
    ANSWER,
    BATCH,
    FIELDS,
    REQUEST,
    base64_text,
    mtom,
    security,
    soap,
)

TYPE = "application/soap+xml; charset=utf-8"


def test_soap_real_time_request_gives_fields_credentials_and_payload() -> None:
    found = read_soap(TYPE, soap(FIELDS, f"\n<![CDATA[{REQUEST.decode()}]]>\n"))
    assert found.kind is REAL_TIME and (found.user, found.password) == ("baton", "secret")
    assert found.fields == FIELDS
    assert found.payload is not None and found.payload.strip() == REQUEST and not found.exact


def test_soap_names_of_any_case_are_understood() -> None:
    fields = {**FIELDS}
    fields["PayloadId"] = fields.pop("PayloadID")
    fields["Timestamp"] = fields.pop("TimeStamp")
    fields["CoreRuleVersion"] = fields.pop("CORERuleVersion")
    assert read_soap(TYPE, soap(fields, "x")).fields == FIELDS


def test_soap_field_twice_keeps_the_first_and_says_so() -> None:
    body = soap(FIELDS, "x").replace(b"<SenderID>", b"<senderid>FIRST</senderid><SenderID>")
    found = read_soap(TYPE, body)
    assert found.get("SenderID") == "FIRST" and found.repeated == ("SenderID",)


@pytest.mark.parametrize("kind", ["", " Type='http://x#PasswordText'", " Type='PasswordText'"])
def test_soap_plain_password_of_any_spelling_is_read(kind: str) -> None:
    found = read_soap(TYPE, soap(FIELDS, "x", header=security("u", "p &amp; q", kind)))
    assert (found.user, found.password) == ("u", "p & q")


def test_soap_password_digest_counts_as_none() -> None:
    found = read_soap(TYPE, soap(FIELDS, "x", header=security("u", "abc", " Type='http://x#PasswordDigest'")))
    assert (found.user, found.password) == ("u", "")


def test_soap_batch_payload_in_base64_is_exact() -> None:
    found = read_soap(TYPE, soap(BATCH, base64_text(REQUEST), root="COREEnvelopeBatchSubmission"))
    assert found.kind is SUBMIT and found.payload == REQUEST and found.exact


def test_soap_batch_with_mtom_takes_the_attachment() -> None:
    found = read_soap(*mtom(BATCH, REQUEST))
    assert found.payload == REQUEST and found.exact and found.get("CheckSum") == BATCH["CheckSum"]


def test_soap_mtom_that_names_no_part_is_refused() -> None:
    content_type, body = mtom(BATCH, REQUEST)
    with pytest.raises(CoreError, match="Payload"):
        read_soap(content_type, body.replace(b"cid:attachment", b"cid:elsewhere"))


@pytest.mark.parametrize(
    ("doctype", "entity"),
    [
        ("<!DOCTYPE lolz>", ""),
        ('<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>', "&b;"),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd">', ""),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "&x;"),
        ('<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]>', ""),
    ],
)
def test_soap_with_any_dtd_is_refused(doctype: str, entity: str) -> None:
    with pytest.raises(CoreError, match="DTD"):
        read_soap(TYPE, soap(FIELDS, entity, before=doctype))


def test_soap_nested_too_deep_is_refused() -> None:
    with pytest.raises(CoreError, match="too deep"):
        read_soap(TYPE, soap(FIELDS, "<a>" * 1_000_000))


def test_soap_with_too_many_elements_or_attributes_is_refused() -> None:
    with pytest.raises(CoreError, match="too many"):
        read_soap(TYPE, soap(FIELDS, "<a/>" * 100_000))
    attributes = " ".join(f"a{n}='x'" for n in range(1000))
    with pytest.raises(CoreError, match="too many"):
        read_soap(TYPE, soap(FIELDS, f"<a {attributes}/>"))


def test_soap_of_version_1_1_is_answered_as_version_mismatch() -> None:
    body = soap(FIELDS, "x").replace(
        b"http://www.w3.org/2003/05/soap-envelope", b"http://schemas.xmlsoap.org/soap/envelope/"
    )
    with pytest.raises(SoapFault) as refused:
        read_soap(TYPE, body)
    assert refused.value.code == "VersionMismatch"


def test_soap_header_that_must_be_understood_and_is_not_is_refused() -> None:
    header = '<x:Transaction s:mustUnderstand="1" xmlns:x="urn:x"/>'
    with pytest.raises(SoapFault) as refused:
        read_soap(TYPE, soap(FIELDS, "x", header=header))
    assert refused.value.code == "MustUnderstand"


@pytest.mark.parametrize(
    "body", [b"", b"<", b"ISA*00", b"<a/>", b"\xff\xfe\x00", b"<?xml version='1.0' encoding='x'?><a/>"]
)
def test_soap_that_is_no_envelope_is_refused(body: bytes) -> None:
    with pytest.raises(CoreError):
        read_soap(TYPE, body)


def test_soap_fault_of_the_other_side_is_told_apart() -> None:
    with pytest.raises(SoapFault) as refused:
        read_soap(TYPE, write_fault("Receiver", "down for <maintenance>"))
    assert refused.value.code == "Receiver"


def test_soap_begun_document_gives_the_credentials_already() -> None:
    body = soap(FIELDS, base64_text(REQUEST * 300))
    found = read_soap(TYPE, body[: len(body) // 2], whole=False)
    assert (found.user, found.password) == ("baton", "secret")
    content_type, body = mtom(BATCH, REQUEST * 300)
    assert read_soap(content_type, body[: len(body) // 2], whole=False).user == "baton"


@pytest.mark.parametrize("mode", ["RealTime", "Batch"])
def test_soap_written_is_read_back_the_same(mode: str) -> None:
    fields = FIELDS | {"ProcessingMode": mode, "ErrorCode": "Success", "ErrorMessage": "a < b & c"}
    body = write_soap("COREEnvelopeRealTimeResponse", fields, ANSWER, credentials=("u", "<p>"))
    found = read_soap(TYPE, body)
    assert (found.fields, found.payload, found.user, found.password) == (fields, ANSWER, "u", "<p>")
    assert (b"CDATA" in body) == (mode == "RealTime")


def test_soap_without_payload_writes_no_element() -> None:
    body = write_soap("COREEnvelopeBatchSubmissionAckRetrievalRequest", FIELDS, None)
    found = read_soap(TYPE, body)
    assert found.kind is ACK_RETRIEVAL and found.payload is None and b"Payload>" not in body


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")).map(
    str.strip
)


@settings(max_examples=60)
@given(
    sender=_TEXT,
    message=_TEXT,
    payload=st.binary(max_size=300).map(lambda tail: b"ISA" + tail),
    mode=st.sampled_from(["RealTime", "Batch"]),
)
def test_soap_round_trip_keeps_every_value(sender: str, message: str, payload: bytes, mode: str) -> None:
    fields = FIELDS | {"SenderID": sender, "ErrorMessage": message, "ProcessingMode": mode}
    found = read_soap(TYPE, write_soap("COREEnvelopeRealTimeResponse", fields, payload))
    assert found.fields == fields and found.payload is not None
    assert found.payload.replace(b"\r\n", b"\n").replace(b"\r", b"\n") == payload.replace(b"\r\n", b"\n").replace(
        b"\r", b"\n"
    )


@settings(max_examples=150)
@given(data=st.data())
def test_soap_hostile_bytes_are_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    good = data.draw(st.sampled_from([soap(FIELDS, REQUEST.decode()), mtom(BATCH, REQUEST)[1]]))
    at = data.draw(st.integers(0, len(good)))
    cut = data.draw(st.integers(at, min(len(good), at + 80)))
    body = good[:at] + data.draw(st.binary(max_size=60)) + good[cut:]
    content_type = data.draw(st.sampled_from([TYPE, "multipart/related; boundary=Part-1", "multipart/related", ""]))
    for whole in (True, False):
        try:
            read_soap(content_type, body, whole=whole)
        except CoreError as refused:
            assert "HOSPITAL" not in str(refused) and "secret" not in str(refused)


def test_soap_answer_that_a_server_wraps_in_an_element_of_its_own_is_found() -> None:
    bare = write_soap(REAL_TIME.response, FIELDS | {"ErrorCode": "Success"}, ANSWER)
    wrapped = bare.replace(b"<soap:Body>", b'<soap:Body><o:Result xmlns:o="urn:other">').replace(
        b"</soap:Body>", b"</o:Result></soap:Body>"
    )
    assert read_soap("application/soap+xml", wrapped).payload == ANSWER


@pytest.mark.parametrize(("version", "space"), [("2.2.0", "2.2.0"), ("v2.2.0", "2.2.0"), ("4.0.0", "4.0.0")])
def test_soap_schema_is_that_of_the_rule_version(version: str, space: str) -> None:
    made = write_soap(REAL_TIME.request, FIELDS | {"CORERuleVersion": version}, REQUEST)
    assert f'xmlns:cor="http://www.caqh.org/SOAP/WSDL/CORERule{space}.xsd"'.encode() in made
