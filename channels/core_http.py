"""One CORE request over HTTPS: write the envelope, send it, read and judge what comes back."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote
from uuid import uuid4

import httpx

from channels.core_oauth import AccessToken, Grant
from channels.core_ports import NotAsked
from channels.tls import Tls
from parsers.core.checking import check_sum, error_of_response
from parsers.core.envelope import REAL_TIME, RULE_VERSION, CoreError, Envelope, Kind
from parsers.core.mime import read_mime, write_mime
from parsers.core.rest import BY_KIND, JSON, read_json, write_json
from parsers.core.soap import FaultReceived, read_soap, write_soap

NO_CONNECTION = "no-connection"
"""Code of a request that never left."""

TIME_OUT = "time-out"
"""Code of a request that left and was not answered."""

_LATER_CODES = frozenset({"receiver"})  # the other side's back end; everything else is said about the request
_PART_OF = 65536
_NOTHING_YET = (202, 204)  # of a submission: taken; of a retrieval: not there yet
_Request = tuple[str, str, dict[str, str], bytes]


@dataclass(slots=True, frozen=True, kw_only=True)
class CoreServer:
    """The other side.  Times in seconds, sizes in bytes.  `user` and `password` are never logged.

    form: soap | mime | rest.  Of rest: `paths` by kind of message are below `url`; `grant` gives the tokens."""

    url: str
    form: str = "soap"
    user: str = ""
    password: str = field(default="", repr=False)
    sender_id: str = ""
    receiver_id: str = ""
    rule_version: str = RULE_VERSION
    payload_types: dict[str, str] = field(default_factory=dict)
    spelling: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    grant: Grant | None = None
    connect_seconds: float = 10.0
    answer_seconds: float = 60.0
    max_body: int = 64 << 20
    at_once: int = 16


class CoreLine:
    """Sends requests to one server, over kept connections."""

    def __init__(self, server: CoreServer, clock: Callable[[], datetime], tls: Tls | None) -> None:
        """`tls` for an https:// server; its newest certificates are used from the next request on."""
        self.server = server
        self._clock = clock
        self._tls = tls
        self._context = tls.context if tls is not None else None
        self._closing: list[httpx.AsyncClient] = []
        self._client = self._open()
        self._token = AccessToken(server.grant) if server.grant is not None else None

    def _open(self) -> httpx.AsyncClient:
        server = self.server
        times = httpx.Timeout(server.answer_seconds, connect=server.connect_seconds)
        limits = httpx.Limits(max_connections=server.at_once + 1, max_keepalive_connections=server.at_once)
        verify = self._context if self._context is not None else False
        return httpx.AsyncClient(timeout=times, limits=limits, verify=verify, follow_redirects=False, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    def fields(self, kind: Kind, payload_type: str, payload: bytes | None, payload_id: str = "") -> dict[str, str]:
        """The fields of a request; a batch says length and check sum of its payload."""
        made = {
            "PayloadType": payload_type,
            "ProcessingMode": kind.mode,
            "PayloadID": payload_id or str(uuid4()),
            "TimeStamp": f"{self._clock():%Y-%m-%dT%H:%M:%SZ}",
            "SenderID": self.server.sender_id,
            "ReceiverID": self.server.receiver_id,
            "CORERuleVersion": self.server.rule_version,
        }
        if kind.mode == "Batch" and payload is not None:
            made |= {"PayloadLength": str(len(payload)), "CheckSum": check_sum(payload)}
        return made

    async def send(self, kind: Kind, fields: dict[str, str], payload: bytes | None) -> Envelope:
        """The response, with an error code of Success and a payload that is X12 or nothing.  Raises NotAsked."""
        try:
            status, answered_type, answered = await self._exchange(kind, fields, payload)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise NotAsked(NO_CONNECTION, "no connection, or a certificate that is not accepted", later=True) from None
        except httpx.ReadTimeout:
            raise NotAsked(TIME_OUT, "no answer in time", later=True) from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as problem:
            raise NotAsked("no-answer", f"no answer: {type(problem).__name__}", later=True) from None
        try:
            envelope = _read(answered_type, answered)
        except FaultReceived as fault:
            raise NotAsked(f"fault-{fault.code}"[:40], "a SOAP fault", later=fault.code != "Sender") from None
        except CoreError:
            if self.server.form == "rest" and status in _NOTHING_YET and kind is not REAL_TIME:
                return Envelope(form="json", fields={})
            code = "no-envelope" if status in (200, 202) else f"http-{status}"
            raise NotAsked(code, f"HTTP {status} and no envelope", later=True) from None
        error = error_of_response(envelope, fields)
        if error is not None:
            later = error.code.lower() in _LATER_CODES or error.code == "PayloadIllegal"
            raise NotAsked(error.code[:40], "the envelope was refused", later=later)
        return envelope

    async def _exchange(self, kind: Kind, fields: dict[str, str], payload: bytes | None) -> tuple[int, str, bytes]:
        """(status, content type, body).  A token that is not accepted is asked for again once."""
        made = self._request(kind, fields, payload)
        if self._token is None:
            return await self._send(*made, {})
        for _ in range(2):
            token = await self._token.get(self._current())
            status, content_type, body = await self._send(*made, {"Authorization": f"Bearer {token}"})
            if status != 401:
                break
            self._token.forget(token)
        return status, content_type, body

    def _request(self, kind: Kind, fields: dict[str, str], payload: bytes | None) -> _Request:
        """(method, URL, headers, body)."""
        server = self.server
        if server.form == "rest":
            place = BY_KIND[kind.name]
            path = server.paths.get(kind.name, place.path).replace("{id}", quote(fields["PayloadID"], safe=""))
            body = write_json(fields, payload) if place.method == "POST" else b""
            headers = {"Content-Type": JSON} if body else {}
            return place.method, server.url.rstrip("/") + path, headers | {"Accept": JSON}, body
        credentials = (server.user, server.password) if server.user else None
        if server.form == "mime":
            content_type, body = write_mime(fields, payload, credentials=credentials, spelling=server.spelling)
            return "POST", server.url, {"Content-Type": content_type}, body
        body = write_soap(kind.request, fields, payload, credentials=credentials)
        content_type = f'application/soap+xml; charset=utf-8; action="{kind.operation}"'
        return "POST", server.url, {"Content-Type": content_type, "Action": kind.operation}, body

    def _current(self) -> httpx.AsyncClient:
        """With the newest certificates; connections of old ones end with what they have in hand."""
        if self._tls is not None and self._tls.context is not self._context:
            self._context = self._tls.context
            self._closing.append(self._client)
            self._client = self._open()
        return self._client

    async def _send(
        self, method: str, url: str, headers: dict[str, str], body: bytes, more: dict[str, str]
    ) -> tuple[int, str, bytes]:
        client = self._current()
        while self._closing:
            await self._closing.pop().aclose()
        headers = {"Accept-Encoding": "identity", **headers, **more}
        async with client.stream(method, url, content=body, headers=headers) as response:
            received = bytearray()
            async for piece in response.aiter_bytes(_PART_OF):
                received += piece
                if len(received) > self.server.max_body:
                    raise NotAsked("too-long", "the answer is longer than this channel takes", later=False)
            return response.status_code, response.headers.get("content-type", ""), bytes(received)


def _read(content_type: str, body: bytes) -> Envelope:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == JSON:
        return read_json(body)
    if kind in ("multipart/form-data", "multipart/mixed"):
        return read_mime(content_type, body)
    return read_soap(content_type, body)
