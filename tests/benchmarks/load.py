"""A load generator: N connections, one message outstanding on each, as hospital engines send.

`python -m tests.benchmarks.load PORT --connections 128 --seconds 3` prints one JSON line.  Every message is an admission
of a new patient; with `--existing N` an update of one of the N patients that a run with the same `--run` admitted.
With `--rate R` each connection keeps to its timetable, and an answer's latency counts from the moment its message was
due, so that a message that had to wait for the one before is not flattered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import socket
import time
from collections import Counter

import uvloop

from tests.benchmarks.messages import Maker

END = b"\x1c\r"
GRACE_SECONDS = 30.0


class Run:
    """What all connections share."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.existing: int = options.existing
        self.count: int = options.count
        self.interval = options.connections / options.rate if options.rate else 0.0
        self.maker = Maker("A08" if options.existing else "A01")
        self.prefix = options.run.encode()
        self.control = secrets.token_hex(3).upper().encode()
        self.sent = 0
        self.stopping = False
        self.latencies: list[float] = []
        self.codes: Counter[str] = Counter()
        self.last = 0.0

    def next_frame(self) -> bytes | None:
        """None when enough was sent."""
        if self.stopping or (self.count and self.sent >= self.count):
            return None
        number, self.sent = self.sent, self.sent + 1
        patient = number % self.existing if self.existing else number
        return self.maker.frame(b"%s%07d" % (self.control, number), b"%s%07d" % (self.prefix, patient), number >> 4)


class Sender(asyncio.Protocol):
    """One connection."""

    def __init__(self, run: Run, offset: float) -> None:
        self._run = run
        self._due = offset
        self._since = 0.0
        self._buffer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def begin(self) -> None:
        self._due += time.perf_counter()
        self._next()

    def _next(self) -> None:
        interval = self._run.interval
        if interval and (wait := self._due - time.perf_counter()) > 0:
            asyncio.get_running_loop().call_later(wait, self._send)
        else:
            self._send()

    def _send(self) -> None:
        frame = self._run.next_frame()
        if frame is None:
            self._transport.close()
            return
        if self._run.interval:
            self._since, self._due = self._due, self._due + self._run.interval
        else:
            self._since = time.perf_counter()
        self._transport.write(frame)

    def data_received(self, data: bytes) -> None:
        if data[-2:] != END or self._buffer:
            self._buffer += data
            if self._buffer[-2:] != END:
                return
            data, self._buffer = self._buffer, b""
        run = self._run
        run.last = time.perf_counter()
        run.latencies.append(run.last - self._since)
        at = data.find(b"\rMSA|")
        run.codes[data[at + 5 : at + 7].decode("latin-1") if at >= 0 else "none"] += 1
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._run.codes["connection lost"] += 1
        if not self.done.done():
            self.done.set_result(None)


async def drive(options: argparse.Namespace) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    run = Run(options)
    senders = [Sender(run, run.interval * number / options.connections) for number in range(options.connections)]
    for sender in senders:
        await loop.create_connection(lambda sender=sender: sender, "127.0.0.1", options.port)  # type: ignore[misc]
    started, cpu = time.perf_counter(), time.process_time()
    for sender in senders:
        sender.begin()
    if options.seconds:
        loop.call_later(options.seconds, setattr, run, "stopping", True)
    await asyncio.wait([sender.done for sender in senders], timeout=(options.seconds or 600) + GRACE_SECONDS)
    latencies = sorted(run.latencies)
    count = len(latencies)
    seconds = max(run.last - started, 1e-9)
    return {
        "messages": count,
        "sent": run.sent,
        "seconds": seconds,
        "rate": count / seconds,
        "p50_ms": latencies[count // 2] * 1e3 if count else 0.0,
        "p99_ms": latencies[min(count - 1, count * 99 // 100)] * 1e3 if count else 0.0,
        "codes": dict(run.codes),
        "started": started,  # of the machine's monotonic clock, as every process sees it
        "generator_us": (time.process_time() - cpu) / max(count, 1) * 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.0, help="messages per second over all connections")
    parser.add_argument("--run", default=secrets.token_hex(3).upper(), help="prefix of the patients' numbers")
    parser.add_argument("--existing", type=int, default=0, help="update so many patients instead of admitting new ones")
    print(json.dumps(uvloop.run(drive(parser.parse_args()))))


if __name__ == "__main__":
    main()
