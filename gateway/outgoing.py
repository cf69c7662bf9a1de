"""In which form an event leaves for one taker (decision 24): full, reference, or minimal when it is restricted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from channels.ports import Delivery
from gateway.envelope import to_minimal, to_reference
from gateway.relay import to_delivery
from gateway.store.ports import OutboxItem

Render = Callable[[OutboxItem], Delivery]


def renderer(payload: str, *, restricted: bool) -> Render:
    """`payload`: full or reference.  `restricted`: the taker may see what restricted events say; without that grant it
    gets their minimal form, and outside the body nothing that joins them to a patient."""

    def render(item: OutboxItem) -> Delivery:
        delivery = to_delivery(item)
        if not item.routing_key:
            return delivery
        if item.restricted and not restricted:
            headers = delivery.headers | {"partitionkey": item.event_id}
            return replace(delivery, body=to_minimal(item.body), headers=headers)
        return replace(delivery, body=to_reference(item.body)) if payload == "reference" else delivery

    return render
