"""The simulated payer behind a CORE endpoint: real time and batch, on loopback, for whoever calls."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from channels.core_answers import Outgoing, Unavailable
from channels.core_endpoint import CoreEndpoint, CoreEndpointSettings
from channels.core_partners import CorePartner
from gateway.payer.scenario import Scenario
from gateway.payer.simulator import Answer, SimulatedPayer
from parsers.core.checking import EnvelopeError
from parsers.core.envelope import ACK_RETRIEVAL, REAL_TIME, RESULTS_RETRIEVAL, SUBMIT, Envelope
from parsers.core.payloads import kind_of, use_of_document, value_of

_KEPT = 1000  # submissions whose answers are remembered
_ACKNOWLEDGEMENTS = ("TA1", "999")


@dataclass(slots=True)
class _Batch:
    acknowledgements: bytes
    results: list[tuple[float, bytes]] = field(default_factory=list)  # due, on the loop's clock


class AnyCaller:
    """Lets everybody in: what is simulated is no secret."""

    async def recognise(self, user: str, password: str, certificate: frozenset[str]) -> CorePartner | None:
        return CorePartner(name="caller")


class PayerDesk:
    """Answers by a scenario.  `silent` in real time: no answer within a minute, then 503."""

    def __init__(self, scenario: Scenario, clock: Callable[[], datetime]) -> None:
        """`clock` gives local time."""
        self.answered = 0
        self._payer = SimulatedPayer(scenario)
        self._clock = clock
        self._batches: dict[str, _Batch] = {}

    def now(self) -> datetime:
        return self._clock()

    async def handle(self, partner: CorePartner, envelope: Envelope, peer: str) -> Outgoing:
        kind = kind_of(envelope)
        payload_id = envelope.get("PayloadID").lower()
        if kind is REAL_TIME:
            return await self._at_once(envelope.payload or b"")
        if kind is SUBMIT:
            self._take(payload_id, envelope.payload or b"")
            return Outgoing(payload_type=value_of("receipt"))
        if kind is ACK_RETRIEVAL:
            batch = self._batches.get(payload_id)
            if batch is None or not batch.acknowledgements:
                return Outgoing(payload_type=value_of("none:ack"))
            return Outgoing(payload_type=value_of("999"), payload=batch.acknowledgements)
        if kind is RESULTS_RETRIEVAL:
            return self._results(payload_id, envelope.get("PayloadType"))
        return Outgoing(payload_type=value_of("confirmed"))

    async def refuse(self, partner: CorePartner, envelope: Envelope, error: EnvelopeError) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing is open."""

    async def _at_once(self, document: bytes) -> Outgoing:
        answers = self._payer.answer(document, self._clock(), "real-time")
        if not answers:
            await asyncio.sleep(60)
            raise Unavailable
        first = next((each for each in answers if each.kind not in _ACKNOWLEDGEMENTS), answers[0])
        await asyncio.sleep(first.delay)
        self.answered += 1
        use = use_of_document(first.body) or "999"
        return Outgoing(payload_type=value_of(use), payload=first.body)

    def _take(self, payload_id: str, document: bytes) -> None:
        if payload_id in self._batches:
            return
        now = asyncio.get_running_loop().time()
        answers = self._payer.answer(document, self._clock(), "batch")
        made = _Batch(_joined([each for each in answers if each.kind in _ACKNOWLEDGEMENTS]))
        made.results = [(now + each.delay, each.body) for each in answers if each.kind not in _ACKNOWLEDGEMENTS]
        self._batches[payload_id] = made
        if len(self._batches) > _KEPT:
            del self._batches[next(iter(self._batches))]

    def _results(self, payload_id: str, payload_type: str) -> Outgoing:
        """Everything of a batch in one, once all of it is due."""
        batch = self._batches.get(payload_id)
        now = asyncio.get_running_loop().time()
        if batch is None or not batch.results or max(due for due, _ in batch.results) > now:
            return Outgoing(payload_type=value_of("none:results"))
        self.answered += len(batch.results)
        return Outgoing(payload_type=payload_type, payload=b"".join(body for _, body in batch.results))


def _joined(answers: list[Answer]) -> bytes:
    return b"".join(each.body for each in answers)


def open_payer(scenario: Scenario, port: int, clock: Callable[[], datetime]) -> tuple[CoreEndpoint, PayerDesk]:
    """An endpoint on loopback, not listening yet."""
    desk = PayerDesk(scenario, clock)
    return CoreEndpoint(CoreEndpointSettings(name="payer", port=port), desk, AnyCaller()), desk


async def serve(scenario: Scenario, port: int, clock: Callable[[], datetime], started: Callable[[int], None]) -> int:
    """Answer until a signal; how many answers were given.  OSError when the port cannot be had."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    endpoint, desk = open_payer(scenario, port, clock)
    started(await endpoint.start())
    await stop.wait()
    await endpoint.drain(2)
    return desk.answered
