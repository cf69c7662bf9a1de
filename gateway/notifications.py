"""A webhook that is sent FHIR notifications: each admission and discharge as a message Bundle (Da Vinci).

The Bundle shows the stay and the patient as they are known when it is sent.  A restricted patient's notification goes
to a taker with the grant; without it there is no minimal form of a FHIR message, so the delivery ends `unrouted`: it is
counted, and can be published again once the grant is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from channels.ports import Delivery, Destination, Outcome, Result
from gateway.store.core_store import CoreStore
from gateway.store.resources import Wanted, identifiers_of, locations_of, resource, resources
from mappings.fhir import patient, payer
from mappings.fhir.notification import EVENTS, message

SOURCE = "urn:baton:gateway"
_MOST_COVERAGES = 20


class NotificationDestination:
    """Renders each delivery for `inner`, which sends it to `endpoint`."""

    def __init__(self, store: CoreStore, inner: Destination, endpoint: str) -> None:
        self._store = store
        self._inner = inner
        self._endpoint = endpoint

    async def deliver(self, batch: Sequence[Delivery]) -> list[Result]:
        """As `inner`; what cannot be shown to it is RETURNED.  Raises DeliveryError and StoreUnavailable."""
        bodies = [await self._body(delivery) for delivery in batch]
        shown = [
            replace(delivery, body=body, content_type="application/fhir+json")
            for delivery, body in zip(batch, bodies, strict=True)
            if body is not None
        ]
        taken = iter(await self._inner.deliver(shown) if shown else [])
        return [Outcome.RETURNED if body is None else next(taken) for body in bodies]

    async def close(self) -> None:
        await self._inner.close()

    async def _body(self, delivery: Delivery) -> bytes | None:
        event = msgspec.json.decode(delivery.body)
        data = event["data"]
        if "patient" not in data or event["type"] not in EVENTS:
            return None
        stay = await resource(self._store, None, "Encounter", data["aggregate"]["id"])
        who = await resource(self._store, None, "Patient", stay["patient_id"]) if stay else None
        if stay is None or who is None:
            return None
        places = await locations_of(self._store, [stay["encounter_id"]])
        names = await identifiers_of(self._store, [who["patient_id"]])
        wanted = Wanted(equal=(("patient_id", (who["patient_id"],)), ("active", (True,))))
        insured, _ = await resources(self._store, None, "Coverage", wanted, None, _MOST_COVERAGES)
        bundle = message(
            {"id": event["id"], "type": event["type"], "at": data["emitted_at"]},
            patient.encounter(stay, places.get(stay["encounter_id"], ())),
            patient.patient(who, names.get(who["patient_id"], ())),
            [payer.coverage(row) for row in insured],
            source=SOURCE,
            destination=self._endpoint,
        )
        return msgspec.json.encode(bundle)
