"""An independent consumer of the bus: a durable quorum queue that is bound to everything."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from tests.support.waiting import until


@dataclass(frozen=True, slots=True)
class Seen:
    """One delivery, repeats included."""

    event_id: str
    routing_key: str
    headers: Mapping[str, Any]
    properties: str
    body: bytes


class BusWitness:
    """Writes down what arrives from `start` to `stop`, in order."""

    def __init__(self, url: str, exchange: str, queue: str) -> None:
        self.seen: list[Seen] = []
        self._url = url
        self._exchange = exchange
        self._queue = queue
        self._last = 0.0

    async def start(self) -> None:
        self._connection = await aio_pika.connect(self._url)
        channel = await self._connection.channel()
        exchange = await channel.declare_exchange(self._exchange, aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(self._queue, durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(exchange, "#")
        await queue.consume(self._take, no_ack=True)

    async def stop(self) -> None:
        await self._connection.close()

    async def quiet(self, seconds: float = 0.5) -> None:
        """Return when nothing came for a while."""
        self._last = time.monotonic()
        await until(lambda: time.monotonic() - self._last >= seconds, 60, pause=0.05)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        self._last = time.monotonic()
        properties = f"{message.correlation_id} {message.app_id} {message.type} {message.user_id} {message.reply_to}"
        self.seen.append(
            Seen(message.message_id or "", message.routing_key or "", message.headers, properties, message.body)
        )
