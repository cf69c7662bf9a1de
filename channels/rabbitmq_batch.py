"""Publishing to RabbitMQ, a batch at a time: all frames in one write, one wait for all confirms.

aio-pika's own publish costs a lock, two futures, a drain and three marshalled frames for every message.  The batch
publisher here uses the same aiormq channel and touches attributes of it that are not public; they are all in
`BatchPublisher`, `fits` says whether this aiormq has them, and `PlainPublisher` does the same by aio-pika alone.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from typing import Protocol

import aio_pika
import aiormq
from aiormq.abc import ChannelFrame, ConfirmationFrameType, DeliveredMessage
from pamqp import commands

from channels.amqp_frames import body_frames, content_header, publish_method
from channels.ports import Delivery, DeliveryError, Outcome

_ROUTES_KEPT = 4096
_USED = (
    "closing",
    "confirmations",
    "delivery_tag",
    "max_content_size",
    "message_id_delivery_tag",
    "number",
    "on_return_raises",
    "write_queue",
)


class Publisher(Protocol):
    """Publishes a batch, mandatory and persistent, and says of each message what became of it."""

    async def publish(self, batch: Sequence[Delivery], timeout: float) -> list[Outcome]:
        """Raises DeliveryError when the channel closes or the confirms are not complete after `timeout` seconds."""
        ...


class _Batch:
    """The shared confirmation of consecutive delivery tags.

    aiormq gives it a returned message by `set_result`, as it would a future."""

    def __init__(self, first: int, size: int, done: asyncio.Future[None]) -> None:
        self.first = first
        self.nacked: set[int] = set()
        self.returned: set[str] = set()
        self.done = done
        self._open = size

    def set_result(self, message: DeliveredMessage) -> None:
        if message.header.properties.message_id is not None:
            self.returned.add(message.header.properties.message_id)

    def settle(self, tag: int, confirmed: bool) -> None:
        if not confirmed:
            self.nacked.add(tag - self.first)
        self._open -= 1
        if self._open == 0 and not self.done.done():
            self.done.set_result(None)

    def fail(self, problem: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(problem)


class BatchPublisher:
    """One buffer and one future per batch, over an aiormq channel in confirm mode that nobody else publishes on."""

    def __init__(self, channel: aiormq.Channel, exchange: str) -> None:
        self._channel = channel
        self._exchange = exchange
        self._methods: dict[str, bytes] = {}  # routing key -> method frame
        self._batches: dict[int, _Batch] = {}  # open delivery tag -> its batch
        self._lowest = channel.delivery_tag + 1  # no open tag is below
        channel.on_return_raises = False
        channel._on_confirm_frame = self._on_confirm  # type: ignore[method-assign]
        channel.closing.add_done_callback(self._on_close)

    @staticmethod
    def fits(channel: object) -> bool:
        """True when this aiormq has what is used here."""
        return (
            isinstance(channel, aiormq.Channel)
            and all(hasattr(channel, name) for name in _USED)
            and inspect.iscoroutinefunction(getattr(channel, "_on_confirm_frame", None))
        )

    async def publish(self, batch: Sequence[Delivery], timeout: float) -> list[Outcome]:
        if not batch:
            return []
        channel = self._channel
        if channel.is_closed:
            raise DeliveryError("the channel to the broker is closed")
        frames = self._frames(batch)
        first = channel.delivery_tag + 1
        tags = range(first, first + len(batch))
        shared = _Batch(first, len(batch), asyncio.get_running_loop().create_future())
        channel.delivery_tag = tags[-1]
        self._batches.update(dict.fromkeys(tags, shared))
        channel.confirmations.update(dict.fromkeys(tags, shared))  # type: ignore[arg-type]
        ids = [delivery.id for delivery in batch]
        channel.message_id_delivery_tag.update(zip(ids, tags, strict=True))
        channel.write_queue.put_nowait(ChannelFrame(payload=frames, should_close=False))
        try:
            async with asyncio.timeout(timeout):
                await shared.done
        except TimeoutError:
            raise DeliveryError("the broker did not confirm in time") from None
        finally:
            for each in ids:
                channel.message_id_delivery_tag.pop(each, None)
        return [self._outcome(shared, index, each) for index, each in enumerate(ids)]

    def _frames(self, batch: Sequence[Delivery]) -> bytes:
        number, limit = self._channel.number, self._channel.max_content_size
        parts: list[bytes] = []
        for delivery in batch:
            method = self._methods.get(delivery.routing_key)
            if method is None:
                if len(self._methods) >= _ROUTES_KEPT:
                    self._methods.clear()
                method = publish_method(number, self._exchange, delivery.routing_key)
                self._methods[delivery.routing_key] = method
            parts.append(method)
            parts.append(content_header(number, delivery))
            parts += body_frames(number, delivery.body, limit)
        return b"".join(parts)

    @staticmethod
    def _outcome(shared: _Batch, index: int, message_id: str) -> Outcome:
        if index in shared.nacked:
            return Outcome.FAILED
        return Outcome.RETURNED if message_id in shared.returned else Outcome.CONFIRMED

    async def _on_confirm(self, frame: ConfirmationFrameType) -> None:
        """In place of aiormq's own, which schedules a callback per tag."""
        tag = frame.delivery_tag or 0
        confirmed = isinstance(frame, commands.Basic.Ack)
        if not isinstance(frame, commands.Basic.Reject) and frame.multiple:
            tags = range(self._lowest, tag + 1)
            self._lowest = tag + 1
        else:
            tags = range(tag, tag + 1)
        confirmations = self._channel.confirmations
        for each in tags:
            shared = self._batches.pop(each, None)
            if shared is not None:
                confirmations.pop(each, None)
                shared.settle(each, confirmed)

    def _on_close(self, _: object) -> None:
        for shared in {id(each): each for each in self._batches.values()}.values():
            shared.fail(DeliveryError("the connection to the broker ended before all confirms"))
        self._batches.clear()


class PlainPublisher:
    """The same by aio-pika's public interface: about twenty times dearer per message."""

    def __init__(self, exchange: aio_pika.abc.AbstractExchange) -> None:
        self._exchange = exchange

    async def publish(self, batch: Sequence[Delivery], timeout: float) -> list[Outcome]:
        tasks = [asyncio.ensure_future(self._publish(delivery, timeout)) for delivery in batch]
        try:
            return list(await asyncio.gather(*tasks))
        except (aio_pika.exceptions.AMQPError, OSError, TimeoutError, RuntimeError) as problem:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise DeliveryError(f"the broker did not take the batch: {type(problem).__name__}") from None

    async def _publish(self, delivery: Delivery, timeout: float) -> Outcome:
        message = aio_pika.Message(
            delivery.body,
            content_type=delivery.content_type,
            headers=dict(delivery.headers),
            message_id=delivery.id,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        try:
            reply = await self._exchange.publish(message, delivery.routing_key, mandatory=True, timeout=timeout)
        except aio_pika.exceptions.DeliveryError:
            return Outcome.FAILED
        # For an unroutable message the reply is the message that came back, for any other the confirm frame.
        returned = isinstance(getattr(reply, "delivery", None), commands.Basic.Return)
        return Outcome.RETURNED if returned else Outcome.CONFIRMED
