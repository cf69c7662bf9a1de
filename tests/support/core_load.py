"""A hospital's system that calls a CORE endpoint and writes down what it sent and what was answered."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

import httpx

from channels.core_partners import hash_password
from tests.parsers.core.core_messages import FIELDS, mime

HASH = hash_password("secret", b"0123456789abcdef")
TYPE = {"Content-Type": "multipart/form-data; boundary=XbX"}
ENDPOINT = f"""
[[channel]]
name = "core"
kind = "core-endpoint"
port = {{port}}
default_facility = "general-hospital"
default_authority = "GENHOSP"
answer_seconds = 10
[[channel.partner]]
name = "hospital"
user = "baton"
password_hash = "{HASH}"
"""


def inquiry(number: int, member: str = "MBR100") -> bytes:
    """A sound 270 about one patient; `number` (nine digits) is ISA13 and GS06, and is in BHT03 and TRN02."""
    body = (
        f"ST*270*0001*005010X279A1~BHT*0022*13*R{number}*20260302*0930~HL*1**20*1~NM1*PR*2*ACME HEALTH*****PI*PAYER5~"
        "HL*2*1*21*1~NM1*1P*2*GENERAL HOSPITAL*****XX*1234567893~HL*3*2*22*0~"
        f"TRN*1*T{number}*9HOSPITAL1~NM1*IL*1*SAMPLE*PAT****MI*{member}~DMG*D8*19520419*F~DTP*291*D8*20260302~EQ*30~"
    )
    return (
        "ISA*00*          *00*          *ZZ*HOSPITAL       *ZZ*PAYER          *260302*0930*^*00501*"
        f"{number:09d}*0*P*:~GS*HS*HOSPITAL*PAYER*20260302*0930*{number}*X*005010X279A1~"
        f"{body}SE*{body.count('~') + 1}*0001~GE*1*{number}~IEA*1*{number:09d}~"
    ).encode()


@dataclass(frozen=True, slots=True)
class Asked:
    """One request.  mode: RealTime | Batch."""

    number: int
    mode: str
    document: bytes

    @property
    def payload_id(self) -> str:
        return str(UUID(int=self.number))

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.document).digest()

    @property
    def fields(self) -> dict[str, str]:
        return {**FIELDS, "ProcessingMode": self.mode, "PayloadID": self.payload_id}


@dataclass(slots=True)
class Written:
    """What left, and the answers by number."""

    sent: dict[int, Asked] = field(default_factory=dict)
    answered: dict[int, bytes] = field(default_factory=dict)
    resent: int = 0
    odd: list[str] = field(default_factory=list)  # answers that are neither a success nor our own outage


class HospitalSystem:
    """Sends one request after the other, every second one a batch, each again until it is answered."""

    def __init__(self, url: str, first: int, written: Written) -> None:
        self._url = url
        self._numbers: Iterator[int] = iter(range(first, first + 1_000_000))
        self._written = written
        self._finishing = False

    def finish(self) -> None:
        """Send nothing new."""
        self._finishing = True

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            while not self._finishing:
                number = next(self._numbers)
                asked = Asked(number, ("RealTime", "Batch")[number % 2], inquiry(number))
                self._written.sent[number] = asked
                await self._until_answered(client, asked)

    async def _until_answered(self, client: httpx.AsyncClient, asked: Asked) -> None:
        while True:
            try:
                answer = await post(client, self._url, asked.fields, asked.document)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 200:
                if b"\r\n\r\nSuccess\r\n" not in answer.content:
                    self._written.odd.append(f"{asked.number}: {answer.content[-300:]!r}")
                self._written.answered[asked.number] = answer.content
                return
            if answer is not None and answer.status_code != 503:
                self._written.odd.append(f"{asked.number}: HTTP {answer.status_code}")
            self._written.resent += 1
            await asyncio.sleep(0.1)


async def post(client: httpx.AsyncClient, url: str, fields: dict[str, str], document: bytes | None) -> httpx.Response:
    """One request in the MIME form."""
    return await client.post(url, content=mime(fields, document), headers=TYPE)
