"""The bus of the settings: its exchange, and beside it one for the queues that may see restricted patients in full.

Without a granted queue there is one sink and one exchange.  With one, every event is published twice: in the form for
everybody on `exchange`, and in full on `<exchange>.granted`, to which the granted queues are bound instead.
"""

from __future__ import annotations

from channels.ports import Destination
from channels.rabbitmq import Queue, RabbitDestination, RabbitSettings
from gateway.settings import Settings
from gateway.store.opening import BUS_GRANTED


def bus_destinations(settings: Settings) -> dict[str, Destination]:
    """Sink -> where it is published; empty without RabbitMQ."""
    bus = settings.bus
    if not bus.url:
        return {}
    made: dict[str, Destination] = {}
    for sink, exchange, granted in (("bus", bus.exchange, False), (BUS_GRANTED, f"{bus.exchange}.granted", True)):
        queues = tuple(Queue(q.name, q.bindings, q.max_length) for q in bus.queue if q.restricted == granted)
        if queues or not granted:
            made[sink] = RabbitDestination(
                RabbitSettings(bus.url, exchange, queues, publish_timeout=bus.publish_timeout)
            )
    return made
