"""Serves the API with uvicorn inside the gateway's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn

from channels.tls import TlsFiles
from gateway.api.app import create_app
from gateway.api.ports import GatewayPort


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals belong to the process, which drains the channels before the API."""
        yield


class ApiServer:
    """Listens from `start` to `stop`.  `port` is the one in use."""

    def __init__(self, gateway: GatewayPort) -> None:
        self._gateway = gateway
        self._api = gateway.settings.api
        self._app = create_app(gateway)
        self._task: asyncio.Task[None] | None = None
        self.port = self._api.port

    async def start(self) -> int:
        """Returns when the address is ours: requests may wait a little.  OSError when the address cannot be had."""
        family = socket.AF_INET6 if ":" in self._api.host else socket.AF_INET
        listening = socket.create_server((self._api.host, self._api.port), family=family, backlog=128)
        self.port = int(listening.getsockname()[1])
        tls = None
        if self._api.tls is not None:
            files = TlsFiles(self._api.tls.certificate, self._api.tls.key)
            tls = self._gateway.certificates.open("api", files, server=True, warn_days=self._api.tls.warn_days)
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            proxy_headers=False,
            timeout_graceful_shutdown=3,
            ssl_context_factory=None if tls is None else lambda config, default: tls.following_context(),
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve([listening]), name="api")
        return self.port

    async def stop(self) -> None:
        """Finish the requests in hand and end the streams."""
        if self._task is None:
            return
        self._app.state.stopping = True
        self._server.should_exit = True
        await self._task
