"""MIME parts of an HTTP body (RFC 2046, RFC 7578): bounded, linear in its length, lines may end in LF alone."""

from __future__ import annotations

import base64
import binascii
import re

import msgspec

from parsers.core.envelope import CoreError

MAX_PARTS = 32
MAX_HEADERS = 8192  # bytes of the headers of one part
_BOUNDARY = re.compile(r"""boundary\s*=\s*(?:"([^"\r\n]{1,70})"|([^\s;,"]{1,70}))""", re.IGNORECASE)
_PARAMETER = re.compile(r"""\b(name|filename|charset|start|type)\s*=\s*(?:"([^"]*)"|([^\s;]+))""", re.IGNORECASE)
_AFTER = (b"-", b"\r", b"\n", b" ", b"\t", b"")
_FIRST_LINE = re.compile(rb"[\r\n \t]{0,64}--([!-~]{1,70})[ \t]*\r?\n")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part.  `headers` by lower-case name; `body` with its transfer encoding undone."""

    headers: dict[str, str]
    body: bytes

    @property
    def name(self) -> str:
        return parameter(self.headers.get("content-disposition", ""), "name")

    @property
    def content_id(self) -> str:
        return self.headers.get("content-id", "").strip().strip("<>")


def parameter(header: str, name: str) -> str:
    """A parameter of a header value, without its quotes; empty when it is absent."""
    for found in _PARAMETER.finditer(header[:MAX_HEADERS]):
        if found[1].lower() == name:
            return found[2] if found[2] is not None else found[3]
    return ""


def boundary_of(content_type: str, body: bytes) -> bytes:
    """The boundary, from the header or, where a client forgot it there, from the first line.  Raises CoreError."""
    found = _BOUNDARY.search(content_type[:MAX_HEADERS])
    if found is not None:
        text: str = found[1] if found[1] is not None else found[2]
        return text.encode("latin-1", "replace")
    first = _FIRST_LINE.match(body[:256])
    if first is None:
        raise CoreError("multipart without a boundary", "Content-Type")
    return first[1]


def read_parts(body: bytes, boundary: bytes, *, whole: bool = True) -> list[Part]:
    """The parts in order.  `whole` False: the body is only begun, complete parts are given.  Raises CoreError."""
    delimiter = b"--" + boundary
    position = _next(body, delimiter, 0)
    if position < 0:
        if whole:
            raise CoreError("no part begins", "body")
        return []
    parts: list[Part] = []
    while True:
        position += len(delimiter)
        if body.startswith(b"--", position):
            return parts
        start = body.find(b"\n", position, position + 128)
        following = _next(body, delimiter, max(position, start)) if start >= 0 else -1
        if following < 0:
            if whole:
                raise CoreError("the last part does not end", "body")
            return parts
        if len(parts) >= MAX_PARTS:
            raise CoreError("too many parts", "body")
        parts.append(_part(body[start + 1 : _without_line_end(body, start + 1, following)]))
        position = following


def _next(body: bytes, delimiter: bytes, position: int) -> int:
    """Where a delimiter stands at the start of a line, from `position` on; -1 when there is none."""
    while True:
        found = body.find(delimiter, position)
        if found < 0:
            return found
        position = found + len(delimiter)
        if (found == 0 or body[found - 1] == 0x0A) and body[position : position + 1] in _AFTER:
            return found


def _without_line_end(body: bytes, start: int, stop: int) -> int:
    if stop - 1 >= start and body[stop - 1] == 0x0A:
        stop -= 1
        if stop - 1 >= start and body[stop - 1] == 0x0D:
            stop -= 1
    return stop


def _part(content: bytes) -> Part:
    if content[:1] == b"\n" or content[:2] == b"\r\n":
        return _decoded({}, content[2 if content[:1] == b"\r" else 1 :])
    end = re.search(rb"\r?\n\r?\n", content[: MAX_HEADERS + 4])
    if end is None:
        if len(content) > MAX_HEADERS:
            raise CoreError("the headers of a part are too long", "part")
        return _decoded(_headers(content), b"")
    return _decoded(_headers(content[: end.start()]), content[end.end() :])


def _headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    name = ""
    for line in block.replace(b"\r\n", b"\n").split(b"\n"):
        text = line.decode("utf-8", "replace")
        if text[:1] in (" ", "\t") and name:
            headers[name] += " " + text.strip()
            continue
        name, found, value = text.partition(":")
        name = name.strip().lower()
        if found and name not in headers:
            headers[name] = value.strip()
        elif not found:
            name = ""
    return headers


def _decoded(headers: dict[str, str], body: bytes) -> Part:
    encoding = headers.get("content-transfer-encoding", "binary").lower()
    if headers.get("content-type", "").lower().startswith("multipart/"):
        raise CoreError("a multipart inside a part", "part")
    if encoding == "base64":
        try:
            body = base64.b64decode(body.translate(None, b" \t\r\n"), validate=True)
        except (binascii.Error, ValueError):
            raise CoreError("a part is not the base64 that it says", "part") from None
    elif encoding not in ("binary", "8bit", "7bit", ""):
        raise CoreError("a transfer encoding that is not taken here", "part")
    return Part(headers=headers, body=body)
