"""A small client of the HTTP API, for commands that change a running gateway: it stays the only writer."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, BinaryIO

from gateway.api.keys import ADMIN_KEY_FILE
from gateway.settings import Settings

_TIMEOUT = 30.0


class ApiRefused(Exception):
    """The API answered with a problem."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class ApiUnreachable(Exception):
    """Nobody answers at the address in the text."""


class ApiClient:
    """Speaks to the API of the gateway with these settings, or to BATON_API_URL with BATON_API_KEY."""

    def __init__(self, settings: Settings) -> None:
        host = f"[{settings.api.host}]" if ":" in settings.api.host else settings.api.host
        wildcard = settings.api.host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
        scheme = "https" if settings.api.tls else "http"
        default = f"{scheme}://{'127.0.0.1' if wildcard else host}:{settings.api.port}"
        self.url = os.environ.get("BATON_API_URL", default).rstrip("/")
        self._tls = _own_certificate(settings) if self.url == default and settings.api.tls else None
        self._key = os.environ.get("BATON_API_KEY") or _admin_key(settings)

    def get(self, path: str) -> Any:
        return self._json("GET", path, None)

    def body(self, path: str) -> bytes:
        """An answer that is no JSON, as it is."""
        with self._open("GET", path, None, {}) as answer:
            return answer.read()

    def copy(self, path: str, to: BinaryIO) -> None:
        """Write such an answer as it comes."""
        with self._open("GET", path, None, {}) as answer:
            shutil.copyfileobj(answer, to, 1 << 20)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._json("POST", path, body)

    def events(self, path: str, last_event_id: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
        """(position, event) as they come, until the server ends the stream."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_event_id} if last_event_id else {})
        with self._open("GET", path, None, headers) as answer:
            position = ""
            for raw in answer:
                field, _, value = raw.decode().rstrip("\r\n").partition(": ")
                if field == "id":
                    position = value
                elif field == "data":
                    yield position, json.loads(value)

    def _json(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        with self._open(method, path, body, {}) as answer:
            return json.load(answer)

    def _open(self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]) -> HTTPResponse:
        if not self.url.startswith(("http://", "https://")):
            raise ApiUnreachable(self.url)
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"} | headers,
        )
        try:
            answer: HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT, context=self._tls)  # noqa: S310
        except urllib.error.HTTPError as error:
            with error:
                raise ApiRefused(error.code, _detail(error.read())) from None
        except (OSError, HTTPException):
            raise ApiUnreachable(self.url) from None
        return answer


def _own_certificate(settings: Settings) -> ssl.SSLContext:
    """Trusts the certificate of these settings and no other, whatever name it is for: it is the gateway's own."""
    assert settings.api.tls is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(settings.api.tls.certificate)
    except OSError:
        pass  # nothing is trusted then, and the command says that nobody answers
    return context


def _admin_key(settings: Settings) -> str:
    """The local administration key; empty when this account may not read it."""
    try:
        return (Path(settings.gateway.data_dir) / ADMIN_KEY_FILE).read_text().strip()
    except OSError:
        return ""


def _detail(body: bytes) -> str:
    try:
        problem = json.loads(body)
        places = "; ".join(f"{place['location']}: {place['text']}" for place in problem.get("errors") or ())
        return f"{problem['detail']} {places}".strip()
    except (ValueError, KeyError, TypeError):
        return "no reason given"
