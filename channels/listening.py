"""Listening sockets that can be had before they are served, and handed from one source to the next.

Who connects meanwhile waits in the socket's own queue: nobody is turned away while the source changes.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable

BACKLOG = 1024


class ListeningSource:
    """A source with a port; 0 takes a free one."""

    def __init__(self, name: str, host: str, port: int, *, reuse_port: bool = False) -> None:
        self._name = name
        self._address = (host, port)
        self._reuse_port = reuse_port
        self._sockets: list[socket.socket] = []

    async def bind(self, before: Iterable[object] = ()) -> None:
        """Have the address, without serving anybody yet: from the one of `before` that has it now, else anew.

        Raises OSError when it cannot be had."""
        theirs = next((one for one in before if isinstance(one, ListeningSource) and self._succeeds(one)), None)
        self._sockets = same(theirs._sockets) if theirs is not None else await self._listen()

    def unbind(self) -> None:
        """Let it go."""
        for one in self._sockets:
            one.close()
        self._sockets.clear()

    @property
    def bound(self) -> bool:
        return bool(self._sockets)

    @property
    def port(self) -> int:
        """The bound TCP port."""
        port: int = self._sockets[0].getsockname()[1]
        return port

    def handles(self) -> list[socket.socket]:
        """The listening sockets for a server, which closes its own handles."""
        return same(self._sockets)

    def _succeeds(self, other: ListeningSource) -> bool:
        fixed = self._address[1] != 0
        return other.bound and other._address == self._address and (fixed or other._name == self._name)

    async def _listen(self) -> list[socket.socket]:
        host, port = self._address
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        sockets: list[socket.socket] = []
        try:
            for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
                made = socket.create_server(address, family=family, backlog=BACKLOG, reuse_port=self._reuse_port)
                made.setblocking(False)
                sockets.append(made)
        except OSError:
            for one in sockets:
                one.close()
            raise
        return sockets


def same(sockets: Iterable[socket.socket]) -> list[socket.socket]:
    """Second handles of listening sockets: closing one leaves the other listening."""
    return [socket.socket(fileno=os.dup(one.fileno())) for one in sockets]
