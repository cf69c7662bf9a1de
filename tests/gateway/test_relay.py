from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import pytest

from channels.memory import MemoryDestination
from channels.ports import Delivery, DeliveryError, Outcome
from gateway.relay import Relay, RelayTimes, settled_outcomes, to_delivery
from gateway.store.ports import OutboxItem
from tests.gateway.fakes.outbox_store import OutboxStore

FAST = RelayTimes(batch=4, idle=0.01, first_retry=0.01, last_retry=0.02, delivery=0.2)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def test_relay_delivers_in_order_and_settles_after_the_confirm() -> None:
    store, destination = OutboxStore(*"abcabcabc"), MemoryDestination()
    relay = Relay(store, "bus", destination, times=FAST)
    relay.start()
    await until(lambda: not store.pending)
    await relay.stop()
    assert [each.id for each in destination.delivered] == [f"e{n}" for n in range(1, 10)]
    assert store.settled == [(n, "confirmed") for n in range(1, 10)]
    assert relay.settled == {"confirmed": 9}


async def test_relay_destination_away_keeps_everything_and_says_it_once(caplog: pytest.LogCaptureFixture) -> None:
    store, destination = OutboxStore(*"abc"), MemoryDestination()
    destination.away = True
    relay = Relay(store, "bus", destination, times=FAST)
    with caplog.at_level(logging.INFO, logger="gateway.relay"):
        relay.start()
        await asyncio.sleep(0.1)
        assert len(store.pending) == 3 and relay.trouble == "the destination is away"
        destination.away = False
        await until(lambda: not store.pending)
        await until(lambda: relay.trouble is None)
        await relay.stop()
    assert len(caplog.records) == 2


async def test_relay_store_away_between_confirm_and_settle_sends_again() -> None:
    store, destination = OutboxStore("a"), MemoryDestination()
    relay = Relay(store, "bus", destination, times=FAST)

    class Leaving(MemoryDestination):
        async def deliver(self, batch: Sequence[Delivery]) -> list[Outcome]:
            store.away = not self.delivered
            return await super().deliver(batch)

    destination = Leaving()
    relay = Relay(store, "bus", destination, times=FAST)
    relay.start()
    await until(lambda: relay.trouble is not None)
    store.away = False
    await until(lambda: not store.pending)
    await relay.stop()
    assert [each.id for each in destination.delivered] == ["e1", "e1"]


async def test_relay_failed_delivery_stops_its_key_only_and_keeps_its_order() -> None:
    store, destination = OutboxStore("a", "b", "a", "c"), MemoryDestination()
    destination.outcomes["e1"] = Outcome.FAILED
    relay = Relay(store, "bus", destination, times=FAST)
    relay.start()
    await until(lambda: len(store.settled) == 2)
    store.add("d")
    relay.wake()
    await until(lambda: len(store.settled) == 3)
    assert [item.sequence for item in store.pending.values()] == [1, 3]
    del destination.outcomes["e1"]
    await until(lambda: not store.pending)
    await relay.stop()
    assert [sequence for sequence, _ in store.settled] == [2, 4, 5, 1, 3]
    assert [each.id for each in destination.delivered if each.key == "a"][-2:] == ["e1", "e3"]


async def test_relay_stopped_keys_do_not_hold_up_the_others() -> None:
    store, destination = OutboxStore(*["a"] * 10), MemoryDestination()
    destination.outcomes = {f"e{n}": Outcome.FAILED for n in range(1, 11)}
    for _ in range(3):
        store.add("b")
    relay = Relay(store, "bus", destination, times=FAST)
    relay.start()
    await until(lambda: len(store.settled) == 3)
    await relay.stop()
    assert len(store.pending) == 10


async def test_relay_key_that_is_not_taken_is_named_once_while_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    store, destination = OutboxStore("a"), MemoryDestination()
    destination.outcomes["e1"] = Outcome.FAILED
    relay = Relay(store, "bus", destination, times=RelayTimes(first_retry=30, last_retry=30))
    relay.start()
    for n in range(1, 4):
        store.add("b")
        relay.wake()
        await until(lambda n=n: len(store.settled) == n)  # type: ignore[misc]
    await relay.stop()
    assert len(caplog.records) == 1


