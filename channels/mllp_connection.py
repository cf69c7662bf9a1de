"""One MLLP peer: bytes in, frames to the intake, answers out in the order of submission."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, cast

from channels.ports import Answer, Inbound
from channels.tls import peer_names
from parsers.mllp import Frame, FrameReader, frame

if TYPE_CHECKING:
    from channels.mllp_listener import MllpListener

LINGER_SECONDS = 0.5
"""Between the end of our side and the close."""

_MOST_SENDERS = 64  # that are remembered of one connection

# Why reading is paused
PEER_SLOW, UNANSWERED, INTAKE, CHANNEL, ENDING = 1, 2, 4, 8, 16


class _Place:
    """The place of one frame in the order of answers; called by the intake."""

    __slots__ = ("answer", "closing", "connection", "silent")

    def __init__(self, connection: MllpConnection, closing: bool, silent: bool) -> None:
        self.connection = connection
        self.closing = closing
        self.silent = silent  # cut by close or time-out: kept, never answered (decision 4)
        self.answer: Answer | None = None

    def __call__(self, answer: Answer) -> None:
        if self.answer is None:
            self.answer = answer
            self.connection.advance()


class MllpConnection(asyncio.Protocol):
    """The protocol of one accepted connection.  The listener decides whether it may stay and for how long."""

    def __init__(self, listener: MllpListener) -> None:
        self.peer = ""
        self.address = ""
        self.names: tuple[str, ...] = ()  # of the peer's certificate
        self.senders: set[str] = set()  # MSH-3|MSH-4 of messages that were stored
        self.frames = 0
        self.last_received_at: datetime | None = None
        self.heard = 0.0  # loop time of the last bytes
        self.frame_since = 0.0  # loop time from which the open frame counts; 0: none is open
        self.ending_since = 0.0  # loop time at which we ended our side; 0: not yet
        self._listener = listener
        self._reader = FrameReader(listener.settings.max_frame, listener.settings.end)
        self._held: deque[Frame] = deque()  # read, not submitted yet
        self._cut: Frame | None = None  # what was open when the bytes ended; submitted last
        self._places: deque[_Place] = deque()  # submitted, not answered yet
        self._out: list[bytes] = []
        self._paused = 0
        self._ended = False  # nothing more is taken from this peer
        self._peer_ended = False
        self._transport: asyncio.Transport | None = None

    @property
    def unanswered(self) -> int:
        """Frames submitted whose answer did not come yet."""
        return len(self._places)

    @property
    def paused(self) -> int:
        """The reasons for which we do not read, as bits."""
        return self._paused

    # -- what the peer does ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        name = transport.get_extra_info("peername")
        if name:
            self.address = str(name[0])
            self.peer = f"[{name[0]}]:{name[1]}" if ":" in self.address else f"{name[0]}:{name[1]}"
        self.names = peer_names(transport.get_extra_info("peercert"))
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own classes do not inherit from it
        self.heard = self._listener.loop.time()
        if self._listener.admit(self):
            tune(transport.get_extra_info("socket"))
        else:
            self._ended = True
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self.heard = self._listener.loop.time()
        frames = self._reader.feed(data)
        if not self._reader.open:
            self.frame_since = 0.0
        elif frames or not self.frame_since:
            self.frame_since = self.heard
        self._held.extend(frames)
        if self._paused and self._transport is not None:  # uvloop starts to read although it was told to pause
            self._transport.pause_reading()
        self.pump()

    def eof_received(self) -> bool:
        """The peer sends no more; what he sent is answered before we close."""
        self._peer_ended = True
        if self.ending_since:
            return False
        self._end_of_bytes()
        self._close_when_answered()
        return bool(not self.ending_since and self._transport is not None and self._transport.can_write_eof())

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._held.clear()  # complete and unanswered: the peer sends them again
        if self._ended:
            self.pump()
        else:
            self._end_of_bytes()
        self._listener.forget(self)

    def pause_writing(self) -> None:
        self.pause(PEER_SLOW)

    def resume_writing(self) -> None:
        self.resume(PEER_SLOW)

    # -- reading ---------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Submit what is held, as far as the intake and the number of unanswered frames allow."""
        if self._paused & (INTAKE | CHANNEL):
            return
        listener = self._listener
        if self._held and self._transport is not None and listener.intake.full:
            self._wait_for_intake()
            return
        while self._held:
            if len(self._places) >= listener.settings.max_unanswered and self._transport is not None:
                self.pause(UNANSWERED)
                return
            self._submit(self._held.popleft())
        if self._cut is not None:
            cut, self._cut = self._cut, None
            self._submit(cut, silent=True)
        if self._transport is not None and not listener.intake.accepting:
            self._wait_for_intake()

    def _wait_for_intake(self) -> None:
        self.pause(INTAKE)
        self._listener.wait_for_intake(self)

    def pause(self, reason: int) -> None:
        """Stop reading for `reason`; TCP slows the peer down."""
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
        self._paused |= reason

    def resume(self, reason: int) -> None:
        """`reason` is over; read on when it was the last."""
        if not self._paused & reason:
            return
        self._paused &= ~reason
        if self._paused:
            return
        self.heard = self._listener.loop.time()  # the time for which we did not read is not the peer's
        if self._reader.open:
            self.frame_since = self.heard
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _submit(self, each: Frame, silent: bool = False) -> None:
        place = _Place(self, each.closing, silent)
        self._places.append(place)
        if each.closing:
            self._take_no_more()
        listener = self._listener
        received_at = self.last_received_at = listener.clock()
        self.frames += 1
        listener.frames += 1
        listener.last_received_at = received_at
        listener.intake.submit(
            Inbound(listener.settings.name, self.peer, received_at, each.body, place, each.broken, "hl7v2", self.names)
        )

    def _end_of_bytes(self) -> None:
        """No more bytes come: an open frame was cut; it is kept, unanswered (decision 4)."""
        if self._ended:
            return
        self._take_no_more()
        self._cut = next((each for each in self._reader.end() if each.body), None)
        self.pump()

    def _take_no_more(self) -> None:
        self._ended = True
        self.frame_since = 0.0
        self.pause(ENDING)

    # -- answering -------------------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Take the answers that are due by now into the next write."""
        while self._places and (answer := self._places[0].answer) is not None:
            place = self._places.popleft()
            if answer.sender and len(self.senders) < _MOST_SENDERS:
                self.senders.add(answer.sender)
            if self._transport is None or self.ending_since:
                continue
            if answer.reply is not None and not place.silent:
                self._out.append(frame(answer.reply))
            if answer.close or place.closing:
                self._end(discarding=not place.closing)
        self._listener.flush_soon(self)

    def flush(self) -> None:
        """Write what is due in one piece, then go on with what had to wait for it."""
        self._write()
        if self.ending_since:
            return
        if self._held or self._cut is not None:
            self.pump()
        if not self._held:
            self.resume(UNANSWERED)
        if self._ended and self._transport is not None:
            self._close_when_answered()

    def _write(self) -> None:
        if self._out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._out[0] if len(self._out) == 1 else b"".join(self._out))
        self._out.clear()

    def tell(self, body: bytes) -> bool:
        """Send a frame of our own, behind the answers that are due; False when the peer cannot take it now."""
        if self._transport is None or self.ending_since or self._paused & PEER_SLOW:
            return False
        self._out.append(frame(body))
        self._listener.flush_soon(self)
        return True

    # -- ending ----------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Take no more and close when everything submitted is answered; what is not submitted will be sent again."""
        self._held.clear()
        if not self._ended:
            self._take_no_more()
        self._close_when_answered()

    def time_out(self) -> None:
        """The open frame was not completed in time, or the peer was silent for too long."""
        self._end_of_bytes()
        self._close_when_answered()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _close_when_answered(self) -> bool:
        if self._places or self._held or self._cut is not None:
            return False
        self._end(discarding=True)
        return True

    def _end(self, discarding: bool) -> None:
        """Write what is due, say that no more comes, and close: at once when the peer ended, else a moment later.

        A close with unread bytes resets the connection, and the last answer with it; `discarding` reads them away.
        """
        transport = self._transport
        if transport is None or self.ending_since:
            return
        self.ending_since = self._listener.loop.time()
        self._ended = True
        self._held.clear()
        self._write()
        if self._peer_ended or transport.is_closing():
            transport.close()
            return
        if transport.can_write_eof():
            transport.write_eof()
        else:
            discarding = True  # TLS ends both sides at once, by its close: what is unread then takes the answer with it
        if discarding:
            self.resume(self._paused)
        else:
            self.pause(ENDING)
        self._listener.loop.call_later(LINGER_SECONDS, transport.close)


def tune(connection: socket.socket | None) -> None:
    """No delay for small answers; a dead peer is noticed within two minutes."""
    if connection is None:
        return
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
