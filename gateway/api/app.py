"""Joins the API: one FastAPI application over a running gateway.

Order of a request: access log, credential, scope, body limit, then the endpoint.  Without a credential only /healthz
and /readyz answer.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api import (
    audit,
    channels,
    crosswalk,
    events,
    explanations,
    fhir,
    golive,
    health,
    inquiries,
    ledger,
    merges,
    messages,
    outcomes,
    parked,
    partners,
    patients,
    people,
    problems,
    replay,
    replays,
    task_acts,
    tasks,
    webhooks,
)
from gateway.api.auth import SCOPES, GuardedRoute, authenticate, needs
from gateway.api.description import describe_errors, describe_webhooks
from gateway.api.fhir_errors import as_operation_outcomes, is_fhir
from gateway.api.ports import GatewayPort
from gateway.store.ports import StoreUnavailable

log = logging.getLogger("gateway.api.access")

VERSION = "1"
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
_ROUTERS = (
    messages,
    parked,
    tasks,
    task_acts,
    patients,
    events,
    channels,
    replay,
    webhooks,
    inquiries,
    crosswalk,
    merges,
    partners,
    ledger,
    audit,
    people,
    fhir,
    explanations,
    outcomes,
    replays,
    golive,
)

_HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))

_DESCRIPTION = """\
Coordination tasks, patients' state, events and the gateway's own bookkeeping.

Send `Authorization: Bearer baton_...`; a key has scopes and facilities (`baton key create`). Lists answer
`{"items": [...], "next": cursor}`; give `next` back as `cursor` to go on, `null` is the end. Errors are
`application/problem+json` (RFC 9457) and never repeat what was sent.
"""


def create_app(gateway: GatewayPort) -> FastAPI:
    """The application.  The caller serves it (`gateway.api.server`) and keeps `gateway` running meanwhile."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.gateway = gateway
    app.state.stopping = False  # streams end when it turns true
    problems.install(app)
    add_routes(app)
    app.add_middleware(_Front, gateway=gateway)
    return app


def add_routes(app: FastAPI) -> None:
    """Every route of the API."""
    for module in (health, *_ROUTERS):
        app.router.routes.extend(module.router.routes)
    app.router.routes.append(_description_route())


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, with the key as security scheme and each operation's scope."""
    document = get_openapi(title="Baton", version=VERSION, description=_DESCRIPTION, routes=app.routes)
    document.setdefault("components", {})["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key: `baton key create`."}
    }
    document["x-scopes"] = SCOPES
    for route in guarded_routes(app):
        for method in (route.methods or ()) if route.include_in_schema else ():
            operation = document["paths"][route.path_format][method.lower()]
            operation["security"] = [{"key": []}]
            operation["x-scope"] = route.scope
    describe_errors(document)
    describe_webhooks(document)
    return document


def _description_route() -> GuardedRoute:
    @needs("")
    async def describe(request: Request) -> JSONResponse:
        """This description."""
        return JSONResponse(openapi_document(request.app))

    return GuardedRoute("/api/v1/openapi.json", describe, methods=["GET"], include_in_schema=False)


def guarded_routes(app: FastAPI) -> list[GuardedRoute]:
    return [route for route in app.routes if isinstance(route, GuardedRoute)]


class _Front:
    """ASGI: access log and credential, before anything else looks at the request."""

    def __init__(self, app: ASGIApp, gateway: GatewayPort) -> None:
        self._app = app
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
            await send(message)

        try:
            await self._admit(scope, receive, as_operation_outcomes(noting) if is_fhir(scope["path"]) else noting)
        finally:
            _log_access(scope, status, time.monotonic() - started)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in OPEN_PATHS:
            try:
                credential = await authenticate(self._gateway, _authorization(scope))
            except StoreUnavailable:
                answer = problems.problem_response(503, "store-away", problems.STORE_AWAY, headers={"Retry-After": "2"})
                await answer(scope, receive, send)
                return
            if credential is None:
                answer = problems.problem_response(
                    401, "unauthorized", "Send a valid API key.", headers={"WWW-Authenticate": "Bearer"}
                )
                await answer(scope, receive, send)
                return
            scope.setdefault("state", {})["credential"] = credential
        await self._app(scope, receive, send)


def _authorization(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return str(value.decode("latin-1"))
    return ""


def _log_access(scope: Scope, status: int, seconds: float) -> None:
    """The route's template, never the path or the query: both can hold what a caller knows of a patient."""
    route = getattr(scope.get("route"), "path_format", "-")
    credential = scope.get("state", {}).get("credential")
    fields = {"method": scope["method"], "route": route, "status": status, "seconds": round(seconds, 4)}
    log.info("request", extra=fields | {"key_id": credential.key_id if credential else "-"})
