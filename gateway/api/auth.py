"""Who may ask for what: API keys with scopes and facilities, checked before a byte of the body is read."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message, Receive

from gateway.api.ports import GatewayPort
from gateway.api.problems import MEDIA_TYPE, Problem, ProblemDocument
from gateway.store import access

SCOPES = {
    "tasks:read": "read the worklist",
    "tasks:write": "claim, work on, complete and cancel tasks; save filters",
    "messages:read": "list messages and see the trace of one",
    "bodies:read": "read a message as it was received",
    "patients:read": "read and search patients",
    "patients:write": "take merges of patients back",
    "events:read": "read events",
    "channels:read": "see channels",
    "channels:write": "pause, resume and drain channels",
    "inquiries:read": "see questions to payers",
    "inquiries:write": "ask payers, and ask again",
    "webhooks:read": "see webhooks",
    "webhooks:write": "add, test, rotate and remove webhooks",
    "restricted:read": "see restricted patients in full, together with the scope of what is read",
    "parked:read": "see parked items",
    "parked:write": "retry, edit and discard parked items",
    "audit:read": "see who did and saw what",
    "ledger:read": "see the ledger",
    "metrics:read": "read metrics",
}
PREFIX = "baton_"
ANY = "*"


@dataclass(frozen=True, slots=True)
class Credential:
    """What one key may do.  `facilities` None: all of them."""

    key_id: str
    name: str
    scopes: frozenset[str]
    facilities: frozenset[str] | None


def new_secret() -> str:
    """A key as its holder gets it, once: 32 random bytes."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """What is stored of a key.  A plain digest is enough for a secret of 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def authenticate(gateway: GatewayPort, authorization: str) -> Credential | None:
    """The credential of an Authorization header; None when it is absent, unknown or revoked."""
    kind, _, secret = authorization.partition(" ")
    secret = secret.strip()
    if kind.lower() != "bearer" or not secret.startswith(PREFIX):
        return None
    key = await access.find_key(gateway.store, hash_secret(secret))
    if key is None or key.revoked_at is not None:
        return None
    facilities = None if ANY in key.facilities else frozenset(key.facilities)
    return Credential(key.key_id, key.name, frozenset(key.scopes), facilities)


Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def needs(scope: str, *, body_limit: str = "max_body") -> Callable[[Endpoint], Endpoint]:
    """Declares the scope of an endpoint ("": any valid key), and which setting of [api] limits its body."""
    if scope and scope not in SCOPES:
        raise ValueError(scope)

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.__dict__["needs"] = (scope, body_limit)
        return endpoint

    return mark


class GuardedRoute(APIRoute):
    """A route that checks scope and body size before FastAPI reads the body.  Without `needs` it cannot be made."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.scope, self.body_limit = endpoint.__dict__["needs"]
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            if self.scope and self.scope not in credential_of(request).scopes:
                raise Problem(403, "forbidden", f"This key does not have the scope {self.scope}.")
            limit = getattr(gateway_of(request).settings.api, self.body_limit)
            declared = request.headers.get("content-length", "0")
            if not declared.isdigit() or int(declared) > limit:
                raise _too_large(limit)
            return await handler(Request(request.scope, _capped(request.receive, limit)))

        return guarded


def new_router(tag: str) -> APIRouter:
    """A router of guarded routes under /api/v1, with the answers that every one of them can give."""
    problem = {"model": ProblemDocument, "content": {MEDIA_TYPE: {}}}
    words = {401: "No valid key", 403: "The key lacks the scope", 503: "The store is away"}
    answers: dict[int | str, dict[str, Any]] = {code: problem | {"description": words[code]} for code in words}
    return APIRouter(prefix="/api/v1", tags=[tag], route_class=GuardedRoute, responses=answers)


def credential_of(request: Request) -> Credential:
    credential: Credential = request.state.credential
    return credential


def gateway_of(request: Request) -> GatewayPort:
    gateway: GatewayPort = request.app.state.gateway
    return gateway


def facilities_of(request: Request) -> frozenset[str] | None:
    """The facilities that this request may see, for every query; None: all (decision 11)."""
    return credential_of(request).facilities


def may_see(request: Request, facility_id: str) -> bool:
    allowed = facilities_of(request)
    return allowed is None or facility_id in allowed


async def record(
    request: Request,
    action: str,
    about: str,
    *,
    facility_id: str | None = None,
    actor: str | None = None,
    detail: str = "",
) -> None:
    """Write the one audit row of a read or a change, before it is answered or done: what cannot be recorded does not
    happen (decision 25)."""
    gateway = gateway_of(request)
    row = access.NewAudit(
        at=gateway.clock(),
        key_id=credential_of(request).key_id,
        actor=actor,
        action=action,
        object=about,
        facility_id=facility_id,
        detail=detail or None,
    )
    await access.add_audit(gateway.store, row)


def _too_large(limit: int) -> Problem:
    return Problem(413, "too-large", f"The body is larger than {limit} bytes.")


def _capped(receive: Receive, limit: int) -> Receive:
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit:
            raise _too_large(limit)
        return message

    return limited
