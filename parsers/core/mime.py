"""The HTTP MIME form: multipart/form-data, one part per field, the user name and password among them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from parsers.core.envelope import FIELDS, MAX_VALUE, NAMES, CoreError, Envelope
from parsers.core.multipart import boundary_of, parameter, read_parts

_CREDENTIALS = {"username": "user", "password": "password"}


def read_mime(content_type: str, body: bytes, *, whole: bool = True) -> Envelope:
    """One message; parts in any order and spelling.  `whole` as for SOAP.  Raises CoreError."""
    if not content_type.lower().startswith(("multipart/form-data", "multipart/mixed", "multipart/related")):
        raise CoreError("multipart/form-data is wanted", "Content-Type")
    envelope = Envelope(form="mime", fields={})
    repeated: list[str] = []
    for part in read_parts(body, boundary_of(content_type, body), whole=whole):
        lowered = part.name.lower()
        name = NAMES.get(lowered)
        if lowered in _CREDENTIALS:
            setattr(envelope, _CREDENTIALS[lowered], _text(part.body, part.headers).strip("\r\n"))
        elif name == "Payload" and envelope.payload is None:
            envelope.payload = part.body
        elif name is None:
            continue
        elif name == "Payload" or name in envelope.fields:
            repeated.append(name)
        else:
            envelope.fields[name] = _text(part.body, part.headers).strip()
    envelope.repeated = tuple(repeated)
    return envelope


def write_mime(
    fields: Mapping[str, str],
    payload: bytes | None,
    *,
    credentials: tuple[str, str] | None = None,
    spelling: Mapping[str, str] | None = None,
) -> tuple[str, bytes]:
    """(content type, body) with CRLF line ends.  `spelling`: the partner's own name of a field."""
    own = spelling or {}
    # Of the payload itself, so that no payload can be made that holds it.
    boundary = b"core-" + hashlib.sha256(payload or b"").hexdigest()[:40].encode()
    values = {name: fields[name].encode() for name in FIELDS if name in fields}
    if credentials is not None:
        values |= {"UserName": credentials[0].encode(), "Password": credentials[1].encode()}
    if payload is not None:
        values["Payload"] = payload
    body = bytearray()
    for name, value in values.items():
        body += b"--" + boundary + b'\r\nContent-Disposition: form-data; name="' + own.get(name, name).encode()
        body += b'"\r\n\r\n' + value + b"\r\n"
    body += b"--" + boundary + b"--\r\n"
    return f"multipart/form-data; boundary={boundary.decode('ascii')}", bytes(body)


def _text(body: bytes, headers: Mapping[str, str]) -> str:
    charset = parameter(headers.get("content-type", ""), "charset").lower()
    encoding = "latin-1" if charset in ("iso-8859-1", "latin-1", "windows-1252") else "utf-8"
    return body[:MAX_VALUE].decode(encoding, "replace")
