"""The floor: an MLLP server that only finds the end block and sends a fixed answer (decision 31).

`python -m tests.benchmarks.floor` prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

ANSWER = b"\x0bMSH|^~\\&|FLOOR|FLOOR|SENDER|SENDER|20260101000000||ACK^A01^ACK|1|P|2.5.1\rMSA|AA|1\r\x1c\r"


class Floor(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        ends = data.count(b"\x1c\r")
        if ends:
            self._transport.write(ANSWER * ends)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Floor, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
