"""One CORE request over HTTPS: write the envelope, send it, read and judge what comes back."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

import httpx

from channels.core_ports import NotAsked
from channels.tls import Tls
from parsers.core.checking import check_sum, error_of_response
from parsers.core.envelope import RULE_VERSION, CoreError, Envelope, Kind
from parsers.core.mime import read_mime, write_mime
from parsers.core.soap import FaultReceived, read_soap, write_soap

NO_CONNECTION = "no-connection"
"""Code of a request that never left."""

TIME_OUT = "time-out"
"""Code of a request that left and was not answered."""

_LATER_CODES = frozenset({"receiver"})  # the other side's back end; everything else is said about the request
_PART_OF = 65536


@dataclass(slots=True, frozen=True, kw_only=True)
class CoreServer:
    """The other side.  Times in seconds, sizes in bytes.  `user` and `password` are never logged.

    form: soap | mime."""

    url: str
    form: str = "soap"
    user: str = ""
    password: str = field(default="", repr=False)
    sender_id: str = ""
    receiver_id: str = ""
    rule_version: str = RULE_VERSION
    payload_types: dict[str, str] = field(default_factory=dict)
    spelling: dict[str, str] = field(default_factory=dict)
    connect_seconds: float = 10.0
    answer_seconds: float = 60.0
    max_body: int = 64 << 20


class CoreLine:
    """Sends requests to one server, over kept connections."""

    def __init__(self, server: CoreServer, clock: Callable[[], datetime], tls: Tls | None) -> None:
        """`tls` for an https:// server; its newest certificates are used from the next request on."""
        self.server = server
        self._clock = clock
        self._tls = tls
        self._context = tls.context if tls is not None else None
        self._client = self._open()

    def _open(self) -> httpx.AsyncClient:
        server = self.server
        times = httpx.Timeout(server.answer_seconds, connect=server.connect_seconds)
        limits = httpx.Limits(max_connections=16, max_keepalive_connections=4)
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
        content_type, body, headers = self._request(kind, fields, payload)
        try:
            status, answered_type, answered = await self._post(content_type, body, headers)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise NotAsked(NO_CONNECTION, "no connection, or a certificate that is not accepted", later=True) from None
        except httpx.ReadTimeout:
            raise NotAsked(TIME_OUT, "no answer in time", later=True) from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as problem:
            raise NotAsked("no-answer", f"no answer: {type(problem).__name__}", later=True) from None
        try:
            envelope = (
                read_mime(answered_type, answered)
                if answered_type.lower().startswith(("multipart/form-data", "multipart/mixed"))
                else read_soap(answered_type, answered)
            )
        except FaultReceived as fault:
            raise NotAsked(f"fault-{fault.code}"[:40], "a SOAP fault", later=fault.code != "Sender") from None
        except CoreError:
            code = "no-envelope" if status in (200, 202) else f"http-{status}"
            raise NotAsked(code, f"HTTP {status} and no envelope", later=True) from None
        error = error_of_response(envelope, fields)
        if error is not None:
            later = error.code.lower() in _LATER_CODES or error.code == "PayloadIllegal"
            raise NotAsked(error.code[:40], "the envelope was refused", later=later)
        return envelope

    def _request(self, kind: Kind, fields: dict[str, str], payload: bytes | None) -> tuple[str, bytes, dict[str, str]]:
        server = self.server
        credentials = (server.user, server.password) if server.user else None
        if server.form == "mime":
            return *write_mime(fields, payload, credentials=credentials, spelling=server.spelling), {}
        body = write_soap(kind.request, fields, payload, credentials=credentials)
        content_type = f'application/soap+xml; charset=utf-8; action="{kind.operation}"'
        return content_type, body, {"Action": kind.operation}

    async def _post(self, content_type: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
        if self._tls is not None and self._tls.context is not self._context:
            self._context = self._tls.context
            old, self._client = self._client, self._open()
            await old.aclose()
        headers = {"Content-Type": content_type, "Accept-Encoding": "identity", **headers}
        async with self._client.stream("POST", self.server.url, content=body, headers=headers) as response:
            received = bytearray()
            async for piece in response.aiter_bytes(_PART_OF):
                received += piece
                if len(received) > self.server.max_body:
                    raise NotAsked("too-long", "the answer is longer than this channel takes", later=False)
            return response.status_code, response.headers.get("content-type", ""), bytes(received)