async def test_relay_returned_and_refused_leave_the_outbox_under_their_own_words() -> None:
    store, destination = OutboxStore("a", "a", "a"), MemoryDestination()
    destination.outcomes |= {"e1": Outcome.RETURNED, "e2": Outcome.REFUSED}
    assert await Relay(store, "bus", destination, times=FAST).deliver_once() == 3
    assert store.settled == [(1, "unrouted"), (2, "parked"), (3, "confirmed")]


async def test_relay_destination_that_hangs_is_given_up() -> None:
    class Hanging(MemoryDestination):
        async def deliver(self, batch: Sequence[Delivery]) -> list[Outcome]:
            await asyncio.Event().wait()
            return []

    store = OutboxStore("a")
    with pytest.raises(DeliveryError):
        await Relay(store, "bus", Hanging(), times=FAST).deliver_once()
    assert store.pending


async def test_relay_fault_of_a_destination_does_not_end_it() -> None:
    class Faulty(MemoryDestination):
        async def deliver(self, batch: Sequence[Delivery]) -> list[Outcome]:
            if not self.outcomes:
                self.outcomes["seen"] = Outcome.CONFIRMED
                raise ZeroDivisionError
            return await super().deliver(batch)

    store = OutboxStore("a")
    relay = Relay(store, "bus", Faulty(), times=FAST)
    relay.start()
    await until(lambda: not store.pending)
    await relay.stop()


async def test_relay_stop_while_backing_off_is_prompt() -> None:
    destination = MemoryDestination()
    destination.away = True
    relay = Relay(OutboxStore("a"), "bus", destination, times=RelayTimes(first_retry=60))
    relay.start()
    await until(lambda: relay.trouble is not None)
    async with asyncio.timeout(1.5):
        await relay.stop()


def test_settled_outcomes_hold_a_key_from_its_first_failure() -> None:
    items = list(OutboxStore("a", "b", "a", "b").pending.values())
    outcomes = [Outcome.CONFIRMED, Outcome.FAILED, Outcome.CONFIRMED, Outcome.CONFIRMED]
    assert settled_outcomes(items, outcomes) == [(1, "confirmed"), (3, "confirmed")]


def test_delivery_headers_are_ids_and_fixed_words() -> None:
    item = next(iter(OutboxStore("patient-1").pending.values()))
    delivery = to_delivery(item)
    assert delivery.headers == {"type": "adt.admitted", "facility": "general", "partitionkey": "patient-1"}
    assert (delivery.id, delivery.content_type) == ("e1", "application/cloudevents+json")


def test_delivery_of_a_reply_is_a_file_with_a_name_of_ours() -> None:
    reply = OutboxItem(
        sink="x12",
        sequence=7,
        event_id="r-7",
        key="PAYER1",
        routing_key="",
        type="TA1",
        facility_id="main",
        body=b"ISA",
    )
    assert to_delivery(reply).id == "ta1-r-7.x12"


async def test_relay_paused_keeps_its_rows_until_it_is_resumed() -> None:
    store, destination = OutboxStore(*"ab"), MemoryDestination()
    relay = Relay(store, "bus", destination, times=FAST)
    relay.pause()
    relay.start()
    relay.wake()
    await asyncio.sleep(0.05)
    assert not destination.delivered and len(store.pending) == 2
    relay.resume()
    await until(lambda: not store.pending)
    await relay.stop()
    assert [each.id for each in destination.delivered] == ["e1", "e2"]


async def test_relay_drain_delivers_what_is_pending_then_pauses() -> None:
    store, destination = OutboxStore(*"abcdefgh"), MemoryDestination()
    relay = Relay(store, "down", destination, times=FAST)
    relay.pause()
    relay.start()
    relay.drain()
    assert not relay.paused
    await until(lambda: relay.paused)
    assert len(destination.delivered) == 8 and not store.pending
    await relay.stop()


async def test_relay_resume_lets_a_destination_that_stopped_itself_go_on() -> None:
    class Stopping(MemoryDestination):
        stopped = "an answer stops it"

        def resume(self) -> None:
            self.stopped = ""

        async def deliver(self, batch: Sequence[Delivery]) -> list[Outcome]:
            if self.stopped:
                raise DeliveryError(self.stopped)
            return await super().deliver(batch)

    store, destination = OutboxStore(*"ab"), Stopping()
    relay = Relay(store, "down", destination, times=FAST)
    relay.start()
    await until(lambda: relay.trouble is not None)
    assert relay.stopped == "an answer stops it" and not destination.delivered
    relay.resume()
    await until(lambda: not store.pending)
    assert relay.stopped == ""
    await relay.stop()
