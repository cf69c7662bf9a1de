"""A TCP connection between the gateway and the broker that can be cut: bytes vanish and nobody is told."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit, urlunsplit


class Wire:
    """Passes bytes on until `cut`; `mend` ends the connections that were cut and lets new ones through."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._cut = False
        self._ends: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None
        self._opening: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Returns the URL to use in place of the server's own."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Near(self), "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        user = f"{self._url.username}:{self._url.password}@" if self._url.username else ""
        return urlunsplit(self._url._replace(netloc=f"{user}127.0.0.1:{port}"))

    async def stop(self) -> None:
        self.mend()
        if self._server is not None:
            self._server.close()

    def cut(self) -> None:
        self._cut = True

    def mend(self) -> None:
        for transport in list(self._ends):
            transport.abort()
        self._cut = False

    def opened(self, near: _Near) -> None:
        task = asyncio.create_task(self._connect(near))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, near: _Near) -> None:
        try:
            host, port = self._url.hostname or "", self._url.port or 5672
            await asyncio.get_running_loop().create_connection(lambda: _Far(self, near), host, port)
        except OSError:
            near.transport.abort()

    def join(self, transport: asyncio.Transport) -> None:
        self._ends.add(transport)

    def leave(self, transport: asyncio.Transport) -> None:
        self._ends.discard(transport)

    @property
    def dead(self) -> bool:
        return self._cut


class _End(asyncio.Protocol):
    transport: asyncio.Transport
    other: _End | None = None

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._wire.join(transport)

    def data_received(self, data: bytes) -> None:
        if self._wire.dead:
            return
        if self.other is None:
            self._early.append(data)
        else:
            self.other.transport.write(data)

    def join(self, other: _End) -> None:
        self.other = other
        for data in self._early:
            other.transport.write(data)
        self._early.clear()

    def connection_lost(self, problem: Exception | None) -> None:
        self._wire.leave(self.transport)
        if self.other is not None and not self._wire.dead:
            self.other.transport.close()


class _Near(_End):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wire.opened(self)


class _Far(_End):
    def __init__(self, wire: Wire, near: _Near) -> None:
        super().__init__(wire)
        self._near = near

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.join(self._near)
        self._near.join(self)
