"""A CAQH CORE endpoint: partners post envelopes, SOAP 1.2 or HTTP MIME multipart, on one path of a port of its own.

    GET <path>?wsdl     the WSDL, for who signs in by HTTP Basic or certificate
    POST <path>         an envelope; its form is told by Content-Type
    <path>/v1/...       the REST form, where it is on (`channels.core_rest`)

Who is not known is refused after 64 KiB of a body.  A body and the time to send it are bounded, and the bodies in work
together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import uvicorn

from channels.core_answers import Outgoing, Unavailable, response_fields
from channels.core_partners import CorePartner
from channels.core_request import LATER, Receive, Refusal, Request, Send, basic_credentials, refuse, respond
from channels.core_rest import RestDoor
from channels.core_server import EndpointProtocol, EndpointServer
from channels.core_uptime import Uptime
from channels.listening import ListeningSource
from channels.tls import Tls
from parsers.core.checking import EnvelopeError, check_request
from parsers.core.envelope import CoreError, Envelope
from parsers.core.mime import read_mime, write_mime
from parsers.core.payloads import kind_of
from parsers.core.soap import CONTENT_TYPE, SoapFault, read_soap, write_fault, write_soap
from parsers.core.wsdl import write_wsdl

log = logging.getLogger(__name__)

PEEK = 65536  # bytes after which a body's sender must have said who he is
_NEVER = ("application/json", "application/x-www-form-urlencoded")
_MIME = ("multipart/form-data", "multipart/mixed")
_UNAUTHORIZED = EnvelopeError("UnAuthorized", "User name, password or certificate are not accepted.")
_STRANGERS = 4 << 20  # bytes of a stranger's body that are read and thrown away
_STRANGER = CorePartner(name="")
_CLOSE = (b"connection", b"close")


@dataclass(slots=True, frozen=True, kw_only=True)
class CoreEndpointSettings:
    """One endpoint.  Sizes in bytes, times in seconds; `in_work`: bytes of all bodies that are received or answered."""

    name: str
    host: str = "127.0.0.1"
    port: int = 0
    path: str = "/core"
    max_body: int = 16 << 20
    in_work: int = 64 << 20
    body_seconds: float = 60.0
    max_connections: int = 256


class Handler(Protocol):
    """Who answers checked requests: `channels.core_desk.Desk`, or a simulated payer."""

    async def handle(self, partner: CorePartner, envelope: Envelope, peer: str) -> Outgoing: ...

    async def refuse(self, partner: CorePartner, envelope: Envelope, error: EnvelopeError) -> None: ...

    def now(self) -> datetime: ...

    async def close(self) -> None: ...


class Gate(Protocol):
    """Who knows the partners: `channels.core_partners.Gatekeeper`."""

    async def recognise(self, user: str, password: str, certificate: frozenset[str]) -> CorePartner | None: ...


class CoreEndpoint(ListeningSource):
    """Serves one channel.  `requests` counts envelopes, `refused` those that nobody may send."""

    def __init__(
        self,
        settings: CoreEndpointSettings,
        desk: Handler,
        gatekeeper: Gate,
        *,
        tls: Tls | None = None,
        uptime: Callable[[Callable[[], bool]], Uptime] | None = None,
        rest: RestDoor | None = None,
    ) -> None:
        """`uptime` makes the keeper of when calls were answered."""
        super().__init__(settings.name, settings.host, settings.port)
        self.settings = settings
        self._tls = tls
        self._rest = rest
        self.requests = 0
        self.paused = False
        self._desk = desk
        self._gatekeeper = gatekeeper
        self._uptime = uptime(lambda: not self.paused) if uptime is not None else None
        self._in_work = 0
        self._task: asyncio.Task[None] | None = None
        self._server: EndpointServer | None = None

    # -- steering --------------------------------------------------------------------------------------------------

    async def start(self) -> int:
        """Listen; the bound port.  Raises OSError when the address cannot be had."""
        settings = self.settings
        tls = self._tls
        config = uvicorn.Config(
            self,
            http=EndpointProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            proxy_headers=False,
            limit_concurrency=settings.max_connections,
            timeout_graceful_shutdown=25,
            ssl_context_factory=None if tls is None else lambda config, default: tls.following_context(),
        )
        if not self.bound:
            await self.bind()
        self._server = EndpointServer(config)
        self._task = asyncio.create_task(self._server.serve(self.handles()), name=f"core {settings.name}")
        if self._uptime is not None:
            self._uptime.start()
        return self.port

    def pause(self) -> None:
        """Answer 503 from now on; what is being answered is finished."""
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    async def drain(self, timeout: float = 15.0) -> None:
        """Take no new connection, answer what was taken in, then close."""
        self.paused = True
        self.unbind()
        if self._uptime is not None:
            await self._uptime.stop()
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await asyncio.wait({self._task}, timeout=timeout)
            self._server.force_exit = True
            await asyncio.wait({self._task}, timeout=1.0)
        await self._desk.close()

    @property
    def connections(self) -> int:
        return len(self._server.server_state.connections) if self._server is not None else 0

    # -- one request -----------------------------------------------------------------------------------------------

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """The ASGI application."""
        request = Request(scope, receive)
        try:
            await self._serve(request, send)
        except Refusal as refusal:
            await refuse(request, send, refusal)
        except Exception as problem:  # a fault of ours, or the store's: the partner sends again
            log.error("channel %s: a request could not be answered: %s", self.settings.name, type(problem).__name__)
            await respond(send, 503, "text/plain; charset=utf-8", b"not taken: send again later\n", (*LATER, _CLOSE))

    async def _serve(self, request: Request, send: Send) -> None:
        rest = self._rest.place(request) if self._rest is not None else None
        if rest is not None and self._rest is not None:
            await self._within(request, self._rest.answer(request, send, rest, self._body))
            return
        if request.scope["path"].rstrip("/") != self.settings.path.rstrip("/"):
            raise Refusal(404, "nothing is here")
        if request.scope["method"] == "GET":
            await self._describe(request, send)
            return
        if request.scope["method"] != "POST":
            raise Refusal(405, "POST an envelope", headers=((b"allow", b"GET, POST"),))
        await self._within(request, self._answer(request, send))

    async def _within(self, request: Request, answering: Coroutine[Any, Any, None]) -> None:
        """Answer while the channel is not paused and there is room for the body."""
        try:
            if self.paused:
                raise Refusal(503, "the channel is paused", headers=LATER)
            taken = self._reserve(request)
        except Refusal:
            answering.close()
            raise
        try:
            await answering
        finally:
            self._in_work -= taken

    def _reserve(self, request: Request) -> int:
        """Room for the body, before it is read."""
        if request.header("content-encoding").lower() not in ("", "identity"):
            raise Refusal(415, "a body without Content-Encoding is wanted", unread=_STRANGERS)
        length = request.header("content-length")
        size = int(length) if length.isdigit() and len(length) < 16 else self.settings.max_body
        if size > self.settings.max_body and length:
            raise Refusal(413, "the body is larger than this endpoint takes", unread=self._unread(request))
        if self._in_work + size > max(self.settings.in_work, self.settings.max_body):
            raise Refusal(503, "too much at once", headers=LATER)
        self._in_work += size
        return size

    def _unread(self, request: Request) -> int:
        """How much of a body that is not taken may come: nothing of a client that waits to be told to send it."""
        return 0 if request.header("expect") else 4 * self.settings.max_body

    async def _describe(self, request: Request, send: Send) -> None:
        user, password = basic_credentials(request.header("authorization"))
        if await self._gatekeeper.recognise(user, password, request.certificate) is None:
            raise Refusal(401, "sign in", headers=((b"www-authenticate", b'Basic realm="core"'),))
        if b"wsdl" not in request.scope["query_string"].lower():
            raise Refusal(404, "the description is at ?wsdl")
        host = request.header("host") or f"{self.settings.host}:{self.settings.port}"
        where = f"{request.scope['scheme']}://{host}{self.settings.path}"
        await respond(send, 200, "text/xml; charset=utf-8", write_wsdl(where))

    async def _answer(self, request: Request, send: Send) -> None:
        content_type = request.header("content-type")
        if content_type.partition(";")[0].strip().lower() in _NEVER:
            raise Refusal(415, "SOAP 1.2 or multipart/form-data is wanted", unread=_STRANGERS)
        body, partner = await self._begun(request, content_type)
        try:
            envelope = await asyncio.to_thread(_read, content_type, body)
        except CoreError as problem:
            await respond(send, *_malformed(content_type, problem))
            return
        del body
        partner = partner or await self._known(request, envelope)
        self.requests += 1
        if partner is None:
            await respond(send, 403, *_written(envelope, Outgoing(_UNAUTHORIZED), self._desk.now(), _STRANGER))
            return
        error = check_request(envelope, partner.expectations)
        if error is not None:
            await self._desk.refuse(partner, envelope, error)
            outgoing = Outgoing(error)
        else:
            try:
                outgoing = await self._desk.handle(partner, envelope, request.peer)
            except Unavailable:
                raise Refusal(503, "not stored: send again", headers=LATER) from None
        await respond(send, 200, *_written(envelope, outgoing, self._desk.now(), partner))

    async def _body(self, request: Request, content_type: str, partner: CorePartner) -> bytes:
        """The whole body of a partner who is known.  Raises Refusal."""
        body, _ = await self._begun(request, content_type, partner)
        return body

    async def _begun(
        self, request: Request, content_type: str, partner: CorePartner | None = None
    ) -> tuple[bytes, CorePartner | None]:
        try:
            async with asyncio.timeout(self.settings.body_seconds):
                return await self._read(request, content_type, partner)
        except TimeoutError:
            raise Refusal(408, "the body did not come in time", unread=PEEK) from None

    async def _read(
        self, request: Request, content_type: str, partner: CorePartner | None
    ) -> tuple[bytes, CorePartner | None]:
        """The whole body; of a long one the sender is known before the rest is read.  Raises Refusal."""
        body = bytearray()
        more = True
        while more:
            message = await request.receive()
            if message["type"] != "http.request":
                raise Refusal(400, "the connection ended inside the body")
            body += message.get("body", b"")
            more = bool(message.get("more_body"))
            if len(body) > self.settings.max_body:
                raise Refusal(413, "the body is larger than this endpoint takes", unread=self.settings.max_body)
            if more and partner is None and len(body) >= PEEK:
                partner = await self._peek(request, content_type, bytes(body[:PEEK]))
        return bytes(body), partner

    async def _peek(self, request: Request, content_type: str, begun: bytes) -> CorePartner:
        try:
            envelope = _read(content_type, begun, whole=False)
        except CoreError:
            raise Refusal(400, "the body does not begin as an envelope", unread=_STRANGERS) from None
        partner = await self._known(request, envelope)
        if partner is None:
            raise Refusal(403, "sign in before the payload", unread=_STRANGERS)
        return partner

    async def _known(self, request: Request, envelope: Envelope) -> CorePartner | None:
        partner = await self._gatekeeper.recognise(envelope.user, envelope.password, request.certificate)
        if partner is None:
            log.info("channel %s: %s could not sign in", self.settings.name, request.peer)
        return partner


def _read(content_type: str, body: bytes, *, whole: bool = True) -> Envelope:
    if content_type.lower().startswith(_MIME):
        return read_mime(content_type, body, whole=whole)
    return read_soap(content_type, body, whole=whole)


def _written(envelope: Envelope, outgoing: Outgoing, now: datetime, partner: CorePartner) -> tuple[str, bytes]:
    """(content type, body) of a response in the form of its request."""
    fields = response_fields(envelope, outgoing, now, partner.expectations.versions)
    if envelope.form == "mime":
        return write_mime(fields, outgoing.payload, spelling=partner.spelling)
    kind = kind_of(envelope)
    assert kind is not None
    return CONTENT_TYPE, write_soap(kind.response, fields, outgoing.payload)


def _malformed(content_type: str, problem: CoreError) -> tuple[int, str, bytes]:
    if content_type.lower().startswith(_MIME):
        return 400, "text/plain; charset=utf-8", f"no CORE envelope: {problem}\n".encode()
    code = problem.code if isinstance(problem, SoapFault) else "Sender"
    if code not in ("Sender", "VersionMismatch", "MustUnderstand"):
        code = "Sender"
    return 400 if code == "Sender" else 500, CONTENT_TYPE, write_fault(code, str(problem))
