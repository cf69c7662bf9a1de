"""The way in over TLS: an accepted connection shakes hands before anything of the channel hears of it.

The standard library's own machine between socket and channel, used as its server does, with what that one does not
tell: who failed and why, and a limit on those that only shake hands.
"""

from __future__ import annotations

import asyncio
from asyncio.sslproto import SSLProtocol
from typing import Protocol

from channels.tls import Tls, failure_word


class Door(Protocol):
    """Who lets connections in."""

    def knock(self, entry: TlsEntry) -> bool:
        """True when one more peer may shake hands."""
        ...

    def shaken(self, entry: TlsEntry, failure: str) -> None:
        """The handshake is over; `failure` is "" when it succeeded.  Called once for each that was let to knock."""
        ...


class TlsEntry(SSLProtocol):
    """Stands between the socket and `connection`, whose `connection_made` comes after the handshake only.

    A handshake that takes too long is cut."""

    def __init__(self, door: Door, tls: Tls, connection: asyncio.Protocol) -> None:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        super().__init__(
            loop,
            connection,
            tls.context,
            waiter,
            server_side=True,
            ssl_handshake_timeout=tls.handshake_timeout,  # type: ignore[arg-type] # any positive number is taken
            ssl_shutdown_timeout=5.0,
        )
        self.address = ""
        self._door = door
        self._let_in = False
        self._socket: asyncio.Transport | None = None
        waiter.add_done_callback(self._over)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = transport  # type: ignore[assignment] # uvloop's own classes do not inherit from it
        name = transport.get_extra_info("peername")
        self.address = str(name[0]) if name else ""
        self._let_in = self._door.knock(self)
        if self._let_in:
            super().connection_made(transport)
        else:
            self.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._socket = None
        super().connection_lost(exc)

    def abort(self) -> None:
        """Cut the connection."""
        if self._socket is not None:
            self._socket.abort()

    def _over(self, waiter: asyncio.Future[None]) -> None:
        if not self._let_in:
            return
        problem = None if waiter.cancelled() else waiter.exception()
        made = self._get_extra_info("ssl_object") is not None
        self._door.shaken(self, "" if made and problem is None else failure_word(problem))
