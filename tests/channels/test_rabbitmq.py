from __future__ import annotations

import asyncio
import importlib.metadata
import io
import secrets
from collections.abc import AsyncIterator, Callable

import aio_pika
import aiormq
import pamqp.frame
import pytest
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from channels.amqp_frames import body_frames, content_header, publish_method
from channels.ports import Delivery, DeliveryError, Outcome
from channels.rabbitmq import Queue, RabbitDestination, RabbitSettings
from channels.rabbitmq_batch import BatchPublisher, PlainPublisher
from tests.support.rabbitmq_server import RabbitServer

Open = Callable[..., RabbitDestination]


def delivery(n: int, *, key: str = "adt.admitted.general", body: bytes = b'{"n":1}') -> Delivery:
    headers = {"partitionkey": f"patient-{n}", "type": "adt.admitted"}
    return Delivery(f"event-{n}", f"patient-{n}", key, body, headers, "application/cloudevents+json")


@pytest.fixture(params=[True, False], ids=["batched", "plain"])
def batched(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
async def rabbit(rabbitmq_url: str, bus_name: str) -> AsyncIterator[Open]:
    opened: list[RabbitDestination] = []

    def open_destination(*, batched: bool = True, max_length: int = 0, timeout: float = 10.0) -> RabbitDestination:
        queue = Queue(f"{bus_name}.care", ("adt.#",), max_length)
        opened.append(
            RabbitDestination(
                RabbitSettings(rabbitmq_url, bus_name, (queue,), publish_timeout=timeout, batched=batched)
            )
        )
        return opened[-1]

    yield open_destination
    for each in opened:
        await each.close()


async def take_all(url: str, queue: str) -> list[aio_pika.abc.AbstractIncomingMessage]:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        source = await channel.get_queue(queue)
        taken = []
        while (message := await source.get(fail=False)) is not None:
            await message.ack()
            taken.append(message)
        return taken


async def test_deliver_batch_reaches_the_queue_in_order(
    rabbit: Open, rabbitmq_url: str, bus_name: str, batched: bool
) -> None:
    batch = [delivery(n, body=b"x" * n * 20) for n in range(300)]
    assert await rabbit(batched=batched).deliver(batch) == [Outcome.CONFIRMED] * 300
    messages = await take_all(rabbitmq_url, f"{bus_name}.care")
    assert [message.message_id for message in messages] == [each.id for each in batch]
    assert [message.body for message in messages] == [each.body for each in batch]
    first = messages[7]
    headers = {name: value for name, value in first.headers.items() if not name.startswith("x-")}
    assert headers == {"partitionkey": "patient-7", "type": "adt.admitted"}
    assert (first.content_type, first.delivery_mode) == ("application/cloudevents+json", 2)
    assert (first.routing_key, first.exchange) == ("adt.admitted.general", bus_name)


async def test_deliver_body_larger_than_a_frame_arrives_whole(
    rabbit: Open, rabbitmq_url: str, bus_name: str, batched: bool
) -> None:
    body = secrets.token_bytes(400_000)
    batch = [delivery(1), delivery(2, body=body), delivery(3, body=b"")]
    assert await rabbit(batched=batched).deliver(batch) == [Outcome.CONFIRMED] * 3
    assert [each.body for each in await take_all(rabbitmq_url, f"{bus_name}.care")] == [b'{"n":1}', body, b""]


async def test_deliver_unroutable_message_is_returned_though_confirmed(rabbit: Open, batched: bool) -> None:
    destination = rabbit(batched=batched)
    batch = [delivery(n, key="siu.booked.general" if n % 3 == 1 else "adt.admitted.general") for n in range(30)]
    expected = [Outcome.RETURNED if n % 3 == 1 else Outcome.CONFIRMED for n in range(30)]
    assert await destination.deliver(batch) == expected
    assert await destination.deliver(batch[:2]) == expected[:2]


async def test_deliver_what_amqp_cannot_carry_is_refused_alone(rabbit: Open, batched: bool) -> None:
    batch = [delivery(1), delivery(2, key="adt." + "x" * 300), delivery(3)]
    assert await rabbit(batched=batched).deliver(batch) == [Outcome.CONFIRMED, Outcome.REFUSED, Outcome.CONFIRMED]


async def test_deliver_empty_batch_is_nothing(rabbit: Open) -> None:
    assert await rabbit().deliver([]) == []


async def test_deliver_to_a_broker_that_is_away_raises_and_works_again_after(
    rabbit: Open, rabbitmq_server: RabbitServer, rabbitmq_url: str, bus_name: str, batched: bool
) -> None:
    destination = rabbit(batched=batched)
    await destination.deliver([delivery(1)])
    await asyncio.to_thread(rabbitmq_server.stop)
    try:
        for _ in range(2):
            with pytest.raises(DeliveryError):
                await destination.deliver([delivery(2)])
    finally:
        await asyncio.to_thread(rabbitmq_server.start)
    assert await destination.deliver([delivery(2)]) == [Outcome.CONFIRMED]
    assert [each.message_id for each in await take_all(rabbitmq_url, f"{bus_name}.care")] == ["event-1", "event-2"]


async def test_deliver_to_a_broker_that_hangs_raises_in_time(
    rabbit: Open, rabbitmq_server: RabbitServer, batched: bool
) -> None:
    destination = rabbit(batched=batched, timeout=0.5)
    await destination.deliver([delivery(1)])
    rabbitmq_server.freeze()
    try:
        with pytest.raises(DeliveryError):
            await destination.deliver([delivery(2)])
    finally:
        rabbitmq_server.thaw()
    assert await destination.deliver([delivery(2)]) == [Outcome.CONFIRMED]


async def test_deliver_when_the_exchange_is_gone_raises_and_declares_it_again(
    rabbit: Open, rabbitmq_url: str, bus_name: str, batched: bool
) -> None:
    destination = rabbit(batched=batched)
    await destination.deliver([delivery(1)])
    async with await aio_pika.connect(rabbitmq_url) as connection:
        await (await connection.channel()).exchange_delete(bus_name)
    with pytest.raises(DeliveryError):
        await destination.deliver([delivery(2)])
    assert await destination.deliver([delivery(2)]) == [Outcome.CONFIRMED]


async def test_deliver_with_a_queue_of_other_properties_names_it(rabbit: Open, bus_name: str) -> None:
    await rabbit(max_length=5).deliver([delivery(1)])
    with pytest.raises(DeliveryError, match=f"{bus_name}.care"):
        await rabbit(max_length=6).deliver([delivery(1)])


async def test_queue_with_a_length_limit_drops_the_oldest(rabbit: Open, rabbitmq_url: str, bus_name: str) -> None:
    destination = rabbit(max_length=5)
    for start in range(0, 20, 5):
        await destination.deliver([delivery(n) for n in range(start, start + 5)])
    kept = [each.message_id for each in await take_all(rabbitmq_url, f"{bus_name}.care")]
    assert len(kept) <= 6 and kept[-1] == "event-19"


async def test_batch_publisher_fits_this_aiormq(rabbit: Open, rabbitmq_url: str) -> None:
    """The contract of the fast path: if it fails after an upgrade of aiormq, read `BatchPublisher` again."""
    assert importlib.metadata.version("aiormq") == "7.2.4"
    connection = await aiormq.connect(rabbitmq_url)
    try:
        channel = await connection.channel()
        assert BatchPublisher.fits(channel)
        assert not BatchPublisher.fits(object())
        publisher = BatchPublisher(channel, "amq.topic")
        assert await publisher.publish([delivery(n) for n in range(3)], 5) == [Outcome.RETURNED] * 3
        assert channel.delivery_tag == 3
        assert not channel.message_id_delivery_tag
        assert not [each for each in channel.confirmations.values() if not isinstance(each, asyncio.Future)]
    finally:
        await connection.close()


async def test_batch_publisher_takes_nacks_and_single_confirms(rabbitmq_url: str) -> None:
    connection = await aiormq.connect(rabbitmq_url)
    try:
        channel = await connection.channel()
        publisher = BatchPublisher(channel, "amq.topic")
        channel.write_queue = asyncio.Queue()  # nothing reaches the broker: its answers are given here
        task = asyncio.create_task(publisher.publish([delivery(n) for n in range(5)], 5))
        await asyncio.sleep(0)
        await channel._on_confirm_frame(commands.Basic.Ack(3))
        await channel._on_confirm_frame(commands.Basic.Ack(2, multiple=True))
        await channel._on_confirm_frame(commands.Basic.Nack(5, multiple=True))
        assert await task == [Outcome.CONFIRMED] * 3 + [Outcome.FAILED] * 2
    finally:
        await connection.close()


async def test_plain_publisher_is_used_when_asked(rabbit: Open) -> None:
    destination = rabbit(batched=False)
    await destination.deliver([delivery(1)])
    assert isinstance(destination._publisher, PlainPublisher)


@pytest.mark.parametrize("body", [b"", b"{}", b"x" * 1000])
def test_frames_equal_those_of_pamqp(body: bytes) -> None:
    each = delivery(4, body=body)
    properties = commands.Basic.Properties(
        content_type=each.content_type, headers=dict(each.headers), delivery_mode=2, message_id=each.id
    )
    expected = io.BytesIO()
    expected.write(pamqp.frame.marshal(commands.Basic.Publish(0, "bus", each.routing_key, True, False), 3))
    expected.write(pamqp.frame.marshal(ContentHeader(0, len(body), properties), 3))
    for start in range(0, len(body), 300):
        expected.write(pamqp.frame.marshal(ContentBody(body[start : start + 300]), 3))
    ours = publish_method(3, "bus", each.routing_key) + content_header(3, each) + b"".join(body_frames(3, body, 300))
    assert ours == expected.getvalue()
