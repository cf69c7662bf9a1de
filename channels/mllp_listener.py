"""HL7 v2 over MLLP: we listen, hospital engines connect.

One protocol object per connection and no task, future or timer per frame.  Answers leave in the order of the frames;
those of one turn of the event loop go out in one write per connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from channels.listening import BACKLOG, ListeningSource
from channels.mllp_connection import CHANNEL, INTAKE, PEER_SLOW, MllpConnection
from channels.ports import Intake
from channels.rare_line import RareLine
from channels.tls import Tls
from channels.tls_entry import TlsEntry
from parsers.mllp import END

log = logging.getLogger(__name__)

_SWEEP_SECONDS = 1.0
_ENDING_SECONDS = 30.0  # after which a peer that does not read its last answers is dropped


@dataclass(slots=True, frozen=True)
class MllpListenerSettings:
    """One listening socket.  Sizes in bytes, times in seconds (0: no limit)."""

    name: str
    host: str = "127.0.0.1"
    port: int = 2575
    max_frame: int = 16 << 20
    idle_timeout: float = 0.0
    frame_timeout: float = 30.0  # of an open frame, not counting the time for which we did not read
    max_connections: int = 1024
    max_connections_per_peer: int = 256  # by address
    end: bytes = END  # b"\x1c" for senders that never send 0D
    max_unanswered: int = 64  # frames of one connection; above it reading pauses
    reuse_port: bool = False


@dataclass(slots=True, frozen=True)
class PeerStatus:
    """One open connection."""

    peer: str
    frames: int
    last_received_at: datetime | None
    unanswered: int
    reading: bool


class MllpListener(ListeningSource):
    """Listens on one port and submits what it receives to an intake.

    Reading pauses, so that TCP slows the peer down, while the intake does not accept, while the channel is paused,
    while a connection has `max_unanswered` frames waiting, and while its peer does not read its answers.
    """

    loop: asyncio.AbstractEventLoop

    def __init__(
        self,
        settings: MllpListenerSettings,
        intake: Intake,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        tls: Tls | None = None,
    ) -> None:
        super().__init__(settings.name, settings.host, settings.port, reuse_port=settings.reuse_port)
        self.settings = settings
        self.tls = tls
        self.intake = intake
        self.clock = clock
        self.frames = 0
        self.last_received_at: datetime | None = None
        self.paused = False
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._connections: dict[MllpConnection, None] = {}
        self._by_peer: dict[str, MllpConnection] = {}
        self._by_address: Counter[str] = Counter()
        self._answering: dict[MllpConnection, None] = {}
        self._waiting: dict[MllpConnection, None] = {}  # for the intake
        self._all_closed = asyncio.Event()
        self._shaking: dict[TlsEntry, None] = {}
        self.failed_handshakes: Counter[str] = Counter()  # by reason
        self._refused = RareLine()
        self._unshaken = RareLine()

    # -- steering --------------------------------------------------------------------------------------------------

    async def start(self) -> int:
        """Listen; the bound port.  Raises OSError when the address cannot be had."""
        self.loop = asyncio.get_running_loop()
        if not self.bound:
            await self.bind()
        for one in self.handles():
            self._servers.append(await self.loop.create_server(self._accepted, sock=one, backlog=BACKLOG))
        self._sweep()
        return self.port

    async def drain(self, timeout: float = 15.0) -> None:
        """Accept and read no more, answer everything submitted, then close; after `timeout` seconds close anyway."""
        self._stop_listening()
        self._abort_shaking()
        for connection in list(self._connections):
            connection.finish()
        if self._connections:
            self._all_closed.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._all_closed.wait()
            except TimeoutError:
                unanswered = sum(connection.unanswered for connection in self._connections)
                log.warning("channel %s: closed with %d frames unanswered", self.settings.name, unanswered)
        await self.close()

    async def close(self) -> None:
        """Close everything at once; what is unanswered stays so."""
        self._stop_listening()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        self._abort_shaking()
        if self._connections:
            self._all_closed.clear()
            for connection in list(self._connections):
                connection.abort()
            await self._all_closed.wait()

    def pause(self) -> None:
        """Read nothing until `resume`; connections stay open and answers go out."""
        self.paused = True
        for connection in self._connections:
            connection.pause(CHANNEL)

    def resume(self) -> None:
        """Read on."""
        self.paused = False
        for connection in self._connections:
            connection.resume(CHANNEL)
            connection.pump()

    @property
    def connections(self) -> int:
        return len(self._connections)

    def find(self, peer: str, sender: str) -> MllpConnection | None:
        """The open connection that `peer` names ("10.1.2.3:51234", then the name of its certificate); without it the
        newest from the same address, and with the same certificate, that spoke for `sender`."""
        place, _, name = peer.partition(" ")
        connection = self._by_peer.get(place)
        if connection is None:
            address = place.rpartition(":")[0].strip("[]")
            others = (one for one in self._connections if one.address == address and sender in one.senders)
            connection = next((one for one in reversed(list(others)) if name in ("", *one.names[:1])), None)
        return connection

    @property
    def peers(self) -> list[PeerStatus]:
        return [
            PeerStatus(each.peer, each.frames, each.last_received_at, each.unanswered, not each.paused)
            for each in self._connections
        ]

    # -- handshakes (channels.tls_entry.Door) ------------------------------------------------------------------------

    def _accepted(self) -> asyncio.BaseProtocol:
        connection = MllpConnection(self)
        return connection if self.tls is None else TlsEntry(self, self.tls, connection)

    def knock(self, entry: TlsEntry) -> bool:
        if not self._room(entry.address):
            return False
        self._shaking[entry] = None
        self._by_address[entry.address] += 1
        return True

    def shaken(self, entry: TlsEntry, failure: str) -> None:
        del self._shaking[entry]
        self._leave(entry.address)
        if not failure or not self._servers:
            return
        self.failed_handshakes[failure] += 1
        self._unshaken.count += 1
        self._unshaken.what = f"{failure} from {entry.address}"
        self._tell_refusals()

    def _abort_shaking(self) -> None:
        for entry in list(self._shaking):
            entry.abort()

    # -- for the connections ---------------------------------------------------------------------------------------

    def admit(self, connection: MllpConnection) -> bool:
        """True when there is room for one more connection of this peer."""
        if not self._servers or (self.tls is None and not self._room(connection.address)):
            return False
        self._connections[connection] = None
        self._by_peer[connection.peer] = connection
        self._by_address[connection.address] += 1
        if self.paused:
            connection.pause(CHANNEL)
        log.debug("channel %s: %s connected", self.settings.name, connection.peer)
        return True

    def _room(self, address: str) -> bool:
        """True when one more connection of this address may come, those that shake hands counted."""
        settings = self.settings
        if (
            len(self._connections) + len(self._shaking) < settings.max_connections
            and self._by_address[address] < settings.max_connections_per_peer
            and self._servers
        ):
            return True
        self._refused.count += 1
        self._tell_refusals()
        return False

    def forget(self, connection: MllpConnection) -> None:
        """The connection is closed."""
        if connection not in self._connections:
            return
        del self._connections[connection]
        if self._by_peer.get(connection.peer) is connection:
            del self._by_peer[connection.peer]
        self._leave(connection.address)
        if not self._connections:
            self._all_closed.set()
        log.debug("channel %s: %s closed after %d frames", self.settings.name, connection.peer, connection.frames)

    def _leave(self, address: str) -> None:
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def wait_for_intake(self, connection: MllpConnection) -> None:
        """Read on from this connection when the intake accepts again."""
        if not self._waiting:
            self.loop.call_soon(self.intake.when_accepting, self._accepting_again)
        self._waiting[connection] = None

    def flush_soon(self, connection: MllpConnection) -> None:
        """Let the connection write at the end of this turn of the loop."""
        if not self._answering:
            self.loop.call_soon(self._flush)
        self._answering[connection] = None

    def _flush(self) -> None:
        answering, self._answering = self._answering, {}
        for connection in answering:
            connection.flush()

    def _accepting_again(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for connection in waiting:
            connection.resume(INTAKE)
            connection.pump()

    # -- limits ----------------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """Close what was silent, or open inside a frame, for too long: one timer for all connections."""
        settings = self.settings
        now = self.loop.time()
        for connection in list(self._connections):
            if connection.ending_since:
                if now - connection.ending_since > _ENDING_SECONDS:
                    connection.abort()
            elif connection.frame_since and not connection.paused:
                if 0 < settings.frame_timeout < now - connection.frame_since:
                    log.info("channel %s: %s left a frame open, closed", settings.name, connection.peer)
                    connection.time_out()
            elif 0 < settings.idle_timeout < now - connection.heard and not (
                connection.unanswered or connection.paused & ~PEER_SLOW
            ):
                log.debug("channel %s: %s idle, closed", settings.name, connection.peer)
                connection.time_out()
        self._tell_refusals()
        times = [limit / 4 for limit in (settings.frame_timeout, settings.idle_timeout) if limit > 0]
        self._sweeper = self.loop.call_later(min([_SWEEP_SECONDS, *times]), self._sweep)

    def _tell_refusals(self) -> None:
        """One line a minute at most of each kind, however many connections are refused."""
        settings = self.settings
        if refused := self._refused.due(self.loop.time()):
            log.warning(
                "channel %s: %d connections refused, the limits are %d in all and %d per peer",
                settings.name,
                refused,
                settings.max_connections,
                settings.max_connections_per_peer,
            )
        if failed := self._unshaken.due(self.loop.time()):
            log.warning("channel %s: %d TLS handshakes failed, last: %s", settings.name, failed, self._unshaken.what)

    def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        self.unbind()
