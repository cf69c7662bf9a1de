"""Sends HL7 v2 messages to an MLLP peer, one at a time, and takes its acknowledgements."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass, field

from channels.tls import Tls, failure_word
from parsers.errors import ParseError
from parsers.hl7v2.message import Message
from parsers.mllp import FrameReader, frame

_READ = 65536
_MAX_REPLY = 1 << 20


@dataclass(slots=True, frozen=True)
class Reply:
    """What came back.  `code` is MSA-1, `control_id` MSA-2; both empty when the reply has no readable MSA."""

    code: str
    control_id: str
    body: bytes
    answers: bytes = field(default=b"", compare=False)  # MSA-2 as sent

    @property
    def accepted(self) -> bool:
        return self.code in ("AA", "CA")


class PeerLost(Exception):
    """No answer: refused, closed, timed out, or bytes that are no frame.  The message may have been taken."""


class NoAnswer(PeerLost):
    """The message was sent, and its answer did not come."""


class Closed(NoAnswer):
    """The peer closed the connection instead of answering."""


class MllpClient:
    """One connection.  Open it with `connect`; after PeerLost it is closed and must be opened again."""

    def __init__(
        self, host: str, port: int, *, timeout: float = 30.0, tls: Tls | None = None, server_name: str = ""
    ) -> None:
        """`server_name`: whom the peer's certificate must name; empty: `host`."""
        self._host = host
        self._port = port
        self._timeout = timeout
        self._tls = tls
        self._server_name = server_name or host
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._frames = FrameReader(_MAX_REPLY)
        self._arrived: deque[bytes] = deque()  # answers read and not looked at
        self.unexpected = 0  # answers that were for no message then waiting

    @property
    def connected(self) -> bool:
        return self._streams is not None

    async def connect(self) -> None:
        """PeerLost when there is nobody."""
        try:
            async with asyncio.timeout(self._timeout):
                if self._tls is None:
                    self._streams = await asyncio.open_connection(self._host, self._port)
                else:
                    self._streams = await asyncio.open_connection(
                        self._host, self._port, ssl=self._tls.context, server_hostname=self._server_name
                    )
        except ssl.SSLError as problem:
            raise PeerLost(f"no TLS: {failure_word(problem)}") from None
        except (OSError, TimeoutError):
            raise PeerLost("no connection") from None
        self._frames = FrameReader(_MAX_REPLY)
        self._arrived.clear()

    async def send(self, body: bytes) -> Reply:
        """Send one message and wait for its answer.

        Connects when needed.  A late answer can never be taken for that of the next message: after a time-out the
        connection is closed.
        """
        return await self.exchange(body, b"")

    async def exchange(self, body: bytes, control_id: bytes) -> Reply:
        """As `send`, and the answer is the one whose MSA-2 is `control_id`, as bytes (b"": the next one).

        Others are counted as unexpected and left out: an application acknowledgement of an earlier message, say.
        NoAnswer when the message may have arrived, PeerLost when there was no connection.
        """
        if self._streams is not None and self._streams[0].at_eof():  # a peer that closes after each answer
            await self.close()
        if self._streams is None:
            await self.connect()
        assert self._streams is not None
        reader, writer = self._streams
        try:
            async with asyncio.timeout(self._timeout):
                writer.write(frame(body))
                await writer.drain()
                while True:
                    reply = read_reply(await self._next_frame(reader))
                    if not control_id or reply.answers == control_id:
                        return reply
                    self.unexpected += 1
        except ConnectionError:
            await self.close()
            raise Closed("closed by the peer") from None
        except (OSError, TimeoutError):
            await self.close()
            raise NoAnswer("no answer") from None
        except PeerLost:
            await self.close()
            raise

    async def tell(self, body: bytes) -> None:
        """Send one message that is not answered.  PeerLost when there is no connection."""
        if self._streams is None:
            await self.connect()
        assert self._streams is not None
        try:
            async with asyncio.timeout(self._timeout):
                self._streams[1].write(frame(body))
                await self._streams[1].drain()
        except (OSError, TimeoutError):
            await self.close()
            raise PeerLost("not sent") from None

    async def _next_frame(self, reader: asyncio.StreamReader) -> bytes:
        while not self._arrived:
            data = await reader.read(_READ)
            if not data:
                raise Closed("closed by the peer")
            for found in self._frames.feed(data):
                if found.broken:
                    raise NoAnswer(f"the answer is {found.broken}")
                self._arrived.append(found.body)
        return self._arrived.popleft()

    async def close(self) -> None:
        if self._streams is None:
            return
        _, writer = self._streams
        self._streams = None
        writer.close()
        try:
            await writer.wait_closed()
        except OSError:
            pass


def read_reply(body: bytes) -> Reply:
    """MSA-1 and MSA-2 of an acknowledgement."""
    try:
        acknowledgement = Message(body).first("MSA")
    except ParseError:
        acknowledgement = None
    if acknowledgement is None:
        return Reply("", "", body)
    return Reply(acknowledgement.text(1), acknowledgement.text(2), body, acknowledgement.raw(2).strip())
