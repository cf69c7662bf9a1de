"""HL7 v2 over MLLP: we connect, and send what a relay hands us.

One message at a time on each connection.  Its answer is the one whose MSA-2 is its MSH-10, on that connection only; a
connection whose answer did not come in time is closed before anything is sent again.  What the answer's code means is
a table.  Messages of one key go out in order, over one connection, and never past one that was not taken.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from zlib import crc32

from channels.mllp_client import Closed, MllpClient, NoAnswer, PeerLost, Reply
from channels.ports import Delivery, DeliveryError, Outcome
from channels.tls import Tls
from parsers.hl7v2.batch import split_batch
from parsers.hl7v2.forwarding import expects_accept, without_conditions
from parsers.hl7v2.header import scan_header

Action = Literal["ok", "retry", "fail", "stop"]
NO_ANSWER = "none"
ACTIONS: dict[str, Action] = {
    "AA": "ok",
    "CA": "ok",
    "AE": "fail",  # the content is at fault: it will be so again
    "CE": "fail",
    "AR": "retry",  # the receiver's state, or a header that a person there must allow
    "CR": "fail",
    NO_ANSWER: "retry",
}
"""What to do by MSA-1; "none" when no answer came, or one without a code of this table."""

_FIRST_REST, _LONGEST_REST = 1.0, 60.0


@dataclass(slots=True, frozen=True)
class MllpSenderSettings:
    """Where to, and how to take answers.  Times in seconds."""

    host: str
    port: int
    timeout: float = 30.0
    connections: int = 1  # keys are spread over them
    actions: Mapping[str, Action] = field(default_factory=lambda: ACTIONS)
    attempts: int = 0  # answers that mean "retry" after which a message counts as failed; 0: no limit
    match: bool = True  # False for a peer that does not repeat MSH-10 in MSA-2
    original: bool = True  # ask for one answer in original mode, whatever the message asked its receiver for
    server_name: str = ""


@dataclass(slots=True)
class _Rest:
    """A key that is left alone for a while after it was not taken."""

    until: float
    seconds: float


class MllpSender:
    """A destination.  `stopped` says why it sends nothing until `resume`; `answers` counts codes; `lost` counts
    connections that ended without an answer."""

    def __init__(self, settings: MllpSenderSettings, tls: Tls | None = None) -> None:
        self.settings = settings
        self.stopped = ""
        self.answers: Counter[str] = Counter()
        self.lost = 0
        self._clients = [
            MllpClient(
                settings.host, settings.port, timeout=settings.timeout, tls=tls, server_name=settings.server_name
            )
            for _ in range(settings.connections)
        ]
        self._resting: dict[str, _Rest] = {}
        self._attempts: Counter[str] = Counter()
        self._sent: dict[str, int] = {}  # of a batch: messages of a delivery that were taken

    @property
    def connected(self) -> int:
        return sum(client.connected for client in self._clients)

    @property
    def unexpected(self) -> int:
        """Answers that were for no message then waiting."""
        return sum(client.unexpected for client in self._clients)

    def resume(self) -> None:
        """Send again, and try at once what rested."""
        self.stopped = ""
        self._resting.clear()

    async def deliver(self, batch: Sequence[Delivery]) -> list[Outcome]:
        if self.stopped:
            raise DeliveryError(self.stopped)
        outcomes = [Outcome.FAILED] * len(batch)
        lines: dict[int, list[int]] = {}
        for index, delivery in enumerate(batch):
            lines.setdefault(crc32(delivery.key.encode()) % len(self._clients), []).append(index)
        problems = await asyncio.gather(
            *(self._send_line(self._clients[line], indexes, batch, outcomes) for line, indexes in lines.items())
        )
        problem = next((one for one in problems if one), self.stopped)
        if problem and all(outcome is Outcome.FAILED for outcome in outcomes):
            raise DeliveryError(problem)
        return outcomes

    async def close(self) -> None:
        await asyncio.gather(*(client.close() for client in self._clients))

    async def _send_line(
        self, client: MllpClient, indexes: Sequence[int], batch: Sequence[Delivery], outcomes: list[Outcome]
    ) -> str:
        """Send over one connection, in order; why it had to end, or "".  What was not sent stays FAILED."""
        held: set[str] = set()
        for index in indexes:
            delivery = batch[index]
            if self.stopped:
                return self.stopped
            if delivery.key in held or self._rests(delivery.key):
                held.add(delivery.key)
                continue
            try:
                outcomes[index] = await self._send(client, delivery)
            except PeerLost as problem:
                return str(problem)
            if outcomes[index] is Outcome.FAILED:
                held.add(delivery.key)
        return ""

    def _rests(self, key: str) -> bool:
        rest = self._resting.get(key)
        return rest is not None and asyncio.get_running_loop().time() < rest.until

    async def _send(self, client: MllpClient, delivery: Delivery) -> Outcome:
        """One delivery: its message, or those of its batch one by one.  Raises PeerLost when it is to be sent again
        over a new connection."""
        if not delivery.body:
            return Outcome.REFUSED  # retention removed it
        messages = split_batch(delivery.body).messages or [delivery.body]
        for number in range(self._sent.get(delivery.id, 0), len(messages)):
            action = await self._exchange(client, messages[number])
            if action != "ok":
                return self._not_taken(delivery, action)
            self._sent[delivery.id] = number + 1
        self._forget(delivery)
        return Outcome.CONFIRMED

    async def _exchange(self, client: MllpClient, message: bytes) -> Action:
        settings = self.settings
        sent = without_conditions(message) if settings.original else message
        header = scan_header(sent)
        if not settings.original and not expects_accept(header):
            await client.tell(sent)
            return "ok"
        expected = header.control_id if settings.match else b""
        reused = client.connected
        try:
            try:
                reply = await client.exchange(sent, expected)
            except Closed:
                if not reused:
                    raise
                reply = await client.exchange(sent, expected)  # it was closing while we wrote: peers that do each time
        except NoAnswer:
            self.lost += 1
            action = settings.actions.get(NO_ANSWER, "retry")
            if action == "retry":
                raise
            return action
        return self._action(reply)

    def _action(self, reply: Reply) -> Action:
        code = reply.code if reply.code in ACTIONS else NO_ANSWER
        self.answers[code] += 1
        return self.settings.actions.get(code, "retry")

    def _not_taken(self, delivery: Delivery, action: Action) -> Outcome:
        if action == "stop":
            self.stopped = "an answer of the peer stops this channel"
            return Outcome.FAILED
        self._attempts[delivery.id] += 1
        if action == "fail" or 0 < self.settings.attempts <= self._attempts[delivery.id]:
            self._forget(delivery)
            return Outcome.REFUSED
        before = self._resting.get(delivery.key)
        seconds = min(before.seconds * 2 if before else _FIRST_REST, _LONGEST_REST)
        now = asyncio.get_running_loop().time()
        self._resting[delivery.key] = _Rest(now + seconds * random.uniform(0.75, 1.25), seconds)  # noqa: S311
        return Outcome.FAILED

    def _forget(self, delivery: Delivery) -> None:
        self._attempts.pop(delivery.id, None)
        self._resting.pop(delivery.key, None)
        self._sent.pop(delivery.id, None)
