"""The REST half of a CORE endpoint (rule version 4.0.0): client certificate and bearer token, both the partner's."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4

import msgspec

from channels.core_answers import Outgoing, Unavailable, response_fields
from channels.core_partners import CorePartner
from channels.core_request import LATER, Headers, Refusal, Request, Send, respond
from channels.core_tokens import TokenRefused, Tokens
from parsers.core.checking import EnvelopeError, check_request
from parsers.core.envelope import SUBMIT, CoreError, Envelope
from parsers.core.mime import read_mime, write_mime
from parsers.core.payloads import value_of
from parsers.core.rest import BY_KIND, JSON, REST_VERSION, USES, Place, places_at, read_json, status_of, write_json

log = logging.getLogger(__name__)

Body = Callable[[Request, str, CorePartner], Awaitable[bytes]]


class Handler(Protocol):
    """Who answers checked requests: `channels.core_desk.Desk`."""

    async def handle(self, partner: CorePartner, envelope: Envelope, peer: str) -> Outgoing: ...

    async def refuse(self, partner: CorePartner, envelope: Envelope, error: EnvelopeError) -> None: ...

    def now(self) -> datetime: ...


class RestDoor:
    """`prefix`: path of the endpoint.  Partners come in by the client_id of their token."""

    def __init__(self, name: str, prefix: str, partners: Sequence[CorePartner], tokens: Tokens, desk: Handler) -> None:
        self._name = name
        self._prefix = prefix.rstrip("/")
        self._partners = {partner.client_id: partner for partner in partners if partner.client_id}
        self._tokens = tokens
        self._desk = desk

    def place(self, request: Request) -> tuple[Place, str] | None:
        """What a request is for; None: nothing of ours.  Raises Refusal for a method that is not there."""
        path = str(request.scope["path"])
        found = places_at(path.removeprefix(self._prefix).rstrip("/")) if path.startswith(self._prefix) else []
        for place, payload_id in found:
            if place.method == request.scope["method"]:
                return place, payload_id
        if found:
            allowed = ", ".join(place.method for place, _ in found).encode()
            raise Refusal(405, "not by this method", headers=((b"allow", allowed),))
        return None

    async def answer(self, request: Request, send: Send, found: tuple[Place, str], body: Body) -> None:
        """Answer one request.  Raises Refusal."""
        place, payload_id = found
        partner = self._partner(request)
        content_type = request.header("content-type")
        envelope = Envelope(form="json", fields={})
        if place.method == "POST":
            reader = _reader(content_type)
            content = await body(request, content_type, partner)
            try:
                envelope = await asyncio.to_thread(reader, content_type, content)
            except CoreError as problem:
                raise Refusal(400, f"no CORE envelope: {problem}") from None
        self._complete(envelope, place, payload_id, partner)
        wanted = msgspec.structs.replace(partner.expectations, versions=(REST_VERSION,))
        error = check_request(envelope, wanted) if place.method == "POST" else None
        if error is None and envelope.get("PayloadID") != payload_id and payload_id:
            error = EnvelopeError("PayloadIDIllegal", "PayloadID is not that of the path.")
        if error is not None:
            await self._desk.refuse(partner, envelope, error)
            outgoing = Outgoing(error)
        else:
            try:
                outgoing = await self._desk.handle(partner, envelope, request.peer)
            except Unavailable:
                raise Refusal(503, "not stored: send again", headers=LATER) from None
        await self._respond(send, place, envelope, outgoing, partner)

    def _partner(self, request: Request) -> CorePartner:
        """Whose certificate and token these are.  Raises Refusal (RFC 6750 section 3)."""
        try:
            client_id = self._tokens.client_of(request.header("authorization"), request.certificate_der)
        except TokenRefused as refused:
            log.info("channel %s: a token of %s is not accepted", self._name, request.peer)
            challenge = b'Bearer realm="core"' + (f', error="{refused.error}"'.encode() if refused.error else b"")
            status = 403 if refused.error == "insufficient_scope" else 401
            raise Refusal(status, str(refused), headers=((b"www-authenticate", challenge),), unread=1 << 20) from None
        partner = self._partners.get(client_id)
        if partner is None or not partner.certificate_names & request.certificate:
            log.info("channel %s: %s could not sign in", self._name, request.peer)
            raise Refusal(403, "the token's client, or its certificate, is not known here", unread=1 << 20)
        return partner

    def _complete(self, envelope: Envelope, place: Place, payload_id: str, partner: CorePartner) -> None:
        """What the path says, and what the metadata of this form does not ask for."""
        fields, kind = envelope.fields, place.kind
        envelope.kind = kind
        fields.setdefault("ProcessingMode", kind.mode)
        fields.setdefault("CORERuleVersion", REST_VERSION)
        fields.setdefault("TimeStamp", f"{self._desk.now():%Y-%m-%dT%H:%M:%SZ}")
        if kind.name in USES:
            fields["PayloadType"] = value_of(USES[kind.name], partner.expectations.payload_types)
        if payload_id:
            fields.setdefault("PayloadID", payload_id)
        elif kind is SUBMIT:  # the same batch again is the same batch
            said = hashlib.sha256(partner.name.encode() + b"\0" + (envelope.payload or b"")).digest()
            fields.setdefault("PayloadID", str(UUID(bytes=said[:16], version=5)))
        else:
            fields.setdefault("PayloadID", str(uuid4()))

    async def _respond(
        self, send: Send, place: Place, envelope: Envelope, outgoing: Outgoing, partner: CorePartner
    ) -> None:
        fields = response_fields(envelope, outgoing, self._desk.now(), (REST_VERSION,))
        headers: Headers = ()
        status = 200
        if outgoing.error is not None:
            status = status_of(outgoing.error.code)
            headers = LATER if status == 503 else ()
        elif place.kind is SUBMIT:
            status = 202
            where = BY_KIND["ack-retrieval"].path.replace("{id}", envelope.get("PayloadID"))
            headers = ((b"location", f"{self._prefix}{where}".encode()),)
        if envelope.form == "mime":
            content_type, body = write_mime(fields, outgoing.payload, spelling=partner.spelling)
        else:
            content_type, body = JSON, write_json(fields, outgoing.payload)
        await respond(send, status, content_type, body, headers)


def _reader(content_type: str) -> Callable[[str, bytes], Envelope]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == JSON:
        return lambda _, body: read_json(body)
    if kind == "multipart/form-data":
        return read_mime
    raise Refusal(415, "application/json or multipart/form-data is wanted", unread=1 << 20)
