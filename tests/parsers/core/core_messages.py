"""Envelopes as partners send them, written by hand and not by our writer."""

from __future__ import annotations

import base64
import hashlib

UUID = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
REQUEST = (
    b"ISA*00*          *00*          *ZZ*HOSPITAL       *ZZ*PAYER          *260302*0930*^*00501*000000101*0*P*:~"
    b"GS*HS*HOSPITAL*PAYER*20260302*0930*101*X*005010X279A1~ST*270*0001*005010X279A1~"
    b"BHT*0022*13*TR101*20260302*0930~SE*3*0001~GE*1*101~IEA*1*000000101~"
)
ANSWER = REQUEST.replace(b"GS*HS", b"GS*HB").replace(b"ST*270", b"ST*271").replace(b"*13*", b"*11*")

FIELDS = {
    "PayloadType": "X12_270_Request_005010X279A1",
    "ProcessingMode": "RealTime",
    "PayloadID": UUID,
    "TimeStamp": "2026-03-02T14:30:00Z",
    "SenderID": "HOSPITAL",
    "ReceiverID": "PAYER",
    "CORERuleVersion": "2.2.0",
}
BATCH = FIELDS | {
    "ProcessingMode": "Batch",
    "PayloadLength": str(len(REQUEST)),
    "CheckSum": hashlib.sha1(REQUEST).hexdigest(),
}


def soap(
    fields: dict[str, str],
    payload: str | None,
    root: str = "COREEnvelopeRealTimeRequest",
    header: str = "",
    before: str = "",
) -> bytes:
    """A SOAP 1.2 request; `payload` goes in as it is."""
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    if payload is not None:
        inner += f"<Payload>{payload}</Payload>"
    return (
        f'<?xml version="1.0"?>{before}<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
        'xmlns:c="http://www.caqh.org/SOAP/WSDL/CORERule2.2.0.xsd">'
        f"<s:Header>{header or security('baton', 'secret')}</s:Header><s:Body><c:{root}>{inner}</c:{root}></s:Body></s:Envelope>"
    ).encode()


def security(user: str, password: str, kind: str = "") -> str:
    space = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
    return (
        f'<w:Security s:mustUnderstand="true" xmlns:w="{space}"><w:UsernameToken><w:Username>{user}</w:Username>'
        f"<w:Password{kind}>{password}</w:Password></w:UsernameToken></w:Security>"
    )


def mime(fields: dict[str, str], payload: bytes | None, boundary: str = "XbX", newline: str = "\r\n") -> bytes:
    """A multipart/form-data request with the credentials first."""
    end = newline.encode()
    body = b""
    values = {"UserName": b"baton", "Password": b"secret", **{k: v.encode() for k, v in fields.items()}}
    if payload is not None:
        values["Payload"] = payload
    for name, value in values.items():
        body += b"--" + boundary.encode() + end
        body += b'Content-Disposition: form-data; name="' + name.encode() + b'"' + end + end + value + end
    return body + b"--" + boundary.encode() + b"--" + end


def mtom(fields: dict[str, str], payload: bytes) -> tuple[str, bytes]:
    """(content type, body) of a batch submission whose payload is a part of its own."""
    include = '<x:Include href="cid:attachment" xmlns:x="http://www.w3.org/2004/08/xop/include"/>'
    markup = soap(fields, include, root="COREEnvelopeBatchSubmission")
    body = (
        b"--Part-1\r\nContent-Type: application/xop+xml; charset=UTF-8\r\nContent-ID: <rootpart>\r\n\r\n"
        + markup
        + b"\r\n--Part-1\r\nContent-Type: application/octet-stream\r\nContent-ID: <attachment>\r\n\r\n"
        + payload
        + b"\r\n--Part-1--\r\n"
    )
    return 'multipart/related; type="application/xop+xml"; start="rootpart"; boundary="Part-1"', body


def base64_text(payload: bytes) -> str:
    return base64.b64encode(payload).decode()
