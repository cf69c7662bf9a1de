"""Kills a gateway under CORE requests at random moments, then holds hospital, store and payer together."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from channels.core_answers import Outgoing
from channels.core_endpoint import CoreEndpoint, CoreEndpointSettings
from channels.core_partners import CorePartner
from channels.mllp_client import MllpClient
from gateway.payer.endpoint import AnyCaller, PayerDesk
from gateway.payer.scenario import Member, Scenario
from gateway.store.migrate import migrate
from parsers.core.envelope import Envelope
from parsers.core.payloads import BY_USE
from tests.support import hospital_messages
from tests.support.configuration import Ground, write_configuration
from tests.support.core_load import ENDPOINT, HospitalSystem, Written, post
from tests.support.evidence import Evidence
from tests.support.free_ports import free_ports
from tests.support.served_gateway import ServedGateway
from tests.support.waiting import until

SYSTEMS = 6
DRAIN_SECONDS = 60.0
_REFERENCE = re.compile(rb"~BHT\*0022\*13\*R(\d+)\*")
CLIENT = """relay = {{ "*" = "bigpayer" }}
relay_as = "gateway"
[[partner]]
name = "acme"
channel = "bigpayer"
id = "PAYER5"
own_id = "CCGW"
[[channel]]
name = "bigpayer"
kind = "core-client"
url = "http://127.0.0.1:{port}/core"
form = "mime"
sender_id = "BATON"
receiver_id = "PAYER"
default_facility = "general-hospital"
default_authority = "GENHOSP"
resend_seconds = 0.1
poll_seconds = 0.2
"""


class CountingPayer(PayerDesk):
    """The simulated payer, who notes under which PayloadIDs each document came to him."""

    def __init__(self) -> None:
        scenario = Scenario(default=Member(eligibility=("active",), authorization=("certified",)))
        super().__init__(scenario, datetime.now)
        self.came: dict[int, set[str]] = defaultdict(set)

    async def handle(self, partner: CorePartner, envelope: Envelope, peer: str) -> Outgoing:
        for number in _REFERENCE.findall(envelope.payload or b""):
            self.came[int(number)].add(envelope.get("PayloadID"))
        return await super().handle(partner, envelope, peer)


@dataclass(slots=True)
class CoreOutcome:
    """What a run came to.  `broken`: what does not add up, a sentence each."""

    seed: int
    kills: int = 0
    written: Written = field(default_factory=Written)
    broken: list[str] = field(default_factory=list)

    def report(self) -> str:
        return (
            f"seed {self.seed}: {self.kills} kills, {len(self.written.sent)} requests, {self.written.resent} sent "
            f"again; broken: {self.broken[:8] or 'nothing'}"
        )


class CoreKillRig:
    """Hospital -> gateway, under its own address -> simulated payer; in real time and in batches."""

    def __init__(self, ground: Ground, *, seed: int | None = None) -> None:
        self.outcome = CoreOutcome(random.SystemRandom().randrange(1 << 32) if seed is None else seed)
        self._random = random.Random(self.outcome.seed)
        self._ground = ground
        self._evidence = Evidence(ground.url)
        self.payer = CountingPayer()
        self._endpoint = CoreEndpoint(CoreEndpointSettings(name="payer"), self.payer, AnyCaller())

    async def run(self, kills: int) -> CoreOutcome:
        payer = await self._endpoint.start()
        port, *others = free_ports(4)
        more = ENDPOINT.format(port=port) + CLIENT.format(port=payer)
        config = write_configuration(self._ground, ports=(others[0], others[1], others[2]), more=more)
        gateway = ServedGateway(config)
        await asyncio.to_thread(migrate, self._ground.url)
        self._url = f"http://127.0.0.1:{port}/core"
        written = self.outcome.written
        systems = [HospitalSystem(self._url, 100_000_000 * (one + 1), written) for one in range(SYSTEMS)]
        tasks = [asyncio.create_task(system.run()) for system in systems]
        try:
            for number in range(kills):
                await gateway.start()
                if number == 0:  # who is asked about is known
                    async with asyncio.timeout(DRAIN_SECONDS):
                        await self._admit(others[0])
                before = len(written.answered)
                await until(lambda before=before: len(written.answered) >= before + 2 * SYSTEMS, DRAIN_SECONDS)  # type: ignore[misc]
                await asyncio.sleep(self._random.uniform(0.0, 0.2))
                gateway.kill()
                self.outcome.kills += 1
            await gateway.start()
            for system in systems:
                system.finish()
            async with asyncio.timeout(DRAIN_SECONDS):
                await asyncio.gather(*tasks)
            await until(self._nothing_pending, DRAIN_SECONDS, pause=0.1)
            await self._reconcile()
            assert await gateway.stop() == 0, gateway.tail()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            gateway.end()
            await self._endpoint.drain(2)
        return self.outcome

    @staticmethod
    async def _admit(port: int) -> None:
        client = MllpClient("127.0.0.1", port)
        reply = await client.send(hospital_messages.admit("100", "V100", datetime.now(UTC), "ADMIT"))
        assert reply.code == "AA"
        await client.close()

    async def _nothing_pending(self) -> bool:
        """Nothing waits to be worked on or sent, and every batch has its results."""
        open_ = "SELECT count(*) FROM exchange WHERE kind = 'submit' AND direction = 'out' AND confirmed_at IS NULL"
        return await self._evidence.unfinished() == 0 and (await self._evidence.rows(open_))[0][0] == 0

    # -- what must be true ---------------------------------------------------------------------------------------------

    async def _reconcile(self) -> None:
        written, broken = self.outcome.written, self.outcome.broken
        broken += written.odd
        await self._journal()
        answers = Counter(
            payload_id
            for (payload_id,) in await self._evidence.rows(
                "SELECT payload_id FROM exchange WHERE channel = 'core' AND kind IN ('submit', 'real-time')"
            )
        )
        async with httpx.AsyncClient(timeout=30) as client:
            for number, asked in written.sent.items():
                if answers[asked.payload_id] != 1:
                    broken.append(f"{number}: {answers[asked.payload_id]} exchanges")
                if len(self.payer.came[number]) != 1:
                    broken.append(f"{number}: came to the payer as {len(self.payer.came[number])} requests")
                if asked.mode == "RealTime":
                    await self._same_again(client, number)
                else:
                    await self._picked_up(client, number)

    async def _journal(self) -> None:
        """Every request once as new, its sets ended once; every answer of the payer too."""
        broken, sent = self.outcome.broken, self.outcome.written.sent
        first: Counter[bytes] = Counter()
        words: dict[int, list[str]] = defaultdict(list)
        for row, word in await self._evidence.rows("SELECT journal_id, word FROM item_end"):
            words[row].append(word)
        for journal_id, digest, original, channel in await self._evidence.rows(
            "SELECT journal_id, digest, duplicate_of, channel FROM journal"
        ):
            wanted = "duplicate" if original is not None else "processed"
            if words[journal_id] not in ([wanted], ["filtered"] if channel == "bigpayer" else [wanted]):
                broken.append(f"m-{journal_id} of {channel} ended as {words[journal_id]}")  # his 999 changes nothing
            if original is None and channel == "core":
                first[bytes(digest)] += 1
        broken += [f"{one.number}: stored {first[one.digest]} times" for one in sent.values() if first[one.digest] != 1]
        if len(first) != len(sent):
            broken.append(f"{len(first)} requests stored, {len(sent)} sent")

    async def _same_again(self, client: httpx.AsyncClient, number: int) -> None:
        """The same request gets the answer that it had, and that answer is to it."""
        asked, answer = self.outcome.written.sent[number], self.outcome.written.answered[number]
        again = await post(client, self._url, asked.fields, asked.document)
        document = _x12(answer)
        if document != _x12(again.content) or b"TRN*2*T%d*" % number not in document:
            self.outcome.broken.append(f"{number}: {document[:200]!r} and then {_x12(again.content)[:200]!r}")

    async def _picked_up(self, client: httpx.AsyncClient, number: int) -> None:
        """Acknowledgement and results of a batch are there, and are its own."""
        asked = self.outcome.written.sent[number]
        for use, wanted in (("retrieval:999", b"AK1*HS*%d*" % number), ("results:271", b"TRN*2*T%d*" % number)):
            fields = asked.fields | {"PayloadType": BY_USE[use]}
            answer = await post(client, self._url, fields, None)
            if wanted not in answer.content:
                self.outcome.broken.append(f"{number}: no {use}: {_x12(answer.content)[:200]!r}")


def _x12(content: bytes) -> bytes:
    return content[content.find(b"ISA*") : content.rfind(b"\r\n--")]
