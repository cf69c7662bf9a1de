"""One HTTP request to a CORE endpoint: its headers, a bounded body, an answer."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

LATER: Headers = ((b"retry-after", b"90"),)
_LINGER = 5.0  # seconds for which a refused body is read and thrown away


class Refusal(Exception):
    """The request ends here with a bare HTTP status."""

    def __init__(self, status: int, text: str, *, headers: Headers = (), unread: int = 0) -> None:
        """`unread`: bytes of the body that may still come before the connection is closed."""
        super().__init__(text)
        self.status = status
        self.headers = headers
        self.unread = unread


@dataclass(slots=True)
class Request:
    """One HTTP request, before its body is known."""

    scope: Mapping[str, Any]
    receive: Receive

    def header(self, name: str) -> str:
        wanted = name.encode()
        found = next((value for key, value in self.scope["headers"] if key == wanted), b"")
        return bytes(found).decode("latin-1")

    @property
    def certificate(self) -> frozenset[str]:
        names: frozenset[str] = self.scope.get("certificate_names", frozenset())
        return names

    @property
    def certificate_der(self) -> bytes | None:
        found: bytes | None = self.scope.get("certificate_der")
        return found

    @property
    def peer(self) -> str:
        client = self.scope.get("client")
        return f"{client[0]}:{client[1]}" if client else "unknown"


def basic_credentials(header: str) -> tuple[str, str]:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return user, password


async def respond(send: Send, status: int, content_type: str, body: bytes, headers: Headers = ()) -> None:
    await _begin(send, status, content_type, body, headers)
    await send({"type": "http.response.body", "body": body})


async def refuse(request: Request, send: Send, refusal: Refusal) -> None:
    """Answer, and read on a little before the connection is closed: a peer who still sends when it is closed never sees
    the answer."""
    body = f"{refusal}\n".encode()
    headers = (*refusal.headers, (b"connection", b"close"))
    await _begin(send, refusal.status, "text/plain; charset=utf-8", body, headers)
    await send({"type": "http.response.body", "body": body, "more_body": True})
    left = refusal.unread
    try:
        async with asyncio.timeout(_LINGER):
            while left > 0:
                message = await request.receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    break
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b""})


async def _begin(send: Send, status: int, content_type: str, body: bytes, headers: Headers) -> None:
    head = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
