"""Events as HL7 v2 for an MLLP sender: a message built from the event, or the message that the event came from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from channels.mllp_sender import MllpSender
from channels.ports import Delivery, Outcome
from gateway.store import forwarding
from gateway.store.core_store import CoreStore
from gateway.store.ports import OutboxItem
from mappings.outbound import Addresses, Person, build_message
from parsers.hl7v2.batch import split_batch
from parsers.hl7v2.header import scan_header

RESTRICTED = "restricted"
_REMEMBERED = 10_000  # messages that were forwarded, so that each goes out once for all of its events


def event_delivery(item: OutboxItem) -> Delivery:
    """An event for `EventMessages`."""
    return Delivery(
        item.event_id, item.key, item.routing_key, item.body, {RESTRICTED: RESTRICTED} if item.restricted else {}
    )


class EventMessages:
    """A destination in front of a sender.  An event for which there is no message is unrouted: kept, and counted.

    `original`: send the message that the event came from, once, instead of a built one.  `restricted`: events of
    protected patients may be sent; without that grant they are unrouted.
    """

    def __init__(
        self, sender: MllpSender, store: CoreStore, addresses: Addresses, *, original: bool, restricted: bool
    ) -> None:
        self._sender = sender
        self._store = store
        self._addresses = addresses
        self._original = original
        self._restricted = restricted
        self._forwarded: OrderedDict[str, None] = OrderedDict()

    @property
    def stopped(self) -> str:
        return self._sender.stopped

    @property
    def connected(self) -> int:
        return self._sender.connected

    def resume(self) -> None:
        self._sender.resume()

    async def close(self) -> None:
        await self._sender.close()

    async def deliver(self, batch: Sequence[Delivery]) -> list[Outcome]:
        events = [msgspec.json.decode(delivery.body)["data"] for delivery in batch]
        allowed = [self._restricted or RESTRICTED not in delivery.headers for delivery in batch]
        chosen = [event for event, may in zip(events, allowed, strict=True) if may]
        messages = await (self._originals(chosen) if self._original else self._built(chosen))
        outcomes = [Outcome.RETURNED] * len(batch)
        sent: dict[str, Delivery] = {}
        places: dict[str, list[int]] = {}
        for index, (delivery, event) in enumerate(zip(batch, events, strict=True)):
            message = messages.get(event["event_id"]) if allowed[index] else None
            if message is None:
                continue
            name = _origin(event) if self._original else delivery.id
            if name in self._forwarded:
                outcomes[index] = Outcome.CONFIRMED
                continue
            sent.setdefault(name, Delivery(name, delivery.key, "", message, {}))
            places.setdefault(name, []).append(index)
        found = await self._sender.deliver(list(sent.values())) if sent else []
        for name, outcome in zip(sent, found, strict=True):
            for index in places[name]:
                outcomes[index] = outcome
            if self._original and outcome is Outcome.CONFIRMED:
                self._remember(name)
        return outcomes

    async def _built(self, events: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
        ids = sorted({event["patient"]["id"] for event in events if event["patient"]["id"]})
        rows = await self._store.read(partial(forwarding.persons, patient_ids=ids))
        found: dict[str, bytes] = {}
        for event in events:
            made_at = datetime.fromisoformat(event["emitted_at"])
            person = _person(rows.get(event["patient"]["id"]), event)
            message = build_message(event, person, self._addresses, made_at) if person is not None else None
            if message is not None:
                found[event["event_id"]] = message
        return found

    async def _originals(self, events: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
        ids = {event["event_id"]: _journal_id(event) for event in events}
        bodies = await self._store.read(partial(forwarding.bodies, journal_ids=sorted(set(ids.values()))))
        found: dict[str, bytes] = {}
        for event in events:
            body = bodies.get(ids[event["event_id"]], b"")
            message = _message_of(body, event["source"]["control_id"]) if body else None
            if message is not None:
                found[event["event_id"]] = message
        return found

    def _remember(self, name: str) -> None:
        self._forwarded[name] = None
        if len(self._forwarded) > _REMEMBERED:
            self._forwarded.popitem(last=False)


def _origin(event: Mapping[str, Any]) -> str:
    return f"{event['source']['message_id']}/{event['source']['control_id']}"


def _journal_id(event: Mapping[str, Any]) -> int:
    """0: the event came from a timer or a person."""
    number = str(event["source"]["message_id"]).removeprefix("m-")
    return int(number) if number.isdigit() else 0


def _message_of(body: bytes, control_id: str) -> bytes | None:
    """The message of a batch that the event came from; X12 has none."""
    messages = split_batch(body).messages
    headers = [scan_header(message) for message in messages]
    if len(messages) == 1:
        return messages[0] if headers[0].readable else None
    wanted = control_id.encode()
    return next((one for one, header in zip(messages, headers, strict=True) if header.control_id == wanted), None)


def _person(row: Mapping[str, Any] | None, event: Mapping[str, Any]) -> Person | None:
    """Who the patient is now; what the event says of him when he is not known any more; None for nobody's event."""
    if row is not None:
        given = {name: row[name] for name in Person.__struct_fields__ if row.get(name)}
        return Person(**given)
    identifiers = event["patient"].get("identifiers") or ()
    return Person(authority=identifiers[0]["authority"], mrn=identifiers[0]["value"]) if identifiers else None
