"""RabbitMQ as a destination: its topology and one supervised connection that only publishes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import aio_pika
import aiormq
from aio_pika.connection import make_url

from channels.ports import Delivery, DeliveryError, Outcome
from channels.rabbitmq_batch import BatchPublisher, PlainPublisher, Publisher

_CLOSE_SECONDS = 2.0
_SHORT = 255  # bytes of an AMQP short string; ids and routing keys are ASCII
_AWAY = (aio_pika.exceptions.AMQPError, OSError, TimeoutError, RuntimeError)


@dataclass(slots=True, frozen=True)
class Queue:
    """A quorum queue to declare.  `max_length` above 0 drops the oldest messages beyond it: a queue that nobody reads
    must not fill the broker's disk (decision 22)."""

    name: str
    bindings: tuple[str, ...] = ("#",)
    max_length: int = 0

    @property
    def arguments(self) -> dict[str, str | int]:
        arguments: dict[str, str | int] = {"x-queue-type": "quorum"}
        if self.max_length:
            arguments |= {"x-max-length": self.max_length, "x-overflow": "drop-head"}
        return arguments


@dataclass(slots=True, frozen=True)
class RabbitSettings:
    """Where to publish and what to declare.  Times are seconds."""

    url: str
    exchange: str
    queues: tuple[Queue, ...] = field(default_factory=tuple)
    publish_timeout: float = 10.0
    connect_timeout: float = 10.0
    batched: bool = True  # False: aio-pika's own publish


class RabbitDestination:
    """`channels.ports.Destination` over one connection, made on the first delivery and again after any trouble.

    Any trouble with the connection gives DeliveryError and drops it: what the broker took is then unknown, and the
    relay sends the batch again with the same message ids.
    """

    def __init__(self, settings: RabbitSettings) -> None:
        self._settings = settings
        self._connection: aio_pika.abc.AbstractConnection | None = None
        self._publisher: Publisher | None = None
        # The relay says once that the broker is away; these would say it on every attempt.
        for name in ("aiormq", "aio_pika"):
            logging.getLogger(name).setLevel(logging.CRITICAL)

    async def deliver(self, batch: Sequence[Delivery]) -> list[Outcome]:
        try:
            if self._publisher is None:
                async with asyncio.timeout(self._settings.connect_timeout):
                    self._publisher = await self._connect()
            return await self._publish(self._publisher, batch)
        except DeliveryError:
            await self.close()
            raise
        except _AWAY as problem:
            await self.close()
            raise DeliveryError(f"the broker is away: {type(problem).__name__}") from None
        except asyncio.CancelledError:
            await self.close()
            raise

    async def _publish(self, publisher: Publisher, batch: Sequence[Delivery]) -> list[Outcome]:
        """What AMQP cannot carry is refused by itself: it must not hold up the rest."""
        fitting = [each for each in batch if len(each.routing_key) <= _SHORT and len(each.id) <= _SHORT]
        outcomes = await publisher.publish(fitting, self._settings.publish_timeout)
        if len(fitting) == len(batch):
            return outcomes
        by_delivery = {id(each): outcome for each, outcome in zip(fitting, outcomes, strict=True)}
        return [by_delivery.get(id(each), Outcome.REFUSED) for each in batch]

    async def close(self) -> None:
        connection, self._connection, self._publisher = self._connection, None, None
        if connection is not None:
            try:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await connection.close()
            except _AWAY:
                await connection.close()  # without its transport by now: this only marks it as closed

    async def _connect(self) -> Publisher:
        # Kept before it is connected: a failed one must be closed too, or it closes itself when it is collected.
        self._connection = aio_pika.Connection(make_url(self._settings.url))
        await self._connection.connect()
        channel = await self._connection.channel(publisher_confirms=True, on_return_raises=False)
        exchange = await self._declare(channel)
        underlay = await channel.get_underlay_channel()
        if self._settings.batched and isinstance(underlay, aiormq.Channel) and BatchPublisher.fits(underlay):
            return BatchPublisher(underlay, self._settings.exchange)
        return PlainPublisher(exchange)

    async def _declare(self, channel: aio_pika.abc.AbstractChannel) -> aio_pika.abc.AbstractExchange:
        name = self._settings.exchange
        exchange = await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, durable=True)
        for each in self._settings.queues:
            try:
                queue = await channel.declare_queue(each.name, durable=True, arguments=dict(each.arguments))
            except aio_pika.exceptions.ChannelPreconditionFailed:
                raise DeliveryError(f"queue {each.name} exists with other properties") from None
            for binding in each.bindings:
                await queue.bind(exchange, binding)
        return exchange
