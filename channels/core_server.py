"""The HTTP server under a CORE endpoint: uvicorn, which gives each request the client's certificate and no signals."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from channels.tls import peer_names

_FIRST_BYTE_SECONDS = 20.0  # for the request line and headers of a new connection


class EndpointServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals belong to the process."""
        yield


class EndpointProtocol(H11Protocol):
    """Gives each request the names of the client's certificate, and a new connection a time to say something."""

    _silent: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        names = frozenset(peer_names(transport.get_extra_info("peercert")))
        secured = transport.get_extra_info("ssl_object")
        der = secured.getpeercert(True) if secured is not None else None
        served = self.app

        async def named(scope: Any, receive: Any, send: Any) -> None:
            scope["certificate_names"], scope["certificate_der"] = names, der
            await served(scope, receive, send)

        self.app = named
        self._silent = self.loop.call_later(_FIRST_BYTE_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self.cycle is None:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._silent is not None:
            self._silent.cancel()
        super().connection_lost(exc)
